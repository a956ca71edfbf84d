import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { counted } from '../host/counted.ts';
import { environmentError, inputError, messageOf } from '../host/errors.ts';
import { replaceFile } from '../host/replace-file.ts';
import { checkDigest, isDigest } from './digest.ts';
import { imagesOf, isRecord, normalisePlatform, parseManifest } from './manifest.ts';
import type { ImageLock } from './model.ts';
import { parseReference } from './reference.ts';

export const LOCK_FILE = 'clparity.lock.json';
const VERSION = 1;

/**
 * The images pinned in a folder; empty where there is no lock file. Throws an `input` error that names the field where
 * the file is damaged, made by hand or made to deceive: every text is checked against its digest.
 */
export async function readLock(folder: string): Promise<readonly ImageLock[]> {
  const path = join(folder, LOCK_FILE);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw environmentError(`Can't read ${path}: ${messageOf(cause)}`, { cause });
  }
  return parseLock(text, path);
}

/** The pinned image for a reference and platform, if there is one. */
export function findLock(locks: readonly ImageLock[], reference: string, platform: string): ImageLock | undefined {
  const { text } = parseReference(reference);
  return locks.find((lock) => lock.reference === text && lock.platform === normalisePlatform(platform));
}

/** Adds an image to the folder's lock file, in place of the one for the same reference and platform. Atomic. */
export async function writeLock(folder: string, lock: ImageLock): Promise<void> {
  const others = (await readLock(folder)).filter((one) => key(one) !== key(lock));
  await writeLocks(folder, [...others, lock]);
}

/**
 * Takes the images out of the lock file that were pinned for workloads, unless `stays` says that one runs them still.
 * Returns their references.
 */
export async function pruneLock(folder: string, stays: ReadonlySet<string>): Promise<readonly string[]> {
  const locks = await readLock(folder);
  const left = locks.filter(({ workload, reference }) => workload && !stays.has(reference));
  if (left.length > 0) {
    await writeLocks(
      folder,
      locks.filter((lock) => !left.includes(lock)),
    );
  }
  return left.map(({ reference }) => reference);
}

/** Atomic. */
async function writeLocks(folder: string, locks: readonly ImageLock[]): Promise<void> {
  const images = locks.toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
  const path = join(folder, LOCK_FILE);
  try {
    await mkdir(dirname(path), { recursive: true });
  } catch (cause) {
    throw environmentError(`Can't write ${path}: ${messageOf(cause)}`, { cause });
  }
  await replaceFile(path, formatLock(images));
}

const key = (lock: ImageLock) => `${lock.reference} ${lock.platform}`;

/** The lock file's text: fixed order, manifests line by line, so that a change shows as one in a diff. */
export function formatLock(locks: readonly ImageLock[]): string {
  const images = locks.map(({ index, manifest, ...facts }) => ({
    ...Object.fromEntries(FIELDS.flatMap((name) => (facts[name] === undefined ? [] : [[name, facts[name]]]))),
    ...(index === undefined ? {} : { index: index.split('\n') }),
    manifest: manifest.split('\n'),
  }));
  return `${JSON.stringify({ version: VERSION, images }, null, 2)}\n`;
}

const FIELDS = [
  'reference',
  'repository',
  'tag',
  'digest',
  'platform',
  'manifestDigest',
  'configDigest',
  'diffIds',
  'size',
  'resolvedAt',
  'created',
  'origin',
  'synthetic',
  'workload',
] as const;

/** Reads a lock file's text; `path` names it in errors. Throws an `input` error saying which field is wrong. */
export function parseLock(text: string, path: string): readonly ImageLock[] {
  const fail = (why: string, cause?: unknown): never => {
    throw inputError(`${path} is not a valid lock file: ${why}`, {
      cause,
      action: 'Take it back from version control, or delete it and run "clparity pull" to pin the images anew.',
    });
  };
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    return fail(messageOf(cause), cause);
  }
  if (!isRecord(json)) return fail('it is not a JSON object');
  if (json.version !== VERSION) {
    return fail(`its version is ${JSON.stringify(json.version)}, only ${VERSION} is understood`);
  }
  if (!Array.isArray(json.images)) return fail('"images" is not a list');
  return json.images.map((value: unknown, i) => {
    try {
      return parseImage(value);
    } catch (cause) {
      return fail(`images[${i}]: ${messageOf(cause)}`, cause);
    }
  });
}

