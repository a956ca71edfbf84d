import { counted } from '../host/counted.ts';
import { inputError } from '../host/errors.ts';
import type { Inventory } from './archive-source.ts';
import { digestOf } from './digest.ts';
import {
  type Descriptor,
  isRecord,
  type Manifest,
  OCI_MANIFEST,
  parseConfig,
  parseManifest,
  pickPlatform,
  platformMismatch,
} from './manifest.ts';
import type { ImageLock } from './model.ts';
import { blobPath } from './oci-layout.ts';
import { parseReference } from './reference.ts';

/** One image chosen from an archive: its lock, and where in the archive its config and layers lie. */
export interface ArchiveImage {
  readonly lock: ImageLock;
  readonly config: string;
  readonly layers: readonly string[];
}

interface Candidate {
  /** The image's name there, normalised, where it has a whole one. */
  readonly name?: string;
  readonly tag?: string;
  readonly descriptor: Descriptor;
}

/**
 * Chooses the image that `reference` names (or the only one) for a platform. An OCI layout keeps its digests. Docker's
 * own save without the containerd store holds a manifest that Docker made up: the lock is marked `synthetic`.
 */
export function chooseImage(
  inventory: Inventory,
  path: string,
  platform: string,
  reference: string | undefined,
): ArchiveImage {
  if (inventory.texts.has('index.json')) return fromLayout(inventory, path, platform, reference);
  if (inventory.texts.has('manifest.json')) return fromOldSave(inventory, path, platform, reference);
  throw inputError(`${path} is not an image archive: it has neither index.json nor manifest.json`, {
    action: 'Give an OCI layout (folder or tar) or what "docker save" writes.',
  });
}

function fromLayout(inventory: Inventory, path: string, platform: string, reference: string | undefined): ArchiveImage {
  const index = parseManifest(textOf(inventory, 'index.json', path), `index.json of ${path}`);
  const entries = index.kind === 'index' ? index.manifests : [];
  const wanted = pick(entries.map(candidate), path, reference);
  const top = blobText(inventory, wanted.descriptor.digest, path);
  const what = `${wanted.reference.text} in ${path}`;
  const parsed = parseManifest(top, what);
  const digest = parsed.kind === 'index' ? pickPlatform(parsed, platform, what).digest : wanted.descriptor.digest;
  const text = parsed.kind === 'index' ? blobText(inventory, digest, path) : top;
  const manifest = parsed.kind === 'index' ? parseManifest(text, what) : parsed;
  if (manifest.kind === 'index') throw inputError(`${what} is an index within an index`);
  const lock = lockOf(inventory, path, platform, wanted.reference, {
    manifest,
    text,
    ...(parsed.kind === 'index' ? { index: top } : {}),
  });
  return { lock, config: blobPath(manifest.config.digest), layers: manifest.layers.map((l) => blobPath(l.digest)) };
}

/** docker save before version 25: manifest.json alone, layers under names of their own. */
function fromOldSave(
  inventory: Inventory,
  path: string,
  platform: string,
  reference: string | undefined,
): ArchiveImage {
  const list: unknown = JSON.parse(textOf(inventory, 'manifest.json', path));
  const images = (Array.isArray(list) ? list : []).filter(isRecord).map((image) => ({
    config: String(image.Config),
    layers: Array.isArray(image.Layers) ? image.Layers.map(String) : [],
    tags: Array.isArray(image.RepoTags) ? image.RepoTags.map(String) : [],
  }));
  const describe = (name: string, mediaType: string): Descriptor => {
    const file = inventory.files.get(name);
    if (!file) throw inputError(`${path} lacks ${name}, which its manifest.json names`);
    return { mediaType, digest: file.digest, size: file.size };
  };
  const candidates = images.flatMap(({ config, tags }) => {
    const descriptor = describe(config, 'application/vnd.oci.image.config.v1+json');
    return (tags.length > 0 ? tags : [undefined]).map((tag) => ({
      ...(tag === undefined ? {} : { name: parseReference(tag).text }),
      descriptor,
    }));
  });
  const wanted = pick(candidates, path, reference);
  const image = images.find((one) => inventory.files.get(one.config)?.digest === wanted.descriptor.digest);
  if (!image) throw inputError(`${path} has no image`);
  const manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: wanted.descriptor,
    layers: image.layers.map((name) => describe(name, 'application/vnd.oci.image.layer.v1.tar')),
  };
  const text = JSON.stringify(manifest);
  const lock = lockOf(inventory, path, platform, wanted.reference, {
    manifest: { kind: 'manifest', ...manifest },
    text,
    configText: textOf(inventory, image.config, path),
  });
  return { lock, config: image.config, layers: image.layers };
}

