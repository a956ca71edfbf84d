import { atOnce } from '../host/slices.ts';
import { compile } from '../policy/compile.ts';
import { evaluator } from '../policy/evaluate.ts';
import { otherReplica } from '../policy/groups.ts';
import type { Matrix, MatrixConnection } from '../policy/matrix.ts';
import type { Connection, Direction, PodEndpoint, PolicyModel, Verdict } from '../policy/model.ts';
import { reasonText, verdictReasons } from '../policy/reasons.ts';
import type { Protocol } from '../snapshot/model.ts';
import { escaped, htmlList } from './escape.ts';
import { type Between, connectionsBetween, type Grid, type GridCell } from './grid.ts';
import type { LinkOf } from './picture.ts';

/** What a page tells below its matrix, and where each cell leads. */
interface Why {
  readonly linkOf: LinkOf;
  readonly sections: readonly string[];
}

/** How many pairs of groups are spelled out for two namespaces that stand for their groups. */
const PAIRS = 5;
/** More cells than this aren't told of one by one. */
const MOST_TOLD = 4000;

export type Group = Matrix['groups'][number];
type Ask = (connection: Connection) => Verdict;

/** A section of HTML for each cell; where those are too many, for each namespace. */
export function whySections(...grid: Parameters<typeof whySteps>): Why {
  return atOnce(whySteps(...grid));
}

/** The same, with pauses: see inSlices. */
export function* whySteps(model: PolicyModel, matrix: Matrix, grid: Grid, most = MOST_TOLD): Generator<undefined, Why> {
  const ask = evaluator(model);
  const number = new Map(grid.items.map((item, i) => [item.id, i]));
  const told = grid.cells.flat().filter((cell) => cell.verdict !== 'self');
  if (told.length > most) return byNamespace(model, matrix, grid, ask);
  const anchor = ({ from, to }: GridCell) => `pair-${number.get(from.id)}-${number.get(to.id)}`;
  const tell = teller(model, matrix, grid, ask, yield* connectionsBetween(matrix));
  const sections: string[] = [];
  for (const cell of told) {
    sections.push(section(anchor(cell), `${cell.from.id} to ${cell.to.id}: ${cell.text}`, tell(cell)));
    yield;
  }
  return { linkOf: (cell) => (cell.verdict === 'self' ? undefined : `#${anchor(cell)}`), sections };
}

function section(id: string, title: string, content: string): string {
  return `<section id="${id}"><h3>${escaped(title)}</h3>${content}</section>`;
}

/** A cell leads to the policies of the namespace that denies, the destination's where none does. */
function byNamespace(model: PolicyModel, matrix: Matrix, { items }: Grid, ask: Ask): Why {
  const compiled = compile(model);
  const pods = new Map(model.pods.map((pod) => [pod.id, pod]));
  const groups = Map.groupBy(matrix.groups, (g) => g.namespace);
  const firstOf = (namespace: string) => pods.get(groups.get(namespace)?.[0]?.pods[0] ?? '');
  const number = new Map(items.map((item, i) => [item.namespace, i]));
  const policies = (namespace: string, direction: Direction) => {
    const own = (groups.get(namespace) ?? []).flatMap((g) => pods.get(g.pods[0] ?? '') ?? []);
    const turns = own.flatMap((pod) => compiled.turns(pod, direction));
    const found = new Set(turns.flatMap((turn) => turn.policies));
    return [...found].map(({ source }) => reasonText({ text: source.object, source }));
  };
  return {
    linkOf({ from, to, verdict }) {
      const [source, destination] = [firstOf(from.namespace), firstOf(to.namespace)];
      if (verdict === 'self' || !source || !destination) return undefined;
      const { port, protocol } = destination.ports[0] ?? DEFAULT_PORT;
      const { egress } = ask({ from: source, to: destination, protocol, port });
      return `#namespace-${number.get(egress.allowed ? to.namespace : from.namespace)}`;
    },
    sections: items.map(({ namespace }, i) => {
      const leaving = htmlList(policies(namespace, 'egress'));
      const entering = htmlList(policies(namespace, 'ingress'));
      const content = `<p>Entering is decided by</p>${entering}<p>Leaving is decided by</p>${leaving}`;
      return section(`namespace-${i}`, `Namespace ${namespace}`, content);
    }),
  };
}

