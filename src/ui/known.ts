import { join } from 'node:path';
import * as vscode from 'vscode';
import { type Core, loadCore } from './core-api.ts';
import { settingsOf } from './settings.ts';
import type { Branch } from './tree/nodes.ts';

/** What the folders keep of earlier runs, read when somebody looks and again only after it has changed. */
export interface Known extends vscode.Disposable {
  readonly onDidChange: vscode.Event<void>;
  /** Rejects with a ParityError where a file of ours can't be read. */
  branch(folder: vscode.WorkspaceFolder): Promise<Branch>;
  /** Whether a folder has a report; asks the file system only, so that it doesn't load the core. */
  hasReport(folder: vscode.WorkspaceFolder): Promise<boolean>;
  /** Reads anew when next asked. */
  invalidate(): void;
}

/** Milliseconds in which several changes count as one: a run writes several files. */
const TOGETHER = 200;

/** Watches the files that runs write and the settings; contacts nothing and reads nothing by itself. */
export function createKnown(load: () => Promise<Core> = loadCore): Known {
  const changed = new vscode.EventEmitter<void>();
  const branches = new Map<string, Promise<Branch>>();
  let timer: NodeJS.Timeout | undefined;
  const invalidate = () => {
    branches.clear();
    clearTimeout(timer);
    timer = setTimeout(() => changed.fire(), TOGETHER);
  };
  const watchers = ['**/.clparity/**/*.json', '**/clparity.lock.json'].map((glob) => {
    const watcher = vscode.workspace.createFileSystemWatcher(glob);
    return vscode.Disposable.from(
      watcher,
      watcher.onDidCreate(invalidate),
      watcher.onDidChange(invalidate),
      watcher.onDidDelete(invalidate),
    );
  });
  const events = [
    vscode.workspace.onDidChangeConfiguration((event) => event.affectsConfiguration('clparity') && invalidate()),
    vscode.workspace.onDidChangeWorkspaceFolders(invalidate),
    vscode.workspace.onDidGrantWorkspaceTrust(invalidate),
  ];
  return {
    onDidChange: changed.event,
    invalidate,
    async hasReport(folder) {
      try {
        await vscode.workspace.fs.stat(vscode.Uri.file(join(folder.uri.fsPath, '.clparity', 'report.json')));
        return true;
      } catch (error) {
        if (error instanceof vscode.FileSystemError && error.code === 'FileNotFound') return false;
        throw error;
      }
    },
    branch(folder) {
      const key = folder.uri.toString();
      const found = branches.get(key) ?? read(load, folder);
      branches.set(key, found);
      return found;
    },
    dispose() {
      clearTimeout(timer);
      vscode.Disposable.from(changed, ...watchers, ...events).dispose();
    },
  };
}

async function read(load: () => Promise<Core>, folder: vscode.WorkspaceFolder): Promise<Branch> {
  const settings = settingsOf(folder);
  const core = await load();
  return { folder, settings, overview: await core.overview({ folder: folder.uri.fsPath, settings }) };
}