function candidate(descriptor: Descriptor): Candidate {
  const name = descriptor.annotations?.['io.containerd.image.name'];
  const ref = descriptor.annotations?.['org.opencontainers.image.ref.name'];
  if (name !== undefined) return { name: parseReference(name).text, descriptor };
  // By the OCI spec this may be a whole name or a tag alone; tools write both.
  if (ref !== undefined && /[/:]/.test(ref)) return { name: parseReference(ref).text, descriptor };
  return { ...(ref === undefined ? {} : { tag: ref }), descriptor };
}

/** The image meant, and the reference that it is to have from here on. */
function pick(candidates: readonly Candidate[], path: string, reference: string | undefined) {
  const names = [...new Set(candidates.flatMap((c) => c.name ?? c.tag ?? []))].join(', ') || 'one without a name';
  const images = new Set(candidates.map((c) => c.descriptor.digest));
  const [only] = candidates;
  if (!only) throw inputError(`${path} has no image in it`);
  if (reference === undefined) {
    if (candidates.length > 1)
      throw inputError(`${path} has several images: ${names}`, { action: 'Name one of them.' });
    if (only.name === undefined) {
      throw inputError(`The image in ${path} has no whole name`, { action: 'Say which it is, as registry/name:tag.' });
    }
    return { descriptor: only.descriptor, reference: parseReference(only.name) };
  }
  const wanted = parseReference(reference);
  const found =
    candidates.find(
      (c) => c.name === wanted.text || (wanted.digest !== undefined && c.descriptor.digest === wanted.digest),
    ) ??
    candidates.find((c) => c.name === undefined && (c.tag === undefined ? images.size === 1 : c.tag === wanted.tag));
  if (!found) {
    throw inputError(`${path} does not hold ${wanted.text}: it holds ${names}`, {
      action: 'Name the image that is in the archive.',
    });
  }
  return { descriptor: found.descriptor, reference: wanted };
}

interface Found {
  readonly manifest: Manifest;
  readonly text: string;
  readonly index?: string;
  readonly configText?: string;
}

function lockOf(
  inventory: Inventory,
  path: string,
  platform: string,
  reference: ReturnType<typeof parseReference>,
  { manifest, text, index, configText }: Found,
): ImageLock {
  const what = `${reference.text} in ${path}`;
  const config = parseConfig(configText ?? blobText(inventory, manifest.config.digest, path), what);
  if (index === undefined && config.platform !== platform) throw platformMismatch(what, platform, config.platform);
  if (configText === undefined) for (const layer of manifest.layers) requireBlob(inventory, layer.digest, path);
  if (config.diffIds.length !== manifest.layers.length) {
    throw inputError(
      `${what} has ${counted(manifest.layers.length, 'layer')}, but its config speaks of ${config.diffIds.length}`,
    );
  }
  const manifestDigest = digestOf(text);
  const digest = index === undefined ? manifestDigest : digestOf(index);
  if (reference.digest !== undefined && reference.digest !== digest) {
    throw inputError(`${what} has the digest ${digest}`, {
      action: 'A digest survives in an OCI layout ("skopeo copy", "crane pull --format=oci"), not in "docker save".',
    });
  }
  // A registry's layers are compressed; Docker without the containerd store saves them bare under a manifest of its own.
  const bare = manifest.layers.every((layer, i) => layer.digest === config.diffIds[i]);
  const synthetic = inventory.texts.has('manifest.json') && index === undefined && bare;
  return {
    reference: reference.text,
    repository: reference.repository,
    ...(reference.tag === undefined ? {} : { tag: reference.tag }),
    digest,
    platform,
    manifestDigest,
    configDigest: manifest.config.digest,
    diffIds: config.diffIds,
    size: manifest.layers.reduce((sum, layer) => sum + layer.size, 0),
    resolvedAt: new Date().toISOString(),
    ...(config.created === undefined ? {} : { created: config.created }),
    ...(index === undefined ? {} : { index }),
    manifest: text,
    origin: 'archive',
    ...(synthetic ? { synthetic: true } : {}),
  };
}

function requireBlob(inventory: Inventory, digest: string, path: string): void {
  if (!inventory.files.has(blobPath(digest))) throw inputError(`${path} lacks the blob ${digest}`);
}

function blobText(inventory: Inventory, digest: string, path: string): string {
  requireBlob(inventory, digest, path);
  return textOf(inventory, blobPath(digest), path);
}

function textOf(inventory: Inventory, name: string, path: string): string {
  const text = inventory.texts.get(name);
  if (text === undefined) throw inputError(`${path} lacks ${name}, or it is not JSON`);
  return text;
}
