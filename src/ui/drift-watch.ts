import * as vscode from 'vscode';
import { quietRun } from '../host/run.ts';
import { type Core, loadCore } from './core-api.ts';
import { failureOf } from './errors.ts';
import type { Known } from './known.ts';
import { placeIn } from './place.ts';
import { readViewSettings } from './settings.ts';
import { sentences } from './text.ts';
import type { Ui } from './ui.ts';

/** The view as far as it matters here. */
interface Visible {
  readonly visible: boolean;
  readonly onDidChangeVisibility: vscode.Event<{ readonly visible: boolean }>;
}

/**
 * Watches both sides of every folder that has a report, while the view is visible, the window trusts the folder and the
 * setting is on; and not while a command of ours is at work, which changes the cluster itself. Otherwise nothing is
 * contacted.
 */
export function createDriftWatch(
  ui: Ui,
  known: Known,
  view: Visible,
  load: () => Promise<Core> = loadCore,
): vscode.Disposable {
  const watches = new Map<string, AbortController>();
  const stop = (key: string) => {
    watches.get(key)?.abort();
    watches.delete(key);
  };
  const busy = () => [...ui.running].some(({ cluster }) => cluster !== undefined);
  const decide = async (afresh: boolean) => {
    for (const folder of vscode.workspace.workspaceFolders ?? []) {
      const key = folder.uri.toString();
      const { watch } = readViewSettings(vscode.workspace.getConfiguration('clparity', folder.uri));
      const wanted = () => watch && view.visible && vscode.workspace.isTrusted && !busy();
      if (afresh || !wanted()) stop(key);
      if (!wanted() || watches.has(key) || !(await known.hasReport(folder)) || !wanted() || watches.has(key)) continue;
      const abort = new AbortController();
      watches.set(key, abort);
      void follow(folder, abort.signal);
    }
  };
  const follow = async (folder: vscode.WorkspaceFolder, signal: AbortSignal) => {
    const { log } = ui;
    try {
      const core = await load();
      const { project } = await placeIn(core, folder);
      const run = quietRun(signal, (level, message) => log[level === 'debug' ? 'trace' : level](message));
      log.debug(`Watching for drift: ${folder.name}`);
      await core.watchDrift(run, project, () => known.invalidate());
    } catch (error) {
      if (signal.aborted) return;
      const { message, action } = failureOf(error);
      log.warn(`Not watching for drift: ${sentences(message, action)}`);
    }
  };
  const later = (afresh: boolean) => () =>
    void decide(afresh).catch((error: unknown) => ui.log.warn(failureOf(error).message));
  const events = [
    view.onDidChangeVisibility(later(false)),
    known.onDidChange(later(false)),
    ui.onDidChangeRunning(later(false)),
    vscode.workspace.onDidGrantWorkspaceTrust(later(false)),
    vscode.workspace.onDidChangeConfiguration((event) => event.affectsConfiguration('clparity') && later(true)()),
  ];
  later(false)();
  return new vscode.Disposable(() => {
    vscode.Disposable.from(...events).dispose();
    for (const key of [...watches.keys()]) stop(key);
  });
}
