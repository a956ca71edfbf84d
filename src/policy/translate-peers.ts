import { contains, parseAddress } from './addresses.ts';
import { addressBook, compileBlock } from './blocks.ts';
import { cidrMatches, type EngineSemantics, semanticsOf } from './engine.ts';
import type { Peer, PodEndpoint, Policy, PolicyModel, Selector } from './model.ts';
import { besidesPods } from './peers.ts';
import {
  type BlockSet,
  blocksOf,
  complementBlocks,
  EVERY_ADDRESS,
  EVERY_V4,
  EVERY_V6,
  intersectBlocks,
  subtractBlocks,
  uniteBlocks,
} from './translate-blocks.ts';
import type { Term } from './translate-fold.ts';
import { type Bound, EVERYTHING, NOTHING, otherBound, selectorOfPods } from './translate-selector.ts';

/** A peer taken apart by what engines treat differently: pods, nodes, and addresses outside of the cluster. */
export interface Reached {
  readonly pods: Selector;
  readonly nodes: boolean;
  readonly outside: BlockSet;
}

const NOBODY: Reached = { pods: NOTHING, nodes: false, outside: [] };
const EVERYBODY: Reached = { pods: EVERYTHING, nodes: true, outside: EVERY_ADDRESS };

/** Where AKS' LocalDNS answers: https://learn.microsoft.com/azure/aks/localdns-custom */
const LOCAL_DNS = '169.254.10.10';
const KUBE_DNS: Selector = {
  op: 'all',
  of: [
    { op: 'namespace', names: ['kube-system'] },
    { op: 'label', of: 'pod', key: 'k8s-app', test: 'in', values: ['kube-dns'] },
  ],
};

/** Takes a policy's peers apart as its engine means them; what can't be known errs as `bound` says. */
export type Lower = (peer: Peer, policy: Policy, bound: Bound) => Reached;

/** Prepares a model. `services` are its service CIDRs, which no packet has as its peer once it is on its way. */
export function lowering(model: PolicyModel, services: readonly string[]): Lower {
  const semantics = semanticsOf(model.engine);
  const book = addressBook(model);
  const inside = uniteBlocks(blocksOf(model.podRanges), blocksOf(services), nodeBlocks(model));
  const lower: Lower = (peer, policy, bound) => {
    switch (peer.type) {
      case 'pods': {
        const besides = besidesPods(peer, semantics);
        if (besides === 'everyone') return EVERYBODY;
        return { ...(besides === 'nobody' ? NOBODY : EVERYBODY), pods: peer.match };
      }
      case 'nodes':
        return { ...NOBODY, nodes: bound === 'outer' || (peer.match.op === 'all' && peer.match.of.length === 0) };
      case 'cidr':
        return cidr(peer, policy, bound);
      case 'entity':
        return entity(peer.entity, bound);
      case 'fqdn':
        return bound === 'inner' ? NOBODY : { ...NOBODY, outside: EVERY_ADDRESS };
      case 'every':
        return peer.of.map((p) => lower(p, policy, bound)).reduce(both, EVERYBODY);
      case 'not': {
        const { pods, nodes, outside } = lower(peer.of, policy, otherBound(bound));
        return { pods: { op: 'not', of: pods }, nodes: !nodes, outside: complementBlocks(outside) };
      }
    }
  };

  function cidr(peer: Extract<Peer, { type: 'cidr' }>, policy: Policy, bound: Bound): Reached {
    const block = compileBlock(peer, policy.source.object);
    const dns = parseAddress(LOCAL_DNS);
    const isDns = dns !== undefined && contains(block.range, dns) && block.range.first >> 16n === dns.first >> 16n;
    // A block inside the cluster's own ranges means nothing outside of it.
    const outside = inside.some(({ range }) => contains(range, block.range)) ? [] : [block];
    return {
      pods: isDns && bound === 'inner' ? KUBE_DNS : podsIn(block, policy, bound),
      nodes: nodesIn(block, policy, bound),
      outside,
    };
  }

  function podsIn(block: ReturnType<typeof compileBlock>, policy: Policy, bound: Bound): Selector {
    if (!cidrMatches(semantics, policy, 'pod')) return NOTHING;
    if (book.covered(block, SOME_POD) === true) return EVERYTHING;
    return selectorOfPods(model, (pod) => isBound(book.covered(block, pod), bound), bound);
  }

  function nodesIn(block: ReturnType<typeof compileBlock>, policy: Policy, bound: Bound): boolean {
    if (!cidrMatches(semantics, policy, 'node')) return false;
    const addresses = [...model.nodes.values()].flat().filter((a) => parseAddress(a) !== undefined);
    const known = addresses.map((ip) => book.covered(block, { type: 'address', id: ip, ip }) === true);
    if (known.length === 0) return isBound(book.covered(block, { ...SOME_POD, hostNetwork: true }), bound);
    return bound === 'inner' ? known.every((k) => k) : known.some((k) => k);
  }
  return lower;
}

