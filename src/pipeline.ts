import { applyPlan, settle } from './apply/apply.ts';
import { type WriteClient, withClient } from './apply/client.ts';
import { recorded } from './apply/history.ts';
import { alone } from './apply/lease.ts';
import { fromOtherFolder } from './apply/other-folder.ts';
import { assertNotTarget } from './cluster/guard.ts';
import { type VouchedCluster, whyUnprobed } from './cluster/provider.ts';
import { assertNotListed } from './cluster/remote.ts';
import { noteOthers } from './drift/local.ts';
import type { Host } from './host/host.ts';
import { besides, type Run } from './host/run.ts';
import { type Stages, startStages } from './host/stages.ts';
import { pinImage } from './image/base-image.ts';
import type { ImageLock } from './image/model.ts';
import {
  type ChosenImages,
  chooseImages,
  forgetLeft,
  loadImages,
  planImages,
  pullImages,
  reportImages,
} from './image-stages.ts';
import { openLocal, openTarget } from './open.ts';
import { refuseIdleDns, refuseUnknownPolicies } from './plan/given.ts';
import { readLocalState } from './plan/local-state.ts';
import { localWorld, mirrored } from './plan/mirrored.ts';
import type { ObjectPlan, Plan, ScopedTarget } from './plan/model.ts';
import { asItIs } from './plan/not-applied.ts';
import { readOwnKinds } from './plan/own-kinds.ts';
import { signatureOf } from './plan/ownership.ts';
import { placeOf, whereOf } from './plan/place.ts';
import { hasChanges, mirroredEarlier, planObjects } from './plan/plan.ts';
import { scopeTarget } from './plan/scope.ts';
import { foreignPolicies } from './plan/warnings.ts';
import { modelOf } from './policy/endpoints.ts';
import {
  isPoliciesGap,
  leftOutFindings,
  makeReport,
  nodeFindings,
  targetFindings,
  unprobedFinding,
  verifyFindings,
  windowsFindings,
} from './report/findings.ts';
import type { Finding, Report, ReportingVerb } from './report/model.ts';
import { inTargetNames } from './report/names.ts';
import { withOrigins } from './report/origins.ts';
import { foreignFindings, policyFindings } from './report/policy-findings.ts';
import { saveReport } from './report/store.ts';
import type { Settings } from './settings.ts';
import { captureCluster } from './snapshot/capture.ts';
import type { Snapshot } from './snapshot/model.ts';
import { architectureWarnings, windowsLines } from './snapshot/platforms.ts';
import type { VerifyResult } from './verify/model.ts';
import { verify as prove } from './verify/verify.ts';

/** What every verb works on: where programs run, the folder that holds the lock file, and what the user chose. */
export interface Project {
  readonly host: Host;
  /** Absolute path of the workspace folder (VS Code) or the current directory (CLI). */
  readonly folder: string;
  readonly settings: Settings;
  /**
   * Which of them were named for this very run, as on a command line: one without an effect is an input error then. What
   * an editor keeps is for other targets and clusters as well.
   */
  readonly given?: ReadonlySet<string>;
}

/**
 * Shows the plan to the user and answers whether to carry it out, or with the part of it that is to be (see partOf). Also
 * asked where the plan holds no changes (see hasChanges) and the proof is still to come, which puts stand-ins into the
 * cluster for its time.
 */
export type Approve = (plan: Plan) => Promise<boolean | Plan>;

/** What was approved of a plan; undefined for nothing. */
export async function approved(plan: Plan, approve: Approve): Promise<Plan | undefined> {
  const answer = await approve(plan);
  return answer === true ? plan : answer || undefined;
}

/** Reads the target. Writes nothing anywhere: the caller stores the snapshot. */
export async function capture(run: Run, project: Project): Promise<Snapshot> {
  return startStages(run).stage('reading the target', async () => (await openTarget(run, project)).snapshot);
}

/** Every change that sync would make. Writes nothing. */
export async function plan(run: Run, project: Project): Promise<Plan> {
  const { stage } = startStages(run);
  return (await prepare(run, project, stage)).plan;
}

/** The main job: capture, pull, load, mirror, verify, report. Undefined when not approved. */
export async function sync(run: Run, project: Project, approve: Approve): Promise<Report | undefined> {
  return change(run, project, approve, 'sync');
}

