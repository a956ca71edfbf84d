import * as vscode from 'vscode';
import { commands } from './ui/commands.ts';
import { REPORT_VIEW } from './ui/report-panel.ts';
import { createUi, stopAll, type Ui } from './ui/ui.ts';

/** The window's one set of shared parts, kept only so that deactivate can stop what still runs. */
let ui: Ui | undefined;

/** Registers the commands and views and nothing else: no cluster, daemon or registry is contacted, the core isn't loaded. */
export function activate(context: vscode.ExtensionContext): void {
  const shared = createUi(context);
  for (const [name, make] of Object.entries(commands)) {
    context.subscriptions.push(vscode.commands.registerCommand(`clparity.${name}`, make(shared)));
  }
  context.subscriptions.push(vscode.window.registerWebviewPanelSerializer(REPORT_VIEW, shared.reports));
  ui = shared;
}

/** Cancels what still runs; VS Code waits a few seconds for it to clean up. */
export async function deactivate(): Promise<void> {
  if (ui) await stopAll(ui);
}
