import type { Readable } from 'node:stream';
import type { LocalCluster } from '../cluster/provider.ts';
import { normalisePlatform, parseManifest, platformMismatch } from './manifest.ts';
import type { ImageLock, NodeImage } from './model.ts';
import { type NodeState, openNodeStore } from './node-store.ts';
import { ociLayout } from './oci-layout.ts';
import { packTar } from './tar.ts';

/** An image as it is to be on the nodes. */
export interface WantedImage {
  /** As a person calls it. */
  readonly reference: string;
  readonly platform: string;
  readonly configDigest: string;
  readonly diffIds: readonly string[];
  /** Under which digests its layers lie compressed, in order; empty where that isn't known. */
  readonly layerDigests: readonly string[];
  /** Every name, normalised, with the digest of what it stands for; undefined: a manifest made for the node. */
  readonly names: ReadonlyMap<string, string | undefined>;
  /** Production's index and manifest by digest, byte for byte; none for an image that was built here. */
  readonly texts: ReadonlyMap<string, string>;
  /** What to do where Docker doesn't have it. */
  readonly action: string;
}

/** A pinned image, under all names by which production's manifests may ask for it. */
export function wantedImage(lock: ImageLock): WantedImage {
  const { reference, platform, configDigest, diffIds } = lock;
  const manifest = parseManifest(lock.manifest, lock.reference);
  const texts = new Map([[lock.manifestDigest, lock.manifest]]);
  if (lock.index !== undefined) texts.set(lock.digest, lock.index);
  return {
    reference,
    platform,
    configDigest,
    diffIds,
    layerDigests: manifest.kind === 'manifest' ? manifest.layers.map(({ digest }) => digest) : [],
    names: new Map(imageNames(lock).map((name) => [name, targetOf(lock, name)])),
    texts,
    action: `Pull it with "clparity pull ${reference}".`,
  };
}

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

/** A name by the platform manifest's digest stands for that manifest, every other for production's digest. */
function targetOf(lock: ImageLock, name: string): string {
  return name.endsWith(`@${lock.manifestDigest}`) ? lock.manifestDigest : lock.digest;
}

/** Throws an input error where the image isn't for the node's processor, naming both. */
export function checkPlatform(node: string, { architecture }: NodeState, wanted: WantedImage): void {
  const platform = normalisePlatform(`linux/${architecture}`);
  if (platform.split('/')[1] === normalisePlatform(wanted.platform).split('/')[1]) return;
  throw platformMismatch(wanted.reference, `${platform} (node ${node})`, wanted.platform);
}

/** What a node has of the image: undefined unless every name, production's digest and all layers are there. */
export async function nodeImage(
  cluster: LocalCluster,
  node: string,
  lock: ImageLock,
  signal: AbortSignal,
): Promise<NodeImage | undefined> {
  const wanted = wantedImage(lock);
  const state = await openNodeStore(cluster, node).survey([...wanted.names.keys()], signal);
  return present(node, state, wanted);
}

/** As nodeImage, by what is known of the node. */
export function present(node: string, state: NodeState, wanted: WantedImage): NodeImage | undefined {
  const named = [...wanted.names].every(
    ([name, target]) =>
      // kubelet's side knows the name, and means this config by it.
      state.kubelet.get(name) === wanted.configDigest &&
      (target === undefined ? state.names.has(name) : state.names.get(name) === target),
  );
  if (!named || state.missing(wanted.diffIds).length > 0) return undefined;
  return imageOn(node, 'present', wanted);
}

/** A node that has it all. */
export function imageOn(node: string, state: NodeImage['state'], { names, diffIds }: WantedImage): NodeImage {
  return { node, state, names: [...names.keys()], diffIds };
}

/** An OCI archive of the index and the platform's manifest alone, byte for byte, under all names. */
export function metadataArchive({ reference, names, texts }: WantedImage): Readable {
  const images = [...names].flatMap(([name, digest]) => {
    const text = digest === undefined ? undefined : texts.get(digest);
    if (digest === undefined || text === undefined) return [];
    const { mediaType } = parseManifest(text, `${reference} (${digest})`);
    return [{ name, descriptor: { mediaType, digest, size: Buffer.byteLength(text) } }];
  });
  return packTar(ociLayout(images, texts));
}
