import * as vscode from 'vscode';
import type { Grouped, ImageSummary, Overview, PolicySummary, WorkloadSummary } from '../../overview.ts';
import { placeOf } from '../../plan/place.ts';
import { standingOf } from '../../report/summary.ts';
import type { Settings } from '../../settings.ts';
import { plural } from '../text.ts';
import { dateText, sinceText } from '../time.ts';
import { driftNode } from './drift-nodes.ts';
import { icon, node, type State, type TreeNode } from './node.ts';

/** What a folder's branch is made of: what it keeps of earlier runs, and what was chosen for the next. */
export interface Branch {
  readonly folder: vscode.WorkspaceFolder;
  readonly overview: Overview;
  readonly settings: Pick<Settings, 'context' | 'snapshot' | 'cluster' | 'image' | 'namespacePrefix'>;
}

/** The lines of a folder; none where nothing was chosen and nothing has run: the view then welcomes. */
export function branchNodes(branch: Branch): TreeNode[] {
  const { overview, settings } = branch;
  const chosen = [overview.report, settings.context, settings.snapshot, settings.cluster];
  if (chosen.every((part) => part === undefined)) return [];
  return [
    verdictNode(branch),
    targetNode(branch),
    clusterNode(branch),
    ...(overview.image ? [imageNode(branch, overview.image)] : []),
    ...(overview.policies.length > 0 ? [policiesNode(branch)] : []),
    ...(overview.workloads.length > 0 ? [workloadsNode(branch)] : []),
    ...(overview.report ? [driftNode(branch)] : []),
  ];
}

function verdictNode({ folder, overview: { report } }: Branch): TreeNode {
  const open = { command: 'clparity.report', title: vscode.l10n.t('Show Last Report') };
  if (!report) {
    return node(folder, 'verdict', {
      label: vscode.l10n.t('Not compared yet'),
      description: vscode.l10n.t('run Sync'),
      tooltip: vscode.l10n.t('Sync makes the local cluster like the target and proves it with packets.'),
      icon: icon('unknown'),
      context: 'verdict.none',
      command: { command: 'clparity.sync', title: vscode.l10n.t('Sync') },
    });
  }
  const standing = standingOf(report);
  const state: State = standing === 'unproven' ? 'unknown' : standing;
  const label = {
    equal: vscode.l10n.t('Equal'),
    unproven: vscode.l10n.t('Not proven'),
    differs: plural(report.open, vscode.l10n.t('1 difference'), vscode.l10n.t('{0} differences', report.open)),
  }[standing];
  return node(folder, 'verdict', {
    label,
    description: vscode.l10n.t('as of {0}', sinceText(report.createdAt)),
    tooltip: [
      vscode.l10n.t('{0} against {1}, {2}', report.cluster, report.target, dateText(report.createdAt)),
      ...(report.first === undefined ? [] : [report.first]),
      ...(standing === 'unproven' ? [vscode.l10n.t('No packet was sent: Verify does that.')] : []),
    ].join('\n'),
    icon: icon(state),
    context: 'verdict',
    command: open,
  });
}

function targetNode({ folder, overview: { target }, settings }: Branch): TreeNode {
  const chosen = settings.snapshot ?? settings.context;
  const name = chosen ?? target?.name;
  const known = target?.name === name ? target : undefined;
  const gaps = known?.gaps ?? [];
  return node(folder, 'target', {
    label: vscode.l10n.t('Target'),
    description: [name ?? vscode.l10n.t('not chosen'), known?.kubernetesVersion, known?.engine]
      .filter(Boolean)
      .join(' · '),
    tooltip: [
      name === undefined ? vscode.l10n.t('What the local cluster is to be like; only ever read.') : name,
      ...(known?.capturedAt === undefined ? [] : [vscode.l10n.t('read {0}', dateText(known.capturedAt))]),
      ...gaps,
    ].join('\n'),
    icon: new vscode.ThemeIcon('globe'),
    context: 'target',
    ...(chosen === undefined && {
      command: { command: 'clparity.selectTarget', title: vscode.l10n.t('Select Target') },
    }),
    children: gaps.map(
      (gap, i) => () =>
        node(folder, `target/gap${i}`, {
          label: gap,
          tooltip: gap,
          icon: icon('unknown'),
          context: 'gap',
        }),
    ),
  });
}

function clusterNode({ folder, overview: { report, undo }, settings }: Branch): TreeNode {
  const id = settings.cluster === undefined ? report?.cluster : placeOf(settings.cluster, settings);
  return node(folder, 'cluster', {
    label: vscode.l10n.t('Local cluster'),
    description: id ?? vscode.l10n.t('not chosen'),
    tooltip: [
      id ?? vscode.l10n.t('The cluster on this machine that becomes like the target.'),
      ...(undo
        ? [
            plural(
              undo.changes,
              vscode.l10n.t('Last apply: {0}, 1 change; it can be undone.', dateText(undo.appliedAt)),
              vscode.l10n.t('Last apply: {0}, {1} changes; it can be undone.', dateText(undo.appliedAt), undo.changes),
            ),
          ]
        : []),
    ].join('\n'),
    icon: new vscode.ThemeIcon('server-environment'),
    context: undo ? 'cluster.undo' : 'cluster',
    ...(settings.cluster === undefined && {
      command: { command: 'clparity.selectCluster', title: vscode.l10n.t('Select Local Cluster') },
    }),
  });
}

