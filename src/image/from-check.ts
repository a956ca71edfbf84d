import { messageOf, ParityError } from '../host/errors.ts';
import type { From } from './dockerfile.ts';
import { type ImageReference, parseReference } from './reference.ts';

/** A digest that production runs or builds on. */
export interface ProductionDigest {
  readonly repository: string;
  readonly digest: string;
  /** The platform's own manifest below the digest, by which a Dockerfile may name it too. */
  readonly manifestDigest?: string;
  /** What production has it for, in words. */
  readonly use: string;
}

/** What a registry says of a reference. */
export interface Published {
  readonly digest: string;
  readonly created?: string;
}

/** A FROM held against production. `other`: production isn't seen to use that repository, or neither says its age. */
export interface FromCheck {
  readonly line: number;
  readonly reference: string;
  readonly state: 'same' | 'older' | 'newer' | 'other' | 'unknown';
  readonly detail: string;
  /** Whether what a plain build makes stands on it. */
  readonly final: boolean;
}

/**
 * Holds the image of a FROM against what production has of the same repository; `production` has the most telling first.
 * Only then is `publish` asked what the reference stands for; undefined where no registry tells.
 */
export async function checkFrom(
  { line, name, kind, written, final }: From,
  production: readonly ProductionDigest[],
  publish: (reference: string) => Promise<Published | undefined>,
): Promise<FromCheck> {
  const result = (state: FromCheck['state'], detail: string, reference = name): FromCheck => ({
    line,
    reference,
    state,
    detail,
    final,
  });
  if (kind === 'unknown') return result('unknown', 'a build argument without a default names it', written);
  const parsed = tryReference(name);
  if (typeof parsed === 'string') return result('unknown', parsed, written);
  const { repository, digest: pinned, text } = parsed;
  const known = production.filter((one) => one.repository === repository);
  const [first] = known;
  if (!first) return result('other', `production is not seen to run or build on ${repository}`, text);
  const is = (digest: string) => known.find((one) => one.digest === digest || one.manifestDigest === digest);
  const published = pinned !== undefined && is(pinned) ? { digest: pinned } : await publish(text);
  if (!published) return result('unknown', 'no registry tells what it stands for', text);
  const same = is(published.digest);
  if (same) return result('same', `${published.digest}, as ${same.use}`, text);
  const there = (await publish(`${repository}@${first.digest}`))?.created;
  const apart = `it is ${stamp(published)}; ${first.use} is ${stamp({ digest: first.digest, ...(there ? { created: there } : {}) })}`;
  const difference = Date.parse(published.created ?? '') - Date.parse(there ?? '');
  if (Number.isNaN(difference) || difference === 0) return result('other', `${apart}; which is older isn't said`, text);
  return result(difference < 0 ? 'older' : 'newer', apart, text);
}

/** The reference, or why it is none. */
export function tryReference(name: string): ImageReference | string {
  try {
    return parseReference(name);
  } catch (error) {
    if (error instanceof ParityError) return messageOf(error);
    throw error;
  }
}

function stamp({ digest, created }: Published): string {
  return created === undefined ? digest : `${digest} of ${created}`;
}
