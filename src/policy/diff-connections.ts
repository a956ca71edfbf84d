import type { Protocol } from '../snapshot/model.ts';
import { type NodePlace, nodePlaces, nodeReach } from './diff-nodes.ts';
import { unscheduledMember } from './groups.ts';
import type { AddressEndpoint, Direction, PolicyModel } from './model.ts';
import { outsideOf } from './outside.ts';
import { outsideRegions } from './outside-regions.ts';
import { formatPorts, NO_PORTS, type PortRange, PROTOCOLS, union } from './ports.ts';
import type { Reach } from './reach.ts';
import { type End, reachOutside } from './reach-outside.ts';

/** A connection whose ports differ: between two workloads, or a workload and nodes or what is outside of the cluster. */
export interface ConnectionDifference {
  /** `namespace/Kind/name`, the name of an OutsideRegion, a NodePlace or `nodes` for all of these. */
  readonly from: string;
  readonly to: string;
  readonly protocol: Protocol;
  /** Allowed port sets; empty is denied. */
  readonly before: readonly string[];
  readonly after: readonly string[];
  readonly state: 'added' | 'removed' | 'changed';
}

/**
 * The connections that two models decide differently: among the workloads that both have (`namespace/Kind/name`), pods of
 * one workload with each other included, and between these and nodes or addresses outside. A pod alone is a workload of
 * one. Where a workload's pods differ, as in a rollout, it may what one of them may. Sorted by from, to, protocol. With
 * pauses: see inSlices.
 */
export function* connectionSteps(
  before: PolicyModel,
  after: PolicyModel,
): Generator<undefined, ConnectionDifference[]> {
  const outside = outsideOf([before, after]);
  const [old, now] = [reachOfSide(before, outside.addresses), reachOfSide(after, outside.addresses)];
  const both = [...old.groups.keys()].filter((name) => now.groups.has(name));
  const alike = Map.groupBy(both, (name) => `${old.groups.get(name)} ${now.groups.get(name)}`);
  const kinds = [...alike.values()].map((workloads): Kind => {
    const [first = ''] = workloads;
    return { workloads, before: old.groups.get(first) ?? [], after: now.groups.get(first) ?? [] };
  });
  const changesBetween = (from: Kind | AddressEndpoint, to: Kind | AddressEndpoint): Change[] => {
    const [x, y] = [ends(from), ends(to)];
    return changes((i) => [old.ports(x.before, y.before, i), now.ports(x.after, y.after, i)]);
  };
  const changesAtNodes = (kind: Kind, place: NodePlace, direction: Direction): Change[] | undefined => {
    const [a, b] = [old.nodePorts(kind.before, place, direction), now.nodePorts(kind.after, place, direction)];
    return a && b && changes((i) => [a[i] ?? NO_PORTS, b[i] ?? NO_PORTS]);
  };
  const found: ConnectionDifference[][] = [];
  for (const kind of kinds) {
    yield;
    found.push(
      kinds.flatMap((to) => differences(kind.workloads, to.workloads, changesBetween(kind, to))),
      outsideRegions(outside, (address) => changesBetween(kind, address)).flatMap(({ name, facts }) =>
        differences(kind.workloads, [name], facts),
      ),
      outsideRegions(outside, (address) => changesBetween(address, kind)).flatMap(({ name, facts }) =>
        differences([name], kind.workloads, facts),
      ),
      nodePlaces((place) => changesAtNodes(kind, place, 'egress')).flatMap(({ name, facts }) =>
        differences(kind.workloads, [name], facts),
      ),
      nodePlaces((place) => changesAtNodes(kind, place, 'ingress')).flatMap(({ name, facts }) =>
        differences([name], kind.workloads, facts),
      ),
    );
  }
  return found.flat().sort(inOrder);
}

/** Workloads that neither side tells apart, with the ends that stand for them on each. */
interface Kind {
  readonly workloads: readonly string[];
  readonly before: readonly End[];
  readonly after: readonly End[];
}

function ends(side: Kind | AddressEndpoint): Pick<Kind, 'before' | 'after'> {
  return 'workloads' in side ? side : { before: [side], after: [side] };
}

/** What differs of one protocol. */
type Change = Pick<ConnectionDifference, 'protocol' | 'before' | 'after'>;

/** What differs, by the ports before and after of the protocol at a place. */
function changes(ports: (protocol: number) => readonly [readonly PortRange[], readonly PortRange[]]): Change[] {
  return PROTOCOLS.flatMap((protocol, i) => {
    const [a, b] = ports(i);
    const change = { protocol, before: formatPorts(a), after: formatPorts(b) };
    return a === b || `${change.before}` === `${change.after}` ? [] : [change];
  });
}

/** The groups of each workload of a model, and the ports between groups and addresses, by the place of the protocol. */
function reachOfSide(model: PolicyModel, addresses: readonly AddressEndpoint[]) {
  const { compiled, groups: all, between } = reachOutside(model, addresses);
  const reach = nodeReach(compiled);
  const groups = new Map<string, number[]>();
  for (const [i, { namespace, workloads }] of all.entries()) {
    for (const workload of workloads) {
      const name = `${namespace}/${workload}`;
      groups.set(name, [...(groups.get(name) ?? []), i]);
    }
  }
  return {
    groups,
    ports(from: readonly End[], to: readonly End[], protocol: number): readonly PortRange[] {
      const found = from.flatMap((a) => to.map((b) => between(a, b)[protocol] ?? []));
      return found.length === 1 ? (found[0] ?? []) : union(found.flat());
    },
    /** Of all protocols; undefined where there is no such node. */
    nodePorts(ends: readonly End[], place: NodePlace, direction: Direction): Reach | undefined {
      const pods = ends.flatMap((end) => (typeof end === 'number' ? (all[end] ?? []) : []));
      const found = pods.flatMap((group) => {
        const one = reach(unscheduledMember(group), place, direction);
        return one ? [one] : [];
      });
      return found.length === 0 ? undefined : PROTOCOLS.map((_, i) => union(found.flatMap((one) => one[i] ?? [])));
    },
  };
}

/** Written out for every two of the named; a pod alone has nobody of its own to connect to. */
function differences(
  from: readonly string[],
  to: readonly string[],
  changes: readonly Change[],
): ConnectionDifference[] {
  return changes.flatMap((change) =>
    from.flatMap((a) =>
      to.flatMap((b): ConnectionDifference[] => {
        if (a === b && a.split('/')[1] === 'Pod') return [];
        const state = change.before.length === 0 ? 'added' : change.after.length === 0 ? 'removed' : 'changed';
        return [{ from: a, to: b, ...change, state }];
      }),
    ),
  );
}

function inOrder(a: ConnectionDifference, b: ConnectionDifference): number {
  const [x, y] = [`${a.from} ${a.to} ${a.protocol}`, `${b.from} ${b.to} ${b.protocol}`];
  return x < y ? -1 : x > y ? 1 : 0;
}
