import type { Readable } from 'node:stream';
import type Docker from 'dockerode';
import { environmentError, inputError, messageOf } from '../host/errors.ts';
import { parseManifest } from './manifest.ts';
import { ociIndex } from './oci-layout.ts';
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

async function* renamed(
  entries: AsyncIterable<TarSourceEntry>,
  name: string,
  without: ReadonlySet<string>,
): AsyncGenerator<TarEntry> {
  let indexed = false;
  for await (const entry of entries) {
    if (entry.name === 'index.json') {
      yield tarFile('index.json', renamedIndex(await smallText(entry), name));
      indexed = true;
    } else if (entry.type === 'file' && /^(oci-layout|blobs\/sha256\/[0-9a-f]{64})$/.test(entry.name)) {
      if (!without.has(entry.name.replace('blobs/sha256/', 'sha256:'))) yield entry;
    }
  }
  if (indexed) return;
  // Podman's Docker API saves in Docker's older format, whatever its version.
  throw environmentError('This daemon saves images without an OCI index', {
    action: 'Update Docker Engine to 25 or newer. From Podman no images can be loaded: use Docker for that.',
  });
}

/** A small entry's content as text. Throws an `input` error where it is larger than a manifest may be. */
export async function smallText({ name, size, content }: TarEntry): Promise<string> {
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
