import { createHash } from 'node:crypto';
import { inputError } from '../host/errors.ts';

const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** True for `sha256:` and 64 lower-case hex digits, the only kind of digest that registries in use give out. */
export function isDigest(text: unknown): text is string {
  return typeof text === 'string' && DIGEST.test(text);
}

/** The digest of some bytes (a string counts as UTF-8). */
export function digestOf(bytes: Uint8Array | string): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** Throws an `input` error naming `what` unless the bytes are those that the digest promises. */
export function checkDigest(bytes: Uint8Array | string, digest: string, what: string): void {
  const actual = digestOf(bytes);
  if (actual !== digest) throw inputError(`${what} is not what its digest promises: ${digest} wanted, ${actual} found`);
}
