import * as vscode from 'vscode';
import { reportStanding, type Standing } from '../report/summary.ts';
import type { Place } from './place.ts';
import { BACK, choose } from './quick-pick.ts';
import { said } from './said.ts';
import { storeChoices } from './settings.ts';
import { dateText } from './time.ts';

const SYMBOLS: Readonly<Record<Standing, string>> = { equal: 'pass', unproven: 'question', differs: 'warning' };

/**
 * Asks which of the pairs of target and cluster that were compared is meant, and writes it to the workspace's settings.
 * False where the question was dismissed. Throws a ParityError of kind `input` where nothing was ever compared.
 */
export async function pickPair({ core, folder, project }: Place): Promise<boolean> {
  // Nobody should be shown an empty list.
  await core.lastReport(project.folder);
  const answer = await choose({
    title: vscode.l10n.t('Select a target and a local cluster'),
    placeholder: vscode.l10n.t('Which pair should be shown, and be worked on?'),
    choices: async () => {
      const { values, damaged } = await core.keptPairs(project.folder);
      const pairs = values.map(({ report, choice }) => ({
        label: `$(${SYMBOLS[reportStanding(report)]}) ${report.target} → ${report.cluster}`,
        description: vscode.l10n.t('Compared {0}', dateText(report.createdAt)),
        value: choice,
      }));
      // Without a value: there is nothing to choose.
      const others = damaged.map(({ message, action }) => ({
        label: `$(error) ${said(message)}`,
        ...(action !== undefined && { detail: said(action) }),
      }));
      return [...pairs, ...others];
    },
  });
  if (answer === undefined || answer === BACK) return false;
  const { context, snapshot, cluster, namespacePrefix } = answer;
  await storeChoices(folder, {
    'target.context': context,
    'target.snapshot': snapshot,
    cluster,
    namespacePrefix: namespacePrefix || undefined,
  });
  return true;
}
