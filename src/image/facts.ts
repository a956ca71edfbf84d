import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { messageOf, ParityError } from '../host/errors.ts';
import type { Run } from '../host/run.ts';
import type { ImageFiles } from './image-files.ts';
import { findEndOfLife } from './lifecycle.ts';
import type { Descriptor } from './manifest.ts';
import type { ImageLock } from './model.ts';
import { PACKAGE_PATHS, type Package, readPackages } from './packages.ts';
import type { Registry } from './registry.ts';
import { findSignatures, type Signature } from './signatures.ts';
import type { Trust } from './trust.ts';

/** Something about an image, and what shows it. `value` is null where it is unknown; the evidence then says why. */
export interface Fact<T> {
  readonly value: T | null;
  readonly evidence: string;
}

/** What an image's files tell. */
export interface ContentFacts {
  /** PRETTY_NAME and VERSION_ID of its os-release. */
  readonly os: Fact<{ readonly name: string; readonly version: string | null }>;
  readonly packages: Fact<readonly Package[]>;
}

export interface ImageFacts extends ContentFacts {
  readonly reference: string;
  readonly digest: string;
  readonly manifestDigest: string;
  readonly architecture: Fact<string>;
  /** Compressed bytes of all layers. */
  readonly size: Fact<number>;
  /** When it was built, ISO 8601. */
  readonly built: Fact<string>;
  /** ISO 8601 date after which the publisher mends nothing any more. */
  readonly endOfLife: Fact<string>;
  /** Every signature found; an empty list where there is none. */
  readonly signatures: Fact<readonly Signature[]>;
}

/** Where facts about an image are read. */
export interface FactSources {
  /** Its files; absent where they can't be had. */
  readonly files?: ImageFiles;
  /** For what refers to it (lifecycle, signatures); absent for an image of an archive. */
  readonly registry?: Registry;
  readonly trust?: Trust;
}

/** Everything that can be known about a pinned image. Doesn't fail for what can't be read: that is `unknown`. */
export async function imageFacts(lock: ImageLock, sources: FactSources, run: Run): Promise<ImageFacts> {
  const { reference, digest, manifestDigest, configDigest, platform, size, created } = lock;
  const content = await contentFacts(sources.files, run);
  return {
    reference,
    digest,
    manifestDigest,
    architecture: { value: platform.split('/').slice(1).join('/'), evidence: `manifest ${manifestDigest}` },
    built: {
      value: created ?? null,
      evidence: `config ${configDigest}${created === undefined ? ' gives no date' : ''}`,
    },
    size: { value: size, evidence: `manifest ${manifestDigest}, all layers, compressed` },
    ...content,
    ...(await publisherFacts(lock, sources, run)),
  };
}

/** What the files of an image tell, copied to a temporary folder that is gone afterwards. */
export async function contentFacts(files: ImageFiles | undefined, run: Run): Promise<ContentFacts> {
  if (!files) {
    const absent = unknown('its layers are neither in the Docker daemon nor in a registry that is known');
    return { os: absent, packages: absent };
  }
  const folder = await mkdtemp(join(tmpdir(), 'clparity-facts-'));
  try {
    const copies = await files.read([...OS_RELEASE, ...PACKAGE_PATHS], folder, run);
    return {
      os: await known(() => osFact(copies, files.name), run.signal),
      packages: await known(() => packagesFact(copies, files.name), run.signal),
    };
  } catch (error) {
    const fact = unknownBecause(error, run.signal);
    return { os: fact, packages: fact };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The first is often a link to the second. */
const OS_RELEASE = ['etc/os-release', 'usr/lib/os-release'];

async function osFact(copies: ReadonlyMap<string, string>, where: string): Promise<ContentFacts['os']> {
  const path = OS_RELEASE.find((one) => copies.has(one));
  const copy = path && copies.get(path);
  if (!copy) return unknown(`no os-release in ${where}`);
  const release = osRelease(await readFile(copy, 'utf8'));
  const name = release.get('PRETTY_NAME') ?? release.get('NAME');
  if (name === undefined) return unknown(`/${path} in ${where} gives no name`);
  return { value: { name, version: release.get('VERSION_ID') ?? null }, evidence: `/${path} in ${where}` };
}

async function packagesFact(copies: ReadonlyMap<string, string>, where: string): Promise<ContentFacts['packages']> {
  const found = await readPackages(copies);
  if (!found) return unknown(`no package database in ${where}`);
  return { value: found.packages, evidence: `/${found.path} in ${where}` };
}

async function publisherFacts(
  lock: ImageLock,
  { registry, trust }: FactSources,
  run: Run,
): Promise<Pick<ImageFacts, 'endOfLife' | 'signatures'>> {
  if (!registry) {
    const absent = unknown('an archive holds neither lifecycle nor signatures: they are in the registry');
    return { endOfLife: absent, signatures: absent };
  }
  const subjects = [...new Set([lock.digest, lock.manifestDigest])];
  const asked = `referrers of ${subjects.join(' and ')} at ${registry.host}`;
  try {
    const { signal } = run;
    const referrers = new Map<string, readonly Descriptor[]>();
    for (const subject of subjects) referrers.set(subject, await registry.referrers(subject, signal));
    const all = [...referrers.values()].flat();
    return {
      endOfLife: await known(async () => {
        const found = await findEndOfLife(registry, all, signal);
        return found ?? unknown(`no lifecycle among ${asked}`);
      }, signal),
      signatures: await known(async () => {
        const found: Signature[] = [];
        for (const [subject, list] of referrers) {
          found.push(...(await findSignatures(registry, subject, list, trust, signal)));
        }
        return { value: found, evidence: `${asked}, and cosign's tags` };
      }, signal),
    };
  } catch (error) {
    const fact = unknownBecause(error, run.signal);
    return { endOfLife: fact, signatures: fact };
  }
}

/** The variables of an os-release file (freedesktop.org's os-release(5)), quotes taken off. */
function osRelease(text: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, name, value] = /^([A-Z0-9_]+)=(.*?)\s*$/.exec(line) ?? [];
    if (name === undefined || value === undefined) continue;
    const quoted = /^(["'])(.*)\1$/.exec(value);
    found.set(name, (quoted?.[2] ?? value).replace(/\\(["'$`\\])/g, '$1'));
  }
  return found;
}

async function known<T>(look: () => Promise<Fact<T>>, signal: AbortSignal): Promise<Fact<T>> {
  try {
    return await look();
  } catch (error) {
    return unknownBecause(error, signal);
  }
}

const unknown = (evidence: string): Fact<never> => ({ value: null, evidence });

/** What a failure means for a fact. A cancel, and what is our own fault, goes on. */
function unknownBecause(error: unknown, signal: AbortSignal): Fact<never> {
  signal.throwIfAborted();
  if (!(error instanceof ParityError)) throw error;
  return unknown(messageOf(error));
}
