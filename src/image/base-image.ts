import type Docker from 'dockerode';
import type { LocalCluster } from '../cluster/provider.ts';
import { inputError } from '../host/errors.ts';
import type { Host } from '../host/host.ts';
import { localHost } from '../host/local.ts';
import type { Run } from '../host/run.ts';
import type { Settings } from '../settings.ts';
import { pinArchive } from './archive.ts';
import { connectDocker, pingDocker } from './docker.ts';
import type { ImageFiles } from './image-files.ts';
import { loadImage } from './load.ts';
import { findLock, readLock, writeLock } from './lock.ts';
import type { ImageLock, NodeImage } from './model.ts';
import { type WantedImage, wantedImage } from './node-image.ts';
import { ownImage } from './own-image.ts';
import { pullImage } from './pull.ts';
import { parseReference } from './reference.ts';
import type { Registry } from './registry.ts';
import { openImageRegistry, resolveImage } from './resolve.ts';
import { DAEMON, loadIntoDaemon } from './shared-daemon.ts';
import { publishImage } from './shared-registry.ts';
import { readTrust, type Trust } from './trust.ts';

/** Where an image is to come from: see Project in pipeline.ts. */
export interface Source {
  readonly host: Host;
  readonly folder: string;
  readonly settings: Pick<Settings, 'image' | 'archive' | 'registryMirror' | 'trust'>;
  /** os/architecture[/variant] to look images up for, where no daemon is needed to know it (see platformToRead). */
  readonly platform?: string;
}

/** An image whose digest is decided, and the daemon that is to hold it. */
export interface Pinned {
  readonly lock: ImageLock;
  readonly docker: Docker;
  /** What it replaces in the lock file. */
  readonly before?: ImageLock;
  /** Whom its signatures are to be by. */
  readonly trust?: Trust;
  /** Its files in the archive that it came from. */
  readonly files?: ImageFiles;
  /** Opens the registry that it comes from, to read; absent for an archive's. */
  open?(run: Run): Registry;
  /** Brings it into the daemon. */
  fetch(run: Run): Promise<'pulled' | 'present'>;
}

/**
 * Decides which image is meant: by the archive, else by the lock file, else by the registry. Writes nothing. Throws an
 * input error for `none`, and as those do.
 */
export async function pinImage(
  run: Run,
  from: Source,
  reference = from.settings.image,
  update = false,
): Promise<Pinned> {
  const { host, folder } = from;
  if (reference === 'none') {
    throw inputError('"none" stands for no image at all, so there is none to look up', {
      action: 'Name one; one that is called so is docker.io/library/none.',
    });
  }
  // Before anything is changed: a file that can't be read should not be found out at the end.
  const { archive: path, registryMirror: mirror, trust: trusted } = from.settings;
  const trust = trusted === undefined ? {} : { trust: await readTrust(localHost(), trusted) };
  const docker = await connectDocker(host, run.signal);
  const platform = from.platform ?? (await pingDocker(docker, run.signal)).platform;
  const locks = await readLock(folder);
  if (path !== undefined) {
    const archive = await pinArchive({ path, platform, reference }, run);
    const { lock, files } = archive;
    return { lock, docker, files, ...trust, ...replaced(locks, lock), fetch: (r) => archive.load(docker, r) };
  }
  const options = { host, platform, locks, update, ...(mirror === undefined ? {} : { mirror }) };
  const lock = await resolveImage(reference, options, run);
  return {
    ...{ lock, docker, ...trust, ...replaced(locks, lock) },
    ...(lock.origin === 'registry' && { open: (r: Run) => registryOf(lock, from, r) }),
    fetch: (r) => pullImage(docker, lock, host, r, mirror),
  };
}

function replaced(locks: readonly ImageLock[], lock: ImageLock): { before?: ImageLock } {
  const before = findLock(locks, lock.reference, lock.platform);
  return before && before.digest !== lock.digest ? { before } : {};
}

/** The registry that a pinned image came from, or its mirror. */
export function registryOf(
  lock: ImageLock,
  { host, settings }: Source,
  run: Run,
  limits: { readonly attempts?: number; readonly timeoutMs?: number } = {},
): Registry {
  const mirror = settings.registryMirror === undefined ? {} : { mirror: settings.registryMirror };
  return openImageRegistry(parseReference(lock.reference), host, { ...limits, ...mirror, log: run.log });
}

/** An image that Docker has under this very tag and that isn't pinned; undefined where it is, or Docker has none. */
export async function findOwn(
  run: Run,
  { host, folder, settings }: Source,
  reference: string,
): Promise<{ readonly wanted: WantedImage; readonly docker: Docker } | undefined> {
  if (settings.archive !== undefined) return undefined;
  const docker = await connectDocker(host, run.signal);
  const { text } = parseReference(reference);
  if ((await readLock(folder)).some((lock) => lock.reference === text)) return undefined;
  await pingDocker(docker, run.signal);
  const wanted = await ownImage(docker, reference, run.signal);
  return wanted && { wanted, docker };
}

/**
 * Brings a pinned image into the daemon, then records it in the lock file. For a cluster that pulls from a registry the
 * daemon is not needed: it is recorded alone.
 */
export async function pullPinned(
  run: Run,
  { folder }: Source,
  pinned: Pinned,
  cluster?: LocalCluster,
): Promise<'pulled' | 'present'> {
  const state = cluster?.images && 'registry' in cluster.images ? 'present' : await pinned.fetch(run);
  await writeLock(folder, pinned.lock);
  return state;
}

/**
 * Loads a pinned image from the daemon into every node, or brings it to the registry that the cluster pulls from; where
 * the cluster shares the daemon, it is there.
 */
export async function loadPinned(run: Run, pinned: Pinned, cluster: LocalCluster): Promise<NodeImage[]> {
  const { images } = cluster;
  if (images && 'daemon' in images) return loadIntoDaemon(images, pinned.lock);
  if (images) return publishImage(images, pinned.lock, pinned.open, run);
  return loadImage(pinned.docker, cluster, wantedImage(pinned.lock), run);
}

/** Loads an image of the developer's own from the daemon; an input error where a cluster takes none from it. */
export async function loadOwn(
  run: Run,
  { wanted, docker }: NonNullable<Awaited<ReturnType<typeof findOwn>>>,
  cluster: LocalCluster,
): Promise<NodeImage[]> {
  const { images } = cluster;
  if (images && 'daemon' in images) {
    const names = [...wanted.names.keys()];
    return [{ node: DAEMON, state: 'present', names, bytes: 0, diffIds: wanted.diffIds }];
  }
  if (images) {
    throw inputError(`${cluster.id} takes images from ${images.registry} alone, not from this Docker`, {
      action: `Push it there yourself: docker tag ${wanted.reference} ${images.registry}/NAME, then docker push.`,
    });
  }
  return loadImage(docker, cluster, wanted, run);
}
