import * as vscode from 'vscode';
import type { DriftSide } from '../../drift/model.ts';
import type { NameDifference } from '../../policy/diff.ts';
import type { ConnectionDifference } from '../../policy/diff-connections.ts';
import { plural } from '../text.ts';
import { dateText, sinceText } from '../time.ts';
import { icon, node, type State, type TreeNode } from './node.ts';
import type { Branch } from './nodes.ts';

/** What has moved since the last report. */
export function driftNode({ folder, overview: { drift } }: Branch): TreeNode {
  const open = { command: 'clparity.showDrift', title: vscode.l10n.t('Show') };
  const label = vscode.l10n.t('Drift');
  if (!drift) {
    return node(folder, 'drift', {
      label,
      description: vscode.l10n.t('not looked at'),
      tooltip: vscode.l10n.t('Whether the target or the local cluster has moved since the last report.'),
      icon: icon('unknown'),
      context: 'drift',
      command: { command: 'clparity.drift', title: vscode.l10n.t('Check for Drift') },
    });
  }
  const sides = [drift.target, drift.local];
  const moved = sides.filter(({ state }) => state === 'moved').length;
  const state: State = moved > 0 ? 'differs' : sides.every((s) => s.state === 'same') ? 'equal' : 'unknown';
  // Another line to VS Code, which else leaves it folded as it was.
  return node(folder, moved > 0 ? 'drift.moved' : 'drift', {
    label,
    description: vscode.l10n.t(
      '{0}, looked at {1}',
      moved > 0 ? vscode.l10n.t('moved') : sideWord(sides),
      sinceText(drift.checkedAt),
    ),
    tooltip: vscode.l10n.t('Since the last report; looked at {0}', dateText(drift.checkedAt)),
    icon: icon(state),
    context: 'drift',
    expanded: moved > 0,
    children: [
      () => sideNode(folder, 'target', vscode.l10n.t('Target'), drift.target, open),
      () => sideNode(folder, 'local', vscode.l10n.t('Local cluster'), drift.local, open),
    ],
  });
}

function sideWord(sides: readonly DriftSide[]): string {
  return sides.every(({ state }) => state === 'same') ? vscode.l10n.t('none') : vscode.l10n.t('partly unknown');
}

function sideNode(
  folder: vscode.WorkspaceFolder,
  side: string,
  label: string,
  { state, diff, reason }: DriftSide,
  open: vscode.Command,
): TreeNode {
  // What happened comes first: names are long, the view is narrow, and its tail is cut.
  const lines = diff
    ? [
        ...connectionLines(diff.connections),
        ...named(vscode.l10n.t('policy'), diff.policies),
        ...named(vscode.l10n.t('namespace'), diff.namespaces),
        ...named(vscode.l10n.t('workload'), diff.workloads),
        ...named(vscode.l10n.t('image'), diff.images),
      ]
    : [];
  return node(folder, `drift/${side}.${state}`, {
    label,
    description:
      state === 'same'
        ? vscode.l10n.t('the same')
        : state === 'unknown'
          ? (reason ?? '')
          : plural(lines.length, vscode.l10n.t('1 change'), vscode.l10n.t('{0} changes', lines.length)),
    icon: icon(state === 'same' ? 'equal' : state === 'moved' ? 'differs' : 'unknown'),
    context: 'driftSide',
    expanded: lines.length > 0 && lines.length <= 20,
    children: lines.map(
      (line, i) => () =>
        node(folder, `drift/${side}/${i}`, {
          ...line,
          icon: new vscode.ThemeIcon('diff'),
          context: 'change',
          command: open,
        }),
    ),
  });
}

/** A line for each pair of groups, or more where its protocols fare differently. */
function connectionLines(connections: readonly ConnectionDifference[]) {
  const alike = Map.groupBy(connections, ({ from, to, before, after }) => JSON.stringify([from, to, before, after]));
  return [...alike.values()].flatMap((list) => {
    const [first] = list;
    if (!first) return [];
    const change = `${portsText(first.before)} → ${portsText(first.after)}`;
    const label = list.length === PROTOCOLS ? change : `${list.map((c) => c.protocol).join(', ')} ${change}`;
    return [{ label, description: vscode.l10n.t('{0} to {1}', first.from, first.to) }];
  });
}

/** TCP, UDP and SCTP: where all fare alike, none is named. */
const PROTOCOLS = 3;

function portsText(ports: readonly string[]): string {
  if (ports.join() === '1-65535') return vscode.l10n.t('all ports');
  return ports.join(',') || vscode.l10n.t('denied');
}

function named(what: string, { added, removed, changed }: NameDifference) {
  const lines = (names: readonly string[], word: string) =>
    names.map((name) => ({ label: `${what} ${word}`, description: name }));
  return [
    ...lines(added, vscode.l10n.t('added')),
    ...lines(removed, vscode.l10n.t('removed')),
    ...lines(changed, vscode.l10n.t('changed')),
  ];
}
