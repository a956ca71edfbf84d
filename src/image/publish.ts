import { environmentError } from '../host/errors.ts';
import type { Host } from '../host/host.ts';
import type { Run } from '../host/run.ts';
import { trustedAuthorities } from './certificates.ts';
import { registryCredentials } from './credentials.ts';
import { openExchange } from './exchange.ts';
import { type Descriptor, parseManifest } from './manifest.ts';
import type { ImageLock } from './model.ts';
import { isLoopbackRegistry, parseReference } from './reference.ts';
import type { Registry, RegistryManifest } from './registry.ts';
import { openImageRegistry } from './resolve.ts';
import { httpFailure, retrying } from './retry.ts';

/** A registry of the user's that a cluster pulls from, as far as one repository goes. */
export interface Publisher {
  /** What pods name: `REGISTRY/PATH@sha256:…`. */
  readonly name: string;
  /** Whether the image is there under production's digest. */
  has(signal: AbortSignal): Promise<boolean>;
  /**
   * Brings production's index there, byte for byte, with everything that it names: a registry takes an index only when
   * all of its manifests are there (distribution's manifest list verification). Sends only blobs that aren't there.
   * Returns the bytes of layers and configs that were sent.
   */
  publish(source: Registry, run: Run, onBytes: (sent: number) => void): Promise<number>;
  close(): Promise<void>;
}

/** Opens the place of a pinned image in `registry` (`HOST[/PREFIX]`): the same path that it has in its own registry. */
export function openPublisher(lock: ImageLock, registry: string, host: Host, run: Pick<Run, 'log'>): Publisher {
  const target = parseReference(
    `${registry.replace(/\/+$/, '')}/${parseReference(lock.reference).path}@${lock.digest}`,
  );
  const there = openImageRegistry(target, host, { log: run.log });
  const exchange = openExchange(target.registry, target.path, {
    env: host.env,
    log: run.log,
    authorities: (server) => trustedAuthorities(host, server),
    credentials: (signal) => registryCredentials(host, target.registry, signal),
  });
  const scheme = isLoopbackRegistry(target.registry) ? 'http' : 'https';
  const base = `${scheme}://${target.registry}/v2/${target.path}`;

  async function hasBlob(digest: string, signal: AbortSignal): Promise<boolean> {
    const what = `${target.repository}@${digest}`;
    try {
      return await exchange.ask({ url: `${base}/blobs/${digest}`, what, method: 'HEAD' }, signal, async () => true);
    } catch (error) {
      if (httpFailure(error)?.status === 404) return false;
      throw error;
    }
  }

  /** As Docker pushes: an upload is opened, the bytes go in by one PATCH as they come, and the digest closes it. */
  async function upload(source: Registry, blob: Descriptor, signal: AbortSignal, onBytes: (n: number) => void) {
    const what = `${target.repository}@${blob.digest}`;
    await retrying(async () => {
      const ask = async (url: string, method: 'POST' | 'PATCH' | 'PUT', body?: AsyncIterable<Uint8Array>) => {
        const headers = { 'content-type': 'application/octet-stream' };
        try {
          const response = await exchange.open({ url, what, method, headers, ...(body ? { body } : {}) }, signal);
          await response.body?.cancel();
          return new URL(response.headers.get('location') ?? url, url);
        } catch (error) {
          throw exchange.explain(error, what, signal);
        }
      };
      const opened = await ask(`${base}/blobs/uploads/`, 'POST');
      const filled = await ask(opened.href, 'PATCH', counted(source.stream(blob, signal), onBytes));
      filled.searchParams.set('digest', blob.digest);
      await ask(filled.href, 'PUT');
    }, exchange.retryOptions(signal));
  }

  async function put({ digest, mediaType, text }: RegistryManifest, as: string, signal: AbortSignal): Promise<void> {
    const what = `${target.repository}@${digest}`;
    const headers = { 'content-type': mediaType };
    const url = `${base}/manifests/${as}`;
    const stored = await exchange.ask({ url, what, method: 'PUT', headers, body: text }, signal, async (response) =>
      response.headers.get('docker-content-digest'),
    );
    if (stored !== null && stored !== digest) {
      throw environmentError(`${target.registry} keeps ${what} as ${stored}: it changes what it is given`, {
        action: 'Use a registry that keeps manifests byte for byte, as the distribution specification wants.',
      });
    }
  }

  /** One manifest or index, with what it names before it. */
  async function copy(source: Registry, digest: string, signal: AbortSignal, sent: { bytes: number }, say: () => void) {
    if (await there.findManifest(digest, signal)) return;
    const found = await source.manifest(digest, signal);
    const manifest = parseManifest(found.text, `${lock.reference} (${digest})`);
    if (manifest.kind === 'index') {
      for (const child of manifest.manifests) await copy(source, child.digest, signal, sent, say);
    } else {
      for (const blob of [...manifest.layers, manifest.config]) {
        if (await hasBlob(blob.digest, signal)) continue;
        await upload(source, blob, signal, (n) => {
          sent.bytes += n;
          say();
        });
      }
    }
    await put({ ...found, mediaType: manifest.mediaType }, digest, signal);
  }

  return {
    name: target.text,
    has: async (signal) => (await there.findManifest(lock.digest, signal)) !== undefined,
    async publish(source, { signal }, onBytes) {
      const sent = { bytes: 0 };
      await copy(source, lock.digest, signal, sent, () => onBytes(sent.bytes));
      return sent.bytes;
    },
    async close() {
      await Promise.all([there.close(), exchange.close()]);
    },
  };
}

async function* counted(bytes: AsyncIterable<Uint8Array>, onBytes: (n: number) => void): AsyncGenerator<Uint8Array> {
  for await (const chunk of bytes) {
    onBytes(chunk.byteLength);
    yield chunk;
  }
}
