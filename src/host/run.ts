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
