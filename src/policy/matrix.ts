import type { EngineName, Protocol } from '../snapshot/model.ts';
import { type CompiledModel, compile } from './compile.ts';
import { sideOf } from './decide.ts';
import { groupsOf, type PodGroup } from './groups.ts';
import type { Direction, PodEndpoint, PolicyModel } from './model.ts';
import { ALL_PORTS, formatPorts, intersection, type PortRange, PROTOCOLS, portsOf, union } from './ports.ts';

export interface MatrixConnection {
  /** Group ids; equal where it is between different pods of one group. */
  readonly from: string;
  readonly to: string;
  readonly protocol: Protocol;
  /** All ports and only those: `["80", "443-445"]`; `["1-65535"]` is any. */
  readonly ports: readonly string[];
}

export interface Matrix {
  readonly engine: EngineName;
  readonly groups: readonly Omit<PodGroup, 'members'>[];
  /** Only what is allowed; what isn't listed is denied. */
  readonly connections: readonly MatrixConnection[];
}

/**
 * Who may reach whom, exactly: the port sets come from the rules themselves. Between groups it says what holds wherever
 * the pods are scheduled; what a pod's own node may do besides shows only with `pods`, where every pod stands alone.
 * Sorted by from, to, protocol.
 */
export function matrix(model: PolicyModel, options: { pods?: boolean } = {}): Matrix {
  const single = options.pods === true;
  const compiled = compile(model);
  const groups = groupsOf(compiled, single).map(({ members, ...group }) => ({
    group,
    // Two of a group stand for all of it: the second for connections inside it.
    samples: members.slice(0, 2).map((pod) => (single ? pod : unscheduled(pod))),
  }));
  const connections: MatrixConnection[] = [];
  for (const { group: from, samples: sources } of groups) {
    for (const { group: to, samples: destinations } of groups) {
      const source = sources[0];
      const destination = from === to ? destinations[1] : destinations[0];
      if (!source || !destination) continue;
      for (const protocol of PROTOCOLS) {
        const ports = formatPorts(allowedPorts(compiled, source, destination, protocol));
        if (ports.length > 0) connections.push({ from: from.id, to: to.id, protocol, ports });
      }
    }
  }
  return { engine: model.engine.name, groups: groups.map((g) => g.group), connections };
}

/** The ports of a protocol on which a pod reaches another. */
export function allowedPorts(
  compiled: CompiledModel,
  from: PodEndpoint,
  to: PodEndpoint,
  protocol: Protocol,
): readonly PortRange[] {
  const side = (direction: Direction): readonly PortRange[] => {
    const decided = sideOf(compiled, from, to, direction);
    if (decided.exempt !== undefined) return ALL_PORTS;
    const rules = decided.isolation.rules.filter((rule) => rule.matchesPeer(decided.peer));
    return union(rules.flatMap(({ rule }) => portsOf(rule.ports, protocol, to)));
  };
  const egress = side('egress');
  return egress.length === 0 ? egress : intersection(egress, side('ingress'));
}

function unscheduled({ node: _node, ...pod }: PodEndpoint): PodEndpoint {
  return pod;
}

/** A matrix as lines, one a pair. */
export function matrixText({ engine, groups, connections }: Matrix): string {
  const pairs = Map.groupBy(connections, (c) => `${c.from} -> ${c.to}`);
  const lines = [...pairs].map(([pair, list]) => {
    const all = list.length === PROTOCOLS.length && list.every((c) => c.ports.join() === '1-65535');
    return `${pair}: ${all ? 'all ports' : list.map((c) => `${c.protocol} ${c.ports.join(',')}`).join('; ')}`;
  });
  const total = groups.filter((g) => g.pods.length > 1).length + groups.length * (groups.length - 1);
  return [
    `${groups.length} groups of pods, engine ${engine}; ${pairs.size} of ${total} pairs may connect`,
    ...lines,
  ].join('\n');
}
