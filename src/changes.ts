import { applyPlan } from './apply/apply.ts';
import { withClient } from './apply/client.ts';
import { forgetApply, lastApply } from './apply/history.ts';
import { alone } from './apply/lease.ts';
import { checkSides, SIDES } from './drift/check.ts';
import { noteDrift } from './drift/local.ts';
import type { Drift } from './drift/model.ts';
import { watchDrift as watch } from './drift/watch.ts';
import { inputError } from './host/errors.ts';
import type { Run } from './host/run.ts';
import { startStages } from './host/stages.ts';
import { openLocal } from './open.ts';
import { type Approve, approved, type Project } from './pipeline.ts';
import { readLocalState } from './plan/local-state.ts';
import type { Plan } from './plan/model.ts';
import { planUndo } from './plan/undo.ts';

/**
 * Takes the last apply's namespaces and policies back; images stay in the nodes, where they change nothing. All or none:
 * refused where an object was changed since, rolled back where it fails or is cancelled. Undefined when not approved.
 * Throws `input` where there is nothing to undo.
 */
export async function undo(run: Run, project: Project, approve: Approve): Promise<Plan | undefined> {
  const { stage } = startStages(run);
  const cluster = await stage('finding the local cluster', () => openLocal(run, project));
  const last = await lastApply(project.folder, cluster.id);
  if (!last) {
    throw inputError(`There is nothing to undo in ${cluster.id}: no apply from ${project.folder} is on record`, {
      action: 'To take everything of ours out of the cluster, run "clparity remove".',
    });
  }
  const objects = await withClient(cluster, async (client) =>
    planUndo(last.objects, await readLocalState(client, run.signal)),
  );
  const target = `it was before ${last.appliedAt}`;
  const chosen = await approved({ ...objects, cluster: cluster.id, target, images: [] }, approve);
  if (!chosen) return undefined;
  await alone(cluster, run, async (client, held) => {
    await stage('undoing the last apply', () => applyPlan(client, chosen, held));
    // Where only a part was wanted, the rest may still be taken back.
    if (chosen.objects.length === objects.objects.length) await forgetApply(project.folder, cluster.id);
    await noteDrift(held, project, cluster, client);
  });
  return chosen;
}

/** What has moved since the last report: the target, and the local cluster. Throws an input error where there is none. */
export function drift(run: Run, project: Project): Promise<Drift> {
  return startStages(run).stage('comparing with the last report', () => checkSides(run, project, SIDES));
}

/** The same, again whenever something moves, until the run is cancelled. */
export function watchDrift(run: Run, project: Project, onDrift: (drift: Drift) => void): Promise<void> {
  return watch(run, project, onDrift);
}