function parseImage(value: unknown): ImageLock {
  if (!isRecord(value)) throw inputError('not an object');
  const text = (field: string) => {
    const found = value[field];
    if (typeof found !== 'string') throw inputError(`"${field}" is not a text`);
    return found;
  };
  const digest = (field: string) => {
    const found = text(field);
    if (!isDigest(found)) throw inputError(`"${field}" is not a sha256 digest`);
    return found;
  };
  const lines = (field: string) => {
    const found = value[field];
    if (!Array.isArray(found) || !found.every((line) => typeof line === 'string')) {
      throw inputError(`"${field}" is not a list of lines`);
    }
    return found.join('\n');
  };
  const { size, diffIds } = value;
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) throw inputError('"size" is not a number');
  if (!Array.isArray(diffIds) || !diffIds.every(isDigest)) throw inputError('"diffIds" is not a list of digests');
  const origin = text('origin');
  if (origin !== 'registry' && origin !== 'archive') throw inputError(`"origin" is "${origin}"`);
  const lock: ImageLock = {
    reference: text('reference'),
    repository: text('repository'),
    ...(value.tag === undefined ? {} : { tag: text('tag') }),
    digest: digest('digest'),
    platform: text('platform'),
    manifestDigest: digest('manifestDigest'),
    configDigest: digest('configDigest'),
    diffIds,
    size,
    resolvedAt: text('resolvedAt'),
    ...(value.created === undefined ? {} : { created: text('created') }),
    ...(value.index === undefined ? {} : { index: lines('index') }),
    manifest: lines('manifest'),
    origin,
    ...(value.synthetic === true ? { synthetic: true } : {}),
    ...(value.workload === true ? { workload: true } : {}),
  };
  checkLock(lock);
  return lock;
}

/** Everything in a lock has to hang together by digests; whoever changes one field is found out. */
function checkLock(lock: ImageLock): void {
  const reference = parseReference(lock.reference);
  if (reference.text !== lock.reference) throw inputError(`"reference" is not normalised: ${reference.text} wanted`);
  if (reference.repository !== lock.repository || reference.tag !== lock.tag) {
    throw inputError('"repository" and "tag" are not those of "reference"');
  }
  if (reference.digest !== undefined && reference.digest !== lock.digest) {
    throw inputError('"digest" is not that of "reference"');
  }
  if (lock.platform !== normalisePlatform(lock.platform)) throw inputError(`"platform" is "${lock.platform}"`);
  checkDigest(lock.manifest, lock.manifestDigest, '"manifest"');
  const manifest = parseManifest(lock.manifest, '"manifest"');
  if (manifest.kind !== 'manifest') throw inputError('"manifest" is an index');
  if (manifest.config.digest !== lock.configDigest) throw inputError('"configDigest" is not the manifest\'s');
  if (manifest.layers.length !== lock.diffIds.length) {
    throw inputError(
      `"diffIds" has ${counted(lock.diffIds.length, 'layer')}, the manifest has ${manifest.layers.length}`,
    );
  }
  if (lock.index === undefined) {
    if (lock.digest !== lock.manifestDigest) throw inputError('"digest" is an index\'s, but there is no "index"');
    return;
  }
  checkDigest(lock.index, lock.digest, '"index"');
  const index = parseManifest(lock.index, '"index"');
  const listed =
    index.kind === 'index' &&
    imagesOf(index).some((m) => m.descriptor.digest === lock.manifestDigest && m.platform === lock.platform);
  if (!listed) throw inputError(`"manifestDigest" is not what "index" lists for ${lock.platform}`);
}