function imageNode({ folder }: Branch, image: ImageSummary): TreeNode {
  const { reference, digest, os, built, pinnedAt, endOfLife, state, title } = image;
  const over = endOfLife !== undefined && Date.parse(endOfLife) < Date.now();
  const end =
    endOfLife === undefined
      ? undefined
      : over
        ? vscode.l10n.t('END OF LIFE since {0}', endOfLife.slice(0, 10))
        : vscode.l10n.t('end of life {0}', endOfLife.slice(0, 10));
  return node(folder, 'image', {
    label: vscode.l10n.t('Base image'),
    description: [
      shortReference(reference),
      digest.replace(/^sha256:/, '').slice(0, 12),
      built
        ? vscode.l10n.t('built {0}', sinceText(built))
        : pinnedAt && vscode.l10n.t('pinned {0}', sinceText(pinnedAt)),
      end,
    ]
      .filter(Boolean)
      .join(' · '),
    tooltip: [
      reference,
      digest,
      os,
      built && vscode.l10n.t('built {0}', dateText(built)),
      pinnedAt && vscode.l10n.t('pinned {0}', dateText(pinnedAt)),
      end,
      title,
    ]
      .filter(Boolean)
      .join('\n'),
    icon: over
      ? icon('differs')
      : state === 'equal' || state === 'differs'
        ? icon(state)
        : new vscode.ThemeIcon('package'),
    context: 'image',
    data: { digest: `${repositoryOf(reference)}@${digest}` },
  });
}

/** A reference without tag and digest; a registry's port stays. */
function repositoryOf(reference: string): string {
  return reference.replace(/@.*$/, '').replace(/:[^:/]*$/, '');
}

/** The end of a reference, which tells images apart: "azurelinux/base/core:3.0". */
function shortReference(reference: string): string {
  return reference.replace(/^[^/]*[.:][^/]*\//, '').replace(/@sha256:.*$/, '');
}

function policiesNode({ folder, overview: { policies } }: Branch): TreeNode {
  return groupsNode(
    folder,
    'policies',
    vscode.l10n.t('Policies'),
    new vscode.ThemeIcon('shield'),
    policies,
    policyNode,
  );
}

function workloadsNode({ folder, overview: { workloads } }: Branch): TreeNode {
  const symbol = new vscode.ThemeIcon('package');
  return groupsNode(folder, 'workloads', vscode.l10n.t('Workloads'), symbol, workloads, workloadNode);
}

/** A heading, its namespaces, and what is in them: each made when it is unfolded. */
function groupsNode<T>(
  folder: vscode.WorkspaceFolder,
  id: string,
  label: string,
  symbol: vscode.ThemeIcon,
  groups: readonly Grouped<T>[],
  make: (folder: vscode.WorkspaceFolder, item: T) => TreeNode,
): TreeNode {
  const sum = (count: (group: Grouped<T>) => number) => groups.reduce((all, group) => all + count(group), 0);
  return node(folder, id, {
    label,
    description: countText(
      sum((g) => g.items.length),
      sum((g) => g.differing),
      sum((g) => g.unknown),
    ),
    icon: symbol,
    context: id,
    children: groups.map((group) => () => {
      const state: State = group.differing > 0 ? 'differs' : group.unknown > 0 ? 'unknown' : 'equal';
      return node(folder, `${id}/${group.namespace ?? ''}`, {
        label: group.namespace ?? vscode.l10n.t('whole cluster'),
        description: countText(group.items.length, group.differing, group.unknown),
        icon: icon(state),
        context: 'namespace',
        children: group.items.map((item) => () => make(folder, item)),
      });
    }),
  });
}

function countText(all: number, differing: number, unknown: number): string {
  const parts = [
    differing > 0 ? vscode.l10n.t('{0} differ', differing) : '',
    unknown > 0 ? vscode.l10n.t('{0} unknown', unknown) : '',
  ].filter(Boolean);
  return parts.length === 0 ? vscode.l10n.t('{0}, all equal', all) : vscode.l10n.t('{0}: {1}', all, parts.join(', '));
}

function policyNode(folder: vscode.WorkspaceFolder, policy: PolicySummary): TreeNode {
  const { id, kind, name, namespace = '', fidelity, notes } = policy;
  const state: State =
    fidelity === undefined || fidelity === 'unknown' ? 'unknown' : fidelity === 'exact' ? 'equal' : 'differs';
  return node(folder, `policies/${namespace}/${kind}/${name}`, {
    label: name,
    description: [kind === 'NetworkPolicy' ? undefined : kind, fidelity ?? vscode.l10n.t('not compared')]
      .filter(Boolean)
      .join(' · '),
    tooltip: [id, ...notes].join('\n'),
    icon: icon(state),
    context: 'policy',
    command: { command: 'clparity.openPolicy', title: vscode.l10n.t('Open') },
    data: { policy },
  });
}

function workloadNode(folder: vscode.WorkspaceFolder, workload: WorkloadSummary): TreeNode {
  const { id, kind, name, state, differences, playedBy } = workload;
  const verdict =
    state === 'differs'
      ? plural(
          differences.length,
          vscode.l10n.t('1 connection differs'),
          vscode.l10n.t('{0} connections differ', differences.length),
        )
      : state === 'equal'
        ? vscode.l10n.t('as at the target')
        : vscode.l10n.t('not probed');
  const player = playedBy && (playedBy === 'stand-in' ? vscode.l10n.t('stand-in') : vscode.l10n.t('your own pod'));
  return node(folder, `workloads/${id}`, {
    label: name,
    description: [kind, verdict].join(' · '),
    tooltip: [
      id,
      verdict,
      ...(player ? [vscode.l10n.t('played by: {0}', player)] : []),
      ...differences.slice(0, 20),
    ].join('\n'),
    icon: icon(state),
    context: 'workload',
    data: { peer: id },
  });
}
