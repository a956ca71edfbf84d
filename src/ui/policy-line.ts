import { resolve } from 'node:path';
import * as vscode from 'vscode';
import { inputError } from '../host/errors.ts';
import { isFile } from '../host/is-file.ts';
import type { Snapshot } from '../snapshot/model.ts';

/** A target as a report names it: a path starts at the folder. */
export interface NamedTarget {
  readonly folder: vscode.WorkspaceFolder;
  readonly name: string;
  readonly target: Pick<Snapshot, 'policies'> | undefined;
}

/**
 * Opens the file that a policy of the target was read from, at a line. Only those: what a page asks for is no reason to
 * open anything else. Throws an input error for a file that is none of them or is gone.
 */
export async function openPolicyLine(named: NamedTarget, file: string, line = 1): Promise<void> {
  const known = named.target?.policies.some(({ location }) => location?.file === file) ?? false;
  const uri = known ? await fileOf(named, file) : undefined;
  if (!uri) {
    throw inputError(vscode.l10n.t('{0} is no longer where the target was read from', file), {
      action: vscode.l10n.t('Verify again to have a report of the files as they are.'),
    });
  }
  const at = new vscode.Position(Math.max(0, line - 1), 0);
  await vscode.window.showTextDocument(uri, { selection: new vscode.Range(at, at), preview: true });
}

/** Files of a folder are named from there on; one that was named itself, by its path. */
async function fileOf({ folder, name }: NamedTarget, file: string): Promise<vscode.Uri | undefined> {
  for (const path of [resolve(folder.uri.fsPath, name, file), resolve(folder.uri.fsPath, file)]) {
    if (await isFile(path)) return vscode.Uri.file(path);
  }
  return undefined;
}
