import { type AddressBook, addressBook, compileBlock } from './blocks.ts';
import { type EngineSemantics, semanticsOf } from './engine.ts';
import type { Direction, Endpoint, Peer, PodEndpoint, Policy, PolicyModel, Rule } from './model.ts';
import { matchesPod, namespaceLabels } from './select.ts';

/** A rule that remembers which peers it matched. */
export interface CompiledRule {
  readonly rule: Rule;
  readonly policy: Policy;
  matchesPeer(peer: Endpoint): boolean;
}

/** The policies that isolate a pod in one direction, and all their rules for it. */
export interface Isolation {
  readonly policies: readonly Policy[];
  readonly rules: readonly CompiledRule[];
}

/** A model prepared for many questions: what selects a pod and what a peer matches is worked out once. */
export interface CompiledModel {
  readonly model: PolicyModel;
  readonly semantics: EngineSemantics;
  readonly addresses: AddressBook;
  /** Undefined where no policy selects the pod in this direction. */
  isolation(pod: PodEndpoint, direction: Direction): Isolation | undefined;
}

interface CompiledPolicy {
  readonly policy: Policy;
  readonly directions: readonly Direction[];
  readonly rules: readonly CompiledRule[];
}

type PeerMatcher = (peer: Endpoint) => boolean;

/** Prepares a model. Cheap: the work is done when it is asked for. */
export function compile(model: PolicyModel): CompiledModel {
  const semantics = semanticsOf(model.engine.name);
  const addresses = addressBook(model);
  const labels = memoize((namespace: string) => namespaceLabels(model, namespace), new Map());
  const policies = model.policies.map((policy) => compilePolicy(policy, semantics, addresses, labels));
  const selecting = memoize((pod: PodEndpoint) => {
    const selected = policies.filter(({ policy }) => matchesPod(policy.subject, pod, labels(pod.namespace)));
    return { ingress: isolationOf(selected, 'ingress'), egress: isolationOf(selected, 'egress') };
  }, new Map());
  return { model, semantics, addresses, isolation: (pod, direction) => selecting(pod)[direction] };
}

function isolationOf(selected: readonly CompiledPolicy[], direction: Direction): Isolation | undefined {
  const isolating = selected.filter((p) => p.directions.includes(direction));
  if (isolating.length === 0) return undefined;
  return {
    policies: isolating.map((p) => p.policy),
    rules: isolating.flatMap((p) => p.rules.filter((r) => r.rule.direction === direction)),
  };
}

function compilePolicy(
  policy: Policy,
  semantics: EngineSemantics,
  addresses: AddressBook,
  labels: (namespace: string) => Readonly<Record<string, string>>,
): CompiledPolicy {
  const extra = semantics.rulesIsolate ? policy.rules.map((r) => r.direction) : [];
  return {
    policy,
    directions: [...new Set([...policy.isolates, ...extra])],
    rules: policy.rules.map((rule) => {
      const matchers = rule.peers?.map((peer) => peerMatcher(peer, rule, semantics, addresses, labels));
      const matches: PeerMatcher = matchers ? (peer) => matchers.some((m) => m(peer)) : () => true;
      return { rule, policy, matchesPeer: memoize(matches, new Map()) };
    }),
  };
}

/**
 * Selectors never match hostNetwork pods: engines see them as their node's address, "the most common implementation"
 * (https://kubernetes.io/docs/concepts/services-networking/network-policies/#networkpolicy-and-hostnetwork-pods).
 */
function peerMatcher(
  peer: Peer,
  rule: Rule,
  semantics: EngineSemantics,
  addresses: AddressBook,
  labels: (namespace: string) => Readonly<Record<string, string>>,
): PeerMatcher {
  if (peer.type === 'pods') {
    return (e) => e.type === 'pod' && !e.hostNetwork && matchesPod(peer.match, e, labels(e.namespace));
  }
  const block = compileBlock(peer, rule.source.object);
  return (endpoint) => {
    const kind = addresses.kindOf(endpoint);
    if (kind === 'pod' && !semantics.cidrMatchesPods) return false;
    if (kind === 'node' && !semantics.cidrMatchesNodes) return false;
    return addresses.covered(block, endpoint);
  };
}

interface Store<K, V> {
  get(key: K): V | undefined;
  set(key: K, value: V): unknown;
}

/** Remembers the answers of a pure function. */
function memoize<K, V extends NonNullable<unknown>>(compute: (key: K) => V, store: Store<K, V>): (key: K) => V {
  return (key) => {
    const known = store.get(key);
    if (known !== undefined) return known;
    const value = compute(key);
    store.set(key, value);
    return value;
  };
}
