import { choiceOf } from '../plan/place.ts';
import type { Report } from './model.ts';
import { keptReports, lastTarget } from './store.ts';

/** The last report of a pair of target and cluster, and the settings that choose the pair. */
export interface KeptPair {
  readonly report: Report;
  readonly choice: ReturnType<typeof choiceOf>;
}

/** Every pair that a folder compared, the newest first. Throws an input error where a file of ours can't be read. */
export async function keptPairs(folder: string): Promise<KeptPair[]> {
  const reports = await keptReports(folder);
  return Promise.all(
    reports.map(async (report) => ({ report, choice: choiceOf(report, await lastTarget(folder, report)) })),
  );
}