/** Policies only: plan, approve, apply. Undefined when not approved. */
export async function mirror(run: Run, project: Project, approve: Approve): Promise<Report | undefined> {
  return change(run, withoutImages(project), approve, 'mirror');
}

/** Enforcement check, probes, comparison. Changes nothing that lasts, unless `keep`. */
export async function verify(run: Run, project: Project): Promise<Report> {
  const stages = startStages(run);
  const work = await prepare(run, withoutImages(project), stages.stage);
  return alone(work.cluster, project.settings.namespacePrefix, run, (client, held) =>
    conclude(held, project, stages, work, client, 'verify'),
  );
}

function withoutImages(project: Project): Project {
  return { ...project, settings: { ...project.settings, image: 'none', images: 'base' } };
}

/** What sync, mirror, verify and plan start from: everything read, nothing written. */
interface Work {
  readonly snapshot: Snapshot;
  readonly target: ScopedTarget;
  readonly cluster: VouchedCluster;
  readonly images: ChosenImages;
  /** The cluster has no DNS, and it is to be enabled. */
  readonly enablesDns: boolean;
  readonly plan: Plan;
}

async function prepare(run: Run, project: Project, stage: Stages['stage']): Promise<Work> {
  const { settings } = project;
  const { snapshot, connection } = await stage('reading the target', () => openTarget(run, project));
  const target = scopeTarget(snapshot, settings);
  refuseUnknownPolicies(project, target);
  const cluster = await stage('finding the local cluster', () => openLocal(run, project));
  refuseIdleDns(project, cluster);
  assertNotListed(snapshot.source.clusterUid, settings.remoteClusters);
  assertNotTarget(cluster, snapshot.source, connection);
  const base =
    settings.image === 'none' ? undefined : await stage('looking up the image', () => pinImage(run, project));
  const images = await stage("looking up production's images", () => chooseImages(run, project, base, target));
  const changes = await planImages(run, images, cluster);
  const withoutDns = (await cluster.dns?.enabled(run.signal)) === false;
  const { objects, mixed, here } = await withClient(cluster, settings.namespacePrefix, async (client) => {
    const here = await run.step('Read the local cluster', () => captureCluster(client, cluster.id, run));
    return { ...(await planNow(run, client, cluster, target, settings, here)), here };
  });
  const where = whereOf(cluster, settings);
  const signature = signatureOf(settings.namespacePrefix);
  const others = await fromOtherFolder(project.folder, { ...objects, ...where }, snapshot.source, signature);
  return {
    snapshot,
    target,
    cluster,
    images,
    enablesDns: withoutDns && settings.enableDns,
    plan: {
      ...objects,
      ...where,
      target: snapshot.source.name,
      images: changes.images,
      warnings: [
        ...(mixed === undefined ? [] : [mixed]),
        ...architectureWarnings(target, here),
        ...(withoutDns ? [dnsWarning(cluster.id, settings.enableDns)] : []),
        ...changes.warnings,
        ...others,
        ...objects.warnings,
      ],
      notMirrored: [...windowsLines(target), ...changes.notMirrored, ...objects.notMirrored],
    },
  };
}

const dnsWarning = (cluster: string, enable: boolean) =>
  enable
    ? `the DNS add-on of ${cluster} will be enabled, and stays so`
    : `${cluster} has no DNS, so pods find no other by its name: "--enable-dns" enables its add-on`;

async function change(
  run: Run,
  project: Project,
  approve: Approve,
  verb: Exclude<ReportingVerb, 'verify'>,
): Promise<Report | undefined> {
  const stages = startStages(run);
  const { stage, changed } = stages;
  const work = await prepare(run, project, stage);
  const { cluster, images } = work;
  for (const warning of work.plan.warnings) run.log('warn', warning);
  // The proof writes as well, if only for its time: it is asked for even where nothing else is to change.
  const proof = verb === 'sync';
  const chosen = proof || work.enablesDns || hasChanges(work.plan) ? await approved(work.plan, approve) : work.plan;
  if (!chosen) return undefined;
  const wanted = images.wanted.filter(({ lock }) => !isLeftOut(lock, work.plan, chosen));
  await stage('pulling the image', () => pullImages(run, project, wanted, cluster, changed));
  return alone(cluster, project.settings.namespacePrefix, run, async (client, held) => {
    if (work.enablesDns) {
      await stage('enabling DNS', async () => cluster.dns?.enable(held.signal));
      changed(`enabled the DNS add-on of ${cluster.id}`);
    }
    await stage('loading the image', () => loadImages(held, wanted, cluster, changed));
    await forgetLeft(held, project, images, work.snapshot.source.name);
    await stage('mirroring policies', async () => {
      changed(...(await recorded(project.folder, chosen, () => applyPlan(client, chosen, held))));
      changed(...(await settle(client, chosen, held)));
    });
    return conclude(held, project, stages, work, client, verb);
  });
}

