import * as vscode from 'vscode';
import type { Overview } from '../overview.ts';
import { type Standing, standingOf } from '../report/summary.ts';
import { failureOf } from './errors.ts';
import type { Known } from './known.ts';
import { readViewSettings } from './settings.ts';
import { plural, sentences } from './text.ts';
import { dateText } from './time.ts';

/** What the status bar says of a folder. */
export interface Status {
  readonly state: Standing | 'drifted' | 'stale' | 'uncompared';
  readonly text: string;
  readonly tooltip: string;
  /** When it becomes stale, if nothing else happens before: milliseconds since 1970. */
  readonly staleAt?: number;
}

/**
 * The one line about the chosen target and cluster: how their last report stood, unless something has moved since, or it
 * is too old to go by. Undefined where nothing was ever compared.
 */
export function statusOf(
  { report, drift, uncompared }: Overview,
  staleHours: number,
  now = Date.now(),
): Status | undefined {
  if (!report) return uncompared && statusWithout(uncompared);
  const staleAt = Date.parse(report.createdAt) + staleHours * 3_600_000;
  const between = `${report.target} → ${report.cluster}`;
  const made = vscode.l10n.t('Compared {0}', dateText(report.createdAt));
  const sides = drift ? [drift.target, drift.local] : [];
  const moved = sides.filter(({ state }) => state === 'moved').length > 0;
  const differences = plural(report.open, vscode.l10n.t('1 difference'), vscode.l10n.t('{0} differences', report.open));
  const standing = standingOf(report);
  const stood: Readonly<Record<Standing, [string, string]>> = {
    equal: ['pass', vscode.l10n.t('equal')],
    unproven: ['question', vscode.l10n.t('not proven')],
    differs: ['warning', differences],
  };
  const then: Readonly<Record<Standing, string>> = {
    equal: vscode.l10n.t('equal then'),
    unproven: vscode.l10n.t('No packet was sent: Verify does that.'),
    differs: report.first ?? differences,
  };
  const [state, symbol, words]: [Status['state'], string, string] = moved
    ? ['drifted', 'git-compare', vscode.l10n.t('drifted')]
    : staleHours > 0 && now >= staleAt
      ? ['stale', 'history', vscode.l10n.t('stale')]
      : [standing, ...stood[standing]];
  return {
    state,
    text: `$(${symbol}) ${between}: ${words}`,
    tooltip: [`${between}: ${words}`, made, then[standing]].join('\n'),
    ...(staleHours > 0 && now < staleAt && { staleAt }),
  };
}

/** Another pair's report would be taken for the chosen one's. */
function statusWithout({ target, cluster }: NonNullable<Overview['uncompared']>): Status {
  const between = `${target ?? vscode.l10n.t('any target')} → ${cluster ?? vscode.l10n.t('any cluster')}`;
  const words = vscode.l10n.t('{0}: not compared yet', between);
  return { state: 'uncompared', text: `$(circle-slash) ${words}`, tooltip: words };
}

/** The longest that a timer can wait. */
const LONGEST = 2 ** 31 - 1;

/** The extension's one status-bar item: shown where a folder has a report; a click opens it. */
export function createStatus(known: Known, log: vscode.LogOutputChannel): vscode.Disposable {
  const item = vscode.window.createStatusBarItem('clparity.status', vscode.StatusBarAlignment.Left);
  item.name = vscode.l10n.t('Container Linux Parity');
  let timer: NodeJS.Timeout | undefined;
  const show = async () => {
    clearTimeout(timer);
    const found = await current(known);
    if (!found) {
      item.hide();
      return;
    }
    const { status, folder } = found;
    const isCompared = status.state !== 'uncompared';
    const title = isCompared ? vscode.l10n.t('Show Last Report') : vscode.l10n.t('Sync');
    item.command = { command: isCompared ? 'clparity.report' : 'clparity.sync', title, arguments: [{ folder }] };
    item.text = status.text;
    item.tooltip = status.tooltip;
    item.accessibilityInformation = { label: `${item.name}: ${status.tooltip}`, role: 'button' };
    item.show();
    // Not polling: one look, at the moment when the words change.
    if (status.staleAt !== undefined)
      timer = setTimeout(() => void update(), Math.min(status.staleAt - Date.now() + 1, LONGEST));
  };
  const update = () =>
    show().catch((error: unknown) => {
      const { message, action } = failureOf(error);
      log.error(sentences(message, action));
      item.hide();
    });
  const events = [
    known.onDidChange(update),
    vscode.window.onDidChangeActiveTextEditor(() => severalFolders() && void update()),
  ];
  void update();
  return new vscode.Disposable(() => {
    clearTimeout(timer);
    vscode.Disposable.from(item, ...events).dispose();
  });
}

function severalFolders(): boolean {
  return (vscode.workspace.workspaceFolders?.length ?? 0) > 1;
}

/** Of the folder that is being worked in; the first one that has a report where that is none of them. */
async function current(known: Known): Promise<{ status: Status; folder: vscode.WorkspaceFolder } | undefined> {
  const folders = vscode.workspace.workspaceFolders ?? [];
  const uri = vscode.window.activeTextEditor?.document.uri;
  const active = uri && vscode.workspace.getWorkspaceFolder(uri);
  for (const folder of active ? [active, ...folders] : folders) {
    if (!(await known.hasReport(folder))) continue;
    const { overview } = await known.branch(folder);
    const { staleAfterHours } = readViewSettings(vscode.workspace.getConfiguration('clparity', folder.uri));
    const status = statusOf(overview, staleAfterHours);
    if (status) return { status, folder };
  }
  return undefined;
}
