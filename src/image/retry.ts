import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, ParityError } from '../host/errors.ts';
import type { Log } from '../host/run.ts';

/** What a server answered where it refused; the `cause` of the error that tells so. */
export interface HttpFailure {
  readonly status: number;
  /** Milliseconds that the server asks us to wait. */
  readonly retryAfterMs?: number;
}

export interface RetryOptions {
  readonly signal: AbortSignal;
  /** How often to try in all. */
  readonly attempts: number;
  readonly log?: Log;
  /** Waits; for tests. */
  readonly pause?: (ms: number, signal: AbortSignal) => Promise<unknown>;
}

const LONGEST_WAIT_MS = 60_000;
/** What may pass by itself. A refused connection or an unknown name does not within seconds. */
const PASSING_CODES =
  /^(ECONNRESET|EPIPE|ETIMEDOUT|EAI_AGAIN|ENETUNREACH|UND_ERR_(SOCKET|(CONNECT|HEADERS|BODY)_TIMEOUT|ABORTED))$/;
const PASSING_STATUS = new Set([408, 429, 500, 502, 503, 504]);

/** Runs `work` until it succeeds, with growing pauses, as long as its failure is of a kind that may pass by itself. */
export async function retrying<T>(work: () => Promise<T>, options: RetryOptions): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      await beforeRetry(error, attempt, options);
    }
  }
}

/** Waits as long as failure number `attempt` asks for; throws it again where another try is of no use. */
export async function beforeRetry(error: unknown, attempt: number, options: RetryOptions): Promise<void> {
  const { signal, attempts, log, pause = (ms, s) => sleep(ms, undefined, { signal: s }) } = options;
  signal.throwIfAborted();
  const wait = retryDelay(error, attempt);
  if (wait === undefined || attempt >= attempts) throw error;
  log?.('info', `${messageOf(error)}; trying again in ${(wait / 1000).toFixed(1)} s`);
  await pause(wait, signal);
}

/** Milliseconds to wait, or undefined where the failure won't pass (or the server wants more time than a user has). */
function retryDelay(error: unknown, attempt: number): number | undefined {
  const failure = httpFailure(error);
  if (failure ? !PASSING_STATUS.has(failure.status) : !isPassing(error, attempt)) return undefined;
  if (failure?.retryAfterMs !== undefined) {
    return failure.retryAfterMs <= LONGEST_WAIT_MS ? failure.retryAfterMs : undefined;
  }
  // Full pauses of 0.25, 0.5, 1, 2 … s, of which up to half is chance: clients that failed together come back apart.
  const full = Math.min(250 * 2 ** (attempt - 1), 8_000);
  return full * (1 - Math.random() / 2);
}

/** A stall has cost its whole time already: one more try. */
function isPassing(error: unknown, attempt: number): boolean {
  for (let e: unknown = error, depth = 0; e instanceof Error && depth < 6; e = e.cause, depth++) {
    if (e.name === 'TimeoutError') return attempt < 2;
    if (PASSING_CODES.test((e as NodeJS.ErrnoException).code ?? '')) return true;
  }
  return false;
}

/** The server's refusal in an error's cause, where that is what the error is about. */
export function httpFailure(error: unknown): HttpFailure | undefined {
  const cause = error instanceof ParityError ? error.cause : undefined;
  const isFailure = typeof cause === 'object' && cause !== null && 'status' in cause && !(cause instanceof Error);
  return isFailure ? (cause as HttpFailure) : undefined;
}

/** RFC 9110: seconds, or a date. */
export function retryAfterMs(header: string | null, now = Date.now()): number | undefined {
  if (header === null) return undefined;
  const ms = /^\s*\d+\s*$/.test(header) ? Number(header) * 1000 : Date.parse(header) - now;
  return Number.isFinite(ms) ? Math.max(ms, 0) : undefined;
}
