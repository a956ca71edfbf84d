import * as vscode from 'vscode';
import type { Report } from '../report/model.ts';
import { openFindings } from '../report/summary.ts';
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
  const say = report.equal ? vscode.window.showInformationMessage : vscode.window.showWarningMessage;
  if ((await say(text, show)) === show) await ui.reports.open(place, report);
}

/** "kind:dev is equal to prod: …" or how many differences there are and the first of them. */
export function headline({ equal, cluster, target, findings, changes }: Report): string {
  if (equal) {
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
