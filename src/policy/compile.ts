import { type AddressBook, addressBook } from './blocks.ts';
import { type EngineSemantics, semanticsOf, whyIgnored } from './engine.ts';
import type { Direction, Endpoint, Peer, PodEndpoint, Policy, PolicyModel, Rule, Tier } from './model.ts';
import {
  apiServerFinder,
  haveFixedKeys,
  isRelative,
  matchesOne,
  type PeerContext,
  type PeerKey,
  peerKeys,
  peerMatcher,
  relationOf,
} from './peers.ts';
import { holds, knowing, type Truth } from './select.ts';
import { BASELINE_TIER, bySide, byTurn, placed } from './tiers.ts';

/** A rule that is ready to be asked. */
export interface CompiledRule {
  readonly rule: Rule;
  readonly policy: Policy;
  /** Whether `peer` is one of its peers, as seen from a pod that the policy selects. One value for equal peers. */
  matchesPeer(peer: Endpoint, own: PodEndpoint): Truth;
  /** In which keys of Cilium's table it is where `peer` is surely one of its peers. */
  keysOf(peer: Endpoint, own: PodEndpoint): readonly PeerKey[];
  /** Whether these are the same for all of its peers. */
  readonly hasFixedKeys: boolean;
  /** Whether the pod is what the rule asks of its own side. */
  matchesSelf(own: PodEndpoint): Truth;
}

/** A tier's turn to decide about a pod in one direction. */
export interface Turn {
  readonly tier: Tier;
  /** The policies that select the pod and have a say in the direction, in their order. */
  readonly policies: readonly Policy[];
  /** Those of them that leave the undecided to the tier's `otherwise`. */
  readonly isolating: readonly Policy[];
  /** Their rules, in their order. */
  readonly rules: readonly CompiledRule[];
  /** The place of each of them, where some stand side by side: see EngineSemantics.rulesTakeTurns. */
  readonly places?: ReadonlyMap<CompiledRule, number>;
  /** Set where what passes on may come to something else (see stray-passes.ts): what is known of that, for all pods. */
  readonly strays?: Map<string, boolean>;
}

/** A policy that decides nothing, and why. */
export interface IgnoredPolicy {
  readonly policy: Policy;
  readonly why: string;
}

/** A model prepared for many questions: what selects a pod is worked out once. */
export interface CompiledModel {
  readonly model: PolicyModel;
  readonly semantics: EngineSemantics;
  readonly addresses: AddressBook;
  readonly ignored: readonly IgnoredPolicy[];
  /** In turn; none where no policy selects the pod in this direction. */
  turns(pod: PodEndpoint, direction: Direction): readonly Turn[];
  /** Whether an endpoint is the API server, where known. */
  isApiServer(endpoint: Endpoint): Truth;
  /** Whether a policy's subject is the pod. */
  selects(policy: Policy, pod: PodEndpoint): boolean;
  /** The same cluster under other policies; what is known of its pods and of policies that stay is kept. */
  replacing(policies: readonly Policy[]): CompiledModel;
}

interface CompiledPolicy {
  readonly policy: Policy;
  readonly isolates: readonly Direction[];
  readonly rules: Readonly<Record<Direction, readonly CompiledRule[]>>;
}

/** Prepares a model. Cheap: the work is done when it is asked for. */
export function compile(model: PolicyModel): CompiledModel {
  const semantics = semanticsOf(model.engine);
  const addresses = addressBook(model);
  const known = knowing(model);
  const isApiServer = apiServerFinder(model, addresses);
  const peerContext: PeerContext = { model, semantics, addresses, known, isApiServer };
  const context: RuleContext = { semantics, askersOf: askers(peerContext) };
  const { engine } = model;
  return underPolicies(model, {
    semantics,
    addresses,
    isApiServer,
    strays: new Map(),
    selects: (policy, pod) => holds(policy.subject, known(pod)) === true,
    compiled: memoize((policy) => compilePolicy(policy, context)),
    ignoring: memoize((policy) => ({ why: whyIgnored(policy, engine) })),
  });
}

