import { isIP } from 'node:net';
import { type AddressBook, type AddressKind, compileBlock } from './blocks.ts';
import { cidrMatches, type EngineSemantics, type Strangers } from './engine.ts';
import { matchesName } from './fqdn.ts';
import type { Endpoint, Entity, Peer, PodEndpoint, Policy, PolicyModel, Selector } from './model.ts';
import { every, holds, type Known, negated, some, type Truth } from './select.ts';
import { isApiServerPod } from './services.ts';

/** What is asked of every peer, whatever its rule. */
export interface PeerContext {
  readonly model: PolicyModel;
  readonly semantics: EngineSemantics;
  readonly addresses: AddressBook;
  known(pod: PodEndpoint): Known;
  /** Whether an endpoint is the API server, as far as its pods (kube-system, component=kube-apiserver) tell. */
  isApiServer(endpoint: Endpoint): Truth;
}

type PodsPeer = Extract<Peer, { type: 'pods' }>;

/** How an endpoint that is a node stands to the pod that a policy speaks for. */
export type Relation = 'same node' | 'other node';

/** Whether an endpoint is meant. A relation that isn't known is asked for both ways by the caller. */
export type PeerMatcher = (endpoint: Endpoint, relation: Relation) => Truth;

/** Prepares a peer of a policy's rule. Throws an input error for a CIDR that is none; parsers have checked it. */
export function peerMatcher(peer: Peer, policy: Policy, context: PeerContext): PeerMatcher {
  const { addresses, semantics } = context;
  switch (peer.type) {
    case 'pods':
      return besidesPods(peer, semantics) === 'everyone' ? () => true : selectedMatcher(peer, context);
    case 'nodes':
      return (e) =>
        addresses.kindOf(e) === 'node' && holds(peer.match, knownOfNode(context.model, addresses.nodeOf(e)));
    case 'cidr': {
      const block = compileBlock(peer, policy.source.object);
      return (e) => {
        const kind = addresses.kindOf(e);
        return (kind === 'outside' || cidrMatches(semantics, policy, kind)) && addresses.covered(block, e);
      };
    }
    case 'entity':
      return (e, relation) => isEntity(peer.entity, e, relation, context);
    case 'fqdn':
      return (e) => {
        if (e.type === 'pod' || addresses.kindOf(e) !== 'outside') return false;
        return e.names?.some((name) => matchesName(policy.dialect, peer.pattern, name));
      };
    case 'every': {
      const all = peer.of.map((p) => peerMatcher(p, policy, context));
      return (e, relation) => every(all, (matches) => matches(e, relation));
    }
    case 'not': {
      const matches = peerMatcher(peer.of, policy, context);
      return (e, relation) => negated(matches(e, relation));
    }
  }
}

/** Whether an endpoint is what a peer selects by itself: a pod, or a stranger where those are meant too. */
function selectedMatcher(peer: PodsPeer, { semantics, known }: PeerContext): PeerMatcher {
  const besides = besidesPods(peer, semantics);
  // Selectors never match hostNetwork pods: engines see them as their node's address, "the most common implementation"
  // (Kubernetes' documentation, NetworkPolicy and hostNetwork pods).
  return (e) => (e.type === 'pod' && !e.hostNetwork ? holds(peer.match, known(e)) : besides !== 'nobody');
}

/** A selector as Cilium keeps it, and whether it is there for an endpoint alone or for all of its kind. */
export interface PeerKey {
  readonly selector: string;
  readonly forAnyone: boolean;
}

/**
 * By which selectors an endpoint is meant, as Cilium's tables have it: all pods of the cluster have an identity together,
 * and so has all that is outside, which some selectors mean beside those that they select or instead of them (pkg/policy/
 * aggregate.go and api/entity.go of v1.20.2).
 */
export function peerKeys(peer: Peer, policy: Policy, context: PeerContext) {
  const { addresses, semantics } = context;
  const selector = JSON.stringify(peer);
  const isAll = peer.type === 'entity' && peer.entity === 'all';
  const selects = peer.type === 'pods' ? selectedMatcher(peer, context) : peerMatcher(peer, policy, context);
  const together = kindsTogether(peer, semantics);
  return (endpoint: Endpoint, relation: Relation): PeerKey[] => [
    ...(isAll || together.includes(addresses.kindOf(endpoint)) ? [{ selector, forAnyone: true }] : []),
    ...(!isAll && selects(endpoint, relation) === true ? [{ selector, forAnyone: false }] : []),
  ];
}

/** Whether a rule's peers are kept by the same selectors whoever of those that they mean is asked about. */
export function haveFixedKeys(peers: readonly Peer[], semantics: EngineSemantics): boolean {
  return peers.length === 1 && peers.every((peer) => kindsTogether(peer, semantics).length === 0);
}

/** The kinds of endpoints that a peer means by the identity that they have together. */
function kindsTogether(peer: Peer, semantics: EngineSemantics): readonly AddressKind[] {
  if (peer.type === 'pods') return besidesPods(peer, semantics) === 'everyone' ? ['pod', 'outside'] : [];
  if (peer.type !== 'entity' || peer.byLabel) return [];
  return peer.entity === 'cluster' ? ['pod'] : peer.entity === 'world' ? ['outside'] : [];
}

