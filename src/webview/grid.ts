import type { GridData } from '../report/connections-data.ts';
import type { PageWords } from '../report/view.ts';

/** A place in the grid, by row and column of the data. */
export interface Place {
  readonly row: number;
  readonly column: number;
}

interface Shown {
  /** Indexes of the data's ids that the filters leave. */
  rows: readonly number[];
  columns: readonly number[];
  /** Where the reader is, in `rows` and `columns`. */
  row: number;
  column: number;
}

const SHAPES = { all: '●', some: '◐', none: '✕', self: '–' } as const;
/** As view-style.ts has them: a cell, the names of the rows, those of the columns. */
const [CELL, NAME, HEAD] = [22, 290, 210];
/** Cells drawn around what is on screen, so that a small scroll shows no gap. */
const MARGIN = 4;

/**
 * The matrix as an ARIA grid of which only the part on screen is in the page (https://www.w3.org/WAI/ARIA/apg/patterns/grid):
 * thousands of rows scroll like ten. `choose` is called for the cell that was clicked or entered, `move` where the reader goes.
 */
export function makeGrid(
  root: HTMLElement,
  data: GridData,
  say: PageWords,
  choose: (place: Place) => void,
  move: (words: string) => void,
): { filter(rows: string, columns: string): void } {
  const all = [...data.ids.keys()];
  const differing = new Map(data.differing.map(([row, column, what]) => [`${row} ${column}`, what]));
  const shown: Shown = { rows: all, columns: all, row: 0, column: 0 };
  const canvas = element('div', 'canvas', 'presentation');
  root.replaceChildren(canvas);
  root.setAttribute('aria-rowcount', `${all.length + 1}`);
  root.setAttribute('aria-colcount', `${all.length + 1}`);

  const idOf = (list: readonly number[], at: number) => data.ids[list[at] ?? -1] ?? '';
  const here = (): Place | undefined => {
    const [row, column] = [shown.rows[shown.row], shown.columns[shown.column]];
    return row === undefined || column === undefined ? undefined : { row, column };
  };
  const words = ({ row, column }: Place): string => {
    const { text = '' } = data.answers[data.rows[row]?.[column] ?? -1] ?? {};
    const what = differing.get(`${row} ${column}`);
    const cell = filled(say.cell, data.ids[row] ?? '', data.ids[column] ?? '', text);
    return what === undefined ? cell : filled(say.measured, cell, what);
  };

  const cell = (i: number, j: number): HTMLElement => {
    const place = { row: shown.rows[i] ?? 0, column: shown.columns[j] ?? 0 };
    const { verdict = 'self' } = data.answers[data.rows[place.row]?.[place.column] ?? -1] ?? {};
    const differs = differing.has(`${place.row} ${place.column}`);
    const div = element('div', `cell ${verdict}${differs ? ' differing' : ''}`, 'gridcell');
    div.id = `cell-${i}-${j}`;
    div.style.left = `${NAME + j * CELL}px`;
    div.textContent = differs ? '!' : SHAPES[verdict];
    div.title = words(place);
    div.setAttribute('aria-label', words(place));
    div.setAttribute('aria-colindex', `${place.column + 2}`);
    div.dataset.at = `${i} ${j}`;
    return div;
  };

  /** Shows where the reader is among what is drawn. */
  const mark = () => {
    for (const old of canvas.querySelectorAll('.active, .current')) old.classList.remove('active', 'current');
    const id = `cell-${shown.row}-${shown.column}`;
    const active = document.getElementById(id);
    active?.classList.add('active');
    active?.parentElement?.classList.add('current');
    document.getElementById(`column-${shown.column}`)?.classList.add('current');
    if (active) root.setAttribute('aria-activedescendant', id);
    else root.removeAttribute('aria-activedescendant');
  };

  const head = element('div', 'head', 'row');
  head.setAttribute('aria-rowindex', '1');
  const corner = element('div', 'corner', 'columnheader');
  corner.setAttribute('aria-colindex', '1');
  corner.textContent = say.corner;
  head.append(corner);
  canvas.append(head);
  const columnAt = (j: number): HTMLElement => {
    const column = element('div', 'column', 'columnheader');
    column.id = `column-${j}`;
    column.style.left = `${NAME + j * CELL}px`;
    column.textContent = column.title = idOf(shown.columns, j);
    column.setAttribute('aria-colindex', `${(shown.columns[j] ?? 0) + 2}`);
    return column;
  };
  const rowAt = (i: number, columns: Span): HTMLElement => {
    const row = element('div', 'row', 'row');
    row.style.top = `${HEAD + i * CELL}px`;
    row.style.width = canvas.style.width;
    row.setAttribute('aria-rowindex', `${(shown.rows[i] ?? 0) + 2}`);
    const name = element('div', 'name', 'rowheader');
    name.setAttribute('aria-colindex', '1');
    name.textContent = name.title = idOf(shown.rows, i);
    row.append(name);
    for (let j = columns.first; j < columns.last; j++) row.append(cell(i, j));
    return row;
  };

  let drawn = { rows: NONE, columns: NONE };
  /** What has come into view is made, what has left it is dropped: a key that scrolls costs a row or a column. */
  const draw = () => {
    const rows = spanOf(root.scrollTop, root.clientHeight, shown.rows.length);
    const columns = spanOf(root.scrollLeft, root.clientWidth, shown.columns.length);
    const was = drawn;
    drawn = { rows, columns };
    canvas.style.width = `${NAME + shown.columns.length * CELL}px`;
    canvas.style.height = `${HEAD + shown.rows.length * CELL}px`;
    head.style.width = canvas.style.width;
    slide(head, was.columns, columns, columnAt);
    slide(canvas, was.rows, rows, (i) => rowAt(i, columns));
    for (let i = Math.max(rows.first, was.rows.first); i < Math.min(rows.last, was.rows.last); i++) {
      const row = canvas.children[1 + i - rows.first];
      if (row) slide(row, was.columns, columns, (j) => cell(i, j));
    }
    mark();
  };

  const go = (row: number, column: number) => {
    shown.row = Math.max(0, Math.min(shown.rows.length - 1, row));
    shown.column = Math.max(0, Math.min(shown.columns.length - 1, column));
    root.scrollTop = visible(root.scrollTop, shown.row * CELL, root.clientHeight - HEAD);
    root.scrollLeft = visible(root.scrollLeft, shown.column * CELL, root.clientWidth - NAME);
    draw();
    const place = here();
    move(place ? words(place) : say.nothing);
  };
  const pick = () => {
    const place = here();
    if (place) choose(place);
  };

  const page = () => Math.max(1, Math.floor((root.clientHeight - HEAD) / CELL) - 1);
  root.addEventListener('keydown', (event) => {
    const { row, column } = shown;
    const [bottom, end] = [shown.rows.length - 1, shown.columns.length - 1];
    const far = event.ctrlKey || event.metaKey;
    const moves: Readonly<Record<string, () => void>> = {
      ArrowUp: () => go(row - 1, column),
      ArrowDown: () => go(row + 1, column),
      ArrowLeft: () => go(row, column - 1),
      ArrowRight: () => go(row, column + 1),
      Home: () => go(far ? 0 : row, 0),
      End: () => go(far ? bottom : row, end),
      PageUp: () => go(row - page(), column),
      PageDown: () => go(row + page(), column),
      Enter: pick,
      ' ': pick,
    };
    const act = moves[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
  root.addEventListener('click', ({ target }) => {
    const at = target instanceof HTMLElement ? target.dataset.at?.split(' ').map(Number) : undefined;
    if (!at) return;
    go(at[0] ?? 0, at[1] ?? 0);
    pick();
  });
  let due = false;
  const later = () => {
    if (due) return;
    due = true;
    requestAnimationFrame(() => {
      due = false;
      draw();
    });
  };
  root.addEventListener('scroll', later);
  new ResizeObserver(later).observe(root);
  draw();
  return {
    filter(rows, columns) {
      const having = (text: string) =>
        all.filter((i) => (data.ids[i] ?? '').toLowerCase().includes(text.toLowerCase()));
      Object.assign(shown, { rows: having(rows), columns: having(columns) });
      drawn = { rows: NONE, columns: NONE };
      go(0, 0);
    },
  };
}

/** Some places in a row: from the first, up to the last and without it. */
interface Span {
  readonly first: number;
  readonly last: number;
}

const NONE: Span = { first: 0, last: 0 };

/** What is on screen of `count` places, and a margin. */
function spanOf(scroll: number, size: number, count: number): Span {
  return {
    first: Math.max(0, Math.floor(scroll / CELL) - MARGIN),
    last: Math.min(count, Math.ceil((scroll + size) / CELL) + MARGIN),
  };
}

/** Makes the children of `parent` after its first those of `now`, where they were those of `was`. */
function slide(parent: Element, was: Span, now: Span, make: (at: number) => HTMLElement): void {
  const kept = { first: Math.max(was.first, now.first), last: Math.min(was.last, now.last) };
  if (kept.first >= kept.last) {
    while (parent.children.length > 1) parent.lastElementChild?.remove();
    for (let at = now.first; at < now.last; at++) parent.append(make(at));
    return;
  }
  for (let at = was.first; at < kept.first; at++) parent.children[1]?.remove();
  for (let at = kept.last; at < was.last; at++) parent.lastElementChild?.remove();
  const next = parent.children[1] ?? null;
  for (let at = now.first; at < kept.first; at++) parent.insertBefore(make(at), next);
  for (let at = kept.last; at < now.last; at++) parent.append(make(at));
}

/** Where to scroll so that a cell at `at` is inside a window of `size`. */
function visible(scroll: number, at: number, size: number): number {
  if (at < scroll) return at;
  return at + CELL > scroll + size ? at + CELL - size : scroll;
}

function filled(text: string, ...values: readonly string[]): string {
  return text.replace(/\{(\d)\}/g, (_, n) => values[Number(n)] ?? '');
}

function element(tag: string, className: string, role: string): HTMLElement {
  const made = document.createElement(tag);
  made.className = className;
  made.setAttribute('role', role);
  return made;
}
