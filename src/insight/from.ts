import { type From, parseDockerfile } from '../image/dockerfile.ts';
import { publishedKey } from '../image/dockerfiles.ts';
import { checkFrom, type FromCheck, type ProductionDigest, type Published, tryReference } from '../image/from-check.ts';
import { readLock } from '../image/lock.ts';
import type { ImageLock } from '../image/model.ts';
import { OWN_PLATFORM } from '../image/platform.ts';
import { chosenPair } from '../plan/place.ts';
import { lastTarget } from '../report/store.ts';
import type { Settings } from '../settings.ts';
import type { Workload } from '../snapshot/model.ts';
import { knownImages } from './known-images.ts';

/** A FROM of a Dockerfile that is being written, held against what is known of production on this disk. */
export interface FromInsight extends FromCheck {
  /** As written, for finding it on its line. */
  readonly written: string;
  /** The digest that production runs or builds on, of that repository, and what for. */
  readonly production?: ProductionDigest;
  /** What to write in its place to build on that digest; absent where it says so already, or an argument names it. */
  readonly pinned?: string;
}

/**
 * Every FROM of an image in a Dockerfile's text. Asks no registry: what the last run learned, the lock file and the last
 * report's target have to do; where they don't tell, a line is `unknown`. Throws an input error for a damaged lock file.
 */
export async function fromInsights(
  text: string,
  folder: string,
  settings: Pick<Settings, 'image' | 'snapshot' | 'context' | 'cluster' | 'namespacePrefix'>,
): Promise<FromInsight[]> {
  const [known, locks, target] = await Promise.all([
    knownImages(folder),
    readLock(folder),
    lastTarget(folder, chosenPair(settings)),
  ]);
  const platform = known?.platform ?? locks[0]?.platform ?? OWN_PLATFORM;
  const production = [
    ...(known?.production ?? []),
    ...baseDigests(locks, settings.image),
    ...(target?.workloads ?? []).flatMap(runningDigests),
  ];
  const froms = parseDockerfile(text, platform).filter(({ kind }) => kind === 'image' || kind === 'unknown');
  return Promise.all(
    froms.map(async (from) => {
      const here = from.platform || platform;
      const publish = async (reference: string): Promise<Published | undefined> =>
        known?.published[publishedKey(reference, here)] ?? lockedAs(locks, reference, here);
      return insightOf(from, await checkFrom(from, production, publish), production);
    }),
  );
}

function insightOf(from: From, check: FromCheck, production: readonly ProductionDigest[]): FromInsight {
  const parsed = from.kind === 'image' ? tryReference(from.name) : from.name;
  const there = typeof parsed === 'string' ? undefined : production.find((p) => p.repository === parsed.repository);
  if (!there || typeof parsed === 'string') return { ...check, written: from.written };
  const isPinned = parsed.digest !== undefined && [there.digest, there.manifestDigest].includes(parsed.digest);
  // A tag that stands for other bits beside the digest would only mislead.
  const name =
    check.state === 'same' ? from.written.replace(/@.*/, '') : from.written.replace(/(:[^:/@]+)?(@.*)?$/, '');
  const pinned = isPinned || from.written !== from.name ? {} : { pinned: `${name}@${there.digest}` };
  return { ...check, written: from.written, production: there, ...pinned };
}

/** The base image as it is pinned. */
function baseDigests(locks: readonly ImageLock[], image: string): ProductionDigest[] {
  const base = image === 'none' ? undefined : tryReference(image);
  if (base === undefined || typeof base === 'string') return [];
  return locks
    .filter(({ reference }) => reference === base.text)
    .map(({ repository, digest, manifestDigest }) => ({ repository, digest, manifestDigest, use: 'the base image' }));
}

/** What a workload's pods run, where the target told the digest. */
function runningDigests({ namespace, kind, name, images }: Workload): ProductionDigest[] {
  return images.flatMap(({ image, digest }) => {
    const parsed = tryReference(image);
    if (typeof parsed === 'string') return [];
    const bits = parsed.digest ?? /sha256:[0-9a-f]{64}$/.exec(digest ?? '')?.[0];
    return bits ? [{ repository: parsed.repository, digest: bits, use: `what ${namespace}/${kind}/${name} runs` }] : [];
  });
}

function lockedAs(locks: readonly ImageLock[], reference: string, platform: string): Published | undefined {
  const lock = locks.find(
    (one) =>
      one.platform === platform && (one.reference === reference || `${one.repository}@${one.digest}` === reference),
  );
  return lock && { digest: lock.digest };
}
