import { withClient } from '../apply/client.ts';
import { inputError, isParityError, messageOf } from '../host/errors.ts';
import type { Run } from '../host/run.ts';
import { openLocal, openTarget } from '../open.ts';
import type { Project } from '../pipeline.ts';
import { chosenPair, placeOf } from '../plan/place.ts';
import type { Report } from '../report/model.ts';
import { lastLocal, lastReport, lastTarget, saveDrift } from '../report/store.ts';
import { captureCluster } from '../snapshot/capture.ts';
import type { Snapshot } from '../snapshot/model.ts';
import type { Drift, DriftSide } from './model.ts';
import { localDrift, targetDrift } from './sides.ts';

export type Side = 'target' | 'local';
export const SIDES: readonly Side[] = ['target', 'local'];

/**
 * Compares the sides asked for with what they were when the last report of the chosen target and cluster was made, and keeps the outcome beside it. The
 * others stay as in `last`. A side that can't be reached is `unknown`, with the reason. Throws an input error where there
 * is no report.
 */
export async function checkSides(run: Run, project: Project, sides: readonly Side[], last?: Drift): Promise<Drift> {
  const report = await lastReport(project.folder, chosenPair(project.settings));
  // What was seen before the report says nothing of what came after it.
  const before = last && last.checkedAt >= report.createdAt ? last : undefined;
  const due = before ? sides : SIDES;
  const [target, local] = await Promise.all(
    SIDES.map((side) => (due.includes(side) ? look(run, () => CHECKS[side](run, project, report)) : before?.[side])),
  );
  const unseen: DriftSide = { state: 'unknown', reason: 'not looked at since the last report' };
  const drift: Drift = {
    schema: 'clparity/drift/v1',
    checkedAt: new Date().toISOString(),
    target: target ?? unseen,
    local: local ?? unseen,
  };
  await saveDrift(project.folder, report, drift);
  return drift;
}

async function look(run: Run, check: () => Promise<DriftSide>): Promise<DriftSide> {
  try {
    return await check();
  } catch (error) {
    run.signal.throwIfAborted();
    if (!isParityError(error)) throw error;
    return { state: 'unknown', reason: messageOf(error) };
  }
}

type Check = (run: Run, project: Project, report: Report) => Promise<DriftSide>;

const CHECKS: Readonly<Record<Side, Check>> = {
  async target(run, project, report) {
    const before = recordOf(await lastTarget(project.folder, report), 'target');
    const { snapshot } = await openTarget(run, project);
    same('target', report.target, snapshot.source.name);
    return targetDrift(before, snapshot, project.settings);
  },
  async local(run, project, report) {
    const before = recordOf(await lastLocal(project.folder, report), 'local cluster');
    const cluster = await openLocal(run, project);
    same('local cluster', report.cluster, placeOf(cluster.id, project.settings));
    const now = await withClient(cluster, project.settings.namespacePrefix, (client) =>
      captureCluster(client, cluster.id, run),
    );
    return localDrift(before, now, project.settings);
  },
};

function recordOf(snapshot: Snapshot | undefined, what: string): Snapshot {
  if (snapshot) return snapshot;
  throw inputError(`The last report kept nothing of the ${what}`, {
    action: 'Run "clparity verify" to make a new one.',
  });
}

function same(what: string, reported: string, chosen: string): void {
  if (reported === chosen) return;
  throw inputError(`The last report is about the ${what} ${reported}, not ${chosen}`, {
    action: 'Run "clparity sync" or "clparity verify" to make a new one.',
  });
}
