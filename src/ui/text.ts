import * as vscode from 'vscode';
import type { Progress } from '../host/run.ts';

/** The form of a word that goes with `n`; both are already translated. */
export function plural(n: number, one: string, many: string): string {
  return n === 1 ? one : many;
}

/** Milliseconds after which a step's time is worth showing. */
const LONG = 3_000;

/** A step as the progress notification shows it: "Loading nodes: 12.3 of 45.6 MB, 4.1 MB/s, dev-worker, 3 s". */
export function progressText(title: string, progress: Progress, elapsed = 0): string {
  const { done = 0, unit, note } = progress;
  const rate =
    unit === 'bytes' && elapsed >= LONG ? vscode.l10n.t('{0} MB/s', (done / 1000 / elapsed).toFixed(1)) : undefined;
  const time = elapsed >= LONG ? durationText(elapsed) : undefined;
  const details = [amountText(progress), rate, note, time].filter((part) => part !== undefined && part !== '');
  return details.length > 0 ? `${title}: ${details.join(', ')}` : title;
}

/** How long something takes: "12 s", "3 min 5 s". */
function durationText(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const rest = vscode.l10n.t('{0} s', seconds % 60);
  return seconds < 60 ? rest : `${vscode.l10n.t('{0} min', Math.floor(seconds / 60))} ${rest}`;
}

function amountText({ done, total, unit }: Progress): string | undefined {
  if (done === undefined) return undefined;
  const show = (n: number) => (unit === 'bytes' ? (n / 1e6).toFixed(1) : String(n));
  const suffix = unit === 'bytes' ? ' MB' : '';
  return total === undefined
    ? `${show(done)}${suffix}`
    : vscode.l10n.t('{0} of {1}', show(done), `${show(total)}${suffix}`);
}

/** Joins sentences with a space, each ended by a full stop. */
export function sentences(...parts: readonly (string | undefined)[]): string {
  return parts
    .map((part) => part?.trim() ?? '')
    .filter((part) => part !== '')
    .map((part) => (/[.!?:`]$/.test(part) ? part : `${part}.`))
    .join(' ');
}
