import type { Snapshot } from './model.ts';

/**
 * A snapshot with its lists in one order, so that the same target gives the same file. The order inside policies is
 * kept: `explain` names rules by their number.
 */
export function sortSnapshot(snapshot: Snapshot): Snapshot {
  return {
    ...snapshot,
    nodes: by(snapshot.nodes, (node) => [node.name]).map((node) => ({
      ...node,
      addresses: [...node.addresses].sort(),
    })),
    namespaces: by(snapshot.namespaces, (ns) => [ns.name]),
    workloads: by(
      snapshot.workloads.map((workload) => ({ ...workload, pods: by(workload.pods, (pod) => [pod.name]) })),
      (w) => [w.namespace, w.kind, w.name, JSON.stringify(Object.entries(w.labels).sort()), w.pods[0]?.name ?? ''],
    ),
    ...(snapshot.serviceAccounts && {
      serviceAccounts: by(snapshot.serviceAccounts, (account) => [account.namespace, account.name]),
    }),
    services: by(snapshot.services, (service) => [service.namespace, service.name]),
    policies: by(snapshot.policies, ({ metadata: { namespace = '', name }, apiVersion, kind }) => [
      namespace,
      name,
      kind,
      apiVersion,
    ]),
    otherPolicies: by(snapshot.otherPolicies, (other) => [other.group, other.kind]),
    gaps: by(snapshot.gaps, (gap) => [gap.resource, gap.message]),
  };
}

/** Sorted by code units, part by part: the same on every machine, whatever its locale. */
function by<T>(list: readonly T[], key: (item: T) => readonly string[]): T[] {
  const keyed = list.map((item) => ({ item, key: key(item) }));
  keyed.sort((a, b) => {
    const index = a.key.findIndex((part, i) => part !== b.key[i]);
    if (index < 0) return 0;
    return (a.key[index] ?? '') < (b.key[index] ?? '') ? -1 : 1;
  });
  return keyed.map(({ item }) => item);
}
