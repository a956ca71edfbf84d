import { counted } from '../host/counted.ts';
import { inputError } from '../host/errors.ts';
import type { Host } from '../host/host.ts';
import type { Run } from '../host/run.ts';
import { trustedAuthorities } from './certificates.ts';
import { registryCredentials } from './credentials.ts';
import { findLock } from './lock.ts';
import { normalisePlatform, parseConfig, parseManifest, pickPlatform, platformMismatch } from './manifest.ts';
import type { ImageLock } from './model.ts';
import { type ImageReference, parseReference } from './reference.ts';
import { openRegistry, type Registry, type RegistryOptions, served } from './registry.ts';

export interface ResolveOptions {
  /** Whose Docker settings and proxy variables count. */
  readonly host: Host;
  /** os/architecture[/variant]: the Docker daemon's (see pingDocker). */
  readonly platform: string;
  /** The folder's pinned images (see readLock). */
  readonly locks?: readonly ImageLock[];
  /** Follow a tag that has moved since it was pinned. */
  readonly update?: boolean;
  /** `HOST[/PREFIX]` to ask in the registry's place (see RegistryOptions). */
  readonly mirror?: string;
}

/**
 * Pins an image: the tag's digest first, then the manifest for the platform and its config, all checked by digest. A
 * reference that is pinned already stays so (no registry is asked) unless `update` is set; pinned for another platform,
 * this one's is taken from under the same digest. Pulls nothing. Throws an `input` error where the image or the platform
 * isn't there, `environment` where the registry doesn't answer.
 */
export async function resolveImage(reference: string, options: ResolveOptions, run: Run): Promise<ImageLock> {
  const wanted = parseReference(reference);
  const platform = normalisePlatform(options.platform);
  const locks = options.update ? [] : (options.locks ?? []);
  const pinned = findLock(locks, reference, platform);
  if (pinned) return pinned;
  const sibling = locks.find((lock) => lock.reference === wanted.text && lock.origin === 'registry');
  return run.step(`Look up ${wanted.text}`, async () => {
    const { host, mirror } = options;
    const registry = openImageRegistry(wanted, host, { log: run.log, ...(mirror === undefined ? {} : { mirror }) });
    try {
      return await lookUp(registry, wanted, sibling?.digest ?? wanted.digest ?? wanted.tag ?? '', platform, run.signal);
    } finally {
      await registry.close();
    }
  });
}

/** The registry of a reference, with Docker's credentials and authorities and the environment's proxies. */
export function openImageRegistry(
  reference: ImageReference,
  host: Host,
  options: Pick<RegistryOptions, 'timeoutMs' | 'stallMs' | 'attempts' | 'mirror' | 'log'> = {},
): Registry {
  const { registry } = served(reference, options.mirror);
  return openRegistry(reference, {
    ...options,
    env: host.env,
    authorities: (server) => trustedAuthorities(host, server),
    credentials: (signal) => registryCredentials(host, registry, signal),
  });
}

async function lookUp(
  registry: Registry,
  wanted: ImageReference,
  tagOrDigest: string,
  platform: string,
  signal: AbortSignal,
): Promise<ImageLock> {
  const { text: reference, repository, tag } = wanted;
  const top = await registry.manifest(tagOrDigest, signal);
  const index = parseManifest(top.text, reference);
  const own = index.kind === 'manifest' ? top : undefined;
  const found =
    index.kind === 'index' ? await registry.manifest(pickPlatform(index, platform, reference).digest, signal) : top;
  const manifest = own ? index : parseManifest(found.text, `${reference} for ${platform}`);
  if (manifest.kind === 'index') throw inputError(`${reference} is an index within an index`);
  const bytes = await registry.blob(manifest.config.digest, signal);
  const config = parseConfig(bytes.toString('utf8'), reference);
  // Only an image without an index has to be asked itself; configs leave the variant out at times.
  if (own && config.platform !== platform) throw platformMismatch(reference, platform, config.platform);
  if (config.diffIds.length !== manifest.layers.length) {
    throw inputError(
      `${reference} has ${counted(manifest.layers.length, 'layer')}, but its config speaks of ${config.diffIds.length}`,
    );
  }
  return {
    reference,
    repository,
    ...(tag === undefined ? {} : { tag }),
    digest: top.digest,
    platform,
    manifestDigest: found.digest,
    configDigest: manifest.config.digest,
    diffIds: config.diffIds,
    size: manifest.layers.reduce((sum, layer) => sum + layer.size, 0),
    resolvedAt: new Date().toISOString(),
    ...(config.created === undefined ? {} : { created: config.created }),
    ...(own ? {} : { index: top.text }),
    manifest: found.text,
    origin: 'registry',
  };
}
