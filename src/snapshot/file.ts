import { rename, rm, writeFile } from 'node:fs/promises';
import { environmentError, messageOf } from '../host/errors.ts';
import type { Snapshot } from './model.ts';
import { formatSnapshot } from './write.ts';

/** Writes a snapshot whole or not at all. Throws an environment error when the disk or a permission stands in the way. */
export async function writeSnapshot(path: string, snapshot: Snapshot): Promise<void> {
  const half = `${path}.${process.pid}.tmp`;
  try {
    await writeFile(half, formatSnapshot(snapshot));
    await rename(half, path);
  } catch (cause) {
    await rm(half, { force: true });
    throw environmentError(`Can't write ${path}: ${messageOf(cause)}`, { cause });
  }
}

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
