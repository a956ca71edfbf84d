import * as vscode from 'vscode';
import type { Core } from './core-api.ts';
import { said } from './said.ts';

type Checked = Awaited<ReturnType<Core['check']>>;
export type Explained = Awaited<ReturnType<Core['explain']>>;
type Pair = Explained['cases'][number];
type Side = Pair['egress'];
type Source = Side['because'][number]['source'];

/** Text from elsewhere is data: it must not become markup. */
function plain(text: string): string {
  return text.replace(/[\\`*_[\]<>#|]/g, '\\$&').replace(/\s*\n\s*/g, ' ');
}

function verdict(allowed: boolean): string {
  return allowed ? `✅ ${vscode.l10n.t('allowed')}` : `⛔ ${vscode.l10n.t('denied')}`;
}

/** Both sides' verdicts, each with the rules that decide and where they stand, and the smallest change that turns them. */
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
      ...changeMarkdown(pair),
    ]),
  ].join('\n');
}

function sideMarkdown(title: string, { allowed, because }: Side): string[] {
  const reasons = because.map(({ text, source }) => `- ${plain(said(text))}${placeOf(source)}`);
  return [`### ${plain(title)}: ${verdict(allowed)}`, '', ...reasons, ''];
}

function placeOf(source: Source): string {
  return source?.file === undefined ? '' : ` (\`${source.file}${source.line ? `:${source.line}` : ''}\`)`;
}

/** What would turn a verdict. YAML stands in an indented block, which nothing in it can end. */
function changeMarkdown({ allowed, change }: Pair): string[] {
  const title = `### ${allowed ? vscode.l10n.t('To deny it') : vscode.l10n.t('To allow it')}`;
  if (!change) return [title, '', vscode.l10n.t('No policy can.'), ''];
  const steps = change.flatMap(({ text, yaml, source, also, or }) => [
    `- ${plain(said(text))}${placeOf(source)}`,
    '',
    ...(yaml === undefined
      ? []
      : [
          ...yaml
            .trimEnd()
            .split('\n')
            .map((line) => `      ${line}`),
          '',
        ]),
    ...(also === undefined ? [] : [`  ${plain(said(also))}`, '']),
    ...(or === undefined ? [] : [`  ${vscode.l10n.t('or {0}', plain(said(or)))}`, '']),
  ]);
  return [title, '', ...steps];
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
