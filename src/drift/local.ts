import type { LocalCluster } from '../cluster/provider.ts';
import { withAction } from '../host/errors.ts';
import { besides, type Run } from '../host/run.ts';
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
  const pairs = await pairsAt(run, folder, placeOf(id, settings));
  if (pairs.length === 0) return;
  const now = await run.step('Read the local cluster', () => captureCluster(client, id, run));
  await note(run, { folder, settings }, pairs, now);
}

/** The same beside the reports of other targets, where one has just been mirrored in their place. */
export async function noteOthers(run: Run, place: Place, { target, cluster }: Pair, now: Snapshot): Promise<void> {
  const pairs = (await pairsAt(run, place.folder, cluster)).filter((pair) => pair.target !== target);
  await note(run, place, pairs, now);
}

/** A damaged report may be about the place as well: it is named, for nothing is noted beside it. */
async function pairsAt({ log }: Run, folder: string, place: string): Promise<Pair[]> {
  const { values, damaged } = await keptReports(folder);
  for (const error of damaged) log('warn', withAction(error));
  return values.filter(({ cluster }) => cluster === place);
}

async function note(run: Run, { folder, settings }: Place, pairs: readonly Pair[], now: Snapshot): Promise<void> {
  for (const pair of pairs) {
    await besides(run, `The report of ${pair.target} with ${pair.cluster} does not know what has moved`, async () => {
      const before = await lastLocal(folder, pair);
      if (!before) return;
      const last = await lastDrift(folder, pair);
      await saveDrift(folder, pair, {
        schema: 'clparity/drift/v1',
        checkedAt: new Date().toISOString(),
        target: last?.target ?? { state: 'unknown', reason: 'not looked at since the last report' },
        local: localDrift(before, now, settings),
      });
    });
  }
}
