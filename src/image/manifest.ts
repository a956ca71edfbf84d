import { inputError } from '../host/errors.ts';
import { isDigest } from './digest.ts';

/** What a manifest or index says about a blob or another manifest. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
  readonly platform?: {
    readonly os: string;
    readonly architecture: string;
    readonly variant?: string;
    readonly 'os.version'?: string;
  };
  readonly annotations?: Readonly<Record<string, string>>;
  /** What kind of thing it is, where it isn't an image: in lists of referrers. */
  readonly artifactType?: string;
}

export interface Manifest {
  readonly kind: 'manifest';
  readonly mediaType: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

export interface Index {
  readonly kind: 'index';
  readonly mediaType: string;
  readonly manifests: readonly Descriptor[];
}

export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const DOCKER_INDEX = 'application/vnd.docker.distribution.manifest.list.v2+json';
const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';

/** What to ask a registry for: every kind of manifest that parseManifest understands. */
export const MANIFEST_TYPES = [OCI_INDEX, OCI_MANIFEST, DOCKER_INDEX, DOCKER_MANIFEST];

/** Reads an index or a manifest, OCI's or Docker's. Throws an `input` error naming `what` where it is neither. */
export function parseManifest(text: string, what: string): Index | Manifest {
  const wrong = (why: string, cause?: unknown) => inputError(`${what} is not an image manifest: ${why}`, { cause });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw wrong('it is not JSON', cause);
  }
  if (!isRecord(json)) throw wrong('it is not a JSON object');
  if (json.schemaVersion !== 2) {
    throw wrong(`its schemaVersion is ${JSON.stringify(json.schemaVersion)}, only 2 is understood`);
  }
  const mediaType = typeof json.mediaType === 'string' ? json.mediaType : undefined;
  const descriptors = (value: unknown, field: string): Descriptor[] => {
    if (!Array.isArray(value)) throw wrong(`"${field}" is not a list`);
    return value.map((entry, i) => descriptor(entry, `${field}[${i}]`, wrong));
  };
  if (json.manifests !== undefined) {
    return {
      kind: 'index',
      mediaType: mediaType ?? OCI_INDEX,
      manifests: descriptors(json.manifests, 'manifests'),
    };
  }
  return {
    kind: 'manifest',
    mediaType: mediaType ?? OCI_MANIFEST,
    config: descriptor(json.config, 'config', wrong),
    layers: descriptors(json.layers, 'layers'),
  };
}

function descriptor(value: unknown, field: string, wrong: (why: string) => Error): Descriptor {
  if (!isRecord(value)) throw wrong(`"${field}" is missing`);
  if (!isDigest(value.digest)) throw wrong(`"${field}" has no sha256 digest`);
  if (typeof value.size !== 'number' || !Number.isSafeInteger(value.size) || value.size < 0) {
    throw wrong(`"${field}" has no size`);
  }
  return { mediaType: '', ...value, digest: value.digest, size: value.size } satisfies Descriptor;
}

/** What of an image's config is of use here. */
export interface ImageConfig {
  /** os/architecture[/variant]. */
  readonly platform: string;
  readonly diffIds: readonly string[];
  /** When it was built, ISO 8601; absent where the builder left that out, as builds that can be repeated do. */
  readonly created?: string;
}

/** Reads an image's config. Throws an `input` error naming `what` where it isn't one. */
export function parseConfig(text: string, what: string): ImageConfig {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw inputError(`${what} is not an image config: it is not JSON`, { cause });
  }
  const rootfs = isRecord(json) ? json.rootfs : undefined;
  const diffIds = isRecord(rootfs) ? rootfs.diff_ids : undefined;
  if (!isRecord(json) || !Array.isArray(diffIds) || !diffIds.every(isDigest)) {
    throw inputError(`${what} is not an image config: it has no rootfs.diff_ids`, {
      action: 'Is this a container image, and not a Helm chart or another artifact?',
    });
  }
  const created = buildDate(json.created);
  return { platform: platformText(json), diffIds, ...(created === undefined ? {} : { created }) };
}

/** Dates before containers are what tools write for "none": the zero of Go's clock, of Unix, of zip. */
function buildDate(value: unknown): string | undefined {
  const at = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return at > Date.UTC(2000) ? new Date(at).toISOString() : undefined;
}

function platformText(value: Readonly<Record<string, unknown>>): string {
  const { os, architecture, variant } = value;
  return normalisePlatform([os ?? 'unknown', architecture ?? 'unknown', ...(variant ? [variant] : [])].join('/'));
}

const ARCHITECTURES: Readonly<Record<string, string>> = {
  x86_64: 'amd64',
  'x86-64': 'amd64',
  aarch64: 'arm64',
  armhf: 'arm/v7',
  armel: 'arm/v6',
  i386: '386',
};

/** `os/architecture[/variant]` in the words of image indexes; variants that are the default are left out. */
export function normalisePlatform(platform: string): string {
  const [os = '', arch = '', ...variant] = platform.toLowerCase().split('/');
  return [os, ARCHITECTURES[arch] ?? arch, ...variant]
    .join('/')
    .replace(/^(\w+\/arm64)\/v8$/, '$1')
    .replace(/^(\w+\/amd64)\/v1$/, '$1')
    .replace(/^(\w+\/arm)$/, '$1/v7');
}

/** The index's entries that are images (not attestations), each with its platform. */
export function imagesOf(index: Index): { platform: string; descriptor: Descriptor }[] {
  return index.manifests
    .filter((m) => m.annotations?.['vnd.docker.reference.type'] !== 'attestation-manifest')
    .map((m) => ({ platform: m.platform ? platformText({ ...m.platform }) : 'unknown/unknown', descriptor: m }))
    .filter((m) => m.platform !== 'unknown/unknown');
}

/** The entry for a platform. Throws an `input` error that names the platforms there are. */
export function pickPlatform(index: Index, platform: string, what: string): Descriptor {
  const wanted = normalisePlatform(platform);
  const images = imagesOf(index);
  const found = images.find((m) => m.platform === wanted);
  if (found) return found.descriptor;
  throw platformMismatch(what, wanted, images.map((m) => m.platform).join(', ') || 'no platform at all');
}

/** The error for an image that isn't to be had for a platform. */
export function platformMismatch(what: string, wanted: string, has: string): Error {
  return inputError(`${what} is not there for ${wanted}: it has ${has}`, {
    action: 'Pick an image that has this platform, or a Docker daemon and cluster of a platform that the image has.',
  });
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
