import * as vscode from 'vscode';
import { createDocuments, type Documents } from './documents.ts';
import { paletteWords } from './palette-words.ts';
import { createReportPanels, type ReportPanels } from './report-panel.ts';

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
  readonly reports: ReportPanels;
  readonly running: ReadonlySet<RunningTask>;
  /** A command has begun or ended its work. */
  readonly onDidChangeRunning: vscode.Event<void>;
  /** Makes a command's work known while it lasts. */
  track<T>(task: RunningTask, finished: Promise<T>): Promise<T>;
  /** The command line's verbs and options in a text of the core, said as they are called here. */
  readonly inPaletteWords: (text: string) => string;
}

/** Makes the shared parts and ties their lifetime to the extension's. Contacts nothing. */
export function createUi(context: Pick<vscode.ExtensionContext, 'subscriptions' | 'extension'>): Ui {
  const log = vscode.window.createOutputChannel('Container Linux Parity', { log: true });
  const documents = createDocuments();
  const inPaletteWords = paletteWords(context.extension.packageJSON, (key) => vscode.l10n.t('the setting {0}', key));
  const reports = createReportPanels(context.extension.extensionUri, log, inPaletteWords);
  const running = new Set<RunningTask>();
  const changed = new vscode.EventEmitter<void>();
  context.subscriptions.push(log, documents, reports, changed);
  return {
    log,
    documents,
    reports,
    running,
    onDidChangeRunning: changed.event,
    async track(task, finished) {
      running.add(task);
      changed.fire();
      try {
        return await finished;
      } finally {
        running.delete(task);
        changed.fire();
      }
    },
    inPaletteWords,
  };
}

/** Cancels whatever still runs and waits for it to have cleaned up. */
export async function stopAll(ui: Ui): Promise<void> {
  for (const task of ui.running) task.abort();
  await Promise.allSettled([...ui.running].map((task) => task.finished));
}
