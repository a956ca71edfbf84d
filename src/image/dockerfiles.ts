import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { environmentError, messageOf, ParityError } from '../host/errors.ts';
import type { Run } from '../host/run.ts';
import type { Source } from './base-image.ts';
import { parseDockerfile } from './dockerfile.ts';
import { checkFrom, type FromCheck, type ProductionDigest, type Published } from './from-check.ts';
import { readConfig } from './look-up.ts';
import { normalisePlatform } from './manifest.ts';
import type { ImageLock } from './model.ts';
import { resolveImage } from './resolve.ts';

/** A FROM of a file, held against production. */
export interface DockerfileCheck extends FromCheck {
  /** Relative to the folder, with `/`. */
  readonly file: string;
}

export interface CheckedDockerfiles {
  readonly checks: readonly DockerfileCheck[];
  /** What registries said of the references that they were asked about, by `publishedKey`. */
  readonly published: Readonly<Record<string, Published | undefined>>;
}

/** A reference as it stands for a platform. */
export function publishedKey(reference: string, platform: string): string {
  return `${reference} ${normalisePlatform(platform)}`;
}

/** Dockerfile, Containerfile, Dockerfile.web, web.Dockerfile; not Dockerfile.dockerignore. */
const NAME = /^(?:(?:Dockerfile|Containerfile)(?:\..+)?|.+\.(?:Dockerfile|Containerfile))$/i;

/**
 * Every FROM of an image in the Dockerfiles of a folder and the folders below it (names that begin with a dot and
 * node_modules are passed over), held against production. Registries are asked only about repositories that production
 * uses; `platform` is that of a build here. One that doesn't answer makes a line `unknown`, not a failure. No registry is
 * asked what the reference of `archived` is, the image of an archive: the archive tells.
 */
export async function checkDockerfiles(
  run: Run,
  from: Source,
  platform: string,
  production: readonly ProductionDigest[],
  archived?: ImageLock,
): Promise<CheckedDockerfiles> {
  const asked = new Map<string, Promise<Published | undefined>>(archived ? answersOf(archived) : []);
  const found: DockerfileCheck[] = [];
  for (const file of await dockerfiles(from.folder, '', run.signal)) {
    for (const line of parseDockerfile(await text(join(from.folder, file)), platform)) {
      if (line.kind === 'stage' || line.kind === 'scratch') continue;
      const check = await checkFrom(line, production, (reference) => {
        const key = publishedKey(reference, line.platform || platform);
        const answer = asked.get(key) ?? published(run, from, reference, line.platform || platform);
        asked.set(key, answer);
        return answer;
      });
      found.push({ file, ...check });
    }
  }
  const answers = await Promise.all([...asked].map(async ([key, answer]) => [key, await answer] as const));
  return { checks: found, published: Object.fromEntries(answers.filter(([, answer]) => answer !== undefined)) };
}

function answersOf(lock: ImageLock): [string, Promise<Published>][] {
  const { reference, repository, digest, platform, created } = lock;
  const published = Promise.resolve({ digest, ...(created === undefined ? {} : { created }) });
  return [reference, `${repository}@${digest}`].map((name) => [publishedKey(name, platform), published]);
}

/** What a reference is in its registry now, for a build asks that and not the lock file. */
async function published(run: Run, from: Source, reference: string, platform: string): Promise<Published | undefined> {
  const { host, settings } = from;
  const mirror = settings.registryMirror === undefined ? {} : { mirror: settings.registryMirror };
  try {
    const lock = await resolveImage(reference, { host, platform, ...mirror }, run);
    const config = await readConfig(run, from, lock);
    return { digest: lock.digest, ...(config?.created === undefined ? {} : { created: config.created }) };
  } catch (error) {
    run.signal.throwIfAborted();
    if (!(error instanceof ParityError)) throw error;
    run.log('warn', messageOf(error));
    return undefined;
  }
}

async function dockerfiles(root: string, below: string, signal: AbortSignal): Promise<string[]> {
  signal.throwIfAborted();
  const entries = await entriesOf(join(root, below));
  const found: string[] = [];
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.name.startsWith('.') || entry.name === 'node_modules') continue;
    const path = below === '' ? entry.name : `${below}/${entry.name}`;
    // A link to a folder isn't followed: it may lead back up.
    if (entry.isDirectory()) found.push(...(await dockerfiles(root, path, signal)));
    else if (entry.isFile() && NAME.test(entry.name) && !entry.name.endsWith('.dockerignore')) found.push(path);
  }
  return found;
}

async function entriesOf(path: string) {
  try {
    return await readdir(path, { withFileTypes: true });
  } catch (cause) {
    // A folder that can't be looked into, such as a database's data, holds no Dockerfile of the developer's.
    if (['ENOENT', 'EACCES', 'EPERM'].includes((cause as NodeJS.ErrnoException).code ?? '')) return [];
    throw environmentError(`Can't look for Dockerfiles in ${path}: ${messageOf(cause)}`, { cause });
  }
}

async function text(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw environmentError(`Can't read ${path}: ${messageOf(cause)}`, { cause });
  }
}
