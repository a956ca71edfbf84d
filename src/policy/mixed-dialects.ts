import { ENGINE_NAMES, semanticsOf, whyIgnored } from './engine.ts';
import type { PolicyModel } from './model.ts';

/**
 * What to know of every answer about a target whose engine isn't known, where no engine enforces all of its policies: in
 * words, undefined where one does. Staged policies don't count, for none does.
 */
export function mixedDialects({ engine, policies }: Pick<PolicyModel, 'engine' | 'policies'>): string | undefined {
  if (engine.name !== 'unknown') return undefined;
  const acting = policies.filter(({ inert }) => inert === undefined);
  const engines = ENGINE_NAMES.map((name) => {
    const read = acting.filter((policy) => whyIgnored(policy, { name, evidence: [] }) === undefined);
    return { name, title: semanticsOf({ name }).title, count: read.length };
  }).sort((a, b) => b.count - a.count);
  const [best, ...others] = engines;
  if (!best || best.count === acting.length) return undefined;
  // Those that read nothing but NetworkPolicies aren't meant.
  const least = Math.min(...others.map(({ count }) => count));
  const shown = engines.filter(({ count }) => count > least).map(({ title, count }) => `${title} ${count}`);
  return (
    `What enforces policies at the target is not known, and nothing enforces all ${acting.length} of its policies ` +
    `(${shown.join(', ')}): each is taken at the word of its own engine, as if it counted. ` +
    `Name the engine, for instance with --engine ${best.name}.`
  );
}
