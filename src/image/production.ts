import type { Run } from '../host/run.ts';
import type { Workload } from '../snapshot/model.ts';
import type { Pinned, Source } from './base-image.ts';
import { type BuiltOn, builtOn } from './built-on.ts';
import { type ProductionDigest, tryReference } from './from-check.ts';
import { readLock } from './lock.ts';
import { type FoundImage, lookUpImages } from './look-up.ts';
import type { ImageLock } from './model.ts';
import { type ImageGap, runningImages } from './running.ts';

/** An image that production runs, what it was built on, and, pinned, how to get it. */
export interface ProductionImage extends FoundImage {
  readonly builtOn?: BuiltOn;
}

export interface Production {
  /** Those that share layers stand together, a parent before what was built on it. */
  readonly images: readonly ProductionImage[];
  readonly gaps: readonly ImageGap[];
}

/** What the workloads of a target run, looked up by digest, held against the chosen base image. Pulls nothing. */
export async function lookUpProduction(
  run: Run,
  from: Source,
  workloads: readonly Workload[],
  base: ImageLock | undefined,
): Promise<Production> {
  const { images, gaps } = runningImages(workloads);
  const found = await lookUpImages(run, from, images);
  const pinned = [...(await readLock(from.folder)), ...found.flatMap((one) => one.pinned?.lock ?? [])];
  const known = found.map((one): ProductionImage => {
    if (!one.pinned) return one;
    return { ...one, builtOn: builtOn(one.pinned.lock, base, pinned, one.config?.labels ?? {}) };
  });
  const layers = (one: ProductionImage) => one.pinned?.lock.diffIds.join() ?? '';
  return {
    images: known.toSorted((a, b) => (layers(a) < layers(b) ? -1 : layers(a) > layers(b) ? 1 : 0)),
    gaps: [...gaps, ...found.flatMap(gapOf)],
  };
}

/** An image that is only for other platforms is not a gap: it is known why it isn't here. */
function gapOf({ reference, problem, platforms, unanswered }: FoundImage): ImageGap[] {
  return problem === undefined || platforms ? [] : [{ reference, reason: problem, ...(unanswered && { unanswered }) }];
}

/** For which nodes an image is, where it isn't for this machine's. */
export function elsewhere(platforms: readonly string[]): string {
  return platforms.every((platform) => platform.startsWith('windows/'))
    ? 'a Windows image, not for a Linux cluster'
    : `for ${platforms.join(', ')}, not for this machine`;
}

/** The digests to hold a Dockerfile against: the base first, then what images say they stand on, then they themselves. */
export function productionDigests(
  base: Pinned | undefined,
  images: readonly ProductionImage[],
): readonly ProductionDigest[] {
  const bases = images.flatMap(({ builtOn: on, reference }): ProductionDigest[] => {
    if (on?.digest === undefined || on.reference === undefined) return [];
    const named = tryReference(on.reference);
    if (typeof named === 'string') return [];
    return [{ repository: named.repository, digest: on.digest, use: `what ${reference} was built on` }];
  });
  const running = images.flatMap(({ pinned, workloads }) =>
    pinned ? [digestOf(pinned.lock, `what ${workloads.join(', ')} runs`)] : [],
  );
  return [...(base ? [digestOf(base.lock, 'the base image')] : []), ...bases, ...running];
}

function digestOf({ repository, digest, manifestDigest }: ImageLock, use: string): ProductionDigest {
  return { repository, digest, manifestDigest, use };
}
