import { styleText } from 'node:util';
import { counted } from '../host/counted.ts';
import type { FindingState, Report } from './model.ts';
import { headline, reportStanding, type Standing } from './summary.ts';

const MARK: Readonly<Record<FindingState, string>> = {
  equal: '=',
  differs: '!',
  cannot: '-',
  unknown: '?',
  skipped: '-',
};

const COLOUR: Readonly<Record<Standing, 'green' | 'yellow' | 'red'>> = {
  equal: 'green',
  unproven: 'yellow',
  differs: 'red',
};

/** The report for a terminal: a line a finding, its evidence below, differences spelled out. `colour` adds ANSI codes. */
export function renderText(report: Report, colour: boolean): string {
  const paint = (style: 'red' | 'green' | 'yellow' | 'bold' | 'dim', value: string) =>
    colour ? styleText(style, value, { validateStream: false }) : value;
  const lines = [
    paint('bold', `${report.cluster} against ${report.target}`),
    paint('dim', `Made ${report.createdAt}`),
    '',
  ];
  for (const f of report.findings) {
    const line = `${MARK[f.state]} ${f.layer}: ${f.title}`;
    lines.push(
      f.state === 'differs' ? paint('red', line) : f.state === 'equal' ? paint('green', line) : paint('yellow', line),
    );
    for (const e of f.evidence) lines.push(paint('dim', `    ${e}`));
  }
  const verify = report.verify;
  if (verify && verify.differences.length > 0) {
    lines.push('', paint('bold', 'Connections that differ'));
    for (const d of verify.differences) {
      lines.push(
        paint('red', `! ${d.from} -> ${d.to} ${d.protocol} ${d.port}: ${d.expected} at the target, ${d.measured} here`),
      );
      if (d.detail) lines.push(`    ${d.detail}`);
      for (const r of d.because)
        lines.push(`    ${r.text}${r.source?.file ? ` (${r.source.file}:${r.source.line ?? '?'})` : ''}`);
    }
  }
  for (const n of verify?.notProbed ?? []) lines.push(paint('yellow', `- not probed: ${n}`));
  for (const l of verify?.left ?? []) lines.push(paint('yellow', `- left in the cluster: ${l}`));
  lines.push('', report.changes.length === 0 ? 'No changes.' : `${counted(report.changes.length, 'change')}:`);
  for (const c of report.changes) lines.push(`  ${c}`);
  lines.push('', paint(COLOUR[reportStanding(report)], headline(report)));
  return lines.join('\n');
}
