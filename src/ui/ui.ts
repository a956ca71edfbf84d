import * as vscode from 'vscode';
import { createDocuments, type Documents } from './documents.ts';

/** One command at work: what it is called, where it writes, how to stop it and when it has stopped. */
export interface RunningTask {
  readonly title: string;
  readonly cluster: string | undefined;
  readonly abort: () => void;
  readonly finished: Promise<unknown>;
}

/** What every command shares; made once, in activate, and handed on. */
export interface Ui {
  readonly log: vscode.LogOutputChannel;
  readonly documents: Documents;
  readonly running: Set<RunningTask>;
}

/** Makes the shared parts and ties their lifetime to the extension's. Contacts nothing. */
export function createUi(context: Pick<vscode.ExtensionContext, 'subscriptions'>): Ui {
  const log = vscode.window.createOutputChannel('Container Linux Parity', { log: true });
  const documents = createDocuments();
  context.subscriptions.push(log, documents);
  return { log, documents, running: new Set() };
}

/** Cancels whatever still runs and waits for it to have cleaned up. */
export async function stopAll(ui: Ui): Promise<void> {
  for (const task of ui.running) task.abort();
  await Promise.allSettled([...ui.running].map((task) => task.finished));
}
