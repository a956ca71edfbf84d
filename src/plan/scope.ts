import { inputError } from '../host/errors.ts';
import { matchesLabels, NAMESPACE_NAME_LABEL } from '../policy/select.ts';
import { type Settings, SYSTEM_NAMESPACES } from '../settings.ts';
import { LABEL } from '../snapshot/api-rules.ts';
import type { NamespaceFacts, Snapshot } from '../snapshot/model.ts';
import { networkPolicies } from '../snapshot/policy-object.ts';
import { globMatcher } from './glob.ts';
import { mentionsOf } from './mentions.ts';
import type { ScopedTarget } from './model.ts';
import { keysOf, namespaceSelectors } from './peers.ts';
import { renameNamespaces, renamer } from './rename.ts';

export type Scope = Pick<Settings, 'namespaces' | 'excludeNamespaces' | 'namespaceMap' | 'namespacePrefix'>;

/**
 * Cuts a target down to the chosen namespaces and puts it in local names. A namespace that the rules of their policies
 * mention (by a selector that isn't empty) stays as a peer without policies; a system namespace then keeps only the
 * label keys that selectors use, and none of its workloads. Chosen by its exact name, a namespace is in, whatever
 * pattern excludes it. Under a prefix what is left out keeps its name: it is the cluster's own, for all who share it. Pure. Throws
 * `input` where nothing matches the chosen names, one is chosen and excluded, the map merges namespaces, or a name can't be one.
 */
export function scopeTarget(snapshot: Snapshot, scope: Scope): ScopedTarget {
  const namespaces = allNamespaces(snapshot);
  refuseContradiction(scope);
  const { chosen, system } = choose(namespaces, scope);
  const inScope = snapshot.policies.filter(({ metadata: { namespace } }) => !namespace || chosen.has(namespace));
  const selectors = networkPolicies(inScope).flatMap((policy) =>
    namespaceSelectors(policy).map(({ selector }) => selector),
  );
  const mentions = mentionsOf({ ...snapshot, policies: inScope, namespaces });
  const peers = namespaces.filter(
    (facts) =>
      !chosen.has(facts.name) &&
      (mentions.includes(facts) || selectors.some((selector) => matchesLabels(selector, facts.labels))),
  );
  const used = new Set([NAMESPACE_NAME_LABEL, ...selectors.flatMap(keysOf), ...mentions.keys]);
  const peerNames = new Set(peers.map(({ name }) => name));
  const lives = ({ namespace }: { readonly namespace: string }) =>
    chosen.has(namespace) || (peerNames.has(namespace) && !system.has(namespace));
  const excluded = globMatcher(scope.excludeNamespaces);
  const rename = renamer(scope, (name) => system.has(name) || (!chosen.has(name) && excluded(name)));
  refuseOddMap(namespaces, scope);
  refuseOddNames(namespaces, scope, rename);
  const whole = renameNamespaces({ ...snapshot, namespaces }, rename);
  return renameNamespaces(
    {
      ...snapshot,
      whole,
      prefix: scope.namespacePrefix,
      localNames: new Map(namespaces.map(({ name }) => [name, rename(name)])),
      namespaces: namespaces
        .filter(({ name }) => chosen.has(name) || peerNames.has(name))
        .map((facts) => (system.has(facts.name) ? { ...facts, labels: pick(facts.labels, used) } : facts)),
      policies: inScope,
      workloads: snapshot.workloads.filter(lives),
      services: snapshot.services.filter(lives),
      peers: peers.map(({ name }) => rename(name)),
      pruneIn:
        scope.namespaces.length === 0
          ? ['*']
          : [...new Set([...scope.namespaces.map((glob) => scope.namespacePrefix + glob), ...[...chosen].map(rename)])],
      leftOut: leftOut(snapshot, namespaces, chosen, system, peerNames),
    },
    rename,
  );
}

