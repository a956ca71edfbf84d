import type Docker from 'dockerode';
import { inputError } from '../host/errors.ts';
import { inspectImage, isPacked } from './daemon-image.ts';
import { normalisePlatform } from './manifest.ts';
import type { WantedImage } from './node-image.ts';
import { pushedManifest, pushToHere } from './push.ts';
import { parseReference } from './reference.ts';

/**
 * An image that Docker has under a tag, as the developer built or pulled it: what `kind load docker-image` loads.
 * Undefined where it has none, and for a reference by digest, whose bytes only a registry can give.
 */
export async function ownImage(docker: Docker, name: string, signal: AbortSignal): Promise<WantedImage | undefined> {
  const { text: reference, digest } = parseReference(name);
  if (digest !== undefined) return undefined;
  const inspected = await inspectImage(docker, reference);
  if (!inspected) return undefined;
  const platform = normalisePlatform(
    [inspected.Os, inspected.Architecture, inspected.Variant].filter((part) => part).join('/'),
  );
  const { RootFS, Id } = inspected;
  const diffIds = RootFS.Layers ?? [];
  if (diffIds.length === 0) throw inputError(`${reference} has no layers, so nothing of it can run`);
  const facts = await digestsOf(docker, inspected, reference, signal);
  return {
    reference,
    platform,
    configDigest: facts.configDigest,
    diffIds,
    layerDigests: facts.layerDigests,
    names: new Map([[reference, undefined]]),
    texts: new Map(),
    action: `Is it still there? "docker image inspect ${Id.slice(0, 19)}" tells.`,
  };
}

/** An image's ID is its config's digest, unless Docker keeps images in containerd: then its manifest tells. */
async function digestsOf(docker: Docker, image: Docker.ImageInspectInfo, what: string, signal: AbortSignal) {
  const { Id } = image;
  if (!isPacked(image)) return { configDigest: Id, layerDigests: [] };
  const { config, layers } = pushedManifest(await pushToHere(docker, Id, { has: () => true }, signal), what);
  return { configDigest: config.digest, layerDigests: layers.map(({ digest }) => digest) };
}