/** What holds of a cluster whatever its policies, and of each policy whatever the others. */
interface Shared extends Pick<CompiledModel, 'semantics' | 'addresses' | 'isApiServer' | 'selects'> {
  readonly strays: Map<string, boolean>;
  compiled(policy: Policy): CompiledPolicy;
  ignoring(policy: Policy): { readonly why: string | undefined };
}

function underPolicies(model: PolicyModel, shared: Shared): CompiledModel {
  const { semantics, addresses, isApiServer, selects, compiled } = shared;
  const { policies } = model;
  const enforced = memoize((namespace: string) => enforcedIn(namespace, policies, shared));
  let ignored: readonly IgnoredPolicy[] | undefined;
  const turnsOf = memoize((pod: PodEndpoint) => {
    const selected = enforced(pod.namespace)
      .filter((policy) => selects(policy, pod))
      .map(compiled);
    const inDirection = (direction: Direction) => turnsIn(model, selected, direction, shared);
    return { ingress: inDirection('ingress'), egress: inDirection('egress') };
  });
  return {
    model,
    semantics,
    addresses,
    get ignored() {
      ignored ??= ignoredOf(policies, shared);
      return ignored;
    },
    turns: (pod, direction) => turnsOf(pod)[direction],
    isApiServer,
    selects,
    replacing: (others) => underPolicies({ ...model, policies: others }, shared),
  };
}

/** The policies that may select a pod of a namespace, in their order. */
function enforcedIn(namespace: string, policies: readonly Policy[], { ignoring }: Shared): Policy[] {
  const isThere = (policy: Policy) => policy.namespace === undefined || policy.namespace === namespace;
  return policies.filter((policy) => isThere(policy) && ignoring(policy).why === undefined).sort(byTurn);
}

/** Those that count for nothing. */
function ignoredOf(policies: readonly Policy[], { ignoring }: Shared): IgnoredPolicy[] {
  return policies.flatMap((policy) => {
    const { why } = ignoring(policy);
    return why === undefined ? [] : [{ policy, why }];
  });
}

function turnsIn(
  { tiers }: PolicyModel,
  selected: readonly CompiledPolicy[],
  direction: Direction,
  { semantics: { rulesTakeTurns, denialsLast, passesStray }, strays }: Shared,
): Turn[] {
  const turns = tiers.flatMap((tier): Turn | [] => {
    const own = selected.filter(
      (p) => p.policy.tier === tier.name && (p.isolates.includes(direction) || p.rules[direction].length > 0),
    );
    if (own.length === 0) return [];
    return {
      tier,
      policies: own.map((p) => p.policy),
      isolating: own.filter((p) => p.isolates.includes(direction)).map((p) => p.policy),
      ...(tier.rules === 'ordered' && rulesTakeTurns
        ? inTurn(own, direction)
        : { rules: own.flatMap((p) => p.rules[direction]) }),
      ...(passesStray && tier.name === BASELINE_TIER.name && { strays }),
    };
  });
  return denialsLast ? endingInDenial(turns) : turns;
}

/** Whether a turn denies what none of its rules decides. */
export function denies({ tier, isolating }: Turn): boolean {
  return tier.otherwise === 'deny' && isolating.length > 0;
}

/** The turns with every tier's denial of what it leaves undecided put off until all have had their say. */
function endingInDenial(turns: readonly Turn[]): Turn[] {
  const early = turns.slice(0, -1).filter(denies);
  if (early.length === 0) return [...turns];
  return [
    ...turns.map((turn) => (early.includes(turn) ? { ...turn, isolating: [] } : turn)),
    ...early.map((turn) => ({ ...turn, rules: [] })),
  ];
}

/** See EngineSemantics.rulesTakeTurns. */
function inTurn(policies: readonly CompiledPolicy[], direction: Direction): Pick<Turn, 'rules' | 'places'> {
  const sorted = policies
    .flatMap(({ policy, rules }) => placed(policy, rules[direction], ({ rule }) => rule))
    .sort(bySide);
  const names = [...new Set(sorted.map(({ policy, place }) => `${policy.order} ${place}`))];
  const order = new Map(names.map((name, i) => [name, i]));
  const places = sorted.map(({ item, policy, place }) => [item, order.get(`${policy.order} ${place}`) ?? 0] as const);
  return { rules: sorted.map(({ item }) => item), places: new Map(places) };
}

