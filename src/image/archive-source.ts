import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough, pipeline, type Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { inputError, messageOf } from '../host/errors.ts';
import { isDigest } from './digest.ts';
import { readTar, type TarSourceEntry } from './tar.ts';

/** The files of an image archive, in order; may be read several times. */
export type ArchiveFiles = () => AsyncIterable<TarSourceEntry>;

/** What is in an archive, found by reading all of it once. */
export interface Inventory {
  /** Bytes and sha256 of each file. */
  readonly files: ReadonlyMap<string, { readonly size: number; readonly digest: string }>;
  /** The text of each file that may be JSON. */
  readonly texts: ReadonlyMap<string, string>;
}

/** JSON files are no larger in practice; all of them together are held in memory. */
const TEXT_LIMIT = 4 * 1024 * 1024;
const TEXTS_LIMIT = 64 * 1024 * 1024;

/** Opens a folder or a tar (plain, gzip, zstd). Throws an `input` error where there is none. */
export async function openArchive(path: string, signal: AbortSignal): Promise<ArchiveFiles> {
  const stat = await lstat(path).catch((cause) => {
    throw inputError(`There is no archive ${path}: ${messageOf(cause)}`, { cause });
  });
  if ((stat.isSymbolicLink() ? await lstatTarget(path) : stat).isDirectory()) return () => folderFiles(path);
  const magic = await firstBytes(path);
  return () => readTar(unpacked(createReadStream(path, { signal }), magic), path);
}

const lstatTarget = async (path: string) => {
  const handle = await open(path);
  try {
    return await handle.stat();
  } finally {
    await handle.close();
  }
};

async function firstBytes(path: string): Promise<Buffer> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** A stream taken out of gzip or zstd, where its first four bytes say that it is in one; as it is otherwise. */
export function unpacked(source: Readable, magic: Buffer): Readable {
  const unzip = magic.subarray(0, 2).equals(Buffer.from([0x1f, 0x8b]))
    ? createGunzip()
    : magic.equals(Buffer.from([0x28, 0xb5, 0x2f, 0xfd]))
      ? createZstdDecompress()
      : new PassThrough();
  // Failures travel on: readTar hears of them from the stream it reads.
  return pipeline(source, unzip, () => {});
}

/** The parts of an OCI layout that have a meaning; anything else in the folder is none of our business. */
async function* folderFiles(folder: string): AsyncGenerator<TarSourceEntry> {
  const blobs = join('blobs', 'sha256');
  const names = await readdir(join(folder, blobs)).catch(() => []);
  const paths = ['oci-layout', 'index.json', 'manifest.json', ...names.sort().map((name) => `blobs/sha256/${name}`)];
  for (const name of paths) {
    const path = join(folder, name);
    const stat = await lstat(path).catch(() => undefined);
    if (!stat) continue;
    if (stat.isSymbolicLink()) throw inputError(`${path} is a link; image archives hold plain files`);
    if (stat.isFile()) yield { name, size: stat.size, type: 'file', content: createReadStream(path) };
  }
}

/**
 * Reads all of an archive, checking names and, for blobs, that each has the digest it is named by. Throws an `input`
 * error saying what is wrong; nothing has been handed to Docker by then.
 */
export async function takeInventory(archive: ArchiveFiles, path: string, signal: AbortSignal): Promise<Inventory> {
  const files = new Map<string, { size: number; digest: string }>();
  const texts = new Map<string, string>();
  let held = 0;
  for await (const { name, size, type, content } of archive()) {
    signal.throwIfAborted();
    if (name.startsWith('/') || name.includes('\\') || name.split('/').includes('..')) {
      throw inputError(`${path} has a file "${name}": no image archive reaches outside itself`);
    }
    if (type === 'symlink' || type === 'link') {
      throw inputError(`${path} has a link "${name}"`, { action: 'Save the image again with Docker 25 or newer.' });
    }
    if (type !== 'file') continue;
    const hash = createHash('sha256');
    const chunks: Uint8Array[] = [];
    for await (const chunk of content) {
      hash.update(chunk);
      if (size <= TEXT_LIMIT) chunks.push(chunk);
    }
    const digest = `sha256:${hash.digest('hex')}`;
    const named = `sha256:${name.slice('blobs/sha256/'.length)}`;
    if (name.startsWith('blobs/sha256/') && (!isDigest(named) || named !== digest)) {
      throw inputError(`${path} is damaged: ${name} is not what its name promises (${digest} found)`);
    }
    files.set(name, { size, digest });
    const bytes = Buffer.concat(chunks);
    // Layers are tars or compressed; JSON starts with one of these two.
    if (bytes[0] === 0x7b || bytes[0] === 0x5b) {
      held += bytes.length;
      if (held > TEXTS_LIMIT) throw inputError(`${path} has more than ${TEXTS_LIMIT} bytes of JSON in it`);
      texts.set(name, bytes.toString('utf8'));
    }
  }
  return { files, texts };
}
