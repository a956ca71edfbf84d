import type { PolicyObject, Protocol } from '../snapshot/model.ts';
import { maybe } from '../snapshot/shape.ts';
import { type CompiledModel, compile } from './compile.ts';
import { conditionsOf, isGivenUp } from './conditions.ts';
import { allowedPorts, rulesAbout, sideOf } from './decide.ts';
import { decidersOf } from './deciders.ts';
import { calicoTiers } from './dialect/calico-tiers.ts';
import { parsePolicies } from './dialect/index.ts';
import { originOf } from './dialect/origin.ts';
import { whyIgnored } from './engine.ts';
import { policiesOfEngine } from './engine-policies.ts';
import { pairsOf } from './fidelity-ends.ts';
import { unlearned } from './fqdn.ts';
import type { LocalWorld } from './local-world.ts';
import type { Direction, Endpoint, PodEndpoint, Policy, PolicyModel } from './model.ts';
import { ALL_PORTS, difference, formatPorts, intersection, type PortRange, PROTOCOLS, union } from './ports.ts';
import { tiersOf } from './tiers.ts';
import { tiesOf } from './ties.ts';
import { acceptedAs, isAccepted, type TranslatedObject } from './translate.ts';
import { partsOf } from './translate-cells.ts';

/**
 * `unknown`: no connection differs, but the policy says what the comparison can't show; `not applied`: something else is
 * here in its place, or it was not chosen (see plan/not-applied.ts).
 */
export type Fidelity = 'exact' | 'wider' | 'narrower' | 'both' | 'not expressible' | 'not applied' | 'unknown';

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
  /** The objects that stand for it here, as `SourceRef.object` names them. */
  readonly objects: readonly string[];
  /** Whether these are the target's own, as they are. */
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
  const { namespaces, serviceAccounts } = target;
  const { engine, services = [] } = local;
  const context = { services, namespaces, engine, ...maybe('serviceAccounts', serviceAccounts) };
  const policies = [...parsePolicies(objects, context), ...policiesOfEngine(engine)];
  const tiers = tiersOf(local.engine.name, policies, calicoTiers(objects));
  const pods = target.pods.map((pod): PodEndpoint => {
    const { node: _, ...rest } = pod;
    return { ...rest, ips: [] };
  });
  return { ...target, ...local, policies, tiers, pods };
}

/**
 * Compares what the target allows with what the translated objects allow here: between all its groups of pods, and
 * between them and addresses of every class that policies tell apart, on all ports. A difference counts for the policies
 * whose rules decide it in either cluster; where no rule does, for those that isolate the pod. `acceptWider` as in TranslateInput.
 */
export function fidelityOf(
  target: PolicyModel,
  translated: readonly TranslatedObject[],
  local: LocalWorld,
  acceptWider: readonly string[] = [],
): PolicyFidelity[] {
  const there = compile({ ...target, pods: target.pods.map(unscheduled) });
  const here = compile(
    appliedModel(
      target,
      translated.map((t) => t.object),
      local,
    ),
  );
  const named = Map.groupBy(target.policies, (p) => p.source.object);
  const standsFor = new Map(
    translated.map((t) => [originOf(t.object).object, t.from.flatMap((p) => named.get(p.source.object) ?? [])]),
  );
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
        .flatMap(({ direction, a, b }) => {
          const ports = union([...difference(a, b), ...difference(b, a)]);
          const [x, y] = [
            decidersOf(there, { from: pair.from.there, to: pair.to.there }, direction, protocol, ports),
            decidersOf(here, { from: pair.from.here, to: pair.to.here }, direction, protocol, ports),
          ];
          const originals = (list: readonly Policy[]) => list.flatMap((p) => standsFor.get(p.source.object) ?? []);
          const byRule = [...x.byRule, ...originals(y.byRule)];
          const byDefault = [...x.byDefault, ...originals(y.byDefault)];
          if (byRule.length + byDefault.length > 0) return byRule.length > 0 ? byRule : byDefault;
          return concerned(there, pair.from.there, pair.to.there, direction);
        });
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
  const ties = tiesOf(there);
  const kept = Map.groupBy(here.model.policies, (p) => p.source.object);
  return target.policies.map((policy) => {
    const own = translated.filter((t) => t.from.some((p) => p.source.object === policy.source.object));
    const objects = own.map((t) => originOf(t.object).object);
    const asked = objects.flatMap((o) => kept.get(o) ?? []).flatMap(conditionsOf);
    const missing = partsOf(policy, target).length === 0 ? [] : conditionsOf(policy).filter((c) => !asked.includes(c));
    const isWider = isAccepted(policy, acceptWider);
    const given = missing.filter((c) => isWider || isGivenUp(c));
    const notes = missingNotes(
      policy,
      given,
      missing.filter((c) => !given.includes(c)),
      local,
    );
    const tied = (ties.get(policy) ?? []).map(
      (p) => `${p.source.object} has the same priority: Kubernetes doesn't define which of the two comes first`,
    );
    const doubts = [...(policy.caveats ?? []), ...tied, ...[unlearned(there, policy)].flatMap((text) => text ?? [])];
    return verdictOf(policy, byPolicy.get(policy) ?? [], own, target, { wider: given.length > 0, notes, doubts });
  });
}

const isPod = (e: Endpoint) => e.type === 'pod' && !e.hostNetwork;

function verdictOf(
  policy: Policy,
  differences: readonly DifferingConnection[],
  own: readonly TranslatedObject[],
  target: PolicyModel,
  missing: { readonly wider: boolean; readonly notes: readonly string[]; readonly doubts: readonly string[] },
): PolicyFidelity {
  const parts = partsOf(policy, target);
  const idle = whyIgnored(policy, target.engine);
  const caveats = idle === undefined ? missing.doubts : [];
  const verbatim = own.length > 0 && own.every((t) => t.verbatim);
  const changes = new Set(own.flatMap(({ note }) => note ?? []));
  const notes = [...(idle === undefined ? [] : [idle]), ...caveats, ...missing.notes, ...changes];
  const wider = missing.wider || differences.some((d) => d.change === 'wider');
  const narrower = differences.some((d) => d.change === 'narrower');
  const isLost = parts.length > 0 && own.length === 0 && (wider || narrower);
  const compared = wider
    ? narrower
      ? 'both'
      : 'wider'
    : narrower
      ? 'narrower'
      : caveats.length > 0 && !verbatim
        ? 'unknown'
        : 'exact';
  return {
    policy: policy.source.object,
    fidelity: isLost ? 'not expressible' : compared,
    objects: own.map(({ object }) => originOf(object).object),
    verbatim,
    differences: differences.slice(0, SHOWN),
    differing: differences.length,
    notes,
  };
}

/** What of a policy can't be asked for here, and what becomes of it. */
function missingNotes(
  policy: Policy,
  given: readonly string[],
  left: readonly string[],
  { own }: LocalWorld,
): readonly string[] {
  const why = own?.missing.envoy ?? own?.missing.dns;
  const because = why === undefined || policy.dialect !== 'cilium' ? '' : ` (${why})`;
  return [
    ...(given.length > 0 ? [`not kept${because}: ${given.join(', ')}`] : []),
    ...(left.length > 0
      ? [
          `left out, for it can't be asked here${because}: ${left.join(', ')}; "--accept-wider ${acceptedAs(policy)}" would allow more instead`,
        ]
      : []),
  ];
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
  const matching = rulesAbout(side.turns, side.pod, side.peer);
  return allowedPorts({ ...side, matching, protocol: name, destination: to });
}

function unscheduled({ node: _, ...pod }: PodEndpoint): PodEndpoint {
  return pod;
}
