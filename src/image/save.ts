import type { Readable } from 'node:stream';
import type Docker from 'dockerode';
import { environmentError, inputError, messageOf } from '../host/errors.ts';
import { digestOf } from './digest.ts';
import { OCI_MANIFEST, parseManifest } from './manifest.ts';
import { blobPath, ociIndex, ociLayout } from './oci-layout.ts';
import { packTar, readTar, type TarEntry, type TarSourceEntry, tarFile } from './tar.ts';

const SMALL = 4 * 1024 * 1024;

/** dockerode has it, its types don't: GET /images/get, which Image.get() calls without a way to stop it. */
interface SavesImages {
  getImages(options: { readonly names: readonly string[]; readonly abortSignal: AbortSignal }): Promise<Readable>;
}

/**
 * `docker save` of one image as a stream that containerd imports under `name` and no other: Docker's own manifest and
 * layers as they are, index.json rewritten, the files for older tools and the blobs in `without` left out. Constant
 * memory; but Docker writes all layers to its own disk first, unless it keeps images in containerd.
 */
export async function saveAs(
  docker: Docker,
  id: string,
  name: string,
  signal: AbortSignal,
  without: ReadonlySet<string> = new Set(),
): Promise<Readable> {
  let saved: Readable;
  try {
    saved = await (docker as Docker & SavesImages).getImages({ names: [id], abortSignal: signal });
  } catch (cause) {
    signal.throwIfAborted();
    throw environmentError(`Docker can't save the image ${id}: ${messageOf(cause)}`, { cause });
  }
  const archive = packTar(renamed(readTar(saved, "Docker's save"), name, without));
  // A reader that goes away must end Docker's work, even while nothing flows.
  archive.once('close', () => saved.destroy());
  return archive;
}

/** Either form that daemons save in: an OCI layout (Docker Engine 25 and newer), or Docker's older one as Podman has it. */
async function* renamed(
  entries: AsyncIterable<TarSourceEntry>,
  name: string,
  without: ReadonlySet<string>,
): AsyncGenerator<TarEntry> {
  let indexed = false;
  let older: string | undefined;
  const sizes = new Map<string, number>();
  for await (const entry of entries) {
    const digest = digestInName(entry);
    if (entry.name === 'index.json') {
      yield tarFile('index.json', renamedIndex(await smallText(entry), name));
      indexed = true;
    } else if (entry.name === 'manifest.json') {
      older = await smallText(entry);
    } else if (entry.type === 'file' && entry.name === 'oci-layout') {
      yield entry;
    } else if (digest !== undefined) {
      sizes.set(digest, entry.size);
      if (!without.has(digest)) yield { ...entry, name: blobPath(digest) };
    }
  }
  if (!indexed) yield* layoutOf(older ?? '', sizes, name);
}

/** Of a blob, by the name of its file: `blobs/sha256/HEX`, or Podman's `HEX.tar` and `HEX.json`. */
function digestInName({ name, type }: TarSourceEntry): string | undefined {
  if (type !== 'file') return undefined;
  const hex = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(name)?.[1] ?? /^([0-9a-f]{64})\.(?:tar|json)$/.exec(name)?.[1];
  return hex && `sha256:${hex}`;
}

/**
 * What an OCI layout has beside its blobs, from the older form's manifest.json. Podman saves so whatever its version
 * (containers/image, docker/internal/tarfile/writer.go): the config byte for byte, layers plain and named by digest.
 * Docker before 25 names its layers otherwise.
 */
function layoutOf(text: string, sizes: ReadonlyMap<string, number>, name: string): TarEntry[] {
  const blob = (file: string, mediaType: string) => {
    const digest = `sha256:${file.replace(/\.(tar|json)$/, '')}`;
    const size = sizes.get(digest);
    if (size === undefined) throw tooOld();
    return { mediaType, digest, size };
  };
  const [image] = (text === '' ? [] : JSON.parse(text)) as { readonly Config: string; readonly Layers: string[] }[];
  if (!image) throw tooOld();
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: blob(image.Config, 'application/vnd.oci.image.config.v1+json'),
    layers: image.Layers.map((file) => blob(file, 'application/vnd.oci.image.layer.v1.tar')),
  });
  const descriptor = { mediaType: OCI_MANIFEST, digest: digestOf(manifest), size: Buffer.byteLength(manifest) };
  return ociLayout([{ descriptor, name }], [[descriptor.digest, manifest]]);
}

const tooOld = () =>
  environmentError('This daemon saves images without an OCI index', { action: 'Update Docker Engine to 25 or newer.' });

/** A small entry's content as text. Throws an `input` error where it is larger than a manifest may be. */
async function smallText({ name, size, content }: TarEntry): Promise<string> {
  if (size > SMALL) throw inputError(`${name} has ${size} bytes, too many for a manifest`);
  const chunks: Uint8Array[] = [];
  for await (const chunk of content) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

/** The saved index with one image, under the one name. */
function renamedIndex(text: string, name: string): string {
  const index = parseManifest(text, "index.json of Docker's save");
  const [first] = index.kind === 'index' ? index.manifests : [];
  if (!first) throw environmentError('Docker saved no image');
  return ociIndex([{ descriptor: first, name }]);
}
