import { isCancelled, isParityError, withAction } from './errors.ts';

/** How far a step is. Bytes are bytes; items are whatever the step counts (nodes, objects, probes). */
export interface Progress {
  readonly done?: number;
  readonly total?: number;
  readonly unit?: 'bytes' | 'items';
  readonly note?: string;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Where a stage's log lines go: stderr for the CLI, a LogOutputChannel in VS Code. */
export type Log = (level: LogLevel, message: string) => void;

/**
 * What every stage is given: its cancel, its log, and steps with progress. The front ends make one per command
 * (see cli.ts and ui/), so that no command can forget any of them.
 */
export interface Run {
  /** Whose it is, for those whom it keeps waiting: "sync in /home/me/shop". */
  readonly owner?: string;
  readonly signal: AbortSignal;
  readonly log: Log;
  /** Runs one named step; `progress` may be called as often as wanted. Rejects as the work does. */
  step<T>(title: string, work: (progress: (p: Progress) => void) => Promise<T>): Promise<T>;
}

/** A run without a front end, for tests and scripts. */
export function quietRun(signal: AbortSignal = new AbortController().signal, log: Log = () => {}): Run {
  return { signal, log, step: (_title, work) => work(() => {}) };
}

/**
 * Does work that a run is whole without, such as keeping a file of what it found: where that can't be done the log says so.
 * `outcome` says what becomes of the rest.
 */
export async function besides({ log }: Pick<Run, 'log'>, outcome: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isParityError(error) || isCancelled(error)) throw error;
    log('error', `${outcome}: ${withAction(error)}`);
  }
}

/** Waits for all of what runs side by side; the first failure stops the others by `stop`, is waited out and thrown. */
export async function allOrStop<T extends readonly unknown[]>(
  work: { readonly [K in keyof T]: Promise<T[K]> },
  stop: AbortController,
): Promise<T> {
  for (const one of work) one.catch((error: unknown) => stop.abort(error));
  const results = await Promise.allSettled(work);
  if (stop.signal.aborted) throw stop.signal.reason;
  return results.map((result) => (result as PromiseFulfilledResult<unknown>).value) as unknown as T;
}
