import type { Readable } from 'node:stream';
import type { LocalCluster } from '../cluster/provider.ts';
import { parseManifest } from './manifest.ts';
import type { ImageLock, NodeImage } from './model.ts';
import { type NodeStore, openNodeStore } from './node-store.ts';
import { ociIndex } from './save.ts';
import { packTar, tarFile } from './tar.ts';

/**
 * The names under which a node is to have the image, all normalised. Where the platform manifest's digest sorts before
 * the index's, a name with tag and digest goes in too: CRI reports a container's imageID by the first name in
 * github.com/distribution/reference's order, and that has to be production's digest.
 */
export function imageNames(lock: ImageLock): string[] {
  const { repository, tag, digest, manifestDigest } = lock;
  const tagged = tag === undefined ? [] : [`${repository}:${tag}`];
  const names = [`${repository}@${digest}`, ...tagged];
  if (manifestDigest === digest) return names;
  if (digest < manifestDigest) return [...names, `${repository}@${manifestDigest}`];
  return tag === undefined ? names : [...names, `${repository}@${manifestDigest}`, `${repository}:${tag}@${digest}`];
}

/** What a node has of the image: undefined unless every name, production's digest and all layers are there. */
export async function nodeImage(
  cluster: LocalCluster,
  node: string,
  lock: ImageLock,
  signal: AbortSignal,
): Promise<NodeImage | undefined> {
  return present(await openNodeStore(cluster, node, signal), lock, signal);
}

/** As nodeImage, by a node's open store. */
export async function present(store: NodeStore, lock: ImageLock, signal: AbortSignal): Promise<NodeImage | undefined> {
  const [names, cri, unpacked] = await Promise.all([
    store.names(signal),
    store.inspect(`${lock.repository}@${lock.digest}`, signal),
    store.isUnpacked(lock.diffIds, signal),
  ]);
  const wanted = imageNames(lock);
  const complete =
    unpacked &&
    cri?.id === lock.configDigest &&
    String(cri.diffIds) === String(lock.diffIds) &&
    wanted.every((name) => names.get(name) === targetOf(lock, name) && cri.names.includes(name));
  return complete ? { node: store.node, state: 'present', names: wanted, diffIds: cri.diffIds } : undefined;
}

/** A name by the platform manifest's digest stands for that manifest, every other for production's digest. */
export function targetOf(lock: ImageLock, name: string): string {
  return name.endsWith(`@${lock.manifestDigest}`) ? lock.manifestDigest : lock.digest;
}

/** An OCI archive of the index and the platform's manifest alone, byte for byte, under all names. */
export function metadataArchive(lock: ImageLock): Readable {
  const texts = new Map([[lock.manifestDigest, lock.manifest]]);
  if (lock.index !== undefined) texts.set(lock.digest, lock.index);
  const images = imageNames(lock).map((name) => {
    const digest = targetOf(lock, name);
    const text = texts.get(digest) ?? '';
    const { mediaType } = parseManifest(text, `${lock.repository}@${digest}`);
    return { name, descriptor: { mediaType, digest, size: Buffer.byteLength(text) } };
  });
  return packTar([
    tarFile('oci-layout', '{"imageLayoutVersion":"1.0.0"}'),
    tarFile('index.json', ociIndex(images)),
    ...[...texts].map(([digest, text]) => tarFile(`blobs/sha256/${digest.slice('sha256:'.length)}`, text)),
  ]);
}
