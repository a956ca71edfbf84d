import { choiceOf } from '../plan/place.ts';
import type { Report } from './model.ts';
import { type Kept, keptReports, lastTarget, readKept } from './store.ts';

/** The last report of a pair of target and cluster, and the settings that choose the pair. */
export interface KeptPair {
  readonly report: Report;
  readonly choice: ReturnType<typeof choiceOf>;
}

/** Every pair that a folder compared, the newest first. */
export async function keptPairs(folder: string): Promise<Kept<KeptPair>> {
  const reports = await keptReports(folder);
  const pairs = await readKept(
    reports.values.map(async (report) => ({ report, choice: choiceOf(report, await lastTarget(folder, report)) })),
  );
  return { values: pairs.values, damaged: [...reports.damaged, ...pairs.damaged] };
}
