import { escaped } from './escape.ts';
import type { Grid, GridCell } from './grid.ts';
import { clipped, round } from './picture.ts';

const FONT = 'font-family="system-ui, sans-serif" font-size="11" fill="#1a1a1a"';

/** The allowed connections of a grid as an SVG element: items on a circle by namespace, an arrow for each connection. */
export function graphSvg(grid: Grid): string {
  const { items } = grid;
  const open = grid.cells.flatMap((row, i) =>
    row.flatMap((cell, j) => (i !== j && (cell.verdict === 'all' || cell.verdict === 'some') ? [{ cell, i, j }] : [])),
  );
  // Room for the labels around it, and for the arrows inside.
  const radius = Math.max(90, (items.length * 17) / (2 * Math.PI), 11 * Math.sqrt(open.length));
  const margin = Math.max(40, ...items.map(({ id }) => clipped(id).length * 6.4 + 24));
  const middle = radius + margin;
  const angle = (i: number) => (2 * Math.PI * i) / Math.max(1, items.length) - Math.PI / 2;
  const point = (i: number, r: number) =>
    [round(middle + r * Math.cos(angle(i))), round(middle + r * Math.sin(angle(i)))] as const;
  const title = `Allowed connections: ${open.length} between ${items.length} ${grid.collapsed ? 'namespaces' : 'groups of pods'}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${round(middle * 2)}" height="${round(middle * 2)}" viewBox="0 0 ${round(middle * 2)} ${round(middle * 2)}" role="img" aria-label="${escaped(title)}">`,
    `<title>${escaped(title)}</title>`,
    '<desc>A solid arrow: all ports. A dashed one: some.</desc>',
    '<defs><marker id="graph-head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="6" markerHeight="6" orient="auto"><path d="M0 0 L8 4 L0 8 Z" fill="#334155"/></marker></defs>',
    '<rect width="100%" height="100%" fill="#ffffff"/>',
    ...open.map(({ cell, i, j }) => edge(cell, point(i, radius - 6), point(j, radius - 6), middle)),
    `<g ${FONT}>`,
    ...items.map((item, i) => {
      const [x, y] = point(i, radius + 8);
      const [cx, cy] = point(i, radius);
      const degrees = round((angle(i) * 180) / Math.PI);
      const flipped = Math.cos(angle(i)) < -1e-9;
      const turn = flipped ? degrees + 180 : degrees;
      const anchor = flipped ? ' text-anchor="end"' : '';
      return `<circle cx="${cx}" cy="${cy}" r="4" fill="#334155"/><text transform="translate(${x} ${y}) rotate(${round(turn)})" dy="4"${anchor}><title>${escaped(item.id)}</title>${escaped(clipped(item.id))}</text>`;
    }),
    '</g>',
    '</svg>',
  ].join('\n');
}

type Point = readonly [x: number, y: number];

/** Bent towards the middle, so that arrows of neighbours part. */
function edge({ from, to, verdict, text }: GridCell, [x1, y1]: Point, [x2, y2]: Point, middle: number): string {
  const bend = (a: number, b: number) => round(((a + b) / 2 + middle) / 2);
  const data = `data-from="${escaped(from.id)}" data-to="${escaped(to.id)}" data-verdict="${verdict}"`;
  const dashes = verdict === 'some' ? ' stroke-dasharray="5 3"' : '';
  const path = `M${x1} ${y1} Q${bend(x1, x2)} ${bend(y1, y2)} ${x2} ${y2}`;
  return `<path d="${path}" fill="none" stroke="#334155" stroke-opacity="0.75"${dashes} marker-end="url(#graph-head)" ${data}><title>${escaped(`${from.id} to ${to.id}: ${text}`)}</title></path>`;
}
