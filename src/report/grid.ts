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
export function gridOf(matrix: Matrix, most = MOST_ITEMS): Grid {
  const byPair = Map.groupBy(matrix.connections, (c) => pairKey(c.from, c.to));
  const collapsed = matrix.groups.length > most;
  const items = collapsed ? namespacesOf(matrix) : matrix.groups.map(itemOf).sort(byNamespace);
  const cellOf = collapsed ? namespaceCells(matrix, byPair) : groupCells(matrix, byPair);
  return {
    engine: matrix.engine,
    collapsed,
    items,
    cells: items.map((from) => items.map((to) => ({ from, to, ...cellOf(from.id, to.id) }))),
  };
}

type Pairs = ReadonlyMap<string, readonly MatrixConnection[]>;
type Answer = Pick<GridCell, 'verdict' | 'text'>;

function pairKey(from: string, to: string): string {
  return `${from}\n${to}`;
}

function itemOf({ id, namespace }: Matrix['groups'][number]): GridItem {
  return { id, namespace, label: id.slice(namespace.length + 1) };
}

function byNamespace(a: GridItem, b: GridItem): number {
  const [x, y] = [pairKey(a.namespace, a.id), pairKey(b.namespace, b.id)];
  return x < y ? -1 : x > y ? 1 : 0;
}

function namespacesOf({ groups }: Matrix): GridItem[] {
  const counts = Map.groupBy(groups, (g) => g.namespace);
  return [...counts]
    .map(([namespace, list]) => ({ id: namespace, namespace, label: `${namespace} (${list.length})` }))
    .sort(byNamespace);
}

function groupCells({ groups }: Matrix, byPair: Pairs): (from: string, to: string) => Answer {
  const alone = new Set(groups.filter((g) => g.count < 2).map((g) => g.id));
  return (from, to) => {
    if (from === to && alone.has(from)) return { verdict: 'self', text: 'one pod, itself' };
    return portsOf(byPair.get(pairKey(from, to)) ?? []);
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
  return connections.length === 3 && connections.every((c) => c.ports.join() === '1-65535');
}

function namespaceCells({ groups }: Matrix, byPair: Pairs): (from: string, to: string) => Answer {
  const namespaceOf = new Map(groups.map((g) => [g.id, g.namespace]));
  const sizes = new Map([...Map.groupBy(groups, (g) => g.namespace)].map(([name, list]) => [name, list]));
  const tally = new Map<string, { open: number; whole: number }>();
  for (const connections of byPair.values()) {
    const [first] = connections;
    if (!first) continue;
    const key = pairKey(namespaceOf.get(first.from) ?? '', namespaceOf.get(first.to) ?? '');
    const known = tally.get(key) ?? { open: 0, whole: 0 };
    tally.set(key, { open: known.open + 1, whole: known.whole + (isEverything(connections) ? 1 : 0) });
  }
  return (from, to) => {
    const [sources, destinations] = [sizes.get(from) ?? [], sizes.get(to) ?? []];
    const themselves = from === to ? sources.filter((g) => g.count < 2).length : 0;
    const total = sources.length * destinations.length - themselves;
    if (total === 0) return { verdict: 'self', text: 'one pod, itself' };
    const { open, whole } = tally.get(pairKey(from, to)) ?? { open: 0, whole: 0 };
    const verdict = open === 0 ? 'none' : whole === total ? 'all' : 'some';
    const text = verdict === 'none' ? 'denied' : verdict === 'all' ? EVERY : `${open} of ${total} pairs may connect`;
    return { verdict, text };
  };
}
