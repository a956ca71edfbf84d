/** Whose turn it is after a failure; decides the CLI's exit code (see cli.ts). */
export type ErrorKind = 'input' | 'environment' | 'refused' | 'cancelled';

/**
 * The one error that reaches a user. `message` says what happened and to what; `action` says what to do next,
 * a command where there is one. The original failure travels in `cause`.
 */
export class ParityError extends Error {
  readonly kind: ErrorKind;
  readonly action: string | undefined;

  constructor(kind: ErrorKind, message: string, options: { action?: string; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = 'ParityError';
    this.kind = kind;
    this.action = options.action;
  }
}

/** Bad input: a malformed file, an unknown name, a wrong option. */
export function inputError(message: string, options: { action?: string; cause?: unknown } = {}): ParityError {
  return new ParityError('input', message, options);
}

/** The surroundings fail: a dead daemon, a missing program, a cluster or registry that does not answer. */
export function environmentError(message: string, options: { action?: string; cause?: unknown } = {}): ParityError {
  return new ParityError('environment', message, options);
}

/** We decline for safety: the cluster isn't vouched for, an object isn't ours, no consent was given. */
export function refusedError(message: string, options: { action?: string; cause?: unknown } = {}): ParityError {
  return new ParityError('refused', message, options);
}

/** By shape, not `instanceof`: the front ends and the core are bundles with a class of their own each. */
export function isParityError(error: unknown): error is ParityError {
  return error instanceof Error && error.name === 'ParityError' && 'kind' in error;
}

/** True where the failure is the user's own cancel, however deep an AbortError lies. */
export function isCancelled(error: unknown): boolean {
  for (let e: unknown = error, depth = 0; e instanceof Error && depth < 8; e = e.cause, depth++) {
    if (e.name === 'AbortError' || (isParityError(e) && e.kind === 'cancelled')) return true;
  }
  return false;
}

/**
 * What ended work that was stopped: the reason of its signal, where that has fired, for what the work throws then is its
 * echo. A signal fires for other reasons than a cancel too: a hold on the cluster that was lost.
 */
export function whatEnded(signal: AbortSignal, error: unknown): unknown {
  return signal.aborted ? signal.reason : error;
}

/** The innermost readable text of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What happened and what to do next, for a place that has room for one text. */
export function withAction(error: Pick<ParityError, 'message' | 'action'>): string {
  return error.action === undefined ? error.message : `${error.message}. ${error.action}`;
}
