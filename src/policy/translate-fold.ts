import { semanticsOf } from './engine.ts';
import type { Direction, Peer, PodEndpoint, Policy, PolicyModel, PortMatch, Rule } from './model.ts';
import { ALL_PORTS, difference, intersection, type PortRange, PROTOCOLS, portsOf, union } from './ports.ts';
import { bySide, placed } from './tiers.ts';
import type { Bound } from './translate-selector.ts';

type Ports = readonly PortMatch[] | undefined;

/** A peer, or everybody but it, as the policy that names it means it. */
export interface Term {
  readonly peer: Peer;
  readonly not: boolean;
  readonly policy: Policy;
}

/** Connections of a direction that one policy lets through: who meets all terms of one of `peers`, on any of `ports`. */
export interface Piece {
  /** Undefined: everybody. */
  readonly peers: readonly (readonly Term[])[] | undefined;
  readonly ports: Ports;
  readonly policy: Policy;
}

/** A policy's part in one direction: who is isolated, and its rules. */
export interface Part {
  readonly policy: Policy;
  readonly direction: Direction;
  readonly isolates: boolean;
  readonly rules: readonly Rule[];
}

/** More pieces than this are not followed: the rest counts as denied. */
const LIMIT = 400;

/**
 * What policies come to that all select a pod, as pieces that are allowed: tier by tier, each rule takes from what is
 * still open (see Tier). Named ports are kept where nothing is taken from them; else they are what `destinations` say.
 */
export function fold(
  parts: readonly Part[],
  { tiers, engine }: Pick<PolicyModel, 'tiers' | 'engine'>,
  destinations: readonly PodEndpoint[],
  anyone: Policy,
): readonly Piece[] {
  const cut = portAlgebra(destinations);
  const { denialsLast, rulesTakeTurns } = semanticsOf(engine);
  let isDeniedAtLast = false;
  let open: readonly Piece[] = [{ peers: undefined, ports: undefined, policy: anyone }];
  const allowed: Piece[] = [];
  for (const tier of tiers) {
    const own = parts.filter((p) => p.policy.tier === tier.name);
    if (own.length === 0) continue;
    const listed = own.flatMap(({ rules, policy }) => placed(policy, rules, (rule) => rule));
    const sorted = rulesTakeTurns && tier.rules === 'ordered' ? listed.sort(bySide) : listed;
    const rules = sorted.map(({ item: rule, policy }) => ({ rule, policy }));
    const isUnion = tier.rules === 'union';
    const known = rules.filter(({ rule }) => rule.action === 'allow' || !rule.narrowedBy?.length);
    const denies = known.filter(({ rule }) => rule.action === 'deny');
    const turns = isUnion ? [...denies, ...known.filter(({ rule }) => rule.action === 'allow')] : known;
    const passed: Piece[] = [];
    const isolated = tier.otherwise === 'deny' && own.some((p) => p.isolates);
    for (const { rule, policy } of turns) {
      if (rule.action === 'allow') allowed.push(...open.flatMap((o) => cut.common(o, rule, policy)));
      if (rule.action === 'pass') passed.push(...open.flatMap((o) => cut.common(o, rule, policy)));
      // What is allowed stays open: to allow it twice does no harm, and to deny it later takes nothing back.
      if (rule.action !== 'allow') open = open.flatMap((o) => cut.without(o, rule, policy)).slice(0, LIMIT);
    }
    isDeniedAtLast ||= isolated && denialsLast;
    open = isolated && !denialsLast ? passed : [...passed, ...open];
    if (open.length === 0) break;
  }
  return isDeniedAtLast ? allowed : [...allowed, ...open];
}

function portAlgebra(destinations: readonly PodEndpoint[]) {
  const numbers = (ports: Ports, except: readonly PortMatch[], bound: Bound) =>
    PROTOCOLS.map((protocol) => {
      const plain = (list: Ports) =>
        portsOf(
          list?.filter((p) => typeof p.port !== 'string'),
          protocol,
          NOWHERE,
        );
      const named = (list: Ports, toward: Bound) => {
        const names = (list ?? []).filter((p) => typeof p.port === 'string');
        if (names.length === 0) return [];
        const sets = destinations.map((pod) => portsOf(names, protocol, pod));
        if (toward === 'outer') return union(sets.flat());
        return sets.length === 0 ? [] : sets.reduce((a, b) => intersection(a, b));
      };
      const all = (list: Ports, toward: Bound) => union([...plain(list), ...named(list, toward)]);
      return difference(all(ports, bound), all(except, bound === 'inner' ? 'outer' : 'inner'));
    });
  const ofRule = (rule: Rule, bound: Bound): Ports =>
    rule.exceptPorts === undefined ? rule.ports : matchesOf(numbers(rule.ports, rule.exceptPorts, bound));
  const commonPorts = (a: Ports, b: Ports): Ports => {
    if (a === undefined) return b;
    if (b === undefined) return a;
    const [x, y] = [numbers(a, [], 'inner'), numbers(b, [], 'inner')];
    return matchesOf(x.map((set, i) => intersection(set, y[i] ?? [])));
  };
  const isEmpty = ({ peers, ports }: Piece) => peers?.length === 0 || ports?.length === 0;
  return {
    /** What a rule is about among what is open. */
    common(open: Piece, rule: Rule, policy: Policy): Piece[] {
      const ports = commonPorts(open.ports, ofRule(rule, 'inner'));
      const piece = { peers: commonPeers(open, rule.peers, policy), ports, policy };
      return isEmpty(piece) ? [] : [piece];
    },
    /** What is open and surely not a rule's. */
    without(open: Piece, rule: Rule, policy: Policy): Piece[] {
      const taken = ofRule(rule, 'outer');
      const others: Piece = { ...open, peers: otherPeers(open.peers, rule.peers, policy) };
      if (taken === undefined) return isEmpty(others) ? [] : [others];
      const rest: Piece = { ...open, ports: matchesOf(numbersWithout(open.ports, taken)) };
      const shared: Piece = { ...others, ports: open.ports };
      return [rest, shared].filter((piece) => !isEmpty(piece));
    },
  };

  function numbersWithout(ports: Ports, taken: readonly PortMatch[]) {
    return numbers(ports, taken, 'inner');
  }
}

const NOWHERE = { type: 'address', id: '', ip: '' } as const;

function commonPeers(open: Piece, peers: Rule['peers'], policy: Policy): Piece['peers'] {
  if (peers === undefined) return open.peers;
  const own = peers.map((peer): Term => ({ peer, not: false, policy }));
  return (open.peers ?? [[]]).flatMap((terms) => own.map((term) => [...terms, term]));
}

function otherPeers(open: Piece['peers'], peers: Rule['peers'], policy: Policy): Piece['peers'] {
  if (peers === undefined) return [];
  const none = peers.map((peer): Term => ({ peer, not: true, policy }));
  return none.length === 0 ? open : (open ?? [[]]).map((terms) => [...terms, ...none]);
}

function matchesOf(sets: readonly (readonly PortRange[])[]): PortMatch[] {
  return sets.flatMap((set, i) => {
    const protocol = PROTOCOLS[i];
    if (!protocol) return [];
    if (set === ALL_PORTS || (set[0]?.[0] === 1 && set[0][1] === 65535)) return [{ protocol }];
    return set.map(([port, endPort]) => (port === endPort ? { protocol, port } : { protocol, port, endPort }));
  });
}
