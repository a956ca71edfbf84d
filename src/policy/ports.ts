import type { Protocol } from '../snapshot/model.ts';
import type { Endpoint, PortMatch, Rule } from './model.ts';

/** Ports from the first to the second, both included. */
export type PortRange = readonly [first: number, last: number];

export const PROTOCOLS: readonly Protocol[] = ['TCP', 'UDP', 'SCTP'];
export const ALL_PORTS: readonly PortRange[] = [[1, 65535]];
export const NO_PORTS: readonly PortRange[] = [];

/** Whether a value is a port number. */
export function isPort(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65535;
}

/**
 * The ports of `protocol` that one condition allows at `destination`. A name is looked up among the destination pod's
 * container ports of the same protocol and matches nothing elsewhere: not on an address, nor on a hostNetwork pod,
 * which engines see as its node's address.
 */
export function rangesOf(match: PortMatch, protocol: Protocol, destination: Endpoint): readonly PortRange[] {
  if (match.protocol !== protocol) return NO_PORTS;
  const { port } = match;
  if (port === undefined) return ALL_PORTS;
  if (typeof port === 'number') return [[port, match.endPort ?? port]];
  if (destination.type !== 'pod' || destination.hostNetwork) return NO_PORTS;
  return destination.ports.filter((p) => p.name === port && p.protocol === protocol).map((p) => [p.port, p.port]);
}

/** The ports of `protocol` that a rule's conditions allow together, as a sorted set; undefined conditions allow all. */
export function portsOf(
  matches: readonly PortMatch[] | undefined,
  protocol: Protocol,
  destination: Endpoint,
): readonly PortRange[] {
  if (matches === undefined) return ALL_PORTS;
  return union(matches.flatMap((match) => rangesOf(match, protocol, destination)));
}

/** The ports of `protocol` that a rule speaks of at `destination`, whatever it does with them. */
export function rulePorts(
  { ports, exceptPorts }: Pick<Rule, 'ports' | 'exceptPorts'>,
  protocol: Protocol,
  destination: Endpoint,
): readonly PortRange[] {
  const named = portsOf(ports, protocol, destination);
  return exceptPorts === undefined ? named : difference(named, portsOf(exceptPorts, protocol, destination));
}

export function includes(set: readonly PortRange[], port: number): boolean {
  return set.some(([first, last]) => first <= port && port <= last);
}

/** Any ranges as a set: sorted, apart from each other by at least one port. */
export function union(ranges: readonly PortRange[]): readonly PortRange[] {
  if (ranges.length < 2) return ranges;
  const sorted = [...ranges].sort((a, b) => a[0] - b[0]);
  const result: PortRange[] = [];
  for (const range of sorted) {
    const previous = result.at(-1);
    if (previous && range[0] <= previous[1] + 1) {
      result[result.length - 1] = [previous[0], Math.max(previous[1], range[1])];
    } else result.push(range);
  }
  return result;
}

/** What two sets have in common. */
export function intersection(a: readonly PortRange[], b: readonly PortRange[]): readonly PortRange[] {
  if (a === ALL_PORTS) return b;
  if (b === ALL_PORTS) return a;
  if (a.length === 0 || b.length === 0) return NO_PORTS;
  return union(
    a.flatMap((x) =>
      b.flatMap((y): PortRange[] => {
        const first = Math.max(x[0], y[0]);
        const last = Math.min(x[1], y[1]);
        return first <= last ? [[first, last]] : [];
      }),
    ),
  );
}

/** What is in `a` and not in `b`. */
export function difference(a: readonly PortRange[], b: readonly PortRange[]): readonly PortRange[] {
  if (b.length === 0) return a;
  if (b === ALL_PORTS || a.length === 0) return NO_PORTS;
  return a.flatMap((range) => {
    const left: PortRange[] = [];
    let [first] = range;
    for (const [from, to] of b) {
      if (to < first || from > range[1]) continue;
      if (first < from) left.push([first, from - 1]);
      first = to + 1;
    }
    if (first <= range[1]) left.push([first, range[1]]);
    return left;
  });
}

/** A set in words: `["80", "443-445"]`. */
export function formatPorts(set: readonly PortRange[]): string[] {
  return set.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`));
}

/** One condition in words: `TCP 80`, `TCP 8000-9000`, `TCP http`, `any UDP port`. */
export function portMatchText({ protocol, port, endPort }: PortMatch): string {
  if (port === undefined) return `any ${protocol} port`;
  return endPort === undefined || endPort === port ? `${protocol} ${port}` : `${protocol} ${port}-${endPort}`;
}