/** With those that only a policy or a workload mentions (manifests), and with the label that the API server adds. */
function allNamespaces(snapshot: Snapshot): NamespaceFacts[] {
  const labels = new Map(snapshot.namespaces.map((facts) => [facts.name, facts.labels]));
  const mentioned = [
    ...snapshot.policies.flatMap(({ metadata }) => metadata.namespace ?? []),
    ...snapshot.workloads.map(({ namespace }) => namespace),
  ];
  for (const name of mentioned) if (!labels.has(name)) labels.set(name, {});
  return [...labels]
    .map(([name, own]) => ({ name, labels: { ...own, [NAMESPACE_NAME_LABEL]: name } }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** System namespaces are excluded by nobody in particular. */
function refuseContradiction({ namespaces, excludeNamespaces }: Scope): void {
  const system = new Set<string>(SYSTEM_NAMESPACES);
  const both = namespaces.find((name) => excludeNamespaces.includes(name) && !system.has(name));
  if (both === undefined) return;
  throw inputError(`Namespace ${both} is both chosen and excluded`, {
    action: 'Name it once: in "--namespace" or in "--exclude".',
  });
}

function choose(namespaces: readonly NamespaceFacts[], scope: Scope): { chosen: Set<string>; system: Set<string> } {
  const wanted = globMatcher(scope.namespaces.length > 0 ? scope.namespaces : ['*']);
  const excluded = globMatcher(scope.excludeNamespaces);
  const byName = new Set(scope.namespaces);
  const chosen = new Set<string>();
  const system = new Set<string>();
  for (const { name, labels } of namespaces) {
    if (!byName.has(name) && (excluded(name) || Object.hasOwn(labels, 'control-plane'))) system.add(name);
    else if (wanted(name)) chosen.add(name);
  }
  if (scope.namespaces.length > 0 && chosen.size === 0) {
    throw inputError(`No namespace of the target matches ${scope.namespaces.join(', ')}`, {
      action: `It has ${namespaces.map(({ name }) => name).join(', ') || 'none'}.`,
    });
  }
  return { chosen, system };
}

/** A prefix ends in a dash, so that it can be told where it ends; without that it is a label of our marks' domain. */
const PREFIX = /^[a-z]([-a-z0-9]{0,28}[a-z0-9])?-$/;

function refuseOddNames(namespaces: readonly NamespaceFacts[], scope: Scope, rename: (name: string) => string): void {
  const { namespacePrefix: prefix } = scope;
  if (prefix !== '' && !PREFIX.test(prefix)) {
    throw inputError(`"${prefix}" can't be a prefix of namespaces`, {
      action: 'Use up to 30 of a-z, 0-9 and "-", a letter first and one "-" at the end: dev1-',
    });
  }
  const excluded = globMatcher(scope.excludeNamespaces);
  for (const { name } of namespaces) {
    const local = rename(name);
    if (local === name) continue;
    if (excluded(local)) {
      const what = prefix === '' ? 'The namespace map' : `The prefix ${prefix}`;
      throw inputError(`${what} puts ${name} into ${local}, a namespace that is left out of a mirror`, {
        action: 'Map it to a namespace of your own.',
      });
    }
    if (!LABEL.test(local)) {
      throw inputError(`${local}, for the target's ${name}, can't be a namespace's name: it is longer than 63`, {
        action: 'Use a shorter prefix, or map the namespace to a shorter name (--map TARGET=LOCAL).',
      });
    }
  }
}

/** A typo in the map must not pass for a mirror under the target's own names. */
function refuseOddMap(namespaces: readonly NamespaceFacts[], { namespaceMap }: Scope): void {
  for (const [target, local] of Object.entries(namespaceMap)) {
    if (!namespaces.some(({ name }) => name === target)) {
      throw inputError(`The namespace map names ${target}, which the target doesn't have`, {
        action: `It has ${namespaces.map(({ name }) => name).join(', ') || 'none'}.`,
      });
    }
    if (!LABEL.test(local)) {
      throw inputError(`The namespace map puts ${target} into "${local}", which can't be a namespace's name`, {
        action: 'Use up to 63 of a-z, 0-9 and "-", a letter or digit at both ends.',
      });
    }
  }
}

function leftOut(
  { policies }: Snapshot,
  namespaces: readonly NamespaceFacts[],
  chosen: ReadonlySet<string>,
  system: ReadonlySet<string>,
  peers: ReadonlySet<string>,
): string[] {
  return namespaces.flatMap(({ name }) => {
    const count = policies.filter(({ metadata }) => metadata.namespace === name).length;
    if (chosen.has(name) || count === 0) return [];
    const why = system.has(name) ? 'left out by the settings' : 'not in the chosen namespaces';
    const kept = peers.has(name) ? '; the namespace itself stays, since rules mention it' : '';
    return [`${count} ${count === 1 ? 'policy' : 'policies'} of namespace ${name}: ${why}${kept}`];
  });
}

function pick(labels: Readonly<Record<string, string>>, keys: ReadonlySet<string>): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).filter(([key]) => keys.has(key)));
}
