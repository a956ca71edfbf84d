import type { ProbeResult } from '../verify/model.ts';
import type { FindingState, Report } from './model.ts';
import { headline } from './summary.ts';

/** A word beside every mark, so that nothing depends on colour. */
const MARK: Readonly<Record<FindingState, string>> = {
  equal: '✅ equal',
  differs: '🔴 differs',
  cannot: '➖ cannot be equal',
  unknown: '❔ unknown',
  skipped: '➖ left out',
};

/** How many differing rows are spelled out before the rest is only counted. JSON has all of them. */
const ROWS = 200;

/** The report as Markdown, for a terminal, a pull request and the editor. */
export function renderMarkdown(report: Report): string {
  const lines = [
    `# Parity report: ${markdownText(report.cluster)} against ${markdownText(report.target)}`,
    '',
    `**${headline(report)}**`,
    '',
    '| Layer | State | What |',
    '|---|---|---|',
    ...report.findings.map((f) => `| ${f.layer} | ${MARK[f.state]} | ${markdownCell(f.title)} |`),
    '',
  ];
  const verify = report.verify;
  if (verify && verify.differences.length > 0) {
    lines.push(
      '## Connections that differ',
      '',
      '| From | To | Port | Target | Here | Why |',
      '|---|---|---|---|---|---|',
    );
    for (const d of verify.differences.slice(0, ROWS)) lines.push(differenceRow(d));
    if (verify.differences.length > ROWS) {
      lines.push('', `… and ${verify.differences.length - ROWS} more: see the JSON report.`);
    }
    lines.push('');
  }
  lines.push('## Changes made in this run', '');
  lines.push(...(report.changes.length > 0 ? report.changes.map((c) => `- ${markdownText(c)}`) : ['No changes.']), '');
  lines.push('## Evidence', '');
  for (const f of report.findings) {
    if (f.evidence.length === 0) continue;
    lines.push(`### ${markdownText(f.title)}`, '', ...f.evidence.map((e) => `- ${markdownText(e)}`), '');
  }
  if (verify) {
    const extra: [string, readonly string[]][] = [
      ['Played by stand-ins', verify.standIns],
      ['Your own pods that were probed', verify.ownPods],
      ['Not probed', verify.notProbed],
      ['Left in the cluster', verify.left],
    ];
    for (const [title, items] of extra) {
      if (items.length > 0) lines.push(`### ${title}`, '', ...items.map((i) => `- ${markdownText(i)}`), '');
    }
  }
  lines.push(`Made ${report.createdAt} by Container Linux Parity.`, '');
  return lines.join('\n');
}

function differenceRow(d: ProbeResult): string {
  const why = d.because.map((r) => (r.source?.file ? `${r.text} (${r.source.file}:${r.source.line ?? '?'})` : r.text));
  const measured = d.detail ? `${d.measured}: ${d.detail}` : d.measured;
  return `| ${markdownCell(d.from)} | ${markdownCell(d.to)} | ${d.protocol} ${d.port} | ${d.expected} | ${markdownCell(measured)} | ${markdownCell(why.join('; '))} |`;
}

/** Text from a target is data: it must not become markup in the report. */
export function markdownText(value: string): string {
  return value
    .replace(/[\\`*_[\]<>#]/g, (c) => (c === '<' ? '&lt;' : c === '>' ? '&gt;' : `\\${c}`))
    .replace(/\s*\n\s*/g, ' ');
}

export function markdownCell(value: string): string {
  return markdownText(value).replace(/\|/g, '\\|');
}
