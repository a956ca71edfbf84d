import type { PolicyFidelity } from '../policy/fidelity.ts';

/**
 * Policies by the names that they have at the target: `NetworkPolicy dev/web` is `NetworkPolicy shop/web` again, and so are
 * the ends of connections. `localNames`: local names of namespaces by the target's. What is applied keeps its local name.
 */
export function inTargetNames(
  fidelity: readonly PolicyFidelity[],
  localNames: ReadonlyMap<string, string>,
): PolicyFidelity[] {
  const back = new Map([...localNames].map(([there, here]) => [here, there]));
  const named = (text: string) =>
    text.replace(/^((?:\S+ )?)([^/\s:]+)(?=\/)/, (_, kind, ns) => kind + (back.get(ns) ?? ns));
  return fidelity.map((f) => ({
    ...f,
    policy: named(f.policy),
    differences: f.differences.map((d) => ({ ...d, from: named(d.from), to: named(d.to) })),
  }));
}
