import type Docker from 'dockerode';
import { environmentError, messageOf } from '../host/errors.ts';
import type { ImageLock } from './model.ts';
import { type WantedImage, wantedImage } from './node-image.ts';

/** An image as the daemon has it. */
export interface DaemonImage {
  readonly id: string;
  /** Bytes on the daemon's disk. */
  readonly size: number;
  /** Whether the daemon keeps images in containerd: layers packed, under their digests in manifests. */
  readonly packed: boolean;
}

/** Finds a pinned image in the daemon; undefined where the daemon doesn't have these very layers. */
export function findInDaemon(docker: Docker, lock: ImageLock): Promise<DaemonImage | undefined> {
  return findImage(docker, wantedImage(lock));
}

/** Finds an image by its names or by its config (its ID, unless Docker keeps images in containerd), and checks its layers. */
export async function findImage(docker: Docker, wanted: WantedImage): Promise<DaemonImage | undefined> {
  // The last are IDs in the containerd store, of an image that came under a mirror's name.
  for (const name of [wanted.configDigest, ...wanted.names.keys(), ...wanted.texts.keys()]) {
    const image = await inspectImage(docker, name);
    if (image && isWanted(image, wanted)) return { id: image.Id, size: image.Size, packed: isPacked(image) };
  }
  return undefined;
}

/** A daemon's image ID is the config's digest, with the containerd store the index's or manifest's. */
export function isWanted(
  { Id, RootFS }: Docker.ImageInspectInfo,
  { configDigest, texts, diffIds }: WantedImage,
): boolean {
  const known = texts.size === 0 || Id === configDigest || texts.has(Id);
  return known && String(RootFS.Layers) === String(diffIds);
}

/** Whether the daemon that says this keeps images in containerd. */
export function isPacked(image: Docker.ImageInspectInfo): boolean {
  return 'Descriptor' in image;
}

/** Docker's own description of an image, or undefined where it has none of this name. */
export async function inspectImage(docker: Docker, name: string): Promise<Docker.ImageInspectInfo | undefined> {
  try {
    return await docker.getImage(name).inspect();
  } catch (cause) {
    if ((cause as { statusCode?: number }).statusCode === 404) return undefined;
    throw environmentError(`Docker can't tell about the image ${name}: ${messageOf(cause)}`, {
      cause,
      action: 'Look whether Docker still runs ("clparity doctor"), then try again.',
    });
  }
}
