import type { Matrix } from '../policy/matrix.ts';
import type { ProbeResult } from '../verify/model.ts';
import { type CellVerdict, type Grid, gridSteps } from './grid.ts';

/** More groups than this stand for their namespaces, in a grid that draws only what is on screen. */
const MOST_DRAWN = 1000;

/** A grid as the editor's page takes it: small enough to travel, ready to be drawn in part. */
export interface GridData {
  readonly collapsed: boolean;
  /** Rows and columns alike. */
  readonly ids: readonly string[];
  /** What cells say: each once. */
  readonly answers: readonly { readonly verdict: CellVerdict; readonly text: string }[];
  /** Row by row, places in `answers`. */
  readonly rows: readonly (readonly number[])[];
  /** Row and column of the cells in which packets met something else here, and what, in words. */
  readonly differing: readonly (readonly [row: number, column: number, what: string])[];
}

/** Lays out a matrix, with the connections that were measured to differ marked in it. With pauses: see inSlices. */
export function* gridDataSteps(
  matrix: Matrix,
  differences: readonly ProbeResult[],
  most = MOST_DRAWN,
): Generator<undefined, GridData> {
  const grid = yield* gridSteps(matrix, most);
  const known = new Map<string, number>();
  const answers: GridData['answers'][number][] = [];
  const placeOf = ({ verdict, text }: GridData['answers'][number]): number => {
    const key = `${verdict} ${text}`;
    const place = known.get(key) ?? answers.push({ verdict, text }) - 1;
    known.set(key, place);
    return place;
  };
  const rows: number[][] = [];
  for (const row of grid.cells) {
    rows.push(row.map(placeOf));
    yield;
  }
  return {
    collapsed: grid.collapsed,
    ids: grid.items.map(({ id }) => id),
    rows,
    answers,
    differing: differingCells(matrix, differences, grid),
  };
}

/** The cells of a grid in which packets met something else here than the target's policies say. */
export function differingCells(
  { groups }: Matrix,
  differences: readonly ProbeResult[],
  { items, collapsed }: Pick<Grid, 'items' | 'collapsed'>,
): GridData['differing'] {
  const number = new Map(items.map(({ id }, i) => [id, i]));
  const itemOf = new Map<string, number | undefined>(
    groups.flatMap(({ id, namespace, workloads }) =>
      workloads.map((workload) => [`${namespace}/${workload}`, number.get(collapsed ? namespace : id)] as const),
    ),
  );
  const cells = Map.groupBy(differences, (d) => `${itemOf.get(d.from)} ${itemOf.get(d.to)}`);
  return [...cells.values()].flatMap((list) => {
    const [first] = list;
    const [row, column] = [itemOf.get(first?.from ?? ''), itemOf.get(first?.to ?? '')];
    // What lies outside of the cluster has no row.
    if (row === undefined || column === undefined) return [];
    const what = list.map((d) => `${d.protocol} ${d.port} ${d.expected} at the target, ${d.measured} here`);
    return [[row, column, what.join('; ')] as const];
  });
}
