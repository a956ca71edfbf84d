import type { LocalCluster } from '../cluster/provider.ts';
import type { Run } from '../host/run.ts';
import { placeOf } from '../plan/place.ts';
import { keptReports, lastDrift, lastLocal, type Pair, saveDrift } from '../report/store.ts';
import type { Settings } from '../settings.ts';
import { captureCluster } from '../snapshot/capture.ts';
import type { Snapshot } from '../snapshot/model.ts';
import type { ReadClient } from '../target/rest.ts';
import { localDrift } from './sides.ts';

interface Place {
  readonly folder: string;
  readonly settings: Settings;
}

/**
 * Notes beside the last reports about a cluster what a run of ours has just changed there, so that nobody goes on reading
 * them as the state of things. Nothing to note where no report is about it.
 */
export async function noteDrift(
  run: Run,
  { folder, settings }: Place,
  { id }: Pick<LocalCluster, 'id'>,
  client: ReadClient,
): Promise<void> {
  const pairs = await pairsAt(folder, placeOf(id, settings));
  if (pairs.length === 0) return;
  const now = await run.step('Read the local cluster', () => captureCluster(client, id, run));
  await note(folder, settings, pairs, now);
}

/** The same beside the reports of other targets, where one has just been mirrored in their place. */
export async function noteOthers({ folder, settings }: Place, { target, cluster }: Pair, now: Snapshot): Promise<void> {
  const pairs = (await pairsAt(folder, cluster)).filter((pair) => pair.target !== target);
  await note(folder, settings, pairs, now);
}

async function pairsAt(folder: string, place: string): Promise<Pair[]> {
  return (await keptReports(folder)).filter(({ cluster }) => cluster === place);
}

async function note(folder: string, settings: Settings, pairs: readonly Pair[], now: Snapshot): Promise<void> {
  for (const pair of pairs) {
    const before = await lastLocal(folder, pair);
    if (!before) continue;
    const last = await lastDrift(folder, pair);
    await saveDrift(folder, pair, {
      schema: 'clparity/drift/v1',
      checkedAt: new Date().toISOString(),
      target: last?.target ?? { state: 'unknown', reason: 'not looked at since the last report' },
      local: localDrift(before, now, settings),
    });
  }
}
