import { messageOf, ParityError, withAction } from '../host/errors.ts';
import type { Run } from '../host/run.ts';
import { type Pinned, pinImage, registryOf, type Source } from './base-image.ts';
import { type ConfigFacts, configFacts } from './built-on.ts';
import { findLock, readLock } from './lock.ts';
import { imagesOf, parseConfig, parseManifest } from './manifest.ts';
import type { ImageLock } from './model.ts';
import { parseReference } from './reference.ts';
import type { Registry } from './registry.ts';
import { openImageRegistry } from './resolve.ts';
import type { RunningImage } from './running.ts';

/** What a registry says of an image that runs; without `pinned`, `problem` says why it can't be had here. */
export interface FoundImage extends RunningImage {
  readonly pinned?: Pinned;
  readonly config?: ConfigFacts;
  readonly problem?: string;
  /** As in ImageGap. */
  readonly unanswered?: true;
  /** For which platforms there is one, where this machine's isn't among them. */
  readonly platforms?: readonly string[];
}

/** Registries are asked about so many images at once. */
const AT_ONCE = 6;

/**
 * Looks images up by digest: manifests and configs, no layers. An image that a registry doesn't give, or not for this
 * platform, is no failure: it comes back with its problem. A cancel, and what is our own fault, is thrown.
 */
export async function lookUpImages(run: Run, from: Source, images: readonly RunningImage[]): Promise<FoundImage[]> {
  // An archive holds the base image, not what runs on it.
  const { archive: _archive, ...settings } = from.settings;
  const source = { ...from, settings };
  const locks = await readLock(from.folder);
  const found: FoundImage[] = [];
  for (let i = 0; i < images.length; i += AT_ONCE) {
    const some = images.slice(i, i + AT_ONCE);
    found.push(...(await Promise.all(some.map((image) => lookUp(run, source, image, locks)))));
  }
  return found;
}

async function lookUp(run: Run, from: Source, image: RunningImage, locks: readonly ImageLock[]): Promise<FoundImage> {
  try {
    const pinned = forWorkload(await pinImage(run, from, pinnedName(image, locks)), locks);
    const config = await readConfig(run, from, pinned.lock);
    return { ...image, digest: pinned.lock.digest, pinned, ...(config ? { config } : {}) };
  } catch (error) {
    run.signal.throwIfAborted();
    if (!(error instanceof ParityError)) throw error;
    const problem = withAction(error);
    if (error.kind === 'environment') return { ...image, problem, unanswered: true };
    const platforms = error.kind === 'input' ? await platformsOf(run, from, image.reference) : undefined;
    return { ...image, problem, ...(platforms ? { platforms } : {}) };
  }
}

/** What is pinned by now stays as it is: somebody may have pinned it for its own sake. */
function forWorkload(pinned: Pinned, locks: readonly ImageLock[]): Pinned {
  const { reference, platform } = pinned.lock;
  return findLock(locks, reference, platform) ? pinned : { ...pinned, lock: { ...pinned.lock, workload: true } };
}

/** A tag that is pinned to this very digest, as the base image's, stands for it without asking a registry. */
function pinnedName({ reference }: RunningImage, locks: readonly ImageLock[]): string {
  const { repository, tag, digest } = parseReference(reference);
  const same = locks.find((lock) => lock.repository === repository && lock.tag === tag && lock.digest === digest);
  return same?.reference ?? reference;
}

/** The config of a pinned image; undefined where its registry doesn't give it now. One try: it is but a detail. */
export async function readConfig(run: Run, from: Source, lock: ImageLock): Promise<ConfigFacts | undefined> {
  if (lock.origin === 'archive') return undefined;
  const registry = registryOf(lock, from, run, { attempts: 1, timeoutMs: 5_000 });
  return tried(run, registry, async () =>
    configFacts((await registry.blob(lock.configDigest, run.signal)).toString('utf8')),
  );
}

/** What platforms an image is for; undefined where that can't be told. */
async function platformsOf(run: Run, { host, settings }: Source, name: string): Promise<string[] | undefined> {
  const reference = parseReference(name);
  const mirror = settings.registryMirror === undefined ? {} : { mirror: settings.registryMirror };
  const registry = openImageRegistry(reference, host, { attempts: 1, timeoutMs: 5_000, ...mirror });
  return tried(run, registry, async () => {
    const { text } = await registry.manifest(reference.digest ?? reference.tag ?? '', run.signal);
    const manifest = parseManifest(text, name);
    if (manifest.kind === 'index') return [...new Set(imagesOf(manifest).map(({ platform }) => platform))];
    const config = await registry.blob(manifest.config.digest, run.signal);
    return [parseConfig(config.toString('utf8'), name).platform];
  });
}

async function tried<T>(run: Run, registry: Registry, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    run.signal.throwIfAborted();
    if (!(error instanceof ParityError)) throw error;
    run.log('debug', messageOf(error));
    return undefined;
  } finally {
    await registry.close();
  }
}