/** Tells of a cell as HTML why it is so. */
function teller(
  model: PolicyModel,
  matrix: Matrix,
  { collapsed }: Grid,
  ask: Ask,
  between: Between,
): (cell: GridCell) => string {
  const pods = new Map(model.pods.map((pod) => [pod.id, pod]));
  const groups = new Map(matrix.groups.map((g) => [g.id, g]));
  const namespaces = Map.groupBy(matrix.groups, (g) => g.namespace);
  const ofPair = (from: Group, to: Group): string[] => {
    const [source, destination] = ends(from, to, pods);
    if (!source || !destination) return [];
    return portsToTell(to, between(from.id, to.id)).flatMap(({ protocol, port }) => {
      const verdict = ask({ from: source, to: destination, protocol, port });
      return reasons(verdict).map((line) => `${protocol} ${port} ${line}`);
    });
  };
  return ({ from, to }) => {
    if (!collapsed) {
      const [source, destination] = [groups.get(from.id), groups.get(to.id)];
      return source && destination ? htmlList(ofPair(source, destination)) : '';
    }
    const shown: string[] = [];
    let count = 0;
    for (const { a, b } of pairsBetween(namespaces, from.id, to.id)) {
      if (count++ < PAIRS) shown.push(`<p>${escaped(`${a.id} to ${b.id}`)}</p>${htmlList(ofPair(a, b))}`);
    }
    const rest = count - PAIRS;
    return `${shown.join('')}${rest > 0 ? `<p>… and ${rest} more ${rest === 1 ? 'pair' : 'pairs'}: ask with clparity explain.</p>` : ''}`;
  };
}

type Namespaces = ReadonlyMap<string, readonly Group[]>;

interface Pair {
  readonly a: Group;
  readonly b: Group;
}

/** Every pair of groups of two namespaces that may have something to say to each other. */
function* pairsBetween(namespaces: Namespaces, from: string, to: string): Generator<Pair, undefined> {
  for (const a of namespaces.get(from) ?? []) {
    for (const b of namespaces.get(to) ?? []) if (a !== b || a.count > 1) yield { a, b };
  }
}

/** The groups that a cell stands for, two groups or two namespaces: the first few pairs of them. */
export function pairsOfCell({ groups }: Matrix, from: string, to: string): Pair[] {
  const [a, b] = [groups.find((g) => g.id === from), groups.find((g) => g.id === to)];
  if (a && b) return [{ a, b }];
  const namespaces = Map.groupBy(groups, (g) => g.namespace);
  return [...pairsBetween(namespaces, from, to)].slice(0, PAIRS);
}

/** Ports worth a word: one that is allowed, and one that a person may miss. */
export function portsToTell(to: Group, open: readonly MatrixConnection[]): (typeof DEFAULT_PORT)[] {
  const allowed = open.flatMap((c) => c.ports.slice(0, 1).map((p) => ({ protocol: c.protocol, port: first(p) })));
  const denied = deniedPort(to, open);
  return [...allowed.slice(0, 1), ...(denied ? [denied] : [])];
}

/** A pod of each; two of one group where they are the same. */
function ends(from: Group, to: Group, pods: ReadonlyMap<string, PodEndpoint>): (PodEndpoint | undefined)[] {
  const [source, destination] = [pods.get(from.pods[0] ?? ''), pods.get(to.pods[0] ?? '')];
  if (from !== to) return [source, destination];
  return [source, pods.get(to.pods[1] ?? '') ?? (to.count > 1 && destination ? otherReplica(destination) : undefined)];
}

function first(range: string): number {
  return Number(range.split('-')[0]);
}

const DEFAULT_PORT: { readonly protocol: Protocol; readonly port: number } = { protocol: 'TCP', port: 80 };

/** A port that a person may miss: one that the destination serves and that isn't allowed, else any if none is. */
function deniedPort(to: Group, open: readonly MatrixConnection[]): typeof DEFAULT_PORT | undefined {
  const isOpen = (protocol: Protocol, port: number) =>
    open.some((c) => c.protocol === protocol && c.ports.some((r) => within(r, port)));
  const served = to.ports.find((p) => !isOpen(p.protocol, p.port));
  if (served) return { protocol: served.protocol, port: served.port };
  return open.length === 0 ? DEFAULT_PORT : undefined;
}

function within(range: string, port: number): boolean {
  const [low, high] = range.split('-').map(Number);
  return low !== undefined && low <= port && port <= (high ?? low);
}

function reasons(verdict: Verdict): string[] {
  return verdictReasons(verdict).map((line) => `${verdict.allowed ? 'allowed' : 'denied'}: ${line}`);
}
