import * as vscode from 'vscode';
import type { ClusterInfo } from '../clusters.ts';
import { quietRun } from '../host/run.ts';
import type { Place } from './place.ts';
import { BACK, type Choice, choose, separator } from './quick-pick.ts';
import { said } from './said.ts';
import { storeChoices } from './settings.ts';
import { plural } from './text.ts';

const CREATE = Symbol('create');

/** What became of the question: a cluster was chosen, one is to be made, or the question was dismissed. */
export type ClusterAnswer = 'chosen' | 'create' | 'dismissed';

/** Asks for the local cluster and writes it to the workspace's settings. */
export async function pickCluster(place: Place): Promise<ClusterAnswer> {
  const answer = await choose<string | typeof CREATE>({
    title: vscode.l10n.t('Select the local cluster'),
    placeholder: vscode.l10n.t('Which cluster on this machine should become like the target?'),
    choices: async (signal) => lines(await place.core.listClusters(quietRun(signal), place.project)),
  });
  if (answer === undefined || answer === BACK) return 'dismissed';
  if (answer === CREATE) return 'create';
  await storeChoices(place.folder, { cluster: answer });
  return 'chosen';
}

/** Of a cluster that is found by its context alone, nobody has asked for its nodes yet. */
const nodeCount = (nodes: number) =>
  nodes === 0
    ? vscode.l10n.t('found by its context')
    : plural(nodes, vscode.l10n.t('1 node'), vscode.l10n.t('{0} nodes', nodes));

function lines(clusters: readonly ClusterInfo[]): Choice<string | typeof CREATE>[] {
  return [
    ...clusters.map(({ id, nodes, fault, action }) => ({
      label: `$(${fault ? 'warning' : 'server-environment'}) ${id}`,
      description: fault ?? nodeCount(nodes),
      ...(action !== undefined && { detail: said(action) }),
      value: id,
    })),
    separator(''),
    { label: `$(add) ${vscode.l10n.t('Create a kind cluster…')}`, value: CREATE },
  ];
}
