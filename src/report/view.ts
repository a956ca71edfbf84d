import { isParityError } from '../host/errors.ts';
import { inSlices } from '../host/slices.ts';
import { modelOf } from '../policy/endpoints.ts';
import { type Explanation, explain } from '../policy/explain.ts';
import { type Matrix, matrixSteps } from '../policy/matrix.ts';
import type { PolicyModel } from '../policy/model.ts';
import type { Protocol, Snapshot } from '../snapshot/model.ts';
import type { ProbeResult } from '../verify/model.ts';
import { type GridData, gridDataSteps } from './connections-data.ts';
import { escaped, htmlList } from './escape.ts';
import { explainCell, explanationHtml, placeHtml } from './explained.ts';
import { graphHtml } from './graph.ts';
import { gridSteps, itemsText } from './grid.ts';
import { changesHtml, headlineHtml, lines, measuredText, NOT_KEPT, tableHtml, titleOf } from './html.ts';
import { htmlInLanguage, type Language } from './in-language.ts';
import type { Finding, Report } from './model.ts';
import { htmlPage } from './page.ts';
import { VIEW_STYLE } from './view-style.ts';

/** What makes the page the editor's: the script that drives it, and the nonce by which the page's policy knows it. */
export interface ViewParts {
  readonly script: string;
  readonly nonce: string;
  /** What the page is to remember of itself, for the editor to find it again. */
  readonly state: Readonly<Record<string, string>>;
}

/** What a page asks of the target's policies. */
export interface ViewQuestion {
  readonly from: string;
  readonly to: string;
  /** Without a port, the ports that tell most about a cell of the matrix. */
  readonly port?: { readonly protocol: Protocol; readonly port: number };
}

/** A report as the editor's page, and the answers to what is asked on it. */
export interface ReportView {
  html(parts: ViewParts): string;
  /** HTML; says so of a peer that isn't there. */
  explain(question: ViewQuestion): string;
}

/** How many connections that differ are spelled out. JSON has all of them. */
const ROWS = 500;

/**
 * Prepares a report to be shown: the policies are evaluated once, with pauses for whatever else the editor does. `target` is
 * what it speaks of, where that was kept. The page is English where no `language` is given, as all is that is exported.
 */
export async function reportView(
  report: Report,
  target: Snapshot | undefined,
  signal: AbortSignal,
  language?: Language,
): Promise<ReportView> {
  const drawn = target && (await inSlices(drawnSteps(modelOf(target), report.verify?.differences ?? []), signal));
  const said = (html: string) => (language ? htmlInLanguage(html, language) : html);
  return {
    html: (parts) => said(page(report, drawn, parts, language?.say ?? ((text) => text))),
    explain: (question) => said(drawn ? explained(drawn, question) : GONE),
  };
}

const GONE = '<p>The target of this report was not kept: verify again.</p>';

/** What the script in the page says; in the holes of a text, names and its answers. */
const WORDS = {
  corner: 'from ↓, to →',
  nothing: 'Nothing has such a name.',
  cell: '{0} to {1}: {2}',
  measured: '{0}; measured: {1}',
} as const;

/** The same in the reader's language. */
export type PageWords = Readonly<Record<keyof typeof WORDS, string>>;

/** What the page's script reads. */
export interface PageData {
  readonly state: ViewParts['state'];
  readonly words: PageWords;
  readonly grid: GridData | null;
}

function dataOf(state: ViewParts['state'], grid: GridData | undefined, say: Language['say']): PageData {
  const words = {
    corner: say(WORDS.corner),
    nothing: say(WORDS.nothing),
    cell: say(WORDS.cell),
    measured: say(WORDS.measured),
  };
  if (!grid) return { state, words, grid: null };
  const answers = grid.answers.map(({ verdict, text }) => ({ verdict, text: say(text) }));
  const differing = grid.differing.map(([row, column, what]) => [row, column, say(what)] as const);
  return { state, words, grid: { ...grid, answers, differing } };
}

/** The target's policies as the page has them. */
interface Drawn {
  readonly model: PolicyModel;
  readonly matrix: Matrix;
  readonly data: GridData;
  readonly graph: string;
}

function* drawnSteps(model: PolicyModel, differences: readonly ProbeResult[]): Generator<undefined, Drawn> {
  const matrix = yield* matrixSteps(model);
  const data = yield* gridDataSteps(matrix, differences);
  const graph = graphHtml(yield* gridSteps(matrix), 'Graph of allowed connections');
  return { model, matrix, data, graph };
}

function explained({ model, matrix }: Drawn, question: ViewQuestion): string {
  try {
    return answers(model, matrix, question).map(explanationHtml).join('\n') || '<p>Nothing is to be said of it.</p>';
  } catch (error) {
    if (!isParityError(error)) throw error;
    return `<p>${escaped([error.message, error.action].filter(Boolean).join('. '))}</p>`;
  }
}

