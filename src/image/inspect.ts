import { messageOf, ParityError } from '../host/errors.ts';
import type { Run } from '../host/run.ts';
import { type Pinned, registryOf, type Source } from './base-image.ts';
import { findInDaemon } from './daemon-image.ts';
import { compareImages, type ImageDifference } from './difference.ts';
import { contentFacts, type ImageFacts, imageFacts } from './facts.ts';
import { daemonFiles, type ImageFiles, registryFiles } from './image-files.ts';
import type { ImageLock } from './model.ts';
import type { Registry } from './registry.ts';

/**
 * The facts of a pinned image: its files from the archive, the daemon or the registry (the first that has them), what
 * its publisher attached from the registry. `hurry` is for a report that has other things to tell: the registry gets
 * one try and five seconds.
 */
export async function inspectPinned(run: Run, from: Source, pinned: Pinned, hurry = false): Promise<ImageFacts> {
  const { trust } = pinned;
  return withRegistry(run, from, pinned.lock, hurry, async (registry) => {
    const files = await filesOf(run, pinned, pinned.lock, registry);
    return imageFacts(
      pinned.lock,
      { ...(files ? { files } : {}), ...(registry ? { registry } : {}), ...(trust ? { trust } : {}) },
      run,
    );
  });
}

/** What changes between the image that was pinned and the one that is. */
export function comparePinned(run: Run, from: Source, before: ImageLock, pinned: Pinned): Promise<ImageDifference> {
  const side = (lock: ImageLock) =>
    withRegistry(run, from, lock, false, async (registry) => ({
      lock,
      facts: await contentFacts(await filesOf(run, pinned, lock, registry), run),
    }));
  return Promise.all([side(before), side(pinned.lock)]).then(([a, b]) => compareImages(a, b));
}

async function filesOf(
  run: Run,
  pinned: Pinned,
  lock: ImageLock,
  registry: Registry | undefined,
): Promise<ImageFiles | undefined> {
  if (pinned.files && lock === pinned.lock) return pinned.files;
  try {
    const image = await findInDaemon(pinned.docker, lock);
    if (image) return daemonFiles(pinned.docker, image.id);
  } catch (error) {
    run.signal.throwIfAborted();
    if (!registry || !(error instanceof ParityError) || error.kind !== 'environment') throw error;
    // A daemon that doesn't answer isn't needed: the registry has them as well.
    run.log('debug', messageOf(error));
  }
  return registry && registryFiles(registry, lock);
}

/** Gives `work` the registry of an image that came from one. */
async function withRegistry<T>(
  run: Run,
  from: Source,
  lock: ImageLock,
  hurry: boolean,
  work: (registry: Registry | undefined) => Promise<T>,
): Promise<T> {
  if (lock.origin === 'archive') return work(undefined);
  const registry = registryOf(lock, from, run, hurry ? { attempts: 1, timeoutMs: 5_000 } : {});
  try {
    return await work(registry);
  } finally {
    await registry.close();
  }
}
