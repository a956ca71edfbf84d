import * as vscode from 'vscode';
import { failureOf } from '../errors.ts';
import type { Known } from '../known.ts';
import { loadLate } from '../load-late.ts';
import { sentences } from '../text.ts';
import { icon, node, type TreeNode } from './node.ts';

export const VIEW = 'clparity.parity';

/** The tree in the activity bar. It shows what is on disk: unfolding it contacts nothing. */
export function createTree(known: Known): vscode.TreeView<TreeNode> {
  const changed = new vscode.EventEmitter<undefined>();
  const provider: vscode.TreeDataProvider<TreeNode> = {
    onDidChangeTreeData: changed.event,
    getTreeItem: ({ item }) => item,
    async getChildren(parent) {
      if (parent) return parent.children.map((make) => make());
      const lines = await roots(known);
      // Lines are dimmed then, which says nothing. In an empty view a message would stand in the welcome's place.
      view.message = lines.length > 0 && !vscode.workspace.isTrusted ? restricted() : '';
      return lines;
    },
  };
  const view: vscode.TreeView<TreeNode> = vscode.window.createTreeView(VIEW, {
    treeDataProvider: provider,
    showCollapseAll: true,
  });
  const subscription = known.onDidChange(() => changed.fire(undefined));
  view.onDidChangeVisibility(({ visible }) => visible && changed.fire(undefined));
  const dispose = view.dispose.bind(view);
  return Object.assign(view, {
    dispose() {
      subscription.dispose();
      changed.dispose();
      dispose();
    },
  });
}

function restricted(): string {
  return vscode.l10n.t('Restricted Mode: this is what the last run left. Trust the workspace to run anything.');
}

/** One folder's lines at the top; several folders by name. */
async function roots(known: Known): Promise<TreeNode[]> {
  const folders = vscode.workspace.workspaceFolders ?? [];
  const branches = await Promise.all(folders.map((folder) => branchOrFailure(known, folder)));
  const [only] = branches;
  if (folders.length <= 1) return only ?? [];
  return folders.flatMap((folder, i) => {
    const lines = branches[i] ?? [];
    if (lines.length === 0) return [];
    const parts = { label: folder.name, icon: vscode.ThemeIcon.Folder, context: 'folder', expanded: true };
    return [node(folder, '', { ...parts, children: lines.map((line) => () => line) })];
  });
}

/** A file that can't be read is a line that says so, with what to do. */
async function branchOrFailure(known: Known, folder: vscode.WorkspaceFolder): Promise<TreeNode[]> {
  try {
    const { branchNodes } = await loadLate();
    return branchNodes(await known.branch(folder));
  } catch (error) {
    const { message, action } = failureOf(error);
    const label = sentences(message, action);
    return [node(folder, 'failure', { label, tooltip: label, icon: icon('differs'), context: 'failure' })];
  }
}