function answers(model: PolicyModel, matrix: Matrix, { from, to, port }: ViewQuestion): Explanation[] {
  if (!port) return explainCell(model, matrix, from, to);
  return [explain(model, from, to, port.protocol, port.port)];
}

function page(
  report: Report,
  drawn: Drawn | undefined,
  { script, nonce, state }: ViewParts,
  say: Language['say'],
): string {
  const title = titleOf(report);
  const policy = `default-src 'none'; style-src 'nonce-${nonce}'; script-src 'nonce-${nonce}'`;
  // Data in a page: only what could end the element has to be written otherwise.
  const data = JSON.stringify(dataOf(state, drawn?.data, say)).replaceAll('<', '\\u003c');
  return htmlPage(
    { title, policy, style: VIEW_STYLE, nonce },
    [
      `<h1>${escaped(title)}</h1>`,
      headlineHtml(report),
      TOOLS,
      '<h2>Layers</h2>',
      tableHtml(['Layer', 'State', 'What', 'Evidence'], report.findings.map(findingRow)),
      ...differencesHtml(report.verify?.differences ?? []),
      ...(drawn ? connectionsHtml(drawn) : [NOT_KEPT]),
      changesHtml(report),
    ],
    [
      `<script nonce="${nonce}" type="application/json" id="data">${data}</script>`,
      `<script nonce="${nonce}">${script}</script>`,
    ],
  );
}

const TOOLS = `<div class="tools" role="group" aria-label="Actions">
<button type="button" data-export="html">Export HTML…</button><button type="button" data-export="markdown">Export Markdown…</button><button type="button" data-export="json">Export JSON…</button>
</div>`;

function findingRow({ layer, state, title, evidence }: Finding): string[] {
  const count = evidence.length === 1 ? '1 line of evidence' : `${evidence.length} lines of evidence`;
  const told = `<details><summary>${count}</summary>${htmlList(evidence)}</details>`;
  return [
    escaped(layer),
    `<span class="state ${state}">${state}</span>`,
    `<span class="what">${lines(title)}</span>`,
    evidence.length === 0 ? 'none' : told,
  ];
}

function differencesHtml(differences: readonly ProbeResult[]): string[] {
  if (differences.length === 0) return [];
  const rest = differences.length - ROWS;
  return [
    '<h2>Connections that differ</h2>',
    tableHtml(['From', 'To', 'Port', 'Target', 'Here', 'Why', 'Rules'], differences.slice(0, ROWS).map(differenceRow)),
    ...(rest > 0 ? [`<p>… and ${rest} more: the JSON has them all.</p>`] : []),
  ];
}

function differenceRow(one: ProbeResult): string[] {
  const { from, to, protocol, port, expected, because } = one;
  const why = because.map(({ text, source }) => `<li>${escaped(text)}${placeHtml(source)}</li>`).join('');
  const name = escaped(`Explain ${from} to ${to}, ${protocol} ${port}`);
  const data = `data-from="${escaped(from)}" data-to="${escaped(to)}" data-protocol="${protocol}" data-port="${port}"`;
  return [
    escaped(from),
    escaped(to),
    `${protocol} ${port}`,
    expected,
    escaped(measuredText(one)),
    `<ul>${why}</ul>`,
    `<button type="button" class="ask" aria-label="${name}" ${data}>Explain</button>`,
  ];
}

function connectionsHtml({ matrix, data, graph }: Drawn): string[] {
  const { engine, ignored } = matrix;
  const what = itemsText(data.ids.length, data.collapsed);
  return [
    '<h2 id="who">Who may reach whom</h2>',
    `<p id="how">Rows connect to columns: ${what}, by the target's policies; engine ${escaped(engine)}. ● all ports, ◐ some, ✕ denied, – itself, ! packets met something else here. Move with the arrow keys; Enter explains a cell, Escape leads back.</p>`,
    '<div class="tools"><label>Rows with<input id="rows" type="search" spellcheck="false"></label><label>Columns with<input id="columns" type="search" spellcheck="false"></label></div>',
    '<div id="grid" class="grid" role="grid" tabindex="0" aria-labelledby="who" aria-describedby="how"></div>',
    '<p id="here" role="status"></p>',
    '<form id="ask" class="tools" hidden><label>Protocol<select id="protocol"><option>TCP</option><option>UDP</option><option>SCTP</option></select></label><label>Port<input id="port" type="number" min="1" max="65535" required></label><button type="submit">Explain this port</button></form>',
    '<section id="detail" class="detail" aria-label="Explanation" tabindex="-1"></section>',
    '<h2>Allowed connections</h2>',
    graph,
    ...(ignored.length === 0 ? [] : ['<h2>Policies that decide nothing</h2>', htmlList(ignored)]),
  ];
}
