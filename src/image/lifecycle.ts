import { jsonRecord } from './envelope.ts';
import { type Descriptor, isRecord } from './manifest.ts';
import type { Registry } from './registry.ts';

/** What Microsoft's registry attaches to images whose support has an end. */
const LIFECYCLE = 'application/vnd.microsoft.artifact.lifecycle';
const END_OF_LIFE = 'vnd.microsoft.artifact.lifecycle.end-of-life.date';

/**
 * The end of life that a publisher has attached to an image, by the last of its lifecycle referrers, with that one's
 * digest as evidence; undefined where there is none.
 */
export async function findEndOfLife(
  registry: Registry,
  referrers: readonly Descriptor[],
  signal: AbortSignal,
): Promise<{ readonly value: string; readonly evidence: string } | undefined> {
  const found: { value: string; created: string; digest: string }[] = [];
  for (const { artifactType, digest, annotations } of referrers) {
    if (artifactType !== LIFECYCLE) continue;
    // A registry may leave annotations out of its list.
    const all =
      annotations?.[END_OF_LIFE] === undefined ? await manifestAnnotations(registry, digest, signal) : annotations;
    const value = all[END_OF_LIFE];
    const created = all['org.opencontainers.image.created'];
    if (typeof value !== 'string' || Number.isNaN(Date.parse(value))) continue;
    found.push({ value, created: typeof created === 'string' ? created : '', digest });
  }
  const last = found.toSorted((a, b) => (a.created < b.created ? -1 : a.created > b.created ? 1 : 0)).at(-1);
  return last && { value: last.value, evidence: `lifecycle referrer ${last.digest} at ${registry.host}` };
}

async function manifestAnnotations(
  registry: Registry,
  digest: string,
  signal: AbortSignal,
): Promise<Readonly<Record<string, unknown>>> {
  const { text } = await registry.manifest(digest, signal);
  const { annotations } = jsonRecord(Buffer.from(text), `The lifecycle ${digest}`);
  return isRecord(annotations) ? annotations : {};
}
