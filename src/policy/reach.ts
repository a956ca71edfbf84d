import type { CompiledModel, CompiledRule, Turn } from './compile.ts';
import { allowedPorts, isFor, rulesAbout, sideOf } from './decide.ts';
import type { Direction, Endpoint, PodEndpoint } from './model.ts';
import { ALL_PORTS, intersection, type PortRange, PROTOCOLS } from './ports.ts';
import { mayStray } from './stray-passes.ts';

/** What is allowed between two pods: by protocol, in the order of PROTOCOLS. */
export type Reach = readonly (readonly PortRange[])[];

const EVERYTHING: Reach = PROTOCOLS.map(() => ALL_PORTS);

/** The ports on which a pod reaches another. For many pods, see `reachAmong`. */
export function reachOf(compiled: CompiledModel, from: PodEndpoint, to: PodEndpoint): Reach {
  const side = (direction: Direction): Reach => {
    const decided = sideOf(compiled, from, to, direction);
    if (decided.exempt !== undefined) return EVERYTHING;
    const { turns, pod, peer } = decided;
    const matching = rulesAbout(turns, pod, peer);
    return PROTOCOLS.map((protocol) => allowedPorts({ turns, matching, pod, peer, protocol, destination: to }));
  };
  return both(side('egress'), side('ingress'));
}

function both(egress: Reach, ingress: Reach): Reach {
  if (egress === EVERYTHING) return ingress;
  if (ingress === EVERYTHING) return egress;
  return egress.map((ports, i) => intersection(ports, ingress[i] ?? []));
}

/**
 * The same for every pair among endpoints, of which no pod may be scheduled (have a node): from one index to another; with
 * the same index twice, for two pods alike. Peers that the same rules of a pod mean are decided once, and equal answers are
 * the same value, so that the cost of a pair is a look-up.
 */
export function reachAmong(compiled: CompiledModel, ends: readonly Endpoint[]): (from: number, to: number) => Reach {
  const peersOf = rulePeers(ends);
  const shared = sharedReach();
  const sides = { ingress: new Map<number, readonly Reach[]>(), egress: new Map<number, readonly Reach[]>() };
  const sideFor = (own: number, direction: Direction): readonly Reach[] => {
    const known = sides[direction].get(own);
    if (known) return known;
    const made = sideAmong(compiled, ends, own, direction, peersOf, shared.intern);
    sides[direction].set(own, made);
    return made;
  };
  return (from, to) => {
    const egress = sideFor(from, 'egress')[to] ?? EVERYTHING;
    return shared.both(egress, sideFor(to, 'ingress')[from] ?? EVERYTHING);
  };
}

type RulePeers = (rule: CompiledRule, own: PodEndpoint) => readonly number[];

/** The indexes of the endpoints that a rule's peers mean, remembered for all rules with those peers: no pod has a node. */
function rulePeers(ends: readonly Endpoint[]): RulePeers {
  const known = new Map<CompiledRule['matchesPeer'], readonly number[]>();
  return ({ matchesPeer }, own) => {
    const found = known.get(matchesPeer);
    if (found) return found;
    const made = ends.flatMap((peer, i) => (matchesPeer(peer, own) === true ? i : []));
    known.set(matchesPeer, made);
    return made;
  };
}

/** What one pod's policies say of every other; empty where they have no say. */
function sideAmong(
  compiled: CompiledModel,
  ends: readonly Endpoint[],
  own: number,
  direction: Direction,
  peersOf: RulePeers,
  intern: (reach: Reach) => Reach,
): readonly Reach[] {
  const pod = ends[own];
  if (pod?.type !== 'pod' || !compiled.semantics.enforces || pod.hostNetwork) return [];
  const turns = compiled.turns(pod, direction);
  if (turns.length === 0) return [];
  const { paths, leaves } = matchedRules(turns, pod, ends.length, peersOf);
  const byNames = direction === 'egress' && turns.some((t) => t.rules.some(hasNames));
  const ways = new Map<number, Way>();
  const wayTo = (end: number) => {
    const way = ways.get(end) ?? wayOf(turns, paths(end));
    ways.set(end, way);
    return way;
  };
  const known = new Map<string, Reach>();
  return ends.map((peer, i) => {
    const end = leaves[i] ?? 0;
    const destination = direction === 'egress' ? peer : pod;
    const { matching, byKeys } = wayTo(end);
    const key = [
      end,
      byNames ? portNames(destination) : '',
      ...byKeys.map((rule) => JSON.stringify(rule.keysOf(peer, pod))),
    ].join(' ');
    const found = known.get(key);
    if (found) return found;
    const made = intern(
      PROTOCOLS.map((protocol) => allowedPorts({ turns, matching, pod, peer, protocol, destination })),
    );
    known.set(key, made);
    return made;
  });
}

/** The rules that mean a peer, and those of them that may mean two peers by different keys where passes stray. */
interface Way {
  readonly matching: readonly (readonly CompiledRule[])[];
  readonly byKeys: readonly CompiledRule[];
}

function wayOf(turns: readonly Turn[], matching: Way['matching']): Way {
  const byKeys = mayStray({ turns, matching }) ? matching.flat().filter((r) => !r.hasFixedKeys) : [];
  return { matching, byKeys };
}

/** What names of ports may mean at a destination. */
function portNames(destination: Endpoint): string {
  return destination.type === 'pod' ? JSON.stringify([destination.hostNetwork, destination.ports]) : '';
}

function hasNames({ rule }: CompiledRule): boolean {
  return [...(rule.ports ?? []), ...(rule.exceptPorts ?? [])].some((p) => typeof p.port === 'string');
}

/**
 * Sorts the peers by the rules that mean them: a tree whose root means no rule, each node one rule more than its parent.
 * `leaves` says where each peer ends up, `paths` the rules on the way there, turn by turn.
 */
function matchedRules(turns: readonly Turn[], own: PodEndpoint, count: number, peersOf: RulePeers) {
  const nodes: { readonly parent: number; readonly turn: number; readonly rule: CompiledRule | undefined }[] = [
    { parent: 0, turn: 0, rule: undefined },
  ];
  const leaves = new Int32Array(count);
  for (const [turn, { rules }] of turns.entries()) {
    for (const rule of rules) {
      if (!isFor(rule, own)) continue;
      const steps = new Map<number, number>();
      for (const peer of peersOf(rule, own)) {
        const parent = leaves[peer] ?? 0;
        const next = steps.get(parent) ?? nodes.push({ parent, turn, rule }) - 1;
        steps.set(parent, next);
        leaves[peer] = next;
      }
    }
  }
  const paths = (end: number): CompiledRule[][] => {
    const path: CompiledRule[][] = turns.map(() => []);
    for (let at = nodes[end]; at?.rule !== undefined; at = nodes[at.parent]) path[at.turn]?.unshift(at.rule);
    return path;
  };
  return { leaves, paths };
}

/** Equal answers as one value, and what two of them have in common worked out once. */
function sharedReach() {
  const byText = new Map<string, Reach>();
  const pairs = new Map<Reach, Map<Reach, Reach>>();
  const intern = (reach: Reach): Reach => {
    const key = JSON.stringify(reach);
    const found = byText.get(key);
    if (found) return found;
    byText.set(key, reach);
    return reach;
  };
  return {
    intern,
    both(egress: Reach, ingress: Reach): Reach {
      const known = pairs.get(egress) ?? new Map<Reach, Reach>();
      pairs.set(egress, known);
      const found = known.get(ingress);
      if (found) return found;
      const made = intern(both(egress, ingress));
      known.set(ingress, made);
      return made;
    },
  };
}
