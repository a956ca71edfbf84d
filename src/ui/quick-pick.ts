import * as vscode from 'vscode';

/** One line to choose; a separator has no value. */
export interface Choice<T> extends vscode.QuickPickItem {
  readonly value?: T;
}

export interface Question<T> {
  readonly title: string;
  readonly placeholder: string;
  /** The lines, loaded while the question is already on screen; the signal ends with the question. */
  readonly choices: (signal: AbortSignal) => Promise<readonly Choice<T>[]>;
  /** Makes a choice of what was typed, where that is an answer too. */
  readonly typed?: (text: string) => Choice<T> | undefined;
  readonly step?: number;
  readonly totalSteps?: number;
  /** Takes the question off the screen, as if dismissed. */
  readonly signal?: AbortSignal;
  /** No line is the default: for a question that may come up while the user is typing elsewhere. */
  readonly noDefault?: boolean;
}

/** The user went a step back. */
export const BACK = Symbol('back');

/**
 * Asks one question with a quick pick. Undefined when dismissed, BACK when the Back button was used (offered from the
 * second step on). Rejects when the lines can't be loaded.
 */
export async function choose<T>(question: Question<T>): Promise<T | typeof BACK | undefined> {
  const pick = vscode.window.createQuickPick<Choice<T>>();
  pick.title = question.title;
  pick.placeholder = question.placeholder;
  pick.ignoreFocusOut = true;
  pick.matchOnDescription = true;
  pick.step = question.step;
  pick.totalSteps = question.totalSteps;
  if ((question.step ?? 1) > 1) pick.buttons = [vscode.QuickInputButtons.Back];
  const abort = new AbortController();
  question.signal?.addEventListener('abort', () => pick.hide(), { once: true, signal: abort.signal });
  try {
    return await answered(pick, question, abort.signal);
  } finally {
    abort.abort();
    pick.dispose();
  }
}

function answered<T>(
  pick: vscode.QuickPick<Choice<T>>,
  question: Question<T>,
  signal: AbortSignal,
): Promise<T | typeof BACK | undefined> {
  return new Promise((resolve, reject) => {
    pick.onDidAccept(() => {
      const value = pick.selectedItems[0]?.value;
      if (value !== undefined) resolve(value);
    });
    pick.onDidTriggerButton(() => resolve(BACK));
    pick.onDidHide(() => resolve(undefined));
    pick.busy = true;
    pick.show();
    question.choices(signal).then((choices) => {
      if (signal.aborted) return;
      pick.busy = false;
      offer(pick, choices, question.typed);
      if (question.noDefault) pick.activeItems = [];
    }, reject);
  });
}

/** Shows the lines, and what is typed as a line of its own on top where it is an answer. */
function offer<T>(pick: vscode.QuickPick<Choice<T>>, choices: readonly Choice<T>[], typed: Question<T>['typed']): void {
  const show = () => {
    const text = pick.value.trim();
    const own = text === '' ? undefined : typed?.(text);
    pick.items = own ? [{ ...own, alwaysShow: true }, ...choices] : choices;
  };
  if (typed) pick.onDidChangeValue(show);
  show();
}

/** A question whose lines are ticked, all of them at first. */
export interface Checklist<T> extends Pick<Question<T>, 'title' | 'placeholder' | 'signal'> {
  readonly choices: readonly (Choice<T> & { readonly value: T })[];
}

/** Asks which of the lines to take. Undefined when dismissed. */
export async function chooseMany<T>({ title, placeholder, signal, choices }: Checklist<T>): Promise<T[] | undefined> {
  const pick = vscode.window.createQuickPick<(typeof choices)[number]>();
  Object.assign(pick, { title, placeholder, ignoreFocusOut: true, matchOnDescription: true, canSelectMany: true });
  pick.items = choices;
  pick.selectedItems = choices;
  const over = new AbortController();
  signal?.addEventListener('abort', () => pick.hide(), { once: true, signal: over.signal });
  try {
    return await new Promise((resolve) => {
      pick.onDidAccept(() => resolve(pick.selectedItems.map(({ value }) => value)));
      pick.onDidHide(() => resolve(undefined));
      pick.show();
    });
  } finally {
    over.abort();
    pick.dispose();
  }
}

/** A heading between lines. */
export function separator(label: string): Choice<never> {
  return { label, kind: vscode.QuickPickItemKind.Separator };
}

/**
 * Asks several questions in a row, with Back. Each gets the answers so far and its own number. Undefined when dismissed.
 */
export async function askInTurn<T>(
  questions: readonly ((answers: readonly T[], step: number) => Promise<T | typeof BACK | undefined>)[],
): Promise<readonly T[] | undefined> {
  const answers: T[] = [];
  while (answers.length < questions.length) {
    const answer = await questions[answers.length]?.(answers, answers.length + 1);
    if (answer === undefined) return undefined;
    if (answer === BACK) answers.pop();
    else answers.push(answer);
  }
  return answers;
}
