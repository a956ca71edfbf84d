import type { Readable } from 'node:stream';
import type Docker from 'dockerode';
import { messageOf } from '../host/errors.ts';
import type { Run } from '../host/run.ts';
import type { DaemonImage } from './daemon-image.ts';
import { digestOf } from './digest.ts';
import type { WantedImage } from './node-image.ts';
import { ociLayout } from './oci-layout.ts';
import { pushedManifest, pushToHere, ROOM } from './push.ts';
import { pushedThrough } from './push-through.ts';
import { saveAs } from './save.ts';
import { type Content, packTar } from './tar.ts';

const LAYER = 'application/vnd.docker.image.rootfs.diff.tar.gzip';

/** More bytes than any config has, and packed headers of some ten thousand files. */
const CONFIG = 1024 * 1024;

/** Layers on their way from Docker into nodes. */
export interface LayerArchive {
  readonly archive: Readable;
  /** About how many bytes will come. */
  readonly bytes: number;
  /** The name that it has beside the staging name, for an import that asks for that. */
  readonly direct?: string;
}

/**
 * An OCI archive, under a staging name, of the image's manifest and config and the layers in `missing`, from the Docker
 * daemon; where it is small, under the name `direct` as well. A few small layers are pushed by Docker to a registry in this
 * process and held in memory. More go through as they are pushed by a daemon that has them packed; any other would pack
 * them first. Else, or where Docker can't reach this process, it saves the whole image; what isn't missing is left out.
 */
export async function layersFrom(
  docker: Docker,
  image: DaemonImage,
  wanted: WantedImage,
  missing: readonly string[],
  staging: string,
  run: Run,
  direct?: string,
): Promise<LayerArchive> {
  const { sizes, exact } = await layerSizes(docker, image, wanted.diffIds.length, run.signal);
  const bytes = wanted.diffIds.reduce((sum, id, i) => sum + (missing.includes(id) ? (sizes[i] ?? 0) : 0), 0);
  if (bytes <= ROOM) {
    // Docker may send all that it never sent: no use to hold a layer that is larger than all that is missing. Packing
    // adds little to what it can't make smaller.
    const largest = exact ? bytes * 1.1 + CONFIG : ROOM;
    const found = await pushed(docker, image, wanted, missing, sizes, largest, run);
    if (found) {
      const archive = archiveOf(found.manifest, found.blobs, staging, direct);
      return { archive, bytes, ...(direct !== undefined && { direct }) };
    }
  }
  if (image.packed && wanted.layerDigests.length === wanted.diffIds.length) {
    const archive = await pushedThrough(docker, image, wanted, missing, staging, run);
    if (archive) return { archive, bytes };
  }
  const known = wanted.diffIds.flatMap((id, i) => (missing.includes(id) ? [] : [id, wanted.layerDigests[i] ?? id]));
  return { archive: await saveAs(docker, image.id, staging, run.signal, new Set(known)), bytes };
}

/** Bytes of each layer, unpacked, by the image's history; where that doesn't tell, each has an equal share. */
async function layerSizes(docker: Docker, image: DaemonImage, layers: number, signal: AbortSignal) {
  signal.throwIfAborted();
  const history = (await docker.getImage(image.id).history()) as readonly { readonly Size: number }[];
  const sizes = history.map(({ Size }) => Size).filter((size) => size > 0);
  // The newest comes first. Steps without a layer have no size, and a layer of none looks like them.
  const exact = sizes.length === layers;
  return { sizes: exact ? sizes.reverse() : Array<number>(layers).fill(image.size / layers), exact };
}

/** By Docker's push; undefined where that isn't possible, or there was more than fits into memory. */
async function pushed(
  docker: Docker,
  image: DaemonImage,
  wanted: WantedImage,
  missing: readonly string[],
  sizes: readonly number[],
  largest: number,
  run: Run,
): Promise<{ readonly manifest: string; readonly blobs: ReadonlyMap<string, Content> } | undefined> {
  let ask = new Set([wanted.configDigest]);
  // At first Docker sends what it knows no digest of, a new layer as a rule. A layer that it has pushed or pulled
  // before, and the node lost or never had, it sends when it is told that the registry lacks it.
  for (let round = 0; round < 2; round++) {
    try {
      const result = await pushToHere(docker, image.id, { has: (digest) => !ask.has(digest), largest }, run.signal);
      const manifest = pushedManifest(result, wanted.reference, wanted.configDigest);
      const layers = manifest.layers.filter((_, i) => missing.includes(wanted.diffIds[i] ?? ''));
      const digests = [wanted.configDigest, ...layers.map((layer) => layer.digest)];
      if (digests.every((digest) => result.blobs.has(digest))) {
        const blobs = digests.map((digest): [string, Content] => [digest, result.blobs.get(digest) ?? []]);
        return { manifest: staged(manifest, wanted, missing, sizes), blobs: new Map(blobs) };
      }
      ask = new Set(digests);
    } catch (error) {
      run.signal.throwIfAborted();
      run.log('debug', `Docker can't push to this process, so it saves the whole image: ${messageOf(error)}`);
      return undefined;
    }
  }
  return undefined;
}

/**
 * The manifest that the layers go under. Docker's own names layers that it didn't send with a wrong size; they are not
 * read, for they are unpacked already, but kubelet adds sizes up: here they stand by diff ID and size.
 */
function staged(
  { text, config, layers }: ReturnType<typeof pushedManifest>,
  { diffIds, layerDigests }: WantedImage,
  missing: readonly string[],
  sizes: readonly number[],
): string {
  if (layerDigests.join() === layers.map(({ digest }) => digest).join()) return text;
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: 'application/vnd.docker.distribution.manifest.v2+json',
    config,
    layers: layers.map((layer, i) => {
      const diffId = diffIds[i] ?? '';
      return missing.includes(diffId) ? layer : { mediaType: LAYER, digest: diffId, size: Math.round(sizes[i] ?? 0) };
    }),
  });
}

function archiveOf(
  manifest: string,
  blobs: ReadonlyMap<string, Content>,
  staging: string,
  direct: string | undefined,
): Readable {
  const { mediaType } = JSON.parse(manifest) as { mediaType: string };
  const descriptor = { mediaType, digest: digestOf(manifest), size: Buffer.byteLength(manifest) };
  const names = [{ descriptor, name: staging }, ...(direct ? [{ descriptor, name: direct, onlyAsked: true }] : [])];
  return packTar(ociLayout(names, [[descriptor.digest, manifest], ...blobs]));
}
