import type { CompiledModel } from './compile.ts';
import { addressSignature } from './groups.ts';
import type { Direction, PodEndpoint } from './model.ts';
import { PROTOCOLS, union } from './ports.ts';
import { type Reach, reachOf } from './reach.ts';

/** Nodes, by how they stand to a pod: two clusters have no nodes in common to be told by name. */
const NODE_PLACES = ['own node', 'other nodes', 'API server nodes'] as const;
export type NodePlace = (typeof NODE_PLACES)[number];

/**
 * What pods may send to nodes, and these to them, by the place of the protocol: what one of the nodes of a place may.
 * Undefined where a cluster has none there: API servers are known by their pods alone. Where nobody knows nodes, one of
 * unknown address is assumed.
 */
export function nodeReach(
  compiled: CompiledModel,
): (pod: PodEndpoint, place: NodePlace, direction: Direction) => Reach | undefined {
  const names = compiled.model.nodes.size > 0 ? [...compiled.model.nodes.keys()] : ['a node'];
  const signature = addressSignature(compiled);
  const kinds = new Map(names.map(nodeEnd).map((node) => [signature(node), node]));
  const [servers = [], others = []] = [true, false].map((is) =>
    [...kinds.values()].filter((node) => (compiled.isApiServer(node) === true) === is),
  );
  const at: Readonly<Record<NodePlace, readonly PodEndpoint[]>> = {
    'own node': others.length > 0 ? others : servers,
    'other nodes': others,
    'API server nodes': servers,
  };
  return (pod, place, direction) => {
    if (at[place].length === 0) return undefined;
    const reaches = at[place].map((node) => {
      const own = { ...pod, node: place === 'own node' ? node.name : 'none of these nodes' };
      return direction === 'egress' ? reachOf(compiled, own, node) : reachOf(compiled, node, own);
    });
    return PROTOCOLS.map((_, i) => union(reaches.flatMap((reach) => reach[i] ?? [])));
  };
}

/** What is true of each place (`factsOf`: undefined where there is no such node), under `nodes` where it is of all. */
export function nodePlaces<T>(factsOf: (place: NodePlace) => readonly T[] | undefined) {
  const found = NODE_PLACES.flatMap((name) => {
    const facts = factsOf(name);
    return facts ? [{ name, facts }] : [];
  });
  const distinct = new Set(found.map(({ facts }) => JSON.stringify(facts)));
  return distinct.size === 1 ? found.slice(0, 1).map(({ facts }) => ({ name: 'nodes', facts })) : found;
}

/** A node as policies see it: what is on its network. */
function nodeEnd(name: string): PodEndpoint {
  return {
    type: 'pod',
    id: `node ${name}`,
    namespace: '',
    name,
    workload: '',
    labels: {},
    serviceAccount: '',
    hostNetwork: true,
    ports: [],
    ips: [],
    node: name,
  };
}
