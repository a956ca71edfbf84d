import type { Readable } from 'node:stream';
import type Docker from 'dockerode';
import { environmentError, messageOf, ParityError } from '../host/errors.ts';
import type { Run } from '../host/run.ts';
import { type ArchiveImage, chooseImage } from './archive-image.ts';
import { type ArchiveFiles, openArchive, takeInventory } from './archive-source.ts';
import { findInDaemon } from './daemon-image.ts';
import { archiveFiles, type ImageFiles } from './image-files.ts';
import { normalisePlatform, parseManifest } from './manifest.ts';
import type { ImageLock } from './model.ts';
import { ociLayout } from './oci-layout.ts';
import { dockerMessages } from './pull.ts';
import { packTar, type TarEntry, tarFile } from './tar.ts';

export interface ArchiveOptions {
  /** Absolute path of an OCI layout (folder or tar) or of what "docker save" wrote; tars may be gzipped or zstd. */
  readonly path: string;
  /** os/architecture[/variant]: the daemon's. */
  readonly platform: string;
  /** The image to take and the name to give it; the only one in the archive when absent. */
  readonly reference?: string;
}

/** An image of an archive, read and checked whole, not yet in any daemon. */
export interface PinnedArchive {
  /** With origin `archive`. */
  readonly lock: ImageLock;
  readonly files: ImageFiles;
  /** Puts it into the daemon. */
  load(docker: Docker, run: Run): Promise<'pulled' | 'present'>;
}

/**
 * Reads and checks an archive before any daemon gets a byte of it, and pins the image that is meant. Throws an `input`
 * error where it is truncated, damaged, incomplete or for another platform.
 */
export async function pinArchive(options: ArchiveOptions, run: Run): Promise<PinnedArchive> {
  const { path, reference } = options;
  const files = await openArchive(path, run.signal);
  const inventory = await run.step(`Check ${path}`, () => takeInventory(files, path, run.signal));
  const image = chooseImage(inventory, path, normalisePlatform(options.platform), reference);
  const { lock } = image;
  if (lock.synthetic) {
    run.log(
      'warn',
      `${path} was written by "docker save", which keeps no registry digest: ${lock.digest} is Docker's own, not production's`,
    );
  }
  return {
    lock,
    files: archiveFiles(files, path, image),
    async load(docker, { signal, step }) {
      if (await findInDaemon(docker, lock)) return 'present';
      await step(`Load ${lock.reference} into Docker`, () => intoDocker(docker, files, image, path, signal));
      return 'pulled';
    },
  };
}

/** Pins an image of an archive and puts it into the daemon: see pinArchive. */
export async function loadArchive(docker: Docker, options: ArchiveOptions, run: Run): Promise<ImageLock> {
  const pinned = await pinArchive(options, run);
  await pinned.load(docker, run);
  return pinned.lock;
}

async function intoDocker(
  docker: Docker,
  files: ArchiveFiles,
  image: ArchiveImage,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  const { lock } = image;
  const archive = packTar(dockerArchive(files, image));
  try {
    signal.throwIfAborted();
    const answer = await docker.loadImage(archive, { quiet: true, abortSignal: signal });
    for await (const _ of dockerMessages(answer as Readable, signal));
  } catch (cause) {
    if (signal.aborted) {
      throw new ParityError('cancelled', `Loading ${path} was cancelled: Docker has no image of it`, { cause });
    }
    if (cause instanceof ParityError) throw cause;
    throw environmentError(`Docker can't load ${lock.reference} from ${path}: ${messageOf(cause)}`, { cause });
  } finally {
    archive.destroy();
  }
  if (!(await findInDaemon(docker, lock))) {
    throw environmentError(`Docker loaded ${path}, but does not have ${lock.reference} with these layers`);
  }
}

/**
 * One image in both of the forms that daemons read: docker save's manifest.json for those with graph drivers, the OCI
 * index with the original manifests for those with the containerd store.
 */
async function* dockerArchive(files: ArchiveFiles, { lock, config, layers }: ArchiveImage): AsyncGenerator<TarEntry> {
  const name = lock.tag === undefined ? undefined : `${lock.repository}:${lock.tag}`;
  const blobs = new Set([config, ...layers]);
  for await (const entry of files()) if (blobs.delete(entry.name)) yield entry;
  const repoTags = name === undefined ? null : [name];
  yield tarFile('manifest.json', JSON.stringify([{ Config: config, RepoTags: repoTags, Layers: layers }]));
  if (!config.startsWith('blobs/')) return;
  const top = lock.index ?? lock.manifest;
  const { mediaType } = parseManifest(top, lock.reference);
  const descriptor = { mediaType, digest: lock.digest, size: Buffer.byteLength(top) };
  yield* ociLayout(
    [{ descriptor, name: name ?? `${lock.repository}@${lock.digest}` }],
    [[lock.manifestDigest, lock.manifest], ...(lock.index === undefined ? [] : [[lock.digest, lock.index] as const])],
  );
}
