import { setImmediate as others } from 'node:timers/promises';

/** So long a computation may keep everything else waiting: a Ctrl+C, the editor's other extensions. */
const SLICE_MS = 50;

/**
 * Runs a long computation in slices, and gives way between them. `work` yields wherever it may pause: often is cheap.
 * Rejects with the signal's reason where the run is cancelled.
 */
export async function inSlices<T>(work: Generator<unknown, T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let end = performance.now() + SLICE_MS;
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
    if (performance.now() < end) continue;
    await others();
    signal.throwIfAborted();
    end = performance.now() + SLICE_MS;
  }
}

/** Runs the same in one go. */
export function atOnce<T>(work: Generator<unknown, T>): T {
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
  }
}
