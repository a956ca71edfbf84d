import { type CompiledModel, type CompiledRule, denies, type Turn } from './compile.ts';
import type { Connection, Direction, Endpoint, PodEndpoint } from './model.ts';
import { ALL_PORTS, difference, includes, intersection, NO_PORTS, type PortRange, rulePorts, union } from './ports.ts';
import { isSame } from './select.ts';
import { type Sided, strayPass, strayPorts } from './stray-passes.ts';

/** Why one side doesn't ask the policies at all. */
export type Exemption = 'no enforcement' | 'outside' | 'host network' | 'itself' | 'own node' | 'not selected';

/** One side of a connection: exempt, or a pod with the tiers that decide about it. */
export type Side =
  | { readonly exempt: Exemption }
  | {
      readonly exempt: undefined;
      readonly pod: PodEndpoint;
      readonly peer: Endpoint;
      readonly turns: readonly Turn[];
    };

/**
 * Who decides on one side, whatever the port.
 * - A pod reaches itself: its own address is looped back inside its network namespace, where no engine looks ("a Pod
 *   cannot block access to itself"). By way of a service engines differ; that isn't asked here.
 * - Into a pod its own node may always connect, by Kubernetes' text and in every engine (the kubelet's probes), but for
 *   rules that deny it outright, see engine.ts. Out of a pod to its own node, see there too.
 */
export function sideOf(compiled: CompiledModel, from: Endpoint, to: Endpoint, direction: Direction): Side {
  const { semantics, addresses } = compiled;
  const [own, peer] = direction === 'egress' ? [from, to] : [to, from];
  if (own.type === 'address') return { exempt: 'outside' };
  if (!semantics.enforces) return { exempt: 'no enforcement' };
  if (own.hostNetwork) return { exempt: 'host network' };
  if (isSame(own, peer)) return { exempt: 'itself' };
  const turns = compiled.turns(own, direction);
  if (turns.length === 0) return { exempt: 'not selected' };
  // By itself the engine lets the node in only with some policy's rules (seen in Cilium 1.20.2 with `always`).
  const isByEngine = turns.every(({ policies }) => policies.every(({ ofEngine }) => ofEngine === true));
  const passesNode = direction === 'ingress' ? !isByEngine : semantics.ownNodeEgress;
  if (passesNode && own.node !== undefined && addresses.nodeOf(peer) === own.node) {
    if (!semantics.rulesDenyOwnNode || !turns.some((t) => t.rules.some((r) => isDenial(r, own, peer)))) {
      return { exempt: 'own node' };
    }
    // What its policies don't say doesn't isolate it from its node.
    return { exempt: undefined, pod: own, peer, turns: turns.map((turn) => ({ ...turn, isolating: [] })) };
  }
  return { exempt: undefined, pod: own, peer, turns };
}

function isDenial(rule: CompiledRule, pod: PodEndpoint, peer: Endpoint): boolean {
  return rule.rule.action === 'deny' && isAbout(rule, pod, peer);
}

/** Whether a rule is surely about a connection between the two, on whatever port. */
export function isAbout(rule: CompiledRule, pod: PodEndpoint, peer: Endpoint): boolean {
  return isFor(rule, pod) && rule.matchesPeer(peer, pod) === true;
}

/** The rules that are surely about the two, turn by turn. */
export function rulesAbout(turns: readonly Turn[], pod: PodEndpoint, peer: Endpoint): CompiledRule[][] {
  return turns.map((turn) => turn.rules.filter((rule) => isAbout(rule, pod, peer)));
}

/**
 * Whether a rule is surely for a pod, whatever the peer. What a deny or a pass asks besides (HTTP paths and such) isn't
 * known of a connection, so they are taken not to match.
 */
export function isFor({ rule, matchesSelf }: CompiledRule, pod: PodEndpoint): boolean {
  return (rule.action === 'allow' || !isNarrowed(rule.narrowedBy)) && matchesSelf(pod) === true;
}

export function isNarrowed(narrowedBy: readonly string[] | undefined): boolean {
  return narrowedBy !== undefined && narrowedBy.length > 0;
}

/** What became of one connection on one side. */
export interface Decision {
  readonly allowed: boolean;
  /** Where it was decided; undefined where every tier left it undecided, and so it is allowed. */
  readonly turn: Turn | undefined;
  /** The rules that decided it; none where the tier's `otherwise` did. One that passes on only by a stray: see stray-passes.ts. */
  readonly rules: readonly CompiledRule[];
  /** The rules that passed it on from the tiers before. */
  readonly passed: readonly CompiledRule[];
}

