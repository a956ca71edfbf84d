import type { Snapshot } from './model.ts';

/** How much a snapshot holds, by kind. */
export function snapshotCounts(snapshot: Snapshot): Readonly<Record<string, number>> {
  const { policies, namespaces, workloads, services, nodes } = snapshot;
  return {
    policies: policies.length,
    namespaces: namespaces.length,
    workloads: workloads.length,
    services: services.length,
    nodes: nodes.length,
  };
}
