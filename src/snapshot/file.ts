import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { environmentError, inputError, messageOf, refusedError } from '../host/errors.ts';
import type { Snapshot } from './model.ts';
import { formatSnapshot } from './write.ts';

/**
 * Writes a snapshot whole or not at all. Throws `refused` where another file than a snapshot would be replaced, an input
 * error where there is no such folder, an environment error when the disk or a permission stands in the way.
 */
export async function writeSnapshot(path: string, snapshot: Snapshot): Promise<void> {
  const half = `${path}.${process.pid}.tmp`;
  await demandReplaceable(path);
  try {
    await writeFile(half, formatSnapshot(snapshot));
    await rename(half, path);
  } catch (cause) {
    await rm(half, { force: true });
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') {
      throw inputError(`There is no folder ${dirname(path)}`, { cause, action: 'Make it first, or name another.' });
    }
    throw environmentError(`Can't write ${path}: ${messageOf(cause)}`, { cause });
  }
}

async function demandReplaceable(path: string): Promise<void> {
  let there: string;
  try {
    there = await readFile(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw environmentError(`Can't write ${path}: ${messageOf(cause)}`, { cause });
  }
  if (there.startsWith('schema: clparity/')) return;
  throw refusedError(`${path} is not a snapshot, so it isn't replaced`, {
    action: 'Name another file, or delete this one first.',
  });
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
