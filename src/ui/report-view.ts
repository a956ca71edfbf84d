import * as vscode from 'vscode';
import type { Report } from '../report/model.ts';
import { isPartial, openFindings, reportStanding } from '../report/summary.ts';
import type { Place } from './place.ts';
import { said } from './said.ts';
import type { Ui } from './ui.ts';

/** Opens the report's page and says in one line what it found. Does not wait for the notification. */
export async function presentReport(ui: Ui, place: Place, report: Report): Promise<void> {
  await ui.reports.open(place, report);
  void announce(ui, place, report);
}

async function announce(ui: Ui, place: Place, report: Report): Promise<void> {
  const show = vscode.l10n.t('Show Report');
  const text = headline(report);
  ui.log.info(text);
  const { showInformationMessage, showWarningMessage } = vscode.window;
  const say = reportStanding(report) === 'differs' ? showWarningMessage : showInformationMessage;
  if ((await say(text, show)) === show) await ui.reports.open(place, report);
}

/** "kind:dev is equal to prod: …" or how many differences there are and the first of them. */
export function headline(report: Report): string {
  const { cluster, target, findings, changes } = report;
  const standing = reportStanding(report);
  if (standing === 'unproven') {
    return vscode.l10n.t(
      '{0} is as {1} as far as was compared; not proven: no packet was sent. Verify sends them.',
      cluster,
      target,
    );
  }
  if (standing === 'equal' && isPartial(report)) {
    return vscode.l10n.t(
      'Equal in what was chosen: {0} is like {1}; the report names what was left out.',
      cluster,
      target,
    );
  }
  if (standing === 'equal') {
    return changes.length === 0
      ? vscode.l10n.t('Equal: {0} is like {1}, no changes were needed.', cluster, target)
      : vscode.l10n.t('Equal: {0} is now like {1}.', cluster, target);
  }
  const open = openFindings(findings);
  const [first] = open;
  const title = said(first?.title ?? '');
  return open.length === 1
    ? vscode.l10n.t('1 difference between {0} and {1}: {2}.', cluster, target, title)
    : vscode.l10n.t('{0} differences between {1} and {2}, first: {3}.', open.length, cluster, target, title);
}
