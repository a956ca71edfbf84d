import { createHash } from 'node:crypto';
import { atOnce } from '../host/slices.ts';
import { matrixSteps } from '../policy/matrix.ts';
import type { PolicyModel } from '../policy/model.ts';
import type { ProbeResult } from '../verify/model.ts';
import { differingCells } from './connections-data.ts';
import { escaped, htmlList } from './escape.ts';
import { graphHtml } from './graph.ts';
import { gridSteps } from './grid.ts';
import { gridSvgSteps } from './picture.ts';
import { whySteps } from './why.ts';

const STYLE = `body{font:14px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:80rem;padding:0 1rem;color:#1a1a1a;background:#fff}
.wide{overflow-x:auto}h3{font-size:1rem;margin:1.2rem 0 .2rem}ul{margin:.2rem 0}table{border-collapse:collapse}th,td{border:1px solid #8a8a8a;padding:.2rem .5rem;text-align:left;vertical-align:top}:target{outline:2px solid #1e3a8a;outline-offset:4px}`;

/**
 * A page of its own: the matrix and the graph, and below for each cell the rules that decide it, with file and line.
 * Where cells are too many, they lead to the policies of the namespace that decides. No script and no resource.
 * `before` is HTML of the caller; cells of `differences` are marked.
 */
export function matrixPage(...page: Parameters<typeof matrixPageSteps>): string {
  return atOnce(matrixPageSteps(...page));
}

/** The same, with pauses: see inSlices. */
export function* matrixPageSteps(
  model: PolicyModel,
  title: string,
  before = '',
  differences: readonly ProbeResult[] = [],
): Generator<undefined, string> {
  const matrix = yield* matrixSteps(model);
  const grid = yield* gridSteps(matrix);
  const differing = differingCells(matrix, differences, grid);
  const why = yield* whySteps(model, matrix, grid);
  const picture = yield* gridSvgSteps(grid, { linkOf: why.linkOf, differing });
  return htmlDocument(title, [
    `<h1>${escaped(title)}</h1>`,
    before,
    '<h2>Who may reach whom</h2>',
    `<p>Rows connect to columns; engine ${escaped(matrix.engine)}. Each cell leads to what decides it.${differing.length > 0 ? ' ! packets met something else here.' : ''}</p>`,
    `<div class="wide">${picture}</div>`,
    '<h2>Allowed connections</h2>',
    graphHtml(grid),
    ...(matrix.ignored.length === 0 ? [] : ['<h2>Policies that decide nothing</h2>', htmlList(matrix.ignored)]),
    '<h2>Why</h2>',
    ...why.sections,
  ]);
}

/** A page whose policy (CSP) lets nothing but its own style through. `body`: HTML. */
export function htmlDocument(title: string, body: readonly string[]): string {
  const hash = createHash('sha256').update(STYLE).digest('base64');
  return htmlPage({ title, policy: `default-src 'none'; style-src 'sha256-${hash}'`, style: STYLE }, body);
}

/** What stands above a page. */
export interface PageHead {
  readonly title: string;
  /** The content security policy. */
  readonly policy: string;
  readonly style: string;
  /** By which the policy knows the style; without one it has to know it by its digest. */
  readonly nonce?: string;
}

/** A whole page. `main` and what comes `after` it, such as scripts: HTML; empty parts are left out. */
export function htmlPage(
  { title, policy, style, nonce }: PageHead,
  main: readonly string[],
  after: readonly string[] = [],
): string {
  return [
    '<!DOCTYPE html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${policy}">`,
    '<meta name="viewport" content="width=device-width">',
    '<meta name="generator" content="clparity">',
    `<title>${escaped(title)}</title>`,
    `<style${nonce === undefined ? '' : ` nonce="${nonce}"`}>${style}</style>`,
    '</head>',
    '<body>',
    '<main>',
    ...main.filter((part) => part !== ''),
    '</main>',
    ...after,
    '</body>',
    '</html>',
    '',
  ].join('\n');
}
