import type { Settings } from '../settings.ts';
import type { Snapshot } from '../snapshot/model.ts';
import { globMatcher } from './glob.ts';

/** A snapshot without the namespaces that a mirror leaves out. */
export function chosenOf(
  snapshot: Snapshot,
  { namespaces, excludeNamespaces }: Pick<Settings, 'namespaces' | 'excludeNamespaces'>,
): Snapshot {
  const [wanted, excluded] = [globMatcher(namespaces), globMatcher(excludeNamespaces)];
  const isChosen = (name: string | undefined) =>
    name === undefined || namespaces.includes(name) || (!excluded(name) && (namespaces.length === 0 || wanted(name)));
  return {
    ...snapshot,
    namespaces: snapshot.namespaces.filter((n) => isChosen(n.name)),
    workloads: snapshot.workloads.filter((w) => isChosen(w.namespace)),
    policies: snapshot.policies.filter((p) => isChosen(p.metadata.namespace)),
  };
}
