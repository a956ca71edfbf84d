import * as vscode from 'vscode';
import { createDriftWatch } from './ui/drift-watch.ts';
import { expectations } from './ui/expectations.ts';
import { watchDockerfiles } from './ui/insight/dockerfiles.ts';
import { watchPolicyFiles } from './ui/insight/policy-files.ts';
import { createSurroundings } from './ui/insight/surroundings.ts';
import { createKnown } from './ui/known.ts';
import { loadLate } from './ui/load-late.ts';
import { createProgressKeys } from './ui/progress-keys.ts';
import { REPORT_VIEW } from './ui/report-panel.ts';
import { createStatus } from './ui/status.ts';
import { registerTools } from './ui/tools.ts';
import { createTree } from './ui/tree/view.ts';
import { createUi, stopAll, type Ui } from './ui/ui.ts';

/** The window's one set of shared parts, kept only so that deactivate can stop what still runs. */
let ui: Ui | undefined;

/**
 * Registers the commands and the views and nothing else: no cluster, daemon or registry is contacted, the core is loaded
 * only where a report is there to be shown.
 */
export function activate(context: vscode.ExtensionContext): void {
  const shared = createUi(context);
  const known = createKnown();
  const keys = createProgressKeys(known, shared.log);
  for (const { command } of commandsOf(context)) {
    const name = command.replace('clparity.', '');
    const handler = keys.noting(name, async (argument) => (await loadLate()).commands[name]?.(shared)(argument));
    context.subscriptions.push(vscode.commands.registerCommand(command, handler));
  }
  context.subscriptions.push(vscode.window.registerWebviewPanelSerializer(REPORT_VIEW, shared.reports));
  const surroundings = createSurroundings(shared.log);
  const tree = createTree(known);
  context.subscriptions.push(
    known,
    keys,
    tree,
    createStatus(known, shared.log),
    createDriftWatch(shared, known, tree),
    shared.onDidChangeRunning(() => known.invalidate()),
    surroundings,
    watchPolicyFiles(surroundings, shared.log),
    watchDockerfiles(surroundings, shared.log),
    expectations(shared),
    registerTools(shared),
  );
  ui = shared;
}

/** Cancels what still runs; VS Code waits a few seconds for it to clean up. */
export async function deactivate(): Promise<void> {
  if (ui) await stopAll(ui);
}

/** The manifest's: a test holds them against those that there are. */
function commandsOf({ extension }: vscode.ExtensionContext): readonly { readonly command: string }[] {
  return extension.packageJSON.contributes.commands;
}
