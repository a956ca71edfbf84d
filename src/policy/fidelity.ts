import type { PolicyObject, Protocol } from '../snapshot/model.ts';
import { addressBook, compileBlock } from './blocks.ts';
import { type CompiledModel, compile } from './compile.ts';
import { allowedPorts, isAbout, sideOf } from './decide.ts';
import { parsePolicies } from './dialect/index.ts';
import { originOf } from './dialect/origin.ts';
import { groupsOf } from './groups.ts';
import type { AddressEndpoint, Direction, Endpoint, PodEndpoint, Policy, PolicyModel } from './model.ts';
import { peersOf } from './peers.ts';
import { ALL_PORTS, difference, formatPorts, intersection, type PortRange, PROTOCOLS } from './ports.ts';
import { tiersOf } from './tiers.ts';
import type { LocalWorld, TranslatedObject } from './translate.ts';
import { addressIn, blocksOf } from './translate-blocks.ts';
import { partsOf } from './translate-cells.ts';

export type Fidelity = 'exact' | 'wider' | 'narrower' | 'both' | 'not expressible';

/** Ports of one connection that only one of the two clusters allows. */
export interface DifferingConnection {
  /** Group of pods (see PodGroup), `ip:ADDRESS`, or `node`. */
  readonly from: string;
  readonly to: string;
  readonly protocol: Protocol;
  /** As in a matrix: `["80", "443-445"]`. */
  readonly ports: readonly string[];
  /** Allowed here and not at the target, or the other way round. */
  readonly change: 'wider' | 'narrower';
  readonly betweenPods: boolean;
}

/** What becomes of one policy here, by evaluation. */
export interface PolicyFidelity {
  /** `SourceRef.object`. */
  readonly policy: string;
  readonly fidelity: Fidelity;
  /** The objects that stand for it here: `namespace/name`. */
  readonly objects: readonly string[];
  readonly verbatim: boolean;
  /** Some of the connections that differ, and how many there are. */
  readonly differences: readonly DifferingConnection[];
  readonly differing: number;
  /** What evaluation doesn't show, in words: HTTP rules and such that can't be kept, why it is inert. */
  readonly notes: readonly string[];
}

const SHOWN = 20;

/** The model of the local cluster once the objects are applied, with the target's pods in it. */
export function appliedModel(target: PolicyModel, objects: readonly PolicyObject[], local: LocalWorld): PolicyModel {
  const policies = parsePolicies(objects, { services: [], namespaces: target.namespaces });
  const pods = target.pods.map((pod): PodEndpoint => {
    const { node: _, ...rest } = pod;
    return { ...rest, ips: [] };
  });
  return { ...target, ...local, policies, tiers: tiersOf(local.engine.name, policies, []), pods };
}

/**
 * Compares what the target allows with what the translated objects allow here: between all its groups of pods, and
 * between them and addresses of every class that policies tell apart, on all ports. A difference counts for each policy
 * that has a say at the end where the two clusters decide differently.
 */
export function fidelityOf(
  target: PolicyModel,
  translated: readonly TranslatedObject[],
  local: LocalWorld,
): PolicyFidelity[] {
  const there = compile({ ...target, pods: target.pods.map(unscheduled) });
  const here = compile(
    appliedModel(
      target,
      translated.map((t) => t.object),
      local,
    ),
  );
  const standsFor = new Map(translated.map((t) => [originOf(t.object).object, t.from]));
  const byPolicy = new Map<Policy, DifferingConnection[]>(target.policies.map((p) => [p, []]));
  for (const pair of pairsOf(there, here)) {
    for (const [i, protocol] of PROTOCOLS.entries()) {
      const sides = (['egress', 'ingress'] as const).map((direction) => {
        const a = sidePorts(there, pair.from.there, pair.to.there, direction, i);
        const b = sidePorts(here, pair.from.here, pair.to.here, direction, i);
        return { direction, a, b, differs: a !== b && JSON.stringify(a) !== JSON.stringify(b) };
      });
      const [egress, ingress] = sides;
      if (!egress || !ingress || !(egress.differs || ingress.differs)) continue;
      const [before, after] = [intersection(egress.a, ingress.a), intersection(egress.b, ingress.b)];
      const involved = sides
        .filter((s) => s.differs)
        .flatMap((s) => [
          ...concerned(there, pair.from.there, pair.to.there, s.direction),
          ...concerned(here, pair.from.here, pair.to.here, s.direction).flatMap(
            (p) => standsFor.get(p.source.object) ?? [],
          ),
        ]);
      for (const change of ['wider', 'narrower'] as const) {
        const ports = change === 'wider' ? difference(after, before) : difference(before, after);
        if (ports.length === 0) continue;
        const { name: from, there: source } = pair.from;
        const { name: to, there: destination } = pair.to;
        const betweenPods = isPod(source) && isPod(destination);
        const difference_ = { from, to, protocol, ports: formatPorts(ports), change, betweenPods };
        for (const policy of new Set(involved)) byPolicy.get(policy)?.push(difference_);
      }
    }
  }
  return target.policies.map((policy) => verdictOf(policy, byPolicy.get(policy) ?? [], translated, target));
}

const isPod = (e: Endpoint) => e.type === 'pod' && !e.hostNetwork;

