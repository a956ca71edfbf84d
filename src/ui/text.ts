import * as vscode from 'vscode';
import type { Progress } from '../host/run.ts';

/** The form of a word that goes with `n`; both are already translated. */
export function plural(n: number, one: string, many: string): string {
  return n === 1 ? one : many;
}

/** A step as the progress notification shows it: "Loading nodes: 12.3 of 45.6 MB, dev-worker". */
export function progressText(title: string, progress: Progress): string {
  const amount = amountText(progress);
  const details = [amount, progress.note].filter((part) => part !== undefined && part !== '');
  return details.length > 0 ? `${title}: ${details.join(', ')}` : title;
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
