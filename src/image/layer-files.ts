import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { inputError } from '../host/errors.ts';
import { unpacked } from './archive-source.ts';
import { readTar, type TarSourceEntry } from './tar.ts';

/** A path of an image: a copy of the file on our disk, or a link to another path of the image. */
export type ImageEntry = { readonly copy: string } | { readonly link: string };

/** What one layer does to the paths that are asked for. */
export interface LayerScan {
  readonly entries: ReadonlyMap<string, ImageEntry>;
  /** Takes a path of the layers below away: a whiteout, an opaque folder, or something else in its place. */
  hides(path: string): boolean;
}

/** Package databases of real images have some ten megabytes. */
const LARGEST = 1024 * 1024 * 1024;

/**
 * Reads a layer (tar, gzip or zstd) as it comes in and copies those of `wanted` (paths without a leading slash) into
 * `folder`; nothing else is held. Whiteouts by the OCI image spec (layer.md): `.wh.NAME`, `.wh..wh..opq`.
 */
export async function scanLayer(
  layer: AsyncIterable<Uint8Array>,
  what: string,
  wanted: ReadonlySet<string>,
  folder: string,
): Promise<LayerScan> {
  const entries = new Map<string, ImageEntry>();
  const opaque = new Set<string>();
  const replaced = new Set<string>();
  const above = new Set([...wanted].flatMap(ancestors));
  for await (const entry of readTar(await decompressed(layer), what)) {
    const path = entry.name.replace(/^\/+|\/+$/g, '');
    const { dir, base } = posix.parse(path);
    if (base === '.wh..wh..opq') opaque.add(dir);
    else if (base.startsWith('.wh.')) replaced.add(posix.join(dir, base.slice('.wh.'.length)));
    else if (wanted.has(path)) {
      const found = await takeEntry(entry, path, folder);
      if (found) entries.set(path, found);
      replaced.add(path);
    } else if (above.has(path) && entry.type !== 'directory') replaced.add(path);
  }
  return {
    entries,
    hides: (path) =>
      replaced.has(path) || opaque.has('') || ancestors(path).some((up) => replaced.has(up) || opaque.has(up)),
  };
}

/** The wanted path of a tar as a copy or a link; undefined for what is neither (a folder, a device). */
export async function takeEntry(entry: TarSourceEntry, path: string, folder: string): Promise<ImageEntry | undefined> {
  const { type, linkname, size, content } = entry;
  if (type === 'symlink') return { link: posix.resolve('/', posix.dirname(path), linkname ?? '') };
  if (type === 'link') return { link: posix.resolve('/', linkname ?? '') };
  if (type !== 'file' && type !== 'contiguous-file') return undefined;
  if (size > LARGEST) throw inputError(`${path} in the image has ${size} bytes, too many to read`);
  const copy = join(folder, ...path.split('/'));
  await mkdir(dirname(copy), { recursive: true });
  await pipeline(Readable.from(content), createWriteStream(copy));
  return { copy };
}

/** Puts layers one upon the other, the bottom one first, and follows links: each path's copy, where it has one. */
export function stackLayers(layers: readonly LayerScan[]): ReadonlyMap<string, string> {
  const entries = new Map<string, ImageEntry>();
  for (const layer of layers) {
    for (const path of [...entries.keys()]) if (layer.hides(path)) entries.delete(path);
    for (const [path, entry] of layer.entries) entries.set(path, entry);
  }
  return followLinks(entries);
}

/** Each path's copy, links followed as far as they stay among the paths that were asked for. */
export function followLinks(entries: ReadonlyMap<string, ImageEntry>): ReadonlyMap<string, string> {
  const copies = new Map<string, string>();
  for (const path of entries.keys()) {
    let found = entries.get(path);
    for (let hop = 0; found && 'link' in found && hop < 8; hop++) found = entries.get(found.link.slice(1));
    if (found && 'copy' in found) copies.set(path, found.copy);
  }
  return copies;
}

function ancestors(path: string): string[] {
  const parts = path.split('/');
  return parts.slice(1).map((_, i) => parts.slice(0, i + 1).join('/'));
}

/** A layer as a plain tar, whatever it is packed with: its first bytes tell. */
async function decompressed(layer: AsyncIterable<Uint8Array>): Promise<Readable> {
  const chunks = layer[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  let ended = false;
  while (head.length < 4 && !ended) {
    const next = await chunks.next();
    if (next.done) ended = true;
    else head = Buffer.concat([head, next.value]);
  }
  async function* whole() {
    try {
      yield head;
      for (;;) {
        const next = await chunks.next();
        if (next.done) return;
        yield next.value;
      }
    } finally {
      await chunks.return?.();
    }
  }
  return unpacked(Readable.from(whole(), { objectMode: false }), head.subarray(0, 4));
}
