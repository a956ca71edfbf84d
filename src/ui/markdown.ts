import * as vscode from 'vscode';
import type { Core } from './core-api.ts';
import { said } from './said.ts';

type Checked = Awaited<ReturnType<Core['check']>>;
export type Explained = Awaited<ReturnType<Core['explain']>>;
type Side = Explained['cases'][number]['egress'];

/** Text from elsewhere is data: it must not become markup. */
function plain(text: string): string {
  return text.replace(/[\\`*_[\]<>#|]/g, '\\$&').replace(/\s*\n\s*/g, ' ');
}

function verdict(allowed: boolean): string {
  return allowed ? `✅ ${vscode.l10n.t('allowed')}` : `⛔ ${vscode.l10n.t('denied')}`;
}

/** Both sides' verdicts, each with the rules that decide and where they stand. */
export function explainedMarkdown({ from, to, protocol, port, engine, cases, ...all }: Explained): string {
  const mixed = `◐ ${vscode.l10n.t('allowed for some pods, denied for others')}`;
  return [
    `# ${plain(from)} → ${plain(to)}`,
    '',
    `**${protocol} ${port}: ${all.verdict === 'mixed' ? mixed : verdict(all.verdict === 'allowed')}** (${vscode.l10n.t('engine: {0}', engine)})`,
    '',
    ...cases.flatMap((pair) => [
      ...(cases.length > 1 ? [`## ${plain(pair.from)} → ${plain(pair.to)}: ${verdict(pair.allowed)}`, ''] : []),
      ...sideMarkdown(vscode.l10n.t('Leaving {0}', pair.from), pair.egress),
      ...sideMarkdown(vscode.l10n.t('Entering {0}', pair.to), pair.ingress),
    ]),
  ].join('\n');
}

function sideMarkdown(title: string, { allowed, because }: Side): string[] {
  const reasons = because.map(({ text, source }) => {
    const place = source?.file === undefined ? '' : ` (\`${source.file}${source.line ? `:${source.line}` : ''}\`)`;
    return `- ${plain(said(text))}${place}`;
  });
  return [`### ${plain(title)}: ${verdict(allowed)}`, '', ...reasons, ''];
}

/** A table of the results, failures first. */
export function checkedMarkdown({ passed, failed, results }: Checked): string {
  const rows = results
    .toSorted((a, b) => Number(a.expected === a.actual) - Number(b.expected === b.actual))
    .map(({ from, to, protocol, port, expected, actual, because }) => {
      const mark = expected === actual ? '✅' : actual === 'unknown' ? '❔' : '🔴';
      return `| ${mark} | ${plain(from)} | ${plain(to)} | ${protocol} ${port} | ${expected} | ${actual} | ${plain(because.map(said).join('; '))} |`;
    });
  const heads = [
    vscode.l10n.t('From'),
    vscode.l10n.t('To'),
    vscode.l10n.t('Port'),
    vscode.l10n.t('Expected'),
    vscode.l10n.t('Actual'),
    vscode.l10n.t('Because'),
  ];
  return [
    `# ${vscode.l10n.t('Checked connections')}`,
    '',
    `**${vscode.l10n.t('{0} as expected, {1} not.', passed, failed)}**`,
    '',
    `| | ${heads.join(' | ')} |`,
    '|---|---|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}
