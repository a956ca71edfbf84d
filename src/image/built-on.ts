import { isDigest } from './digest.ts';
import { isRecord } from './manifest.ts';
import type { ImageLock } from './model.ts';

/** What an image was built on, and what shows it. */
export interface BuiltOn {
  /** `chosen`: the base image of the settings. */
  readonly base: 'chosen' | 'other' | 'unknown';
  readonly reference?: string;
  readonly digest?: string;
  /** The leading layers prove it; without them it is the image's own word. */
  readonly proven: boolean;
  readonly evidence: string;
}

/** What an image's config tells besides its layers. */
export interface ConfigFacts {
  /** ISO 8601; absent where the builder left it out or set it to nothing, as reproducible builds do. */
  readonly created?: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** Reads the config's time and labels; what isn't there or isn't of the right kind is absent. */
export function configFacts(text: string): ConfigFacts {
  const json: unknown = JSON.parse(text);
  const { created, config } = isRecord(json) ? json : {};
  const labels = isRecord(config) && isRecord(config.Labels) ? config.Labels : {};
  // The epoch and the year 1 stand for "not said".
  const said = typeof created === 'string' && Date.parse(created) > Date.UTC(2000) ? { created } : {};
  return { ...said, labels: textsOf(labels) };
}

/**
 * Which base an image stands on: the chosen one where its leading layers are that one's, uncompressed bit for bit; else
 * another pinned image that it begins with (the one of most layers); else what it says of itself by the OCI annotations
 * `org.opencontainers.image.base.name` and `.digest`, in its manifest or as labels.
 */
export function builtOn(
  lock: ImageLock,
  base: ImageLock | undefined,
  pinned: readonly ImageLock[],
  labels: Readonly<Record<string, string>>,
): BuiltOn {
  if (base && beginsWith(lock, base)) return sharing('chosen', base);
  const [other] = pinned
    .filter((one) => one.digest !== lock.digest && one.diffIds.length < lock.diffIds.length && beginsWith(lock, one))
    .sort((a, b) => b.diffIds.length - a.diffIds.length);
  if (other) return sharing('other', other);
  const said = { ...labels, ...annotationsOf(lock.index), ...annotationsOf(lock.manifest) };
  const reference = said['org.opencontainers.image.base.name'];
  const digest = said['org.opencontainers.image.base.digest'];
  if (!isDigest(digest)) {
    const evidence = 'its leading layers are those of no pinned image, and it names no base with a digest';
    return { base: 'unknown', proven: false, evidence, ...(reference === undefined ? {} : { reference }) };
  }
  const isChosen = base !== undefined && [base.digest, base.manifestDigest].includes(digest);
  return {
    base: isChosen ? 'chosen' : 'other',
    ...(reference === undefined ? {} : { reference }),
    digest,
    proven: false,
    evidence: 'its own word (org.opencontainers.image.base.digest)',
  };
}

function sharing(base: 'chosen' | 'other', { reference, digest, diffIds }: ImageLock): BuiltOn {
  const count = diffIds.length === 1 ? 'layer is' : `${diffIds.length} layers are`;
  return { base, reference, digest, proven: true, evidence: `its first ${count} that image's` };
}

/** An image of no layers would begin everything. */
function beginsWith({ diffIds }: ImageLock, base: ImageLock): boolean {
  return base.diffIds.length > 0 && base.diffIds.every((id, i) => diffIds[i] === id);
}

function annotationsOf(manifest: string | undefined): Record<string, string> {
  const json: unknown = manifest === undefined ? undefined : JSON.parse(manifest);
  return isRecord(json) && isRecord(json.annotations) ? textsOf(json.annotations) : {};
}

function textsOf(values: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}
