import * as vscode from 'vscode';
import { quietRun } from '../../host/run.ts';
import type { Snapshot } from '../../snapshot/model.ts';
import type { Core } from '../core-api.ts';
import { failureOf } from '../errors.ts';
import { settingsOf } from '../settings.ts';

/** What files are held against: read from the disk alone, whatever the settings name. */
export interface Known {
  readonly target: Snapshot;
  readonly local: Snapshot | undefined;
}

export interface Surroundings extends vscode.Disposable {
  /** Undefined where nothing is known of a target yet. */
  of(core: Core, folder: vscode.WorkspaceFolder): Promise<Known | undefined>;
  /** Something that they were read from has changed. */
  readonly onDidChange: vscode.Event<void>;
}

/**
 * Keeps the target and the local cluster of each folder until a file changes: a target of files as it is on disk, another
 * as the last report has it. Never contacts a cluster.
 */
export function createSurroundings(log: vscode.LogOutputChannel): Surroundings {
  const kept = new Map<string, Promise<Known | undefined>>();
  const changed = new vscode.EventEmitter<void>();
  const forget = () => {
    kept.clear();
    changed.fire();
  };
  const watcher = vscode.workspace.createFileSystemWatcher('**/*.{yaml,yml,json}');
  const listeners = [
    watcher.onDidChange(forget),
    watcher.onDidCreate(forget),
    watcher.onDidDelete(forget),
    vscode.workspace.onDidChangeConfiguration((event) => event.affectsConfiguration('clparity') && forget()),
  ];
  return {
    onDidChange: changed.event,
    of(core, folder) {
      const key = folder.uri.toString();
      const known = kept.get(key) ?? read(core, folder, log);
      kept.set(key, known);
      return known;
    },
    dispose: () => vscode.Disposable.from(watcher, changed, ...listeners).dispose(),
  };
}

async function read(
  core: Core,
  folder: vscode.WorkspaceFolder,
  log: vscode.LogOutputChannel,
): Promise<Known | undefined> {
  const path = folder.uri.fsPath;
  // This machine, whatever the settings name: to open a file starts no other.
  const project = { host: core.localHost(), folder: path, settings: settingsOf(folder) };
  try {
    const fromFiles = project.settings.snapshot !== undefined;
    const pair = core.chosenPair(project.settings);
    const target = fromFiles ? await core.capture(quietRun(), project) : await core.lastTarget(path, pair);
    return target && { target, local: await core.lastLocal(path, pair) };
  } catch (error) {
    // The file at fault says so itself, in its own editor.
    log.debug(`Files can't be held against the target: ${failureOf(error).message}`);
    return undefined;
  }
}
