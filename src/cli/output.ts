import { isCancelled, isParityError, messageOf } from '../host/errors.ts';
import { inSlices } from '../host/slices.ts';
import { jsonPieces } from './json.ts';
import { printable } from './printable.ts';
import type { Terminal } from './terminal.ts';

/** Prints a result on stdout: JSON alone, or text. Rejects where that is cancelled before all is written. */
export async function emit(
  { stdout }: Terminal,
  json: boolean,
  value: unknown,
  text: (colour: boolean) => string,
  signal: AbortSignal,
): Promise<void> {
  const colour = stdout.isTTY === true && !process.env.NO_COLOR;
  await inSlices(
    (function* () {
      for (const piece of json ? jsonPieces(value) : [text(colour)]) yield stdout.write(printable(piece, colour));
      stdout.write('\n');
    })(),
    signal,
  );
}

/** 2 bad input or refused, 3 environment, 130 cancelled; 1 is kept for differences. */
export function exitCodeOf(error: unknown): number {
  if (isCancelled(error)) return 130;
  if (isParityError(error) && error.kind !== 'environment') return 2;
  return 3;
}

/** What happened, what to do next, and with `verbose` the whole chain of causes. */
export function errorText(error: unknown, verbose: boolean): string {
  if (isCancelled(error)) return isParityError(error) ? `Cancelled: ${error.message}` : 'Cancelled.';
  const lines = [`error: ${messageOf(error)}`];
  if (isParityError(error) && error.action) lines.push(`  ${error.action}`);
  if (!isParityError(error) || verbose) {
    for (let e: unknown = error, depth = 0; e instanceof Error && depth < 5; e = e.cause, depth++)
      lines.push(e.stack ?? String(e));
  }
  return lines.join('\n');
}
