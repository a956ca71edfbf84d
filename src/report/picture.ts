import { inSlices } from '../host/slices.ts';
import type { Matrix } from '../policy/matrix.ts';
import type { GridData } from './connections-data.ts';
import { escaped } from './escape.ts';
import { type CellVerdict, type Grid, type GridCell, gridSteps, itemsText } from './grid.ts';

/** Where a cell leads to; undefined where nothing is told of it. */
export type LinkOf = (cell: GridCell) => string | undefined;

const CELL = 18;
const FONT = 'font-family="system-ui, sans-serif" font-size="11" fill="#1a1a1a"';
const LONGEST_LABEL = 42;
/** About what a character of that size needs. */
const CHARACTER = 6.4;

const VERDICT_WORDS: Readonly<Record<CellVerdict, string>> = {
  all: 'allowed on all ports',
  some: 'allowed on some',
  none: 'denied',
  self: 'itself',
};

const LEGEND = ['all', 'some', 'none'] as const;
const LEGEND_STEP = 160;

/** The matrix as an SVG file of its own: rows connect to columns. Shapes say what colours say. */
export function matrixSvg(matrix: Matrix, signal: AbortSignal): Promise<string> {
  return inSlices(svgSteps(matrix), signal);
}

function* svgSteps(matrix: Matrix): Generator<undefined, string> {
  return `<?xml version="1.0" encoding="UTF-8"?>\n${yield* gridSvgSteps(yield* gridSteps(matrix))}\n`;
}

/** What a page adds to a grid's picture. */
export interface GridMarks {
  /** Makes its cells links. */
  readonly linkOf?: LinkOf;
  /** Cells where packets met something else here, and what. */
  readonly differing?: GridData['differing'];
}

/** A grid as an SVG element, for a page. No style attribute, no script, no resource. With pauses: see inSlices. */
export function* gridSvgSteps(grid: Grid, { linkOf, differing = [] }: GridMarks = {}): Generator<undefined, string> {
  const measured = new Map(differing.map(([row, column, what]) => [`${row} ${column}`, what]));
  const longest = Math.max(8, ...grid.items.map(({ label }) => clipped(label).length));
  const namespaces = Math.max(0, ...grid.items.map(({ namespace }) => namespace.length));
  const band = grid.collapsed ? 0 : Math.min(namespaces, 24) * CHARACTER + 14;
  const left = band + longest * CHARACTER + 14;
  const top = longest * CHARACTER + 30;
  const size = grid.items.length * CELL;
  const [width, height] = [Math.max(left + size + 10, LEGEND.length * LEGEND_STEP), top + size + 34];
  const title = `Who may reach whom: ${itemsText(grid.items.length, grid.collapsed)}, engine ${grid.engine}`;
  const cells: string[] = [];
  for (const [i, row] of grid.cells.entries()) {
    for (const [j, cell] of row.entries()) {
      const place = { x: round(left + j * CELL), y: round(top + i * CELL) };
      cells.push(cellSvg(cell, place, linkOf?.(cell), measured.get(`${i} ${j}`)));
    }
    yield;
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${round(width)}" height="${round(height)}" viewBox="0 0 ${round(width)} ${round(height)}" role="${linkOf ? 'group' : 'img'}" aria-label="${escaped(title)}">`,
    `<title>${escaped(title)}</title>`,
    `<desc>Rows connect to columns. A dot: all ports. Half a dot: some. A cross: denied.${differing.length > 0 ? ' An exclamation mark: packets met something else here.' : ''}</desc>`,
    SYMBOLS,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    `<g ${FONT}>`,
    ...grid.items.map((item, i) => {
      const y = top + i * CELL + 13;
      const x = left + i * CELL + 13;
      const text = escaped(clipped(item.label));
      return `<text x="${round(left - 6)}" y="${y}" text-anchor="end"><title>${escaped(item.id)}</title>${text}</text><text transform="translate(${round(x)} ${round(top - 6)}) rotate(-90)"><title>${escaped(item.id)}</title>${text}</text>`;
    }),
    ...(grid.collapsed ? [] : bands(grid, left, top)),
    ...legend(round(height - 12)),
    '</g>',
    cells.join('\n'),
    '</svg>',
  ].join('\n');
}