const isBound = (truth: boolean | undefined, bound: Bound) => (bound === 'inner' ? truth === true : truth !== false);

/** A pod of which only the cluster is known. */
const SOME_POD: PodEndpoint = {
  type: 'pod',
  id: '',
  namespace: '',
  name: '',
  workload: '',
  labels: {},
  serviceAccount: '',
  hostNetwork: false,
  ports: [],
  ips: [],
};

function entity(name: Extract<Peer, { type: 'entity' }>['entity'], bound: Bound): Reached {
  switch (name) {
    case 'all':
      return EVERYBODY;
    case 'world':
      return { ...NOBODY, outside: EVERY_ADDRESS };
    case 'world-ipv4':
      return { ...NOBODY, outside: [EVERY_V4] };
    case 'world-ipv6':
      return { ...NOBODY, outside: [EVERY_V6] };
    case 'cluster':
      return { ...EVERYBODY, outside: [] };
    case 'host':
    case 'remote-node':
      return { ...NOBODY, nodes: bound === 'outer' };
    case 'kube-apiserver':
      return bound === 'inner' ? NOBODY : { ...EVERYBODY, pods: NOTHING };
    case 'ingress':
    case 'init':
    case 'health':
    case 'unmanaged':
    case 'none':
      return NOBODY;
  }
}

/** Who meets all terms. */
export function lowerTerms(lower: Lower, terms: readonly Term[], bound: Bound): Reached {
  return terms
    .map(({ peer, not, policy }) => lower(not ? { type: 'not', of: peer } : peer, policy, bound))
    .reduce(both, EVERYBODY);
}

function both(a: Reached, b: Reached): Reached {
  return {
    pods: { op: 'all', of: [a.pods, b.pods] },
    nodes: a.nodes && b.nodes,
    outside: intersectBlocks(a.outside, b.outside),
  };
}

/** The addresses of a model's nodes. */
export function nodeBlocks(model: Pick<PolicyModel, 'nodes'>): BlockSet {
  return [...model.nodes.values()].flat().flatMap((a) => {
    const range = parseAddress(a);
    return range ? [{ range, except: [] }] : [];
  });
}

/** The blocks that stand for what is outside and, as asked, for nodes, where an engine's CIDRs may match pods and nodes. */
export function localBlocks(
  { nodes, outside }: Pick<Reached, 'nodes' | 'outside'>,
  allPods: boolean,
  local: Pick<PolicyModel, 'nodes' | 'podRanges'>,
  semantics: EngineSemantics,
): BlockSet {
  const own = nodeBlocks(local);
  const withoutPods =
    semantics.cidrMatchesPods && !allPods ? subtractBlocks(outside, blocksOf(local.podRanges)) : outside;
  if (!semantics.cidrMatchesNodes) return withoutPods;
  return nodes ? uniteBlocks(withoutPods, own) : subtractBlocks(withoutPods, own);
}
