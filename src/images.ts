import type { Run } from './host/run.ts';
import { startStages } from './host/stages.ts';
import { findOwn, loadPinned, pinImage, pullPinned } from './image/base-image.ts';
import type { ImageDifference } from './image/difference.ts';
import type { ImageFacts } from './image/facts.ts';
import { comparePinned, inspectPinned } from './image/inspect.ts';
import { loadImage } from './image/load.ts';
import type { ImageLock, NodeImage } from './image/model.ts';
import { openLocal } from './open.ts';
import type { Project } from './pipeline.ts';

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
  await stage('pulling the image', () => pullPinned(run, project, pinned));
  const { lock, before } = pinned;
  if (!before) return lock;
  const difference = await stage('comparing the images', () => comparePinned(run, project, before, pinned));
  return { ...lock, difference };
}

/** What the base image (or `reference`) is. Pulls nothing, pins nothing. */
export async function image(run: Run, project: Project, reference?: string): Promise<ImageFacts> {
  const { stage } = startStages(run);
  const pinned = await stage('looking up the image', () => pinImage(run, project, reference));
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
  if (own) return stage('loading the image', () => loadImage(own.docker, cluster, own.wanted, run));
  const pinned = await stage('looking up the image', () => pinImage(run, project, reference));
  await stage('pulling the image', () => pullPinned(run, project, pinned));
  return stage('loading the image', () => loadPinned(run, pinned, cluster));
}