/** Told apart by shape, by darkness, and by colour last. */
const SYMBOLS = `<defs>
<g id="cell-all"><rect width="17" height="17" fill="#d5ecd9" stroke="#8a8a8a" stroke-width="0.5"/><circle cx="8.5" cy="8.5" r="5" fill="#14532d"/></g>
<g id="cell-some"><rect width="17" height="17" fill="#eef4fb" stroke="#8a8a8a" stroke-width="0.5"/><circle cx="8.5" cy="8.5" r="4.5" fill="none" stroke="#1e3a8a" stroke-width="1.2"/><path d="M8.5 4 A4.5 4.5 0 0 0 8.5 13 Z" fill="#1e3a8a"/></g>
<g id="cell-none"><rect width="17" height="17" fill="#fdecec" stroke="#8a8a8a" stroke-width="0.5"/><path d="M5 5 L12 12 M12 5 L5 12" stroke="#9f1239" stroke-width="1.6"/></g>
<g id="cell-self"><rect width="17" height="17" fill="#f2f2f2" stroke="#8a8a8a" stroke-width="0.5"/><path d="M6 8.5 H11" stroke="#8a8a8a" stroke-width="1.2"/></g>
<g id="cell-differs"><rect width="17" height="17" fill="#fde68a" stroke="#1a1a1a" stroke-width="1.5"/><path d="M8.5 3 V10 M8.5 12.5 V14.5" stroke="#1a1a1a" stroke-width="2"/></g>
</defs>`;

function cellSvg(
  { from, to, verdict, text }: GridCell,
  { x, y }: { readonly x: number; readonly y: number },
  link: string | undefined,
  measured: string | undefined,
): string {
  const words = escaped(`${from.id} to ${to.id}: ${text}${measured === undefined ? '' : `; measured: ${measured}`}`);
  const data = `data-from="${escaped(from.id)}" data-to="${escaped(to.id)}" data-verdict="${verdict}"`;
  const shape = `<g ${data}><title>${words}</title><use href="#cell-${measured === undefined ? verdict : 'differs'}" x="${x}" y="${y}"/></g>`;
  return link === undefined ? shape : `<a href="${escaped(link)}" aria-label="${words}">${shape}</a>`;
}

/** A line between namespaces, and their names beside. */
function bands({ items }: Grid, left: number, top: number): string[] {
  const size = items.length * CELL;
  const runs = [...Map.groupBy(items.entries(), ([, item]) => item.namespace)];
  return runs.flatMap(([namespace, run]) => {
    const first = run[0]?.[0] ?? 0;
    const at = round(first * CELL - 0.5);
    const name = namespace.length > 24 ? `${namespace.slice(0, 23)}…` : namespace;
    const line = 'stroke="#1a1a1a" stroke-width="1"';
    return [
      `<path d="M6 ${top + at} H${round(left + size)} M${round(left + at)} 6 V${round(top + size)}" ${line}/>`,
      `<text x="6" y="${round(top + first * CELL + 13)}" font-weight="bold"><title>${escaped(namespace)}</title>${escaped(name)}</text>`,
    ];
  });
}

function legend(y: number): string[] {
  return LEGEND.map((verdict, i) => {
    const x = i * LEGEND_STEP;
    return `<use href="#cell-${verdict}" x="${6 + x}" y="${y - 13}"/><text x="${28 + x}" y="${y}">${VERDICT_WORDS[verdict]}</text>`;
  });
}

export function clipped(label: string): string {
  return label.length > LONGEST_LABEL ? `${label.slice(0, LONGEST_LABEL - 1)}…` : label;
}

export function round(n: number): number {
  return Math.round(n * 10) / 10;
}
