import { isCancelled, isParityError, messageOf } from '../host/errors.ts';
import { printable } from './printable.ts';
import type { Terminal } from './terminal.ts';

/** Prints a result on stdout: JSON alone, or text. */
export function emit(terminal: Terminal, json: boolean, value: unknown, text: (colour: boolean) => string): void {
  const colour = terminal.stdout.isTTY === true && !process.env.NO_COLOR;
  terminal.stdout.write(`${printable(json ? JSON.stringify(value, null, 2) : text(colour), colour)}\n`);
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
