import { createHash } from 'node:crypto';
import { evaluator } from '../policy/evaluate.ts';
import { type Matrix, matrix as matrixOf } from '../policy/matrix.ts';
import type { Endpoint, PolicyModel, Verdict } from '../policy/model.ts';
import { verdictReasons } from '../policy/reasons.ts';
import type { Protocol } from '../snapshot/model.ts';
import { escaped } from './escape.ts';
import { graphSvg } from './graph.ts';
import { type Grid, type GridCell, gridOf } from './grid.ts';
import { gridSvg } from './picture.ts';

const STYLE = `body{font:14px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:80rem;padding:0 1rem;color:#1a1a1a;background:#fff}
.wide{overflow-x:auto}h3{font-size:1rem;margin:1.2rem 0 .2rem}ul{margin:.2rem 0}table{border-collapse:collapse}th,td{border:1px solid #8a8a8a;padding:.2rem .5rem;text-align:left;vertical-align:top}:target{outline:2px solid #1e3a8a;outline-offset:4px}`;

/** How many pairs of groups are spelled out for two namespaces that stand for their groups. */
const PAIRS = 5;

/**
 * A page of its own: the matrix and the graph, and below for each cell the rules that decide it, with file and line.
 * No script and no resource: its own policy (CSP) lets nothing but its style through. `before` is HTML of the caller.
 */
export function matrixPage(model: PolicyModel, title: string, before = ''): string {
  const matrix = matrixOf(model);
  const grid = gridOf(matrix);
  const number = new Map(grid.items.map((item, i) => [item.id, i]));
  const anchor = ({ from, to }: GridCell) => `pair-${number.get(from.id)}-${number.get(to.id)}`;
  const told = grid.cells.flat().filter((cell) => cell.verdict !== 'self');
  const tell = teller(model, matrix, grid);
  return htmlDocument(title, [
    `<h1>${escaped(title)}</h1>`,
    before,
    '<h2>Who may reach whom</h2>',
    `<p>Rows connect to columns; engine ${escaped(matrix.engine)}. Each cell leads to the rules that decide it.</p>`,
    `<div class="wide">${gridSvg(grid, (cell) => (cell.verdict === 'self' ? undefined : `#${anchor(cell)}`))}</div>`,
    '<h2>Allowed connections</h2>',
    `<div class="wide">${graphSvg(grid)}</div>`,
    ...(matrix.ignored.length === 0 ? [] : ['<h2>Policies that decide nothing</h2>', htmlList(matrix.ignored)]),
    '<h2>Why</h2>',
    ...told.map(
      (cell) =>
        `<section id="${anchor(cell)}"><h3>${escaped(`${cell.from.id} to ${cell.to.id}: ${cell.text}`)}</h3>${tell(cell)}</section>`,
    ),
  ]);
}

/** A page whose policy (CSP) lets nothing but its own style through. `body`: HTML. */
export function htmlDocument(title: string, body: readonly string[]): string {
  const hash = createHash('sha256').update(STYLE).digest('base64');
  return [
    '<!DOCTYPE html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-${hash}'">`,
    '<meta name="viewport" content="width=device-width">',
    `<title>${escaped(title)}</title>`,
    `<style>${STYLE}</style>`,
    '</head>',
    '<body>',
    ...body.filter((part) => part !== ''),
    '</body>',
    '</html>',
    '',
  ].join('\n');
}

/** Lines as an HTML list. */
export function htmlList(lines: readonly string[]): string {
  return `<ul>${lines.map((line) => `<li>${escaped(line)}</li>`).join('')}</ul>`;
}

type Group = Matrix['groups'][number];

/** Tells of a cell as HTML why it is so. */
function teller(model: PolicyModel, matrix: Matrix, { collapsed }: Grid): (cell: GridCell) => string {
  const ask = evaluator(model);
  const pods = new Map(model.pods.map((pod) => [pod.id, pod]));
  const groups = new Map(matrix.groups.map((g) => [g.id, g]));
  const inNamespace = Map.groupBy(matrix.groups, (g) => g.namespace);
  const open = Map.groupBy(matrix.connections, (c) => `${c.from}\n${c.to}`);
  const ofPair = (from: Group, to: Group): string[] => {
    const [source, destination] = ends(from, to, pods);
    if (!source || !destination) return [];
    const connections = open.get(`${from.id}\n${to.id}`) ?? [];
    const allowed = connections.flatMap((c) =>
      c.ports.slice(0, 1).map((p) => ({ protocol: c.protocol, port: first(p) })),
    );
    const denied = deniedPort(to, connections);
    return [...allowed.slice(0, 1), ...(denied ? [denied] : [])].flatMap(({ protocol, port }) => {
      const verdict = ask({ from: source, to: destination, protocol, port });
      return reasons(verdict).map((line) => `${protocol} ${port} ${line}`);
    });
  };
  return ({ from, to }) => {
    if (!collapsed) {
      const [source, destination] = [groups.get(from.id), groups.get(to.id)];
      return source && destination ? htmlList(ofPair(source, destination)) : '';
    }
    const all = (inNamespace.get(from.id) ?? []).flatMap((a) => (inNamespace.get(to.id) ?? []).map((b) => ({ a, b })));
    const pairs = all.filter(({ a, b }) => a !== b || a.pods.length > 1);
    const shown = pairs
      .slice(0, PAIRS)
      .map(({ a, b }) => `<p>${escaped(`${a.id} to ${b.id}`)}</p>${htmlList(ofPair(a, b))}`);
    const rest = pairs.length - PAIRS;
    return `${shown.join('')}${rest > 0 ? `<p>… and ${rest} more pairs: ask with clparity explain.</p>` : ''}`;
  };
}

/** A pod of each; two of one group where they are the same. */
function ends(from: Group, to: Group, pods: ReadonlyMap<string, Endpoint>): (Endpoint | undefined)[] {
  return [pods.get(from.pods[0] ?? ''), pods.get((from === to ? to.pods[1] : to.pods[0]) ?? '')];
}

function first(range: string): number {
  return Number(range.split('-')[0]);
}

/** A port that a person may miss: one that the destination serves and that isn't allowed, else any if none is. */
function deniedPort(to: Group, open: Matrix['connections']): { protocol: Protocol; port: number } | undefined {
  const isOpen = (protocol: Protocol, port: number) =>
    open.some((c) => c.protocol === protocol && c.ports.some((r) => within(r, port)));
  const served = to.ports.find((p) => !isOpen(p.protocol, p.port));
  if (served) return { protocol: served.protocol, port: served.port };
  return open.length === 0 ? { protocol: 'TCP', port: 80 } : undefined;
}

function within(range: string, port: number): boolean {
  const [low, high] = range.split('-').map(Number);
  return low !== undefined && low <= port && port <= (high ?? low);
}

function reasons(verdict: Verdict): string[] {
  return verdictReasons(verdict).map((line) => `${verdict.allowed ? 'allowed' : 'denied'}: ${line}`);
}