/** Lets the tiers decide about one connection in their turn. */
export function decide(turns: readonly Turn[], pod: PodEndpoint, peer: Endpoint, connection: Connection): Decision {
  const meant = meantDecision(turns, pod, peer, connection);
  const side = strayableSide(turns, pod, peer, connection);
  const stray = side && strayPass(side, connection.port, meant.allowed);
  if (!stray) return meant;
  const turn = turns.find(({ rules }) => rules.includes(stray));
  return { allowed: !meant.allowed, turn, rules: [stray], passed: [] };
}

/** The side of a connection as it has to be looked at once more: undefined where no engine's passes stray. */
export function strayableSide(
  turns: readonly Turn[],
  pod: PodEndpoint,
  peer: Endpoint,
  { to, protocol }: Connection,
): Sided | undefined {
  if (!turns.some(({ strays }) => strays)) return undefined;
  return { turns, matching: rulesAbout(turns, pod, peer), pod, peer, protocol, destination: to };
}

/** What the tiers say by themselves. */
function meantDecision(
  turns: readonly Turn[],
  pod: PodEndpoint,
  peer: Endpoint,
  { to, protocol, port }: Connection,
): Decision {
  const passed: CompiledRule[] = [];
  for (const turn of turns) {
    const matching = turn.rules.filter((r) => isAbout(r, pod, peer) && includes(rulePorts(r.rule, protocol, to), port));
    const rules = turn.tier.rules === 'ordered' ? matching.slice(0, 1) : winners(matching);
    const action = rules[0]?.rule.action;
    if (action === 'pass') passed.push(...rules);
    else if (action !== undefined) return { allowed: action === 'allow', turn, rules, passed };
    else if (denies(turn)) return { allowed: false, turn, rules, passed };
  }
  return { allowed: true, turn: undefined, rules: [], passed };
}

/** In a union a deny beats every allow, and there is no order in which to pass anything on. */
function winners(matching: readonly CompiledRule[]): readonly CompiledRule[] {
  const denying = matching.filter((r) => r.rule.action === 'deny');
  return denying.length > 0 ? denying : matching.filter((r) => r.rule.action === 'allow');
}

/** The ports of a side's protocol that stay allowed, exactly: the same as `decide` for all ports at once. */
export function allowedPorts(side: Sided): readonly PortRange[] {
  const meant = meantPorts(side);
  const stray = strayPorts(side, meant);
  return stray.length === 0 ? meant : union([...difference(meant, stray), ...difference(stray, meant)]);
}

/** Those that the tiers leave allowed as they are meant. */
function meantPorts({ turns, matching, protocol, destination }: Sided): readonly PortRange[] {
  let undecided = ALL_PORTS;
  let allowed = NO_PORTS;
  for (const [i, turn] of turns.entries()) {
    const settle = turn.tier.rules === 'ordered' ? settleInOrder : settleUnion;
    const settled = settle(matching[i] ?? [], undecided, (r) => rulePorts(r.rule, protocol, destination));
    allowed = union([...allowed, ...settled.allowed]);
    undecided = denies(turn) ? settled.passed : union([...settled.passed, ...settled.undecided]);
    if (undecided.length === 0) return allowed;
  }
  return union([...allowed, ...undecided]);
}

type Ports = readonly PortRange[];
interface Settled {
  readonly allowed: Ports;
  readonly passed: Ports;
  readonly undecided: Ports;
}

function settleInOrder(rules: readonly CompiledRule[], open: Ports, portsOf: (r: CompiledRule) => Ports): Settled {
  let undecided = open;
  let allowed = NO_PORTS;
  let passed = NO_PORTS;
  for (const rule of rules) {
    if (undecided.length === 0) break;
    const ports = intersection(portsOf(rule), undecided);
    if (ports.length === 0) continue;
    undecided = difference(undecided, ports);
    if (rule.rule.action === 'allow') allowed = union([...allowed, ...ports]);
    if (rule.rule.action === 'pass') passed = union([...passed, ...ports]);
  }
  return { allowed, passed, undecided };
}

function settleUnion(rules: readonly CompiledRule[], open: Ports, portsOf: (r: CompiledRule) => Ports): Settled {
  const of = (action: 'allow' | 'deny') => union(rules.filter((r) => r.rule.action === action).flatMap(portsOf));
  const left = difference(open, of('deny'));
  const allowed = intersection(of('allow'), left);
  return { allowed, passed: NO_PORTS, undecided: difference(left, allowed) };
}
