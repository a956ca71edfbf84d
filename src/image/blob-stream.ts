import { createHash } from 'node:crypto';
import type { Response } from 'undici';
import { environmentError, inputError } from '../host/errors.ts';
import { deadline, type Exchange } from './exchange.ts';
import type { Descriptor } from './manifest.ts';
import { beforeRetry, httpFailure } from './retry.ts';

/** Which blob, where, and how long silence may last. */
export interface BlobSource extends Pick<Descriptor, 'digest' | 'size'> {
  readonly url: string;
  readonly what: string;
  readonly registry: string;
  /** Milliseconds without a byte after which the connection counts as dead. */
  readonly stallMs: number;
}

/**
 * A blob's bytes as they come, each one hashed. A connection that breaks or falls silent is opened again, and the blob
 * goes on where it was: by Range, or by passing over what came before where the server doesn't do ranges. The last chunk
 * is held back until the digest is proven. Throws an `input` error where the bytes aren't the digest's, `environment`
 * where the registry doesn't deliver.
 */
export async function* streamBlob(
  exchange: Exchange,
  source: BlobSource,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const { what, size, registry } = source;
  const hash = createHash('sha256');
  const retry = exchange.retryOptions(signal);
  let done = 0;
  let held: Uint8Array | undefined;
  for (let failures = 0, ranges = true; done < size || done === 0; ) {
    const silence = deadline(
      source.stallMs,
      `no byte for ${source.stallMs / 1000} s, ${done} of ${size} bytes had come`,
    );
    const stop = AbortSignal.any([signal, silence.signal]);
    try {
      const from = ranges ? done : 0;
      const response = await exchange.open({ ...source, ...(from > 0 ? rangeFrom(from) : {}) }, stop);
      let skip = done - startOf(response, from);
      for await (const chunk of response.body ?? []) {
        silence.stop();
        const fresh = chunk.subarray(Math.min(skip, chunk.byteLength));
        skip -= chunk.byteLength - fresh.byteLength;
        if (fresh.byteLength > 0) {
          if (done + fresh.byteLength > size) throw tooLong(source);
          hash.update(fresh);
          done += fresh.byteLength;
          failures = 0;
          if (held) yield held;
          held = fresh;
        }
        silence.again();
      }
      if (done < size)
        throw environmentError(`${registry} broke off ${what} after ${done} of ${size} bytes`, { cause: BROKEN });
      if (size === 0) break;
    } catch (error) {
      failures++;
      if (done > 0 && httpFailure(error)?.status === 416) ranges = false;
      else await beforeRetry(exchange.explain(error, what, signal, silence.signal), failures, retry);
      if (failures > retry.attempts) throw error;
    } finally {
      silence.stop();
    }
  }
  const actual = `sha256:${hash.digest('hex')}`;
  if (actual !== source.digest) {
    throw inputError(`The blob ${what} that ${registry} sent is not what its digest promises: ${actual} found`, {
      action: 'Try again; if it stays so, the registry or a proxy on the way changes what it serves.',
    });
  }
  if (held) yield held;
}

/** As a connection that resets: worth another try. */
const BROKEN = Object.assign(new Error('the connection ended early'), { code: 'ECONNRESET' });

const rangeFrom = (start: number) => ({ headers: { range: `bytes=${start}-` } });

/** Where in the blob an answer starts: 0 where the server ignores ranges. Throws where it starts beyond what we have. */
function startOf(response: Response, asked: number): number {
  if (response.status !== 206) return 0;
  const start = Number(/^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1] ?? Number.NaN);
  if (start <= asked) return start;
  throw environmentError(`The registry answered another range than ${asked}-, which was asked for`);
}

function tooLong({ what, size, registry }: BlobSource): Error {
  return inputError(`${registry} sent more for ${what} than the ${size} bytes that its manifest promises`, {
    action: 'Try again; if it stays so, the registry or a proxy on the way changes what it serves.',
  });
}
