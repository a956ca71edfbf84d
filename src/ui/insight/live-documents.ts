import * as vscode from 'vscode';
import { failureOf } from '../errors.ts';

/** Milliseconds of rest before a document is looked at again. */
const REST = 400;

export interface LiveDocuments<T> extends vscode.Disposable {
  /** The newest answer about a document; waits for one that is being worked out. Undefined for a document of no concern. */
  get(document: vscode.TextDocument): Promise<T | undefined>;
  /** Answers have changed. */
  readonly onDidLook: vscode.Event<void>;
  /** Looks at every open document again. */
  refresh(): void;
}

/**
 * Looks at open documents: at once when one is opened, after a rest when it is edited; what an edit has overtaken is
 * thrown away. `look` answers undefined for a document of no concern; `tell` is given each answer, undefined at the end.
 */
export function liveDocuments<T>(
  selector: vscode.DocumentSelector,
  look: (document: vscode.TextDocument) => Promise<T | undefined>,
  tell: (document: vscode.TextDocument, answer: T | undefined) => void,
  log: vscode.LogOutputChannel,
): LiveDocuments<T> {
  const answers = new Map<string, Promise<T | undefined>>();
  const waiting = new Map<string, NodeJS.Timeout>();
  const looked = new vscode.EventEmitter<void>();
  const keyOf = ({ uri }: vscode.TextDocument) => uri.toString();

  const start = (document: vscode.TextDocument): Promise<T | undefined> => {
    clearTimeout(waiting.get(keyOf(document)));
    const { version } = document;
    const answer = look(document);
    answers.set(keyOf(document), answer);
    answer.then(
      (value) => {
        if (document.isClosed || document.version !== version || answers.get(keyOf(document)) !== answer) return;
        tell(document, value);
        looked.fire();
      },
      (error: unknown) => log.warn(`${document.uri.fsPath}: ${failureOf(error).message}`),
    );
    return answer;
  };
  const concerns = (document: vscode.TextDocument) => vscode.languages.match(selector, document) > 0;
  const opened = (document: vscode.TextDocument) => {
    if (concerns(document)) void start(document);
  };
  const listeners = [
    vscode.workspace.onDidOpenTextDocument(opened),
    vscode.workspace.onDidChangeTextDocument(({ document, contentChanges }) => {
      if (!concerns(document) || contentChanges.length === 0) return;
      clearTimeout(waiting.get(keyOf(document)));
      waiting.set(
        keyOf(document),
        setTimeout(() => start(document), REST),
      );
    }),
    vscode.workspace.onDidCloseTextDocument((document) => {
      clearTimeout(waiting.get(keyOf(document)));
      answers.delete(keyOf(document));
      if (concerns(document)) tell(document, undefined);
    }),
  ];
  for (const document of vscode.workspace.textDocuments) opened(document);
  return {
    onDidLook: looked.event,
    get: (document) => answers.get(keyOf(document)) ?? start(document),
    refresh: () => vscode.workspace.textDocuments.forEach(opened),
    dispose() {
      for (const timer of waiting.values()) clearTimeout(timer);
      vscode.Disposable.from(looked, ...listeners).dispose();
    },
  };
}
