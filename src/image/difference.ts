import type { ContentFacts, Fact } from './facts.ts';
import { parseManifest } from './manifest.ts';
import type { ImageLock } from './model.ts';
import type { Package } from './packages.ts';

/** What moved when a reference was pinned anew. */
export interface ImageDifference {
  readonly digest: Change<string>;
  readonly os: Change<Fact<{ readonly name: string; readonly version: string | null }>>;
  /** Compressed bytes. */
  readonly size: Change<number>;
  /** Counts of layers, and the compressed bytes of those that are new. */
  readonly layers: {
    readonly shared: number;
    readonly added: number;
    readonly removed: number;
    readonly addedSize: number;
  };
  /** Null where one side's packages are unknown. */
  readonly packages: Fact<PackageDifference>;
}

export interface Change<T> {
  readonly from: T;
  readonly to: T;
}

export interface PackageDifference {
  readonly added: readonly Package[];
  readonly removed: readonly Package[];
  /** The same package in another version. Which one is newer is its package manager's to say. */
  readonly changed: readonly {
    readonly name: string;
    readonly arch: string;
    readonly from: string;
    readonly to: string;
  }[];
}

/** An image with what its files tell. */
export interface Side {
  readonly lock: ImageLock;
  readonly facts: ContentFacts;
}

/** Compares an image with the one that takes its place. */
export function compareImages(from: Side, to: Side): ImageDifference {
  const before = new Set(from.lock.diffIds);
  const after = new Set(to.lock.diffIds);
  const fresh = layersOf(to.lock).filter((layer) => !before.has(layer.diffId));
  return {
    digest: { from: from.lock.digest, to: to.lock.digest },
    os: { from: from.facts.os, to: to.facts.os },
    size: { from: from.lock.size, to: to.lock.size },
    layers: {
      shared: from.lock.diffIds.filter((id) => after.has(id)).length,
      added: fresh.length,
      removed: from.lock.diffIds.filter((id) => !after.has(id)).length,
      addedSize: fresh.reduce((sum, { size }) => sum + size, 0),
    },
    packages: packageFact(from.facts.packages, to.facts.packages),
  };
}

/** Layers of a pinned image in order, the bottom one first: what travels, and what it unpacks to. */
export function layersOf(
  lock: ImageLock,
): readonly { readonly digest: string; readonly size: number; readonly mediaType: string; readonly diffId: string }[] {
  const manifest = parseManifest(lock.manifest, lock.reference);
  const layers = manifest.kind === 'manifest' ? manifest.layers : [];
  return layers.map(({ digest, size, mediaType }, i) => ({ digest, size, mediaType, diffId: lock.diffIds[i] ?? '' }));
}

function packageFact(from: Fact<readonly Package[]>, to: Fact<readonly Package[]>): Fact<PackageDifference> {
  if (from.value === null) return { value: null, evidence: `before: ${from.evidence}` };
  if (to.value === null) return { value: null, evidence: `after: ${to.evidence}` };
  return { value: comparePackages(from.value, to.value), evidence: `before: ${from.evidence}; after: ${to.evidence}` };
}

/** Compares by name and architecture; several versions of one package side by side count as one value. */
export function comparePackages(from: readonly Package[], to: readonly Package[]): PackageDifference {
  const [before, after] = [grouped(from), grouped(to)];
  const changed: PackageDifference['changed'][number][] = [];
  for (const [key, old] of before) {
    const now = after.get(key);
    const [first] = old;
    if (!now || !first) continue;
    const versions = { from: versionsOf(old), to: versionsOf(now) };
    if (versions.from !== versions.to) changed.push({ name: first.name, arch: first.arch, ...versions });
  }
  return {
    added: [...after].filter(([key]) => !before.has(key)).flatMap(([, packages]) => packages),
    removed: [...before].filter(([key]) => !after.has(key)).flatMap(([, packages]) => packages),
    changed,
  };
}

function grouped(packages: readonly Package[]): ReadonlyMap<string, readonly Package[]> {
  return Map.groupBy(packages, ({ name, arch }) => `${name} ${arch}`);
}

const versionsOf = (packages: readonly Package[]) =>
  packages
    .map(({ version }) => version)
    .toSorted()
    .join(', ');