interface RuleContext {
  readonly semantics: EngineSemantics;
  askersOf(peers: readonly Peer[], policy: Policy): Askers;
}

/** What can be asked of a rule's peers. */
type Askers = Pick<CompiledRule, 'matchesPeer' | 'keysOf' | 'hasFixedKeys'>;

function compilePolicy(policy: Policy, context: RuleContext): CompiledPolicy {
  const isNetworkPolicy = policy.dialect === 'kubernetes';
  const extra = isNetworkPolicy && context.semantics.rulesIsolate ? policy.rules.map((r) => r.direction) : [];
  const isolates = [...new Set([...policy.isolates, ...extra])];
  const rulesOf = (direction: Direction) =>
    // A NetworkPolicy has no say in a direction that it doesn't isolate.
    isNetworkPolicy && !isolates.includes(direction)
      ? []
      : policy.rules.filter((r) => r.direction === direction).map((rule) => compileRule(rule, policy, context));
  return { policy, isolates, rules: { ingress: rulesOf('ingress'), egress: rulesOf('egress') } };
}

function compileRule(rule: Rule, policy: Policy, { askersOf }: RuleContext): CompiledRule {
  const self = rule.self === undefined ? ANYONE : askersOf([rule.self], policy);
  const peers = rule.peers === undefined ? ANYONE : askersOf(rule.peers, policy);
  return { rule, policy, ...peers, matchesSelf: (own) => self.matchesPeer(own, own) };
}

const ANYONE: Askers = {
  matchesPeer: () => true,
  keysOf: () => [{ selector: '', forAnyone: true }],
  hasFixedKeys: true,
};

/** Rules with the same peers share what is asked of them, so that its answers can be remembered for all of them. */
function askers(context: PeerContext): RuleContext['askersOf'] {
  const known = new Map<string, Askers>();
  return (peers, policy) => {
    const key = `${policy.dialect} ${JSON.stringify(peers)}`;
    const found = known.get(key);
    if (found) return found;
    const made = {
      matchesPeer: matcherOf(peers, policy, context),
      keysOf: keysOf(peers, policy, context),
      hasFixedKeys: haveFixedKeys(peers, context.semantics),
    };
    known.set(key, made);
    return made;
  };
}

function keysOf(peers: readonly Peer[], policy: Policy, context: PeerContext): CompiledRule['keysOf'] {
  let keys: readonly ReturnType<typeof peerKeys>[] | undefined;
  return (endpoint, own) => {
    keys ??= peers.map((peer) => peerKeys(peer, policy, context));
    const relation = relationOf(context.addresses, own, endpoint) ?? 'other node';
    return keys.flatMap((of) => of(endpoint, relation));
  };
}

function matcherOf(peers: readonly Peer[], policy: Policy, context: PeerContext): CompiledRule['matchesPeer'] {
  const all = peers.map((peer) => peerMatcher(peer, policy, context));
  if (!peers.some(isRelative)) return (endpoint) => matchesOne(all, endpoint, 'other node');
  return (endpoint, own) => {
    const relation = relationOf(context.addresses, own, endpoint);
    if (relation !== undefined) return matchesOne(all, endpoint, relation);
    // Where nobody knows which node it is, only what holds for both is known.
    const elsewhere = matchesOne(all, endpoint, 'other node');
    return matchesOne(all, endpoint, 'same node') === elsewhere ? elsewhere : undefined;
  };
}

/** Remembers the answers of a pure function. */
function memoize<K, V extends NonNullable<unknown>>(compute: (key: K) => V): (key: K) => V {
  const store = new Map<K, V>();
  return (key) => {
    const known = store.get(key);
    if (known !== undefined) return known;
    const value = compute(key);
    store.set(key, value);
    return value;
  };
}
