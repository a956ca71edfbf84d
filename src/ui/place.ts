import * as vscode from 'vscode';
import { inputError } from '../host/errors.ts';
import type { Project } from '../pipeline.ts';
import type { Core } from './core-api.ts';
import { settingsOf } from './settings.ts';

/** Where a command works: the loaded core, the workspace folder, and what the settings there say. */
export interface Place {
  readonly core: Core;
  readonly folder: vscode.WorkspaceFolder;
  readonly project: Project;
}

/** How long a WSL distro may take to start. */
const START_MS = 90_000;

/**
 * Reads the settings of a folder anew: a picker may just have written them. A host that `before` has opened is used again;
 * throws a ParityError where the one that the settings name can't be.
 */
export async function placeIn(core: Core, folder: vscode.WorkspaceFolder, before?: Place): Promise<Place> {
  const settings = settingsOf(folder);
  const known = before?.project.settings.host === settings.host ? before.project.host : undefined;
  const host = known ?? (await core.openHost(settings.host, AbortSignal.timeout(START_MS)));
  return { core, folder, project: { host, folder: folder.uri.fsPath, settings } };
}

/** The same on this machine, whatever host the settings name. Contacts nothing. */
export function placeHere(core: Core, folder: vscode.WorkspaceFolder): Place {
  return { core, folder, project: { host: core.localHost(), folder: folder.uri.fsPath, settings: settingsOf(folder) } };
}

/** The folder that a command was called for: by a line of the tree, the page of a report, or the status bar. */
export function folderOf(argument: unknown): vscode.WorkspaceFolder | undefined {
  if (typeof argument !== 'object' || argument === null || !('folder' in argument)) return undefined;
  return vscode.workspace.workspaceFolders?.find((folder) => folder === argument.folder);
}

/**
 * The folder that holds the snapshot and the lock file: asks where there are several. Undefined when dismissed;
 * throws a ParityError of kind `input` where no folder is open.
 */
export async function workFolder(): Promise<vscode.WorkspaceFolder | undefined> {
  const folders = vscode.workspace.workspaceFolders ?? [];
  const [first] = folders;
  if (!first) {
    throw inputError(vscode.l10n.t('No folder is open'), {
      action: vscode.l10n.t('Open a folder first: the snapshot and the image lock file live in it.'),
    });
  }
  if (folders.length === 1) return first;
  return vscode.window.showWorkspaceFolderPick({ placeHolder: vscode.l10n.t('Folder of the snapshot and lock file') });
}
