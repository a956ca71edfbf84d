import type Docker from 'dockerode';
import type { SharedDaemon } from '../cluster/provider.ts';
import { environmentError } from '../host/errors.ts';
import { inspectImage, isWanted } from './daemon-image.ts';
import type { ImageLock, NodeImage } from './model.ts';
import { wantedImage } from './node-image.ts';

/** What stands in the place of a node's name. */
export const DAEMON = 'Docker';

/** The image, where Docker has it under production's digest and its tag; undefined where it doesn't. */
export async function inDaemon({ daemon }: SharedDaemon, lock: ImageLock): Promise<NodeImage | undefined> {
  const { repository, tag, digest, diffIds } = lock;
  const names = [`${repository}@${digest}`, ...(tag === undefined ? [] : [`${repository}:${tag}`])];
  const wanted = wantedImage(lock);
  const found: readonly (Docker.ImageInspectInfo | undefined)[] = await Promise.all(
    names.map((name) => inspectImage(daemon, name)),
  );
  if (!found.every((image) => image !== undefined && isWanted(image, wanted))) return undefined;
  return { node: DAEMON, state: 'present', names, diffIds };
}

/**
 * Loading, where Docker's images are the cluster's: what was pulled by its digest is there. Throws `environment` where
 * Docker has the image without its digest, as out of an archive.
 */
export async function loadIntoDaemon(way: SharedDaemon, lock: ImageLock): Promise<NodeImage[]> {
  const image = await inDaemon(way, lock);
  if (image) return [{ ...image, bytes: 0 }];
  throw environmentError(
    `Docker has ${lock.reference}, but not under production's digest, so no pod finds it by that`,
    {
      action: `Get it by its digest: "docker pull ${lock.repository}@${lock.digest}".`,
    },
  );
}
