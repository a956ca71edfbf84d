import type { Readable } from 'node:stream';
import type Docker from 'dockerode';
import { environmentError, messageOf } from '../host/errors.ts';
import { findInDaemon, inspectImage } from './daemon-image.ts';
import type { ImageLock } from './model.ts';
import { smallText } from './save.ts';
import { readTar } from './tar.ts';

/** What the report says about the base image; `unknown` where the image doesn't tell. */
export interface ImageFacts {
  /** PRETTY_NAME of its os-release. */
  readonly name: string;
  /** VERSION_ID of its os-release. */
  readonly version: string;
  readonly architecture: string;
  /** Bytes on the Docker daemon's disk. */
  readonly size: number;
}

/** Reads the facts from the daemon's copy, by way of a container that is never started. */
export async function imageFacts(docker: Docker, lock: ImageLock, signal: AbortSignal): Promise<ImageFacts> {
  signal.throwIfAborted();
  const image = await findInDaemon(docker, lock);
  const inspected = image && (await inspectImage(docker, image.id));
  if (!inspected) {
    throw environmentError(`Docker does not have ${lock.repository}@${lock.digest}`, {
      action: `Pull it with "clparity pull ${lock.reference}".`,
    });
  }
  const release = osRelease((await osReleaseText(docker, inspected.Id, signal)) ?? '');
  return {
    name: release.get('PRETTY_NAME') ?? release.get('NAME') ?? 'unknown',
    version: release.get('VERSION_ID') ?? 'unknown',
    architecture: inspected.Architecture || 'unknown',
    size: inspected.Size,
  };
}

/** The variables of an os-release file (freedesktop.org's os-release(5)), quotes taken off. */
export function osRelease(text: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, name, value] = /^([A-Z0-9_]+)=(.*?)\s*$/.exec(line) ?? [];
    if (name === undefined || value === undefined) continue;
    const quoted = /^(["'])(.*)\1$/.exec(value);
    found.set(name, (quoted?.[2] ?? value).replace(/\\(["'$`\\])/g, '$1'));
  }
  return found;
}

async function osReleaseText(docker: Docker, id: string, signal: AbortSignal): Promise<string | undefined> {
  // Images without a default command need one to be created from; it never runs.
  const container = await docker.createContainer({ Image: id, Cmd: ['true'], NetworkDisabled: true });
  try {
    // The first is often a link to the second, and an archive of a link holds no content.
    for (const path of ['/etc/os-release', '/usr/lib/os-release']) {
      const text = await fileText(container, path, signal);
      if (text !== undefined) return text;
    }
    return undefined;
  } finally {
    await container.remove({ force: true, v: true });
  }
}

async function fileText(container: Docker.Container, path: string, signal: AbortSignal): Promise<string | undefined> {
  let archive: NodeJS.ReadableStream;
  try {
    archive = await container.getArchive({ path, abortSignal: signal });
  } catch (cause) {
    signal.throwIfAborted();
    if ((cause as { statusCode?: number }).statusCode === 404) return undefined;
    throw environmentError(`Docker can't read ${path} in the image: ${messageOf(cause)}`, { cause });
  }
  for await (const entry of readTar(archive as Readable, path)) {
    if (entry.type === 'file') return await smallText(entry);
  }
  return undefined;
}
