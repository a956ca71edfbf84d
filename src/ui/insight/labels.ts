import { relative, resolve, sep } from 'node:path';
import type * as vscode from 'vscode';

/** A file as the target's policies name it: from the target's own folder on, where it lies in it. */
export function targetFile(folder: vscode.WorkspaceFolder, target: string | undefined, { fsPath }: vscode.Uri): string {
  const root = resolve(folder.uri.fsPath, target ?? '.');
  const inside = relative(root, fsPath).split(sep).join('/');
  if (inside === '' && target !== undefined) return target;
  return inside.startsWith('..') ? relative(folder.uri.fsPath, fsPath).split(sep).join('/') : inside;
}