/**
 * What Cilium takes for a peer besides the pods that it selects, where it asks for no label to be there: the reserved
 * identities, the world and nodes among them, and where it has `aggregate-cluster` (1.20) with that all pods. It adds the
 * own cluster's name to selectors, which none of them has, by an option, but never to the `namespaces` of a
 * ClusterNetworkPolicy (seen in v1.20.2; pkg/k8s/cluster_network_policy.go, parseNetworkPolicyPeer in network_policy.go).
 */
export function besidesPods(peer: PodsPeer, { name, strangers }: EngineSemantics): Strangers {
  if (name !== 'cilium' || peer.strangers === undefined) return 'nobody';
  return peer.strangers === 'always' ? 'everyone' : strangers;
}

function knownOfNode({ nodeLabels }: PolicyModel, node: string | undefined): Known {
  const labels = node === undefined ? undefined : nodeLabels?.get(node);
  return { labels: { pod: {}, namespace: {}, serviceAccount: {}, node: labels }, namespace: '', serviceAccount: '' };
}

/** Cilium's entities: https://docs.cilium.io/en/stable/security/policy/language/#entities-based */
function isEntity(entity: Entity, e: Endpoint, relation: Relation, { addresses, isApiServer }: PeerContext): Truth {
  const kind = addresses.kindOf(e);
  switch (entity) {
    case 'all':
      return true;
    case 'world':
      return kind === 'outside';
    case 'world-ipv4':
      return kind === 'outside' && e.type === 'address' && isIP(e.ip) === 4;
    case 'world-ipv6':
      return kind === 'outside' && e.type === 'address' && isIP(e.ip) === 6;
    case 'cluster':
      return kind !== 'outside';
    case 'host':
      return kind === 'node' && relation === 'same node';
    case 'remote-node':
      return kind === 'node' && relation === 'other node';
    case 'kube-apiserver':
      return kind === 'pod' ? false : isApiServer(e);
    // Never an endpoint that is modelled here.
    case 'ingress':
    case 'init':
    case 'health':
    case 'unmanaged':
    case 'none':
      return false;
  }
}

/** Whether the answer of a peer hangs on which node an endpoint is. */
export function isRelative(peer: Peer): boolean {
  if (peer.type === 'entity') return peer.entity === 'host' || peer.entity === 'remote-node';
  if (peer.type === 'every') return peer.of.some(isRelative);
  return peer.type === 'not' && isRelative(peer.of);
}

/** How `peer` stands to a pod's node; undefined where one of the two isn't known. */
export function relationOf(addresses: AddressBook, own: PodEndpoint, peer: Endpoint): Relation | undefined {
  const node = addresses.nodeOf(peer);
  if (own.node === undefined || node === undefined) return undefined;
  return node === own.node ? 'same node' : 'other node';
}

/** Looks for the API server among the pods. Where it isn't one of them (a managed cluster), any address may be it. */
export function apiServerFinder(model: PolicyModel, addresses: AddressBook): (endpoint: Endpoint) => Truth {
  const servers = model.pods.filter(isApiServerPod);
  if (servers.length === 0) return () => undefined;
  const nodes = new Set(servers.map((p) => addresses.nodeOf(p)));
  const unknown = nodes.delete(undefined);
  return (endpoint) => {
    const node = addresses.nodeOf(endpoint);
    if (node !== undefined && nodes.has(node)) return true;
    return addresses.kindOf(endpoint) === 'node' && (unknown || node === undefined) ? undefined : false;
  };
}

/** Every peer inside a peer, itself included. */
export function peersIn(peer: Peer): Peer[] {
  if (peer.type === 'every') return [peer, ...peer.of.flatMap(peersIn)];
  return peer.type === 'not' ? [peer, ...peersIn(peer.of)] : [peer];
}

/** Every peer of a policy's rules, and what the rules ask of their own side. */
export function peersOf(policy: Policy): Peer[] {
  return policy.rules.flatMap(({ peers = [], self }) => [...peers, ...(self ? [self] : [])].flatMap(peersIn));
}

/** Every pod label that some policy looks at. */
export function selectedKeys(policies: readonly Policy[]): Set<string> {
  const keys = new Set<string>();
  const visit = (selector: Selector): void => {
    if (selector.op === 'all' || selector.op === 'any') selector.of.forEach(visit);
    else if (selector.op === 'not') visit(selector.of);
    else if (selector.op === 'label' && selector.of === 'pod') keys.add(selector.key);
  };
  for (const policy of policies) {
    visit(policy.subject);
    for (const peer of peersOf(policy)) if (peer.type === 'pods') visit(peer.match);
  }
  return keys;
}

/** Whether one of the matchers means an endpoint; none at all mean nothing. */
export function matchesOne(matchers: readonly PeerMatcher[], endpoint: Endpoint, relation: Relation): Truth {
  return some(matchers, (matches) => matches(endpoint, relation));
}
