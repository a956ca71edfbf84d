import type { Readable } from 'node:stream';
import type Docker from 'dockerode';
import { environmentError, messageOf } from '../host/errors.ts';
import type { Run } from '../host/run.ts';
import type { ArchiveImage } from './archive-image.ts';
import type { ArchiveFiles } from './archive-source.ts';
import { followLinks, type ImageEntry, type LayerScan, scanLayer, stackLayers, takeEntry } from './layer-files.ts';
import { parseManifest } from './manifest.ts';
import type { ImageLock } from './model.ts';
import type { Registry } from './registry.ts';
import { readTar } from './tar.ts';

/** A place that an image's files can be read from without running it. */
export interface ImageFiles {
  /** In words, as evidence: "the Docker daemon". */
  readonly name: string;
  /** Copies those of `paths` (no leading slash) that the image has into `folder`. Returns each one's copy. */
  read(paths: readonly string[], folder: string, run: Run): Promise<ReadonlyMap<string, string>>;
}

/** The image's layers as the registry has them, each streamed once and checked against its digest. */
export function registryFiles(registry: Registry, lock: ImageLock): ImageFiles {
  const manifest = parseManifest(lock.manifest, lock.reference);
  const layers = manifest.kind === 'manifest' ? manifest.layers : [];
  return {
    name: `the layers at ${registry.host}`,
    read: (paths, folder, run) =>
      run.step(`Read the layers of ${lock.reference}`, async (progress) => {
        const wanted = new Set(paths);
        const scans: LayerScan[] = [];
        let done = 0;
        for (const [i, layer] of layers.entries()) {
          const counted = tally(registry.stream(layer, run.signal), (bytes) => {
            done += bytes;
            progress({ done, total: lock.size, unit: 'bytes' });
          });
          scans.push(await scanLayer(counted, `The layer ${layer.digest}`, wanted, `${folder}/${i}`));
        }
        return stackLayers(scans);
      }),
  };
}

async function* tally(source: AsyncIterable<Uint8Array>, count: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    count(chunk.byteLength);
    yield chunk;
  }
}

/** The image's layers in an archive, which is read once in its own order. It must have been checked before. */
export function archiveFiles(archive: ArchiveFiles, path: string, image: ArchiveImage): ImageFiles {
  return {
    name: path,
    read: (paths, folder, { signal, step }) =>
      step(`Read the layers in ${path}`, async () => {
        const wanted = new Set(paths);
        const scans = new Map<string, LayerScan>();
        for await (const { name, content } of archive()) {
          signal.throwIfAborted();
          if (!image.layers.includes(name)) continue;
          scans.set(name, await scanLayer(content, `The layer ${name} of ${path}`, wanted, `${folder}/${scans.size}`));
        }
        return stackLayers(image.layers.flatMap((name) => scans.get(name) ?? []));
      }),
  };
}

/** The image `id` as the daemon has it, by way of a container that is never started. */
export function daemonFiles(docker: Docker, id: string): ImageFiles {
  return {
    name: 'the Docker daemon',
    async read(paths, folder, { signal }) {
      signal.throwIfAborted();
      // Images without a default command need one to be created from; it never runs.
      const container = await docker.createContainer({ Image: id, Cmd: ['true'], NetworkDisabled: true });
      try {
        const entries = new Map<string, ImageEntry>();
        for (const path of paths) {
          const entry = await containerEntry(container, path, folder, signal);
          if (entry) entries.set(path, entry);
        }
        return followLinks(entries);
      } finally {
        await container.remove({ force: true, v: true });
      }
    },
  };
}

async function containerEntry(
  container: Docker.Container,
  path: string,
  folder: string,
  signal: AbortSignal,
): Promise<ImageEntry | undefined> {
  let archive: NodeJS.ReadableStream;
  try {
    archive = await container.getArchive({ path: `/${path}`, abortSignal: signal });
  } catch (cause) {
    signal.throwIfAborted();
    if ((cause as { statusCode?: number }).statusCode === 404) return undefined;
    throw environmentError(`Docker can't read /${path} in the image: ${messageOf(cause)}`, { cause });
  }
  for await (const entry of readTar(archive as Readable, path)) return takeEntry(entry, path, folder);
  return undefined;
}