function verdictOf(
  policy: Policy,
  differences: readonly DifferingConnection[],
  translated: readonly TranslatedObject[],
  target: PolicyModel,
): PolicyFidelity {
  const own = translated.filter((t) => t.from.some((p) => p.source.object === policy.source.object));
  const parts = partsOf(policy, target);
  const narrowed = policy.rules.flatMap((r) => r.narrowedBy ?? []);
  const notes = [...(policy.inert === undefined ? [] : [policy.inert]), ...(policy.caveats ?? [])];
  const lost = parts.length > 0 && narrowed.length > 0 ? [`not kept: ${[...new Set(narrowed)].join(', ')}`] : [];
  const wider = lost.length > 0 || differences.some((d) => d.change === 'wider');
  const narrower = differences.some((d) => d.change === 'narrower');
  const isLost = parts.length > 0 && own.length === 0 && (wider || narrower);
  const compared = wider ? (narrower ? 'both' : 'wider') : narrower ? 'narrower' : 'exact';
  return {
    policy: policy.source.object,
    fidelity: isLost ? 'not expressible' : compared,
    objects: own.map(({ object: { metadata } }) => `${metadata.namespace}/${metadata.name}`),
    verbatim: own.length > 0 && own.every((t) => t.verbatim),
    differences: differences.slice(0, SHOWN),
    differing: differences.length,
    notes: [...notes, ...lost],
  };
}

/** The policies that select the pod at the end of a connection where a direction is decided. */
function concerned(compiled: CompiledModel, from: Endpoint, to: Endpoint, direction: Direction): readonly Policy[] {
  const own = direction === 'egress' ? from : to;
  if (own.type !== 'pod') return [];
  return compiled.turns(own, direction).flatMap((turn) => turn.policies);
}

function sidePorts(
  compiled: CompiledModel,
  from: Endpoint,
  to: Endpoint,
  direction: Direction,
  protocol: number,
): readonly PortRange[] {
  const side = sideOf(compiled, from, to, direction);
  const name = PROTOCOLS[protocol];
  if (side.exempt !== undefined || name === undefined) return ALL_PORTS;
  const matching = side.turns.map((turn) => turn.rules.filter((rule) => isAbout(rule, side.pod, side.peer)));
  return allowedPorts(side.turns, matching, name, to);
}

/** One end of a connection: what it is at the target, and what it is here. */
interface End {
  readonly name: string;
  readonly there: Endpoint;
  readonly here: Endpoint;
}
interface EndPair {
  readonly from: End;
  readonly to: End;
}

function* pairsOf(there: CompiledModel, here: CompiledModel): Generator<EndPair> {
  const twins = new Map(here.model.pods.map((pod) => [`${pod.id} ${pod.workload}`, pod]));
  const pods = groupsOf(there, false).flatMap((group): End[] => {
    const [first] = group.members;
    const twin = first && twins.get(`${first.id} ${first.workload}`);
    return first && twin ? [{ name: group.id, there: first, here: twin }] : [];
  });
  const others = [...addressEnds(there.model, here.model), ...nodeEnds(there.model, here.model)];
  for (const from of pods) {
    for (const to of pods) {
      // With itself, a group stands for two pods alike.
      yield from === to ? { from, to: replicaOf(to) } : { from, to };
    }
    for (const other of others) {
      yield { from, to: other };
      yield { from: other, to: from };
    }
  }
}

function replicaOf(end: End): End {
  const twin = (e: Endpoint): Endpoint => ({ ...e, id: `${e.id} (another replica)` });
  return { ...end, there: twin(end.there), here: twin(end.here) };
}

/** An address of every class that policies of either side tell apart, but for those that belong to a cluster. */
function addressEnds(there: PolicyModel, here: PolicyModel): End[] {
  const blocks = [...there.policies, ...here.policies].flatMap((policy) =>
    peersOf(policy).flatMap((peer) => (peer.type === 'cidr' ? compileBlock(peer, policy.source.object) : [])),
  );
  const holes = blocks.flatMap((b) => b.except.map((range) => ({ range, except: [] })));
  const ips = ['192.0.2.1', ...[...blocks, ...holes].flatMap((b) => addressIn(b) ?? [])];
  const ranges = blocksOf([...there.podRanges, ...here.podRanges]);
  const [thereBook, hereBook] = [addressBook(there), addressBook(here)];
  return [...new Set(ips)].flatMap((ip): End[] => {
    const end: AddressEndpoint = { type: 'address', id: `ip:${ip}`, ip };
    const isInside =
      thereBook.kindOf(end) !== 'outside' ||
      hereBook.kindOf(end) !== 'outside' ||
      ranges.some((block) => thereBook.covered(block, end) === true);
    return isInside ? [] : [{ name: end.id, there: end, here: end }];
  });
}

/** One node's address, which differs between the two. */
function nodeEnds(there: PolicyModel, here: PolicyModel): End[] {
  const ofNode = (model: PolicyModel): AddressEndpoint | undefined => {
    const ip = [...model.nodes.values()].flat().find((a) => blocksOf([`${a}/32`, `${a}/128`]).length > 0);
    return ip === undefined ? undefined : { type: 'address', id: `ip:${ip}`, ip };
  };
  const [a, b] = [ofNode(there), ofNode(here)];
  return a && b ? [{ name: 'node', there: a, here: b }] : [];
}

function unscheduled({ node: _, ...pod }: PodEndpoint): PodEndpoint {
  return pod;
}
