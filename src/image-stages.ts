import type { VouchedCluster } from './cluster/provider.ts';
import { withAction } from './host/errors.ts';
import type { Run } from './host/run.ts';
import type { Stages } from './host/stages.ts';
import { loadPinned, type Pinned, pullPinned, type Source } from './image/base-image.ts';
import type { ImageFacts } from './image/facts.ts';
import { factsLine } from './image/facts-text.ts';
import { inspectPinned } from './image/inspect.ts';
import { pruneLock } from './image/lock.ts';
import { imagesOnNodes } from './image/on-nodes.ts';
import { elsewhere, lookUpProduction, type Production } from './image/production.ts';
import { runningImages } from './image/running.ts';
import { imagePlaces } from './image/shared-registry.ts';
import { holdDockerfiles } from './insight/known-images.ts';
import type { ImageChange, Plan, ScopedTarget } from './plan/model.ts';
import { imageFindings } from './report/findings.ts';
import { dockerfileFindings, productionFindings } from './report/image-findings.ts';
import type { Finding, ReportedImage } from './report/model.ts';
import { type Kept, keptReports, lastTarget, readKept } from './report/store.ts';
import type { Settings } from './settings.ts';
import type { Workload } from './snapshot/model.ts';
import { windowsWorkloads } from './snapshot/platforms.ts';

/** The images that a run is to bring into the nodes: the base image, and what production runs where that was chosen. */
export interface ChosenImages {
  readonly base?: Pinned;
  readonly production: Production;
  /** All that can be had, each once. */
  readonly wanted: readonly Pinned[];
}

/** Where a run's images come from. */
type From = Source & { readonly settings: Pick<Settings, 'images'> };

/** Decides on the images, without pulling any. */
export async function chooseImages(
  run: Run,
  from: From,
  base: Pinned | undefined,
  target: Pick<ScopedTarget, 'workloads' | 'nodes'>,
): Promise<ChosenImages> {
  const windows = new Set(windowsWorkloads(target));
  const production =
    from.settings.images === 'workloads'
      ? await lookUpProduction(
          run,
          from,
          target.workloads.filter((w) => !windows.has(w)),
          base?.lock,
        )
      : { images: [], gaps: [] };
  const all = [...(base ? [base] : []), ...production.images.flatMap(({ pinned }) => pinned ?? [])];
  // A pod may run the base image itself: the same names with the same content.
  const name = ({ lock }: Pinned) => `${lock.repository}:${lock.tag ?? ''}@${lock.digest}`;
  const wanted = [...new Map(all.toReversed().map((pinned) => [name(pinned), pinned])).values()].toReversed();
  return { ...(base ? { base } : {}), production, wanted };
}

/** What of a plan is about images: what some node lacks, and what can't be had. */
export async function planImages(
  run: Run,
  { wanted, production }: ChosenImages,
  cluster: VouchedCluster,
): Promise<Pick<Plan, 'images' | 'warnings' | 'notMirrored'>> {
  const locks = wanted.map(({ lock }) => lock);
  const present = await imagesOnNodes(cluster, locks, run.signal);
  const images = locks.map(({ reference, digest }, i): ImageChange => {
    const there = new Set(present[i]?.map(({ node }) => node));
    return { reference, digest, nodes: imagePlaces(cluster).filter((name) => !there.has(name)) };
  });
  return {
    images: images.filter(({ nodes }) => nodes.length > 0),
    warnings: production.gaps.map(({ reference, reason }) => `image ${reference} will not be loaded: ${reason}`),
    notMirrored: production.images.flatMap(({ reference, platforms }) =>
      platforms ? [`image ${reference}: ${elsewhere(platforms)}`] : [],
    ),
  };
}

/** Pulls them all into the daemon, one after the other: each is recorded as a change when it is whole. */
export async function pullImages(
  run: Run,
  from: Source,
  wanted: readonly Pinned[],
  cluster: VouchedCluster,
  changed: Stages['changed'],
): Promise<void> {
  for (const pinned of wanted) {
    if ((await pullPinned(run, from, pinned, cluster)) === 'pulled') {
      changed(`pulled ${pinned.lock.repository}@${pinned.lock.digest}`);
    }
  }
}

