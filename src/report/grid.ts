import { counted } from '../host/counted.ts';
import { atOnce } from '../host/slices.ts';
import type { Matrix, MatrixConnection } from '../policy/matrix.ts';

/** `all`: every port of every protocol; `some`: the named ones; `none`: denied; `self`: nothing to say. */
export type CellVerdict = 'all' | 'some' | 'none' | 'self';

/** A row and a column at once: a group of pods, or a namespace with all of its groups. */
export interface GridItem {
  readonly id: string;
  readonly label: string;
  readonly namespace: string;
}

export interface GridCell {
  readonly from: GridItem;
  readonly to: GridItem;
  readonly verdict: CellVerdict;
  /** In words: ports, or how many pairs may connect. */
  readonly text: string;
}

/** A matrix made ready to be drawn. */
export interface Grid {
  readonly engine: string;
  readonly collapsed: boolean;
  readonly items: readonly GridItem[];
  /** Row by row. */
  readonly cells: readonly (readonly GridCell[])[];
}

/** More groups than this can't be read in one picture: then namespaces stand for them. */
export const MOST_ITEMS = 60;

const EVERY = 'all ports';

/** Lays a matrix out, by namespace; with many groups, a namespace stands for all of its own. */
export function gridOf(...layout: Parameters<typeof gridSteps>): Grid {
  return atOnce(gridSteps(...layout));
}

/** The same, with pauses: see inSlices. */
export function* gridSteps(matrix: Matrix, most = MOST_ITEMS): Generator<undefined, Grid> {
  const between = yield* connectionsBetween(matrix);
  const collapsed = matrix.groups.length > most;
  const items = collapsed ? namespacesOf(matrix) : matrix.groups.map(itemOf).sort(byNamespace);
  const cellOf = collapsed ? namespaceCells(matrix, between) : groupCells(matrix, between);
  const cells: GridCell[][] = [];
  for (const from of items) {
    cells.push(items.map((to) => ({ from, to, ...cellOf(from.id, to.id) })));
    yield;
  }
  return { engine: matrix.engine, collapsed, items, cells };
}

/** What one group may send another. */
export type Between = (from: string, to: string) => readonly MatrixConnection[];

/** Finds connections by their ends: there may be millions. With pauses. */
export function* connectionsBetween({ connections }: Pick<Matrix, 'connections'>): Generator<undefined, Between> {
  const rows = new Map<string, ReadonlyMap<string, readonly MatrixConnection[]>>();
  for (const [from, row] of Map.groupBy(connections, (c) => c.from)) {
    rows.set(
      from,
      Map.groupBy(row, (c) => c.to),
    );
    yield;
  }
  return (from, to) => rows.get(from)?.get(to) ?? [];
}

type Answer = Pick<GridCell, 'verdict' | 'text'>;

function itemOf({ id, namespace }: Matrix['groups'][number]): GridItem {
  return { id, namespace, label: id.slice(namespace.length + 1) };
}

function byNamespace(a: GridItem, b: GridItem): number {
  const [x, y] = [`${a.namespace}\n${a.id}`, `${b.namespace}\n${b.id}`];
  return x < y ? -1 : x > y ? 1 : 0;
}

function namespacesOf({ groups }: Matrix): GridItem[] {
  const counts = Map.groupBy(groups, (g) => g.namespace);
  return [...counts]
    .map(([namespace, list]) => ({ id: namespace, namespace, label: `${namespace} (${list.length})` }))
    .sort(byNamespace);
}

function groupCells({ groups }: Matrix, between: Between): (from: string, to: string) => Answer {
  const alone = new Set(groups.filter((g) => g.count < 2).map((g) => g.id));
  return (from, to) => {
    if (from === to && alone.has(from)) return { verdict: 'self', text: 'one pod, itself' };
    return portsOf(between(from, to));
  };
}

function portsOf(connections: readonly MatrixConnection[]): Answer {
  if (connections.length === 0) return { verdict: 'none', text: 'denied' };
  if (isEverything(connections)) return { verdict: 'all', text: EVERY };
  const text = connections.map((c) => `${c.protocol} ${c.ports.join(',')}`).join('; ');
  return { verdict: 'some', text };
}

/** TCP, UDP and SCTP, every port. */
function isEverything(connections: readonly MatrixConnection[]): boolean {
  return connections.length === 3 && connections.every((c) => c.ports.length === 1 && c.ports[0] === '1-65535');
}

function namespaceCells({ groups }: Matrix, between: Between): (from: string, to: string) => Answer {
  const namespaces = Map.groupBy(groups, (g) => g.namespace);
  return (from, to) => {
    const pairs = (namespaces.get(from) ?? []).flatMap((a) =>
      (namespaces.get(to) ?? []).flatMap((b) => (a !== b || a.count > 1 ? [between(a.id, b.id)] : [])),
    );
    if (pairs.length === 0) return { verdict: 'self', text: 'one pod, itself' };
    const open = pairs.filter((connections) => connections.length > 0);
    if (open.length === 0) return { verdict: 'none', text: 'denied' };
    if (open.length === pairs.length && open.every(isEverything)) return { verdict: 'all', text: EVERY };
    return { verdict: 'some', text: `${open.length} of ${pairs.length} pairs may connect` };
  };
}

/** How many rows a grid has, in words. */
export function itemsText(count: number, collapsed: boolean): string {
  return collapsed ? counted(count, 'namespace') : `${counted(count, 'group')} of pods`;
}
