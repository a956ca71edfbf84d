import { modelOf } from '../policy/endpoints.ts';
import { reasonText } from '../policy/reasons.ts';
import type { Snapshot } from '../snapshot/model.ts';
import type { ProbeResult } from '../verify/model.ts';
import { escaped, htmlList } from './escape.ts';
import { headline } from './markdown.ts';
import type { Report } from './model.ts';
import { htmlDocument, matrixPage } from './page.ts';

/** A report as a page of its own, with the picture of the target's policies where the target is known. */
export function reportPage(report: Report, target: Snapshot | undefined): string {
  const title = `Parity report: ${report.cluster} against ${report.target}`;
  const body = reportBody(report);
  if (target) return matrixPage(modelOf(target), title, body);
  return htmlDocument(title, [`<h1>${escaped(title)}</h1>`, body]);
}

function reportBody(report: Report): string {
  const differences = report.verify?.differences ?? [];
  return [
    `<p><strong>${escaped(headline(report))}</strong></p>`,
    table(
      ['Layer', 'State', 'What', 'Evidence'],
      report.findings.map((f) => [f.layer, f.state, f.title, f.evidence.join('\n')]),
    ),
    ...(differences.length === 0
      ? []
      : [
          '<h2>Connections that differ</h2>',
          table(['From', 'To', 'Port', 'Target', 'Here', 'Why'], differences.map(differenceRow)),
        ]),
    '<h2>Changes made in this run</h2>',
    report.changes.length === 0 ? '<p>No changes.</p>' : htmlList(report.changes),
    `<p>Made ${escaped(report.createdAt)} by Container Linux Parity.</p>`,
  ].join('\n');
}

function differenceRow({ from, to, protocol, port, expected, measured, because }: ProbeResult): string[] {
  return [from, to, `${protocol} ${port}`, expected, measured, because.map(reasonText).join('\n')];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cell = (value: string) => `<td>${escaped(value).replaceAll('\n', '<br>')}</td>`;
  const titles = head.map((title) => `<th scope="col">${escaped(title)}</th>`).join('');
  const body = rows.map((row) => `<tr>${row.map(cell).join('')}</tr>`).join('\n');
  return `<table><thead><tr>${titles}</tr></thead><tbody>\n${body}\n</tbody></table>`;
}
