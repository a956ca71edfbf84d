import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { constants, createGunzip, createZstdDecompress } from 'node:zlib';
import type Docker from 'dockerode';
import { environmentError, inputError, messageOf } from '../host/errors.ts';
import { isFile } from '../host/is-file.ts';
import type { Run } from '../host/run.ts';
import type { CreateOptions } from './provider.ts';

/** The newest public `kindest/node` version of a minor (`1.34` → `1.34.3`); undefined where it can't be known. */
export type NewestPatch = (minor: string, signal: AbortSignal) => Promise<string | undefined>;

/**
 * The node image to make a cluster from: what the user named (a reference, or an archive that is loaded), else one in
 * the daemon of that minor, else the public one. Undefined leaves the choice to kind: no minor is asked for, none is here.
 * Throws an input error for the path of an archive that isn't there.
 */
export async function chooseNodeImage(
  docker: Docker,
  options: CreateOptions,
  newestPatch: NewestPatch,
  run: Run,
): Promise<string | undefined> {
  const { nodeImage, minor } = options;
  if (nodeImage !== undefined) {
    const parts = await archiveParts(nodeImage);
    if (parts.length > 0) return loadArchive(docker, nodeImage, parts, run);
    if (!looksLikePath(nodeImage)) return nodeImage;
    // Docker would look for a registry of that name.
    throw inputError(`There is no node image ${nodeImage}: it looks like a path, and no such file is there`, {
      action:
        'Check the path of the archive (FILE, or its parts FILE.0, FILE.1, …), or name a reference: REPOSITORY:TAG.',
    });
  }
  const images = await docker.listImages({ abortSignal: run.signal });
  const present = bestNodeImage(
    images.flatMap((image) => image.RepoTags ?? []),
    minor,
  );
  if (present !== undefined || minor === undefined) return present;
  const patch = await newestPatch(minor, run.signal);
  if (patch !== undefined) return `kindest/node:v${patch.replace(/^v/, '')}`;
  throw inputError(
    `No node image for Kubernetes ${minor} is in the Docker daemon, and none was found in the registry`,
    {
      action: 'Name one with --node-image, a reference or the path of an archive (also CLPARITY_NODE_IMAGE).',
    },
  );
}

/**
 * Of repository tags, the node image to prefer: kind's own repository before others, then the newest version, then one
 * whose tag has a suffix (it names what was added, such as an engine that enforces).
 */
export function bestNodeImage(tags: readonly string[], minor: string | undefined): string | undefined {
  const candidates = tags.flatMap((tag) => {
    const [, repository, version, suffix] = /^(.*\bnode):v(\d+\.\d+\.\d+)(-\S+)?$/.exec(tag) ?? [];
    if (!repository || !version || (minor !== undefined && !version.startsWith(`${minor}.`))) return [];
    return [{ tag, own: repository.endsWith('kindest/node'), version, suffix: suffix ?? '' }];
  });
  candidates.sort(
    (a, b) =>
      Number(b.own) - Number(a.own) ||
      b.version.localeCompare(a.version, 'en', { numeric: true }) ||
      b.suffix.localeCompare(a.suffix),
  );
  return candidates[0]?.tag;
}

function looksLikePath(text: string): boolean {
  return /^(\/|\.\.?\/|~)|\\|\.(tar|tgz|tar\.(gz|zst))(\.0)?$/.test(text);
}

/** The files that make up an archive, in order: itself, or the numbered parts `X.0`, `X.1`, … Empty for a reference. */
async function archiveParts(path: string): Promise<string[]> {
  if (await isFile(path)) {
    if (!path.endsWith('.0')) return [path];
    return numberedParts(path.slice(0, -2));
  }
  return numberedParts(path);
}

async function numberedParts(base: string): Promise<string[]> {
  const parts: string[] = [];
  while (await isFile(`${base}.${parts.length}`)) parts.push(`${base}.${parts.length}`);
  return parts;
}

async function loadArchive(docker: Docker, name: string, parts: readonly string[], run: Run): Promise<string> {
  return run.step(`Load the node image from ${name}`, async () => {
    const output: string[] = [];
    try {
      const reply = await docker.loadImage(unpacked(name, parts), { abortSignal: run.signal });
      for await (const chunk of reply as Readable) output.push(chunk.toString());
    } catch (cause) {
      run.signal.throwIfAborted();
      throw environmentError(`Docker can't load ${name}: ${messageOf(cause)}`, { cause });
    }
    const loaded = /Loaded image(?: ID)?: ([^\s"\\]+)/.exec(output.join(''))?.[1];
    if (loaded !== undefined) return loaded;
    throw inputError(`${name} holds no image that Docker can load: ${output.join('').trim().slice(0, 300)}`, {
      action: 'It has to be what "docker save" writes, plain, gzip or zstd.',
    });
  });
}

function unpacked(name: string, parts: readonly string[]): NodeJS.ReadableStream {
  const whole = Readable.from(concatenated(parts));
  const plain = name.replace(/\.0$/, '');
  // Docker unpacks zstd itself, but not with the long window that large archives are packed with.
  if (plain.endsWith('.zst')) {
    const unzstd = createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: 31 } });
    return whole.on('error', (error) => unzstd.destroy(error)).pipe(unzstd);
  }
  if (plain.endsWith('.gz')) {
    const gunzip = createGunzip();
    return whole.on('error', (error) => gunzip.destroy(error)).pipe(gunzip);
  }
  return whole;
}

async function* concatenated(parts: readonly string[]): AsyncIterable<Buffer> {
  for (const part of parts) for await (const chunk of createReadStream(part)) yield chunk as Buffer;
}
