import * as vscode from 'vscode';
import type { PolicySummary } from '../../overview.ts';

/** How a thing stands to the target. */
export type State = 'equal' | 'differs' | 'unknown';

/** What the commands of a line's menu work with. */
export interface NodeData {
  readonly policy?: PolicySummary;
  /** `namespace/Kind/name`. */
  readonly peer?: string;
  /** `repository@sha256:…`. */
  readonly digest?: string;
}

/** A line of the tree: made when its parent is unfolded, and so are its children. */
export interface TreeNode {
  readonly folder: vscode.WorkspaceFolder;
  readonly item: vscode.TreeItem;
  readonly children: readonly (() => TreeNode)[];
  readonly data: NodeData;
}

interface NodeParts {
  readonly label: string;
  readonly description?: string;
  readonly tooltip?: string;
  readonly icon: vscode.ThemeIcon;
  /** What `viewItem` is in the manifest's menus. */
  readonly context: string;
  /** Called with the node. */
  readonly command?: { readonly command: string; readonly title: string };
  readonly children?: readonly (() => TreeNode)[];
  readonly expanded?: boolean;
  readonly data?: NodeData;
}

/** They only show what is on disk. */
const HARMLESS = new Set(['clparity.report', 'clparity.openPolicy', 'clparity.showDrift']);

/** Makes a line. `path` tells it from all others of its folder, so that what is unfolded stays so. */
export function node(folder: vscode.WorkspaceFolder, path: string, parts: NodeParts): TreeNode {
  const { label, description, tooltip, icon: symbol, context, command, children = [], expanded, data = {} } = parts;
  const { None, Collapsed, Expanded } = vscode.TreeItemCollapsibleState;
  const item = new vscode.TreeItem(label, children.length === 0 ? None : expanded ? Expanded : Collapsed);
  item.id = `${folder.uri.toString()}#${path}`;
  item.iconPath = symbol;
  item.contextValue = context;
  if (description !== undefined) item.description = description;
  // VS Code would grey the line out and not say why: what it tells is as true without trust.
  const barred = command !== undefined && !vscode.workspace.isTrusted && !HARMLESS.has(command.command);
  const why = barred ? vscode.l10n.t('To change it needs a workspace that you trust') : undefined;
  item.tooltip = [tooltip ?? [label, description].filter(Boolean).join(': '), why].filter(Boolean).join('\n');
  const state = STATES.find(({ icon: id }) => id === symbol.id);
  // The icon says it to the eye; a screen reader is told in words.
  item.accessibilityInformation = {
    label: [label, description, state && stateWord(state.state), why].filter(Boolean).join(', '),
  };
  const made: TreeNode = { folder, item, children, data };
  if (command && !barred) item.command = { ...command, arguments: [made] };
  return made;
}

const STATES: readonly { readonly state: State; readonly icon: string; readonly colour: string }[] = [
  { state: 'equal', icon: 'pass', colour: 'testing.iconPassed' },
  { state: 'differs', icon: 'warning', colour: 'list.warningForeground' },
  { state: 'unknown', icon: 'question', colour: 'descriptionForeground' },
];

/** The icon of a state: shapes differ, not only colours. */
export function icon(state: State): vscode.ThemeIcon {
  const found = STATES.find((s) => s.state === state);
  return new vscode.ThemeIcon(found?.icon ?? 'question', found && new vscode.ThemeColor(found.colour));
}

/** A state in words. */
function stateWord(state: State): string {
  const words: Readonly<Record<State, string>> = {
    equal: vscode.l10n.t('equal'),
    differs: vscode.l10n.t('differs'),
    unknown: vscode.l10n.t('unknown'),
  };
  return words[state];
}

/** Whether a command was called from a line of the tree. */
export function isTreeNode(value: unknown): value is TreeNode {
  return typeof value === 'object' && value !== null && 'folder' in value && 'item' in value && 'data' in value;
}
