import type { Settings } from '../settings.ts';
import type { Snapshot } from '../snapshot/model.ts';
import { globMatcher } from './glob.ts';
import { isOthersToo, signatureOf } from './ownership.ts';
import { renamer } from './rename.ts';

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

/**
 * The part of a snapshot of the local cluster that a mirror of these settings speaks for: the chosen namespaces by their
 * local names, without what another mirror has for the whole cluster.
 */
export function localPart(
  here: Snapshot,
  settings: Pick<Settings, 'namespaces' | 'excludeNamespaces' | 'namespaceMap' | 'namespacePrefix'>,
): Snapshot {
  const { namespaces, excludeNamespaces, namespacePrefix } = settings;
  const globs = namespaces.length === 0 && namespacePrefix !== '' ? ['*'] : namespaces;
  const rename = renamer(settings, () => false);
  const part = chosenOf(here, { namespaces: globs.map(rename), excludeNamespaces });
  const signature = signatureOf(namespacePrefix);
  return { ...part, policies: part.policies.filter((policy) => !isOthersToo(policy, signature)) };
}
