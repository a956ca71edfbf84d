import { applyPlan, settle } from './apply/apply.ts';
import { withClient } from './apply/client.ts';
import { forgetApply, lastApply, newestApply, recorded } from './apply/history.ts';
import { alone } from './apply/lease.ts';
import type { VouchedCluster } from './cluster/provider.ts';
import { checkSides, SIDES } from './drift/check.ts';
import { noteDrift } from './drift/local.ts';
import type { Drift } from './drift/model.ts';
import { asReported } from './drift/reported.ts';
import { watchDrift as watch } from './drift/watch.ts';
import { inputError } from './host/errors.ts';
import type { Run } from './host/run.ts';
import { startStages } from './host/stages.ts';
import { planUnload, unloadImages } from './image/unload.ts';
import { openLocal } from './open.ts';
import { type Approve, approved, type Project } from './pipeline.ts';
import { readLocalState } from './plan/local-state.ts';
import type { LocalState, Plan } from './plan/model.ts';
import { isOthersToo } from './plan/ownership.ts';
import { placeOf, whatIsAt, whereOf } from './plan/place.ts';
import { planRemoval } from './plan/plan.ts';
import { planUndo } from './plan/undo.ts';
import { listStandIns, removeStandIns } from './verify/leftovers.ts';

/**
 * Takes the last apply's namespaces and policies back; images are as they are, which a warning of the plan says. Where no
 * cluster is named, it is the one of the last apply from this folder, with its prefix. All or none:
 * refused where an object was changed since, rolled back where it fails or is cancelled. Undefined when not approved.
 * Throws `input` where there is nothing to undo.
 */
export async function undo(run: Run, asked: Project, approve: Approve): Promise<Plan | undefined> {
  const { stage, changed } = startStages(run);
  const { cluster, project } = await stage('finding the local cluster', () => openLast(run, asked));
  const prefix = project.settings.namespacePrefix;
  const place = placeOf(cluster.id, project.settings);
  const last = await lastApply(project.folder, place);
  if (!last) {
    throw inputError(`There is nothing to undo in ${place}: no apply from ${project.folder} is on record`, {
      action: 'To take everything of ours out of the cluster, run "clparity remove".',
    });
  }
  const objects = await withClient(cluster, prefix, async (client) =>
    planUndo(last.objects, await readLocalState(client, run.signal)),
  );
  const target = `it was before ${last.appliedAt}`;
  const { unloaded = [] } = last;
  const warnings = [...objects.warnings, ...(unloaded.length > 0 ? [notBroughtBack(unloaded)] : [])];
  const where = whereOf(cluster, project.settings);
  const chosen = await approved({ ...objects, ...where, target, images: [], warnings }, approve);
  if (!chosen) return undefined;
  await alone(cluster, prefix, run, async (client, held) => {
    await stage('undoing the last apply', async () => {
      changed(...(await applyPlan(client, chosen, held)));
      // Where only a part was wanted, the rest may still be taken back.
      if (chosen.objects.length === objects.objects.length) await forgetApply(project.folder, place);
      changed(...(await settle(client, chosen, held)));
    });
    await stage('looking at what is there now', () => noteDrift(held, project, cluster, client));
  });
  return chosen;
}

/** The cluster that is named, else that of the last apply from the folder; and the project with the prefix of that apply. */
async function openLast(run: Run, project: Project): Promise<{ cluster: VouchedCluster; project: Project }> {
  const { folder, settings } = project;
  if (settings.cluster !== undefined) return { cluster: await openLocal(run, project), project };
  const last = await newestApply(folder, settings.namespacePrefix);
  const at = last && whatIsAt(last.cluster);
  const cluster = await openLocal(run, project, at?.cluster);
  if (!last || at?.cluster !== cluster.id) return { cluster, project };
  run.log('info', `The last apply from ${folder} was to ${last.cluster}, at ${last.appliedAt}`);
  return { cluster, project: { ...project, settings: { ...settings, namespacePrefix: at.namespacePrefix } } };
}

/**
 * Takes everything of ours, of the prefix that is set, out of the local cluster. Images stay where another mirror may use
 * them, or a container of the node does. Undefined when not approved.
 */
export async function remove(run: Run, project: Project, approve: Approve): Promise<Plan | undefined> {
  const { stage, changed } = startStages(run);
  const cluster = await stage('finding the local cluster', () => openLocal(run, project));
  const prefix = project.settings.namespacePrefix;
  const { local, standIns } = await withClient(cluster, prefix, async (client) => ({
    local: await readLocalState(client, run.signal),
    standIns: await listStandIns(client, run.signal),
  }));
  const text = 'Images stay in the nodes: another mirror in this cluster may use them';
  const { images, stays } = hasOtherMirrors(local)
    ? { images: [], stays: [text] }
    : await stage("looking at the nodes' images", () => planUnload(cluster, run.signal));
  const objects = planRemoval(local);
  const removal: Plan = {
    ...objects,
    ...whereOf(cluster, project.settings),
    target: 'it was before',
    images,
    warnings: [...objects.warnings, ...stays],
    ...(standIns.length > 0 && { standIns }),
  };
  const chosen = await approved(removal, approve);
  if (!chosen) return undefined;
  await alone(cluster, prefix, run, async (client, held) => {
    // Policies first: a namespace that holds some of ours would not count as empty to the stand-ins' removal.
    await stage('removing policies', async () => {
      changed(...(await recorded(project.folder, chosen, () => applyPlan(client, chosen, held))));
      changed(...(await settle(client, chosen, held)));
    });
    await stage('removing stand-ins', async () => {
      for (const line of await removeStandIns(client, held)) run.log('warn', `Left: ${line}`);
    });
    await stage('removing images', async () => {
      for (const [node, names] of await unloadImages(cluster, held, chosen.images)) {
        if (names.length > 0) run.log('info', `${node}: removed ${names.join(', ')}`);
      }
    });
    await stage('looking at what is there now', () => noteDrift(held, project, cluster, client));
  });
  return chosen;
}

/** What has moved since the last report: the target, and the local cluster. Throws an input error where there is none. */
export function drift(run: Run, project: Project): Promise<Drift> {
  return startStages(run).stage('comparing with the last report', async () =>
    checkSides(run, await asReported(project), SIDES),
  );
}

/** The same, again whenever something moves, until the run is cancelled. */
export async function watchDrift(run: Run, project: Project, onDrift: (drift: Drift) => void): Promise<void> {
  return watch(run, await asReported(project), onDrift);
}

function notBroughtBack(images: readonly string[]): string {
  const text = `images that were removed are not brought back by it, "clparity sync" and "clparity load" do that: ${images.join(', ')}`;
  return text;
}

/** Whether mirrors of other prefixes, or of none, are in the cluster. */
function hasOtherMirrors({ namespaces, policies, signature }: LocalState): boolean {
  return [...namespaces, ...policies].some((object) => isOthersToo(object, signature));
}
