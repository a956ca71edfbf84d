import type { CompiledModel } from './compile.ts';
import { groupsOf, otherReplica } from './groups.ts';
import type { AddressEndpoint, Endpoint, PolicyModel } from './model.ts';
import { outsideOf } from './outside.ts';
import { blocksOf } from './translate-blocks.ts';

/** One end of a connection: what it is at the target, and what it is here. */
export interface End {
  readonly name: string;
  readonly there: Endpoint;
  readonly here: Endpoint;
}
interface EndPair {
  readonly from: End;
  readonly to: End;
}

/** Every pair of ends worth comparing: groups of pods, and these with addresses of every class. */
export function* pairsOf(there: CompiledModel, here: CompiledModel): Generator<EndPair> {
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
  return { ...end, there: otherReplica(end.there), here: otherReplica(end.here) };
}

/** An address of every class that policies of either side tell apart. */
function addressEnds(there: PolicyModel, here: PolicyModel): End[] {
  return outsideOf([there, here]).addresses.map((end) => ({ name: end.id, there: end, here: end }));
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
