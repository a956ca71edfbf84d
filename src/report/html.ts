import { inSlices } from '../host/slices.ts';
import { modelOf } from '../policy/endpoints.ts';
import { reasonText } from '../policy/reasons.ts';
import type { Snapshot } from '../snapshot/model.ts';
import type { ProbeResult } from '../verify/model.ts';
import { escaped, htmlList } from './escape.ts';
import type { Finding, Report } from './model.ts';
import { htmlDocument, matrixPageSteps } from './page.ts';
import { headline } from './summary.ts';

/** A report as a page of its own, with the picture of the target's policies where the target is known. */
export async function reportPage(report: Report, target: Snapshot | undefined, signal: AbortSignal): Promise<string> {
  const title = titleOf(report);
  const differences = report.verify?.differences ?? [];
  const body = [
    headlineHtml(report),
    '<h2>Layers</h2>',
    layersHtml(report.findings),
    ...(differences.length === 0
      ? []
      : [
          '<h2>Connections that differ</h2>',
          tableHtml(
            ['From', 'To', 'Port', 'Target', 'Here', 'Why'],
            differences.map((one) =>
              [
                ...[one.from, one.to, `${one.protocol} ${one.port}`, one.expected],
                ...[measuredText(one), one.because.map(reasonText).join('\n')],
              ].map(lines),
            ),
          ),
        ]),
    changesHtml(report),
  ].join('\n');
  if (target) return inSlices(matrixPageSteps(modelOf(target), title, body, differences), signal);
  return htmlDocument(title, [`<h1>${escaped(title)}</h1>`, body, NOT_KEPT]);
}

/** What stands in the place of a matrix that can't be drawn. */
export const NOT_KEPT = "<p>The target of this report was not kept, so its matrix can't be drawn.</p>";

/** What a packet met, with what came back where that was neither. */
export function measuredText({ measured, detail }: Pick<ProbeResult, 'measured' | 'detail'>): string {
  return detail === undefined ? measured : `${measured}: ${detail}`;
}

/** What a report is called, as a page. */
export function titleOf({ cluster, target }: Report): string {
  return `Parity report: ${cluster} against ${target}`;
}

/** Its one line. */
export function headlineHtml(report: Report): string {
  return `<p><strong>${escaped(headline(report))}</strong></p>`;
}

/** A row a layer. */
function layersHtml(findings: readonly Finding[]): string {
  return tableHtml(
    ['Layer', 'State', 'What', 'Evidence'],
    findings.map(({ layer, state, title, evidence }) => [layer, state, title, evidence.join('\n')].map(lines)),
  );
}

/** What the run changed, and when. */
export function changesHtml({ changes, createdAt }: Report): string {
  return [
    '<h2>Changes made in this run</h2>',
    changes.length === 0 ? '<p>No changes.</p>' : htmlList(changes),
    `<p>Made ${escaped(createdAt)} by Container Linux Parity.</p>`,
  ].join('\n');
}

/** Text as HTML, its lines kept. */
export function lines(value: string): string {
  return escaped(value).replaceAll('\n', '<br>');
}

/** A table; `rows` hold HTML. */
export function tableHtml(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const titles = head.map((title) => `<th scope="col">${escaped(title)}</th>`).join('');
  const body = rows.map((row) => `<tr>${row.map((cell) => `<td>${cell}</td>`).join('')}</tr>`).join('\n');
  return `<table><thead><tr>${titles}</tr></thead><tbody>\n${body}\n</tbody></table>`;
}
