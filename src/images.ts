import { messageOf, ParityError } from './host/errors.ts';
import type { Run } from './host/run.ts';
import { startStages } from './host/stages.ts';
import { findOwn, loadOwn, loadPinned, type Pinned, pinImage, pullPinned, type Source } from './image/base-image.ts';
import type { ImageDifference } from './image/difference.ts';
import { connectDocker, pingDocker } from './image/docker.ts';
import type { ImageFacts } from './image/facts.ts';
import type { ImageList, ListedImage } from './image/images-text.ts';
import { comparePinned, inspectPinned } from './image/inspect.ts';
import type { ImageLock, NodeImage } from './image/model.ts';
import { imagesOnNodes } from './image/on-nodes.ts';
import { platformToRead } from './image/platform.ts';
import { elsewhere, lookUpProduction, type ProductionImage } from './image/production.ts';
import type { ImageGap } from './image/running.ts';
import { holdDockerfiles } from './insight/known-images.ts';
import { openLocal, openTarget } from './open.ts';
import type { Project } from './pipeline.ts';
import { scopeTarget } from './plan/scope.ts';

/** A pinned image, and what is different from the one that was pinned before it. */
export interface PulledImage extends ImageLock {
  readonly difference?: ImageDifference;
}

/**
 * Pulls the base image (or `reference`) by digest into the Docker daemon and records it in the lock file; with `update`,
 * what its tag is now.
 */
export async function pull(run: Run, project: Project, reference?: string, update = false): Promise<PulledImage> {
  const { stage } = startStages(run);
  const pinned = await stage('looking up the image', () => pinImage(run, project, reference, update));
  const { lock: found, before } = pinned;
  // Asked for by name, it is no longer there for a workload's sake alone.
  const { workload: _, ...lock } = found;
  await stage('pulling the image', () => pullPinned(run, project, { ...pinned, lock }));
  if (!before) return lock;
  const difference = await stage('comparing the images', () => comparePinned(run, project, before, pinned));
  return { ...lock, difference };
}

/** What the base image (or `reference`) is. Pulls nothing, pins nothing. */
export async function image(run: Run, project: Project, reference?: string): Promise<ImageFacts> {
  const { stage } = startStages(run);
  // Only read: where no daemon answers, the registry or the archive has it as well.
  const platform = await platformToRead(run, project.host);
  const pinned = await stage('looking up the image', () => pinImage(run, { ...project, platform }, reference));
  return stage('reading the image', () => inspectPinned(run, project, pinned));
}

/**
 * Loads an image into every node of the local cluster. The base image, and any other that is pinned, under production's
 * digest, pulled first where the daemon lacks it; else what Docker has under this tag, as the developer built it.
 */
export async function load(run: Run, project: Project, reference?: string): Promise<readonly NodeImage[]> {
  const { stage } = startStages(run);
  const cluster = await stage('finding the local cluster', () => openLocal(run, project));
  const own =
    reference === undefined ? undefined : await stage('looking up the image', () => findOwn(run, project, reference));
  if (own) return stage('loading the image', () => loadOwn(run, own, cluster));
  const pinned = await stage('looking up the image', () => pinImage(run, project, reference));
  // Whether the image is for these nodes is asked before it is pulled.
  await stage('asking the nodes', () => imagesOnNodes(cluster, [pinned.lock], run.signal));
  await stage('pulling the image', () => pullPinned(run, project, pinned, cluster));
  return stage('loading the image', () => loadPinned(run, pinned, cluster));
}

/**
 * What the target's workloads run: digest, size, base; and how the folder's Dockerfiles stand to that. Pulls nothing. A
 * registry that doesn't answer is a gap in the list, not a failure.
 */
export async function images(run: Run, project: Project): Promise<ImageList> {
  const { stage } = startStages(run);
  const { snapshot } = await stage('reading the target', () => openTarget(run, project));
  const { workloads } = scopeTarget(snapshot, project.settings);
  // Only read: no daemon is needed.
  const from = { ...project, platform: await platformToRead(run, project.host) };
  const base = await stage('looking up the image', () => findBase(run, from));
  const production = await stage("looking up production's images", () =>
    lookUpProduction(run, from, workloads, base.pinned?.lock),
  );
  const dockerfiles = await stage('reading Dockerfiles', () =>
    holdDockerfiles(run, from, from.platform, base.pinned, production.images),
  );
  return {
    base: base.pinned ? { reference: base.pinned.lock.reference, digest: base.pinned.lock.digest } : null,
    images: production.images.map(listed),
    gaps: [...base.gaps, ...production.gaps],
    dockerfiles,
  };
}

async function findBase(run: Run, from: Source): Promise<{ pinned?: Pinned; gaps: readonly ImageGap[] }> {
  const { image: reference } = from.settings;
  if (reference === 'none') return { gaps: [] };
  try {
    return { pinned: await pinImage(run, from), gaps: [] };
  } catch (error) {
    run.signal.throwIfAborted();
    // A wrong option or file is not a registry's refusal.
    if (!(error instanceof ParityError) || error.kind !== 'environment') throw error;
    return { gaps: [{ reference, reason: messageOf(error), unanswered: true }] };
  }
}

function listed(image: ProductionImage): ListedImage {
  const { reference, workloads, digest, pinned, config, builtOn, platforms, problem } = image;
  const lock = pinned?.lock;
  return {
    reference,
    workloads,
    digest: digest ?? null,
    digestFrom: digest === undefined ? null : reference.includes('@') ? 'target' : 'tag',
    size: lock?.size ?? null,
    platform: lock?.platform ?? platforms?.join(', ') ?? null,
    created: config?.created ?? null,
    builtOn: builtOn ?? null,
    problem: platforms ? elsewhere(platforms) : (problem ?? null),
  };
}

/** What Docker has under a tag here, the newest first: what `load` takes as the developer built or pulled it. */
export async function localImages(run: Run, project: Project): Promise<readonly string[]> {
  const docker = await connectDocker(project.host, run.signal);
  await pingDocker(docker, run.signal);
  const all = await docker.listImages();
  const tags = all.toSorted((a, b) => b.Created - a.Created).flatMap(({ RepoTags }) => RepoTags ?? []);
  return tags.filter((tag) => tag !== '<none>:<none>');
}
