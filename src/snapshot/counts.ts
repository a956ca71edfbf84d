import { counted } from '../host/counted.ts';
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

/** The same in words: `1 policy, 2 namespaces, …`. */
export function countsText(counts: ReturnType<typeof snapshotCounts>): string {
  return Object.entries(counts)
    .map(([plural, count]) => counted(count, plural.replace(/ies$/, 'y').replace(/s$/, ''), plural))
    .join(', ');
}