/** Whether an image was in the plan and isn't in what was approved of it. */
function isLeftOut({ reference, digest }: ImageLock, plan: Plan, chosen: Plan): boolean {
  const has = ({ images }: Plan) => images.some((i) => i.reference === reference && i.digest === digest);
  return has(plan) && !has(chosen);
}

/** Looks at the cluster as it is now, proves it when asked, and keeps the report. */
async function conclude(
  run: Run,
  project: Project,
  stages: Stages,
  work: Work,
  client: WriteClient,
  verb: ReportingVerb,
): Promise<Report> {
  const { snapshot, target, cluster, images } = work;
  const { settings } = project;
  const proof = verb !== 'mirror';
  const { here, objects, foreign } = await stages.stage('looking at what is there now', async () => {
    const here = await run.step('Read the local cluster', () => captureCluster(client, cluster.id, run));
    const { objects, foreign } = await planNow(run, client, cluster, target, settings, here);
    return { here, objects: asItIs(objects), foreign };
  });
  // Without the target's policies there is nothing to hold packets against.
  const blind = snapshot.gaps.some((gap) => isPoliciesGap(gap));
  const unprobed = whyUnprobed(cluster);
  const verified: VerifyResult | undefined =
    proof && !blind && unprobed === undefined
      ? await stages.stage('verifying', async () => {
          const result = await prove({ target, cluster, client, settings, localModel: modelOf(here) }, run);
          return { ...result, differences: withOrigins(result.differences, objects.fidelity, modelOf(target)) };
        })
      : undefined;
  const reported = await stages.stage('looking at the images', () => reportImages(run, project, images, cluster));
  const findings: Finding[] = [
    ...targetFindings(snapshot),
    ...windowsFindings(target),
    ...leftOutFindings(verb, images.base === undefined),
    ...reported.findings,
    ...policyFindings(objects, target),
    ...foreignFindings(foreign),
    ...(verified ? verifyFindings(verified, objects.fidelity) : []),
    ...(proof && unprobed !== undefined ? [unprobedFinding(cluster.id, unprobed)] : []),
    ...nodeFindings(snapshot.nodes, here.nodes),
  ];
  const report = makeReport({
    target: snapshot.source.name,
    cluster: placeOf(cluster.id, settings),
    ...(settings.snapshot !== undefined &&
      settings.snapshot !== snapshot.source.name && { readFrom: settings.snapshot }),
    createdAt: new Date().toISOString(),
    findings,
    changes: stages.changes,
    ...(verified ? { verify: verified } : {}),
    policies: inTargetNames(objects.fidelity, target.localNames),
    ...(reported.image && { image: reported.image }),
  });
  // What was measured is worth more than its file.
  await besides(run, 'The report is shown but not kept whole', async () => {
    await saveReport(project.folder, report, snapshot, here);
    await noteOthers(run, project, report, here);
  });
  return report;
}

/** The plan by what is in the cluster now, and what of others' is there besides. */
async function planNow(
  run: Run,
  client: WriteClient,
  cluster: VouchedCluster,
  target: ScopedTarget,
  settings: Settings,
  here: Snapshot,
): Promise<{ readonly objects: ObjectPlan; readonly foreign: readonly string[]; readonly mixed: string | undefined }> {
  const local = await readLocalState(client, run.signal);
  const own = await readOwnKinds(client, cluster, here.engine, local.kinds, run.signal);
  const wanted = mirrored(target, localWorld(here, own), settings, mirroredEarlier(target, local));
  return { objects: planObjects(target, local, wanted), foreign: foreignPolicies(target, local), mixed: wanted.mixed };
}
