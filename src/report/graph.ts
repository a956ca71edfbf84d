import { escaped } from './escape.ts';
import { type Grid, type GridCell, itemsText, MOST_ITEMS } from './grid.ts';
import { clipped, round } from './picture.ts';

const FONT = 'font-family="system-ui, sans-serif" font-size="11" fill="#1a1a1a"';

/** More lines than this nobody can follow. */
const MOST_LINES = 300;

/** The graph with what goes around it in a page, or where to look instead; `label` makes it a region to scroll in. */
export function graphHtml(grid: Grid, label?: string): string {
  const { items } = grid;
  if (items.length > MOST_ITEMS) {
    return `<p>${items.length} namespaces are too many to draw as a graph: the matrix has them all.</p>`;
  }
  const lines = linesOf(grid).length;
  if (lines > MOST_LINES) return `<p>${lines} lines are too many to follow in a graph: the matrix has them all.</p>`;
  const region = label === undefined ? '' : ` tabindex="0" role="region" aria-label="${escaped(label)}"`;
  return `<div class="wide"${region}>${graphSvg(grid)}</div>`;
}

/** A connection to draw, and that of the way back where it is the same. */
interface Line {
  readonly cell: GridCell;
  readonly back: GridCell | undefined;
  readonly i: number;
  readonly j: number;
}

function linesOf({ cells }: Grid): Line[] {
  const isOpen = ({ verdict }: GridCell) => verdict === 'all' || verdict === 'some';
  return cells.flatMap((row, i) =>
    row.flatMap((cell, j): Line[] => {
      if (i === j || !isOpen(cell)) return [];
      const back = cells[j]?.[i];
      const isSame = back?.verdict === cell.verdict;
      return isSame && j < i ? [] : [{ cell, back: isSame ? back : undefined, i, j }];
    }),
  );
}

/**
 * The allowed connections of a grid as an SVG element: items on a circle by namespace, an arrow for each connection, with
 * two heads where it is the same both ways.
 */
function graphSvg(grid: Grid): string {
  const { items } = grid;
  const lines = linesOf(grid);
  const open = lines.length + lines.filter(({ back }) => back !== undefined).length;
  // Room for the labels around it, and for the arrows inside.
  const radius = Math.max(90, (items.length * 17) / (2 * Math.PI), 11 * Math.sqrt(lines.length));
  const margin = Math.max(40, ...items.map(({ id }) => clipped(id).length * 6.4 + 24));
  const middle = radius + margin;
  const angle = (i: number) => (2 * Math.PI * i) / Math.max(1, items.length) - Math.PI / 2;
  const point = (i: number, r: number) =>
    [round(middle + r * Math.cos(angle(i))), round(middle + r * Math.sin(angle(i)))] as const;
  const title = `Allowed connections: ${open} between ${itemsText(items.length, grid.collapsed)}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${round(middle * 2)}" height="${round(middle * 2)}" viewBox="0 0 ${round(middle * 2)} ${round(middle * 2)}" role="img" aria-label="${escaped(title)}">`,
    `<title>${escaped(title)}</title>`,
    '<desc>A solid arrow: all ports. A dashed one: some. Two heads: both ways.</desc>',
    '<defs><marker id="graph-head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="6" markerHeight="6" orient="auto-start-reverse"><path d="M0 0 L8 4 L0 8 Z" fill="#334155"/></marker></defs>',
    '<rect width="100%" height="100%" fill="#ffffff"/>',
    '<g fill="none" stroke="#334155" stroke-opacity="0.75">',
    ...lines.map((line) => edge(line, point(line.i, radius - 6), point(line.j, radius - 6), middle)),
    '</g>',
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
function edge({ cell, back }: Line, [x1, y1]: Point, [x2, y2]: Point, middle: number): string {
  const { from, to, verdict } = cell;
  const bend = (a: number, b: number) => round(((a + b) / 2 + middle) / 2);
  const data = `data-from="${escaped(from.id)}" data-to="${escaped(to.id)}" data-verdict="${verdict}"`;
  const dashes = verdict === 'some' ? ' stroke-dasharray="5 3"' : '';
  const path = `M${x1} ${y1} Q${bend(x1, x2)} ${bend(y1, y2)} ${x2} ${y2}`;
  const title = (c: GridCell) => `${c.from.id} to ${c.to.id}: ${c.text}`;
  const words = back ? `${title(cell)}\n${title(back)}` : title(cell);
  const heads = `${back ? ' marker-start="url(#graph-head)"' : ''} marker-end="url(#graph-head)"`;
  return `<path d="${path}"${dashes}${heads} ${data}><title>${escaped(words)}</title></path>`;
}
