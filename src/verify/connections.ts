import type { Connection, PodEndpoint, PolicyModel, Rule } from '../policy/model.ts';
import { type PortRange, PROTOCOLS, rangesOf } from '../policy/ports.ts';
import { holds, knowing } from '../policy/select.ts';
import type { Protocol } from '../snapshot/model.ts';

interface Port {
  readonly protocol: Protocol;
  readonly port: number;
}

export interface ConnectionPlan {
  readonly connections: readonly Connection[];
  /** How many there would be without the limit. */
  readonly total: number;
}

export interface Players {
  readonly sources: readonly PodEndpoint[];
  readonly destinations: readonly PodEndpoint[];
  /** Whoever plays an endpoint, by its id: a pod always reaches itself, whatever it plays. */
  playerOf(id: string): string | undefined;
  /** Namespaces whose policies aren't mirrored: what goes on between them is not this cluster's business. */
  readonly unmirrored?: ReadonlySet<string>;
}

/**
 * The connections worth probing: from each source to each other destination, on the destination's declared ports, on
 * those that policies name for it (both ends of a range), and on one TCP and one UDP port that nobody names, so that
 * "everything else is denied" is proven too. Beyond `limit`, the same sample every time: every pair keeps a
 * connection before any pair gets a second one.
 */
export function planConnections(
  model: PolicyModel,
  { sources, destinations, playerOf, unmirrored }: Players,
  limit: number,
): ConnectionPlan {
  const pairs: Connection[][] = [];
  for (const to of destinations) {
    const ports = portsWorthProbing(model, to);
    for (const from of sources) {
      if (playerOf(from.id) === playerOf(to.id) || ports.length === 0) continue;
      if (unmirrored?.has(from.namespace) && unmirrored.has(to.namespace)) continue;
      // Each pair starts elsewhere in the list, so that a sample meets every port.
      const start = pairs.length % ports.length;
      const turned = [...ports.slice(start), ...ports.slice(0, start)];
      pairs.push(turned.map(({ protocol, port }) => ({ from, to, protocol, port })));
    }
  }
  const total = pairs.reduce((sum, pair) => sum + pair.length, 0);
  return { connections: sample(pairs, limit), total };
}

/** Round after round, one connection of each pair; the last round is spread evenly over the pairs. */
function sample(pairs: readonly (readonly Connection[])[], limit: number): Connection[] {
  const rounds = Math.max(0, ...pairs.map((pair) => pair.length));
  const chosen: Connection[] = [];
  for (let round = 0; round < rounds && chosen.length < limit; round++) {
    const candidates = pairs.flatMap((pair) => pair[round] ?? []);
    const room = Math.min(candidates.length, limit - chosen.length);
    for (let i = 0; i < room; i++) {
      const candidate = candidates[Math.floor((i * candidates.length) / room)];
      if (candidate) chosen.push(candidate);
    }
  }
  return chosen;
}

/** The ports of one destination that are worth a packet, without repetition: declared, named by policies, unnamed. */
export function portsWorthProbing(model: PolicyModel, to: PodEndpoint): Port[] {
  const ports: Port[] = to.ports.map(({ protocol, port }) => ({ protocol, port }));
  const rules = rulesAbout(model, to);
  for (const protocol of PROTOCOLS) {
    const ranges = rules.flatMap((rule) => (rule.ports ?? []).flatMap((match) => rangesOf(match, protocol, to)));
    const bounded = ranges.filter((range) => range[0] > 1 || range[1] < 65535);
    for (const port of bounded.flat()) ports.push({ protocol, port });
    const declared = to.ports.filter((p) => p.protocol === protocol).map((p): PortRange => [p.port, p.port]);
    const unnamed = protocol === 'SCTP' ? undefined : unnamedPort([...bounded, ...declared]);
    if (unnamed !== undefined) ports.push({ protocol, port: unnamed });
  }
  return [...new Map(ports.map((p) => [`${p.protocol} ${p.port}`, p])).values()];
}

/** The rules that can decide about connections to a pod: its own policies' ingress, and egress that may mean it. */
function rulesAbout(model: PolicyModel, to: PodEndpoint): Rule[] {
  const known = knowing(model)(to);
  return model.policies.flatMap((policy) => {
    const selected = holds(policy.subject, known) !== false;
    return policy.rules.filter((rule) => {
      if (rule.direction === 'ingress') return selected;
      // Other peers may hold this pod (an address range, an entity): engines differ, so their ports count.
      return rule.peers?.some((peer) => peer.type !== 'pods' || holds(peer.match, known) !== false) ?? true;
    });
  });
}

/** A high port outside of all ranges, the same every time; undefined where they leave none. */
function unnamedPort(ranges: readonly PortRange[]): number | undefined {
  for (let port = 65_000; port > 0; port--) {
    if (!ranges.some((range) => range[0] <= port && port <= range[1])) return port;
  }
  return undefined;
}
