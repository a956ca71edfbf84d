import { inputError } from '../host/errors.ts';
import { renamed } from '../policy/dialect/rename.ts';
import { NAMESPACE_NAME_LABEL } from '../policy/select.ts';
import type { Settings } from '../settings.ts';
import type { Snapshot } from '../snapshot/model.ts';

type Rename = (namespace: string) => string;

/**
 * Gives a namespace's local name: as the map has it, behind the prefix. `isShared`: those that are the cluster's own and
 * keep their names, such as kube-system.
 */
export function renamer(
  { namespaceMap, namespacePrefix }: Pick<Settings, 'namespaceMap' | 'namespacePrefix'>,
  isShared: (namespace: string) => boolean,
): Rename {
  return (namespace) => {
    if (Object.hasOwn(namespaceMap, namespace)) return namespacePrefix + (namespaceMap[namespace] ?? namespace);
    return isShared(namespace) ? namespace : namespacePrefix + namespace;
  };
}

/** A peer of a question in local names: `namespace/…`, or a Service's `dns:NAME.NAMESPACE[.svc…]`. */
export function renamedPeer(peer: string, rename: Rename): string {
  const named = /^(dns:[^.]+\.)([^.]+)(?=\.?$|\.svc(\.|$))/;
  return peer.replace(/^[^/:]+(?=\/)/, rename).replace(named, (_, name: string, ns: string) => `${name}${rename(ns)}`);
}

/**
 * A snapshot in local names: in namespaces and their name label, workloads, services, and policies with all that they
 * say of namespaces by name. Throws `input` where two target namespaces would become one: what selects one of them
 * would select both.
 */
export function renameNamespaces<T extends Snapshot>(snapshot: T, rename: Rename): T {
  refuseMerges(snapshot, rename);
  const moved = <W extends { readonly namespace: string }>(item: W): W => ({
    ...item,
    namespace: rename(item.namespace),
  });
  return {
    ...snapshot,
    namespaces: snapshot.namespaces.map(({ name, labels }) => ({
      name: rename(name),
      labels: { ...labels, [NAMESPACE_NAME_LABEL]: rename(name) },
    })),
    workloads: snapshot.workloads.map(moved),
    services: snapshot.services.map(moved),
    ...(snapshot.serviceAccounts && { serviceAccounts: snapshot.serviceAccounts.map(moved) }),
    policies: snapshot.policies.map((policy) => renamed(policy, rename)),
  };
}

function refuseMerges(snapshot: Snapshot, rename: Rename): void {
  const names = new Set(snapshot.namespaces.map(({ name }) => name));
  const note = (name: string) => {
    names.add(name);
    return name;
  };
  for (const policy of snapshot.policies) renamed(policy, note);
  const taken = new Map<string, string>();
  for (const name of names) {
    const local = rename(name);
    const other = taken.get(local);
    taken.set(local, name);
    if (other === undefined) continue;
    throw inputError(`The target's namespaces ${other} and ${name} would both be ${local} here`, {
      action: 'Give each its own local name in the namespace map (--map TARGET=LOCAL).',
    });
  }
}
