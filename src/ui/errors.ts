import * as vscode from 'vscode';
import { type ErrorKind, isParityError } from '../host/errors.ts';
import { optionsIn, titleOf } from './palette-words.ts';
import { remediesOf } from './remedies.ts';
import { said } from './said.ts';
import { sentences } from './text.ts';
import type { Ui } from './ui.ts';

/** A failure in the words of the notification. `unexpected` is a fault of ours: its stack is worth logging. */
export interface Failure {
  readonly kind: ErrorKind | 'unexpected';
  readonly message: string;
  readonly action: string | undefined;
}

/** Reads whatever was thrown, in the editor's language. */
export function failureOf(error: unknown): Failure {
  const { kind, message, action } = asThrown(error);
  return { kind, message: said(message), action: action && said(action) };
}

function asThrown(error: unknown): Failure {
  const parity = find(error, isParityError);
  const aborted = find(error, (e): e is Error => e.name === 'AbortError');
  if (aborted && (parity === undefined || parity.kind === 'cancelled')) {
    return { kind: 'cancelled', message: parity?.message ?? '', action: parity?.action };
  }
  if (parity) return { kind: parity.kind, message: parity.message, action: parity.action };
  return { kind: 'unexpected', message: error instanceof Error ? error.message : String(error), action: undefined };
}

/** The outermost error of a kind in the chain of causes. */
function find<E extends Error>(error: unknown, is: (e: Error) => e is E): E | undefined {
  for (let e = error, depth = 0; e instanceof Error && depth < 8; e = e.cause, depth++) if (is(e)) return e;
  return undefined;
}

function inWords(ui: Ui, failure: Failure): Failure {
  const { message, action } = failure;
  return { ...failure, message: ui.inPaletteWords(message), action: action && ui.inPaletteWords(action) };
}

/** Tells the user about a failure, once, and logs it. Never waits for the answer. */
export function showFailure(ui: Ui, title: string, error: unknown): void {
  const failure = inWords(ui, failureOf(error));
  if (failure.kind === 'cancelled') {
    showCancelled(ui, title, failure);
    return;
  }
  const stack = error instanceof Error && failure.kind === 'unexpected' ? (error.stack ?? failure.message) : undefined;
  ui.log.error(`${title}: ${stack ?? sentences(failure.message, failure.action)}`);
  for (const line of causes(error)) ui.log.error(`  ${line}`);
  const text =
    failure.kind === 'unexpected'
      ? vscode.l10n.t('{0} failed unexpectedly: {1}', title, sentences(failure.message))
      : vscode.l10n.t('{0}: {1}', title, sentences(failure.message, failure.action));
  void offer(vscode.window.showErrorMessage, text, [...waysOut(ui, asThrown(error)), SHOW_LOG]);
}

/** Buttons beside the log's: more than two would hide the text. */
const WAYS_OUT = 2;

/** What the failure advises, as far as a click does it. */
function waysOut({ inPaletteWords }: Ui, { kind, message, action = '' }: Failure): Button[] {
  const known = { has: (verb: string) => inPaletteWords(`clparity ${verb}`) !== `clparity ${verb}` };
  // The verbs that a message names are what was tried.
  const remedies = [...remediesOf(action, known), ...optionsIn(message).flatMap((o) => remediesOf(`--${o}`, known))];
  const buttons = remedies.flatMap((remedy): Button[] => {
    if (remedy.kind === 'command')
      return [{ label: () => titleOf(remedy.command, inPaletteWords), command: remedy.command }];
    if (remedy.kind !== 'setting') return [];
    return [{ label: OPEN_SETTINGS, command: 'workbench.action.openSettings', argument: remedy.key }];
  });
  const doctor = kind === 'environment' || /\bclparity doctor\b/.test(action) ? [RUN_DOCTOR] : [];
  const all = [...doctor, ...buttons];
  return [...new Map(all.map((button) => [button.label(), button])).values()].slice(0, WAYS_OUT);
}

function showCancelled(ui: Ui, title: string, failure: Failure): void {
  const cancelled = vscode.l10n.t('{0} was cancelled', title);
  // The core's message goes on where this one stops: "while loading the nodes: …".
  const text = /^\p{Ll}/u.test(failure.message)
    ? sentences(`${cancelled} ${failure.message}`, failure.action)
    : sentences(cancelled, failure.message, failure.action);
  ui.log.info(text);
  // With a button the notification shows all of its text, and what was left matters.
  void offer(vscode.window.showInformationMessage, text, [SHOW_LOG]);
}

function causes(error: unknown): string[] {
  const lines: string[] = [];
  let e = error instanceof Error ? error.cause : undefined;
  for (; e instanceof Error && lines.length < 8; e = e.cause) lines.push(`caused by ${e.name}: ${e.message}`);
  return lines;
}

/** A button of a notification and the command behind it. */
interface Button {
  readonly label: () => string;
  readonly command: string;
  readonly argument?: string;
}

const OPEN_SETTINGS = () => vscode.l10n.t('Open Settings');
const SHOW_LOG: Button = { label: () => vscode.l10n.t('Show Log'), command: 'clparity.showLog' };
const RUN_DOCTOR: Button = { label: () => vscode.l10n.t('Run Doctor'), command: 'clparity.doctor' };

async function offer(
  show: (text: string, ...items: string[]) => Thenable<string | undefined>,
  text: string,
  buttons: readonly Button[],
): Promise<void> {
  const answer = await show(text, ...buttons.map(({ label }) => label()));
  const chosen = buttons.find(({ label }) => label() === answer);
  if (chosen) await vscode.commands.executeCommand(chosen.command, chosen.argument);
}
