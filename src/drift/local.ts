import type { LocalCluster } from '../cluster/provider.ts';
import type { Run } from '../host/run.ts';
import { lastDrift, lastLocal, saveDrift } from '../report/store.ts';
import type { Settings } from '../settings.ts';
import { captureCluster } from '../snapshot/capture.ts';
import type { ReadClient } from '../target/rest.ts';
import type { Drift } from './model.ts';
import { localDrift } from './sides.ts';

/**
 * Notes beside the last report what a run of ours has just changed in its cluster, so that nobody goes on reading it as
 * the state of things. Nothing to note where the report is about another cluster, or there is none.
 */
export async function noteDrift(
  run: Run,
  { folder, settings }: { readonly folder: string; readonly settings: Settings },
  { id }: Pick<LocalCluster, 'id'>,
  client: ReadClient,
): Promise<Drift | undefined> {
  const before = await lastLocal(folder);
  if (before?.source.name !== id) return undefined;
  const now = await run.step('Read the local cluster', () => captureCluster(client, id, run));
  const last = await lastDrift(folder);
  const drift: Drift = {
    schema: 'clparity/drift/v1',
    checkedAt: new Date().toISOString(),
    target: last?.target ?? { state: 'unknown', reason: 'not looked at since the last report' },
    local: localDrift(before, now, settings),
  };
  await saveDrift(folder, drift);
  return drift;
}