/**
 * Takes the pins of workloads that production has left out of the lock file, and says which. Where only some namespaces
 * were looked at, others' workloads may still run them: nothing goes. There is one lock file, for it is committed with the
 * code: what other targets run that this folder is compared with (all but `target`) stays as well.
 */
export async function forgetLeft(
  run: Run,
  { folder, settings }: { readonly folder: string; readonly settings: Pick<Settings, 'images' | 'namespaces'> },
  { production, wanted }: ChosenImages,
  target: string,
): Promise<void> {
  if (settings.images !== 'workloads' || settings.namespaces.length > 0) return;
  const running = production.images.flatMap(({ reference, pinned }) => [
    reference,
    pinned?.lock.reference ?? reference,
  ]);
  const { values, damaged } = await workloadsOfOthers(folder, target);
  for (const error of damaged) {
    run.log('warn', `Pins that no workload needs stay, for one may be another target's: ${withAction(error)}`);
  }
  if (damaged.length > 0) return;
  const others = runningImages(values.flat()).images.map(({ reference }) => reference);
  const stays = new Set([...running, ...others, ...wanted.map(({ lock }) => lock.reference)]);
  const left = await pruneLock(folder, stays);
  for (const reference of left) run.log('info', `${reference} is pinned no more: no workload runs it`);
}

/** As other targets were when they were last read. */
async function workloadsOfOthers(folder: string, target: string): Promise<Kept<readonly Workload[]>> {
  const reports = await keptReports(folder);
  const others = reports.values.filter((pair) => pair.target !== target);
  const snapshots = await readKept(others.map(async (pair) => (await lastTarget(folder, pair))?.workloads ?? []));
  return { values: snapshots.values, damaged: [...reports.damaged, ...snapshots.damaged] };
}

/** Loads them all, one after the other: what they share the nodes have from the first one on, so it goes there once. */
export async function loadImages(
  run: Run,
  wanted: readonly Pinned[],
  cluster: VouchedCluster,
  changed: Stages['changed'],
): Promise<void> {
  for (const pinned of wanted) {
    const loaded = (await loadPinned(run, pinned, cluster)).filter(({ state }) => state === 'loaded');
    changed(
      ...loaded.map(({ node }) => `loaded ${pinned.lock.reference} into ${cluster.images ? '' : 'node '}${node}`),
    );
  }
}

/** What the nodes have of the images now, and how the folder's Dockerfiles stand to them; nothing without images. */
export async function reportImages(
  run: Run,
  from: Source,
  { base, production, wanted }: ChosenImages,
  cluster: VouchedCluster,
): Promise<{ readonly findings: Finding[]; readonly image?: ReportedImage }> {
  const [first] = wanted;
  const nodes = imagePlaces(cluster);
  const onNodes = cluster.images === undefined;
  const locks = [...(base ? [base.lock] : []), ...production.images.flatMap(({ pinned }) => pinned?.lock ?? [])];
  const present = await imagesOnNodes(cluster, locks, run.signal);
  const there = new Map(locks.map((lock, i) => [lock, present[i] ?? []]));
  const dockerfiles = first ? await holdDockerfiles(run, from, first.lock.platform, base, production.images) : [];
  const facts = base && (await inspectPinned(run, from, base, true));
  return {
    findings: [
      ...(base && facts ? imageFindings(base.lock, nodes, there.get(base.lock) ?? [], factsLine(facts), onNodes) : []),
      ...productionFindings(production, nodes, there, onNodes),
      ...dockerfileFindings(dockerfiles),
    ],
    ...(facts && { image: reportedImage(facts) }),
  };
}

function reportedImage({ reference, digest, os, endOfLife }: ImageFacts): ReportedImage {
  return {
    reference,
    digest,
    ...(os.value && { os: os.value.name }),
    ...(endOfLife.value !== null && { endOfLife: endOfLife.value }),
  };
}
