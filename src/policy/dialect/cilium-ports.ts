import { at, type Field, integer, isAbsent, items, oneOf, type Path, textOf } from '../../snapshot/shape.ts';
import type { PortMatch } from '../model.ts';
import { isPort, PROTOCOLS } from '../ports.ts';
import { parseLayer7 } from './cilium-l7.ts';
import { knownKeys, type Scope } from './cilium-scope.ts';
import { isPortName } from './kubernetes.ts';

/** Ports of a rule that share what they ask besides; a rule in the model for each. */
interface PortSet {
  /** As in Rule. */
  readonly ports: readonly PortMatch[] | undefined;
  readonly narrowedBy: readonly string[];
  readonly path: Path;
}

interface ParsedPorts {
  readonly sets: readonly PortSet[];
  /** Whether ports or ICMP types are named: then a rule that names no peer is for every peer. */
  readonly named: boolean;
  /** Whether it has names looked up by Cilium's DNS proxy, which toFQDNs learns addresses from. */
  readonly dns: boolean;
}

/** Protocols without ports, of which the model says nothing. */
const PORTLESS = ['VRRP', 'IGMP', 'GRE', 'IPIP', 'IPV6', 'ESP', 'AH'] as const;
const MOST = 40;

interface Options {
  readonly ingress: boolean;
  readonly deny: boolean;
  /** Whether the policy denies by default in this direction. */
  readonly isolates: boolean;
}

/**
 * `toPorts` and `icmps` of a rule. `toPorts: []` is as good as none, `toPorts: [{}]` names no port and so allows
 * nothing (mergeL4Filter in pkg/policy/rule.go). Throws an input error for what the CRD refuses.
 */
export function parsePorts(rule: Field, options: Options, scope: Scope): ParsedPorts {
  const toPorts = items(at(rule, 'toPorts')) ?? [];
  const icmps = items(at(rule, 'icmps')) ?? [];
  if (toPorts.length === 0 && icmps.length === 0) {
    return { sets: [{ ports: undefined, narrowedBy: [], path: rule.path }], named: false, dns: false };
  }
  if (toPorts.length > 0 && icmps.length > 0) scope.refuse(rule.path, 'has both toPorts and icmps');
  const parsed = toPorts.map((portRule) => parsePortRule(portRule, options, scope));
  const sets = [...parsed.flatMap((p) => p.sets), ...icmps.flatMap(parseIcmp)];
  const plain = sets.filter((s) => s.narrowedBy.length === 0).flatMap((s) => s.ports ?? []);
  const narrowed = sets.filter((s) => s.narrowedBy.length > 0);
  const first = plain.length > 0 || narrowed.length === 0;
  return {
    sets: [...(first ? [{ ports: plain, narrowedBy: [], path: rule.path }] : []), ...narrowed],
    named: true,
    dns: parsed.some((p) => p.dns),
  };
}

function parsePortRule(
  portRule: Field,
  { ingress, deny, isolates }: Options,
  scope: Scope,
): { readonly sets: readonly PortSet[]; readonly dns: boolean } {
  const beyond = ['terminatingTLS', 'originatingTLS', 'serverNames', 'listener', 'rules'];
  knownKeys(portRule, deny ? ['ports'] : ['ports', ...beyond]);
  const layer7 = parseLayer7(portRule, ingress, scope);
  const list = items(at(portRule, 'ports')) ?? [];
  if (list.length > MOST) throw portRule.fail([...portRule.path, 'ports'], `must not hold more than ${MOST}`);
  const entries = list.map((entry) => parsePort(entry, scope));
  for (const [index, entry] of entries.entries()) {
    const problem = layer7.rules.length > 0 && layer7Problem(entry, layer7.dns);
    if (problem) scope.refuse([...portRule.path, 'ports', index], problem);
  }
  const narrowedBy = [...layer7.narrowedBy, ...(isolates ? layer7.rules : [])];
  const { path } = portRule;
  return {
    sets: [
      { ports: entries.flatMap((e) => e.ports), narrowedBy, path },
      ...entries.flatMap((e) => (e.portless ? [{ ports: [], narrowedBy: [`IP protocol ${e.portless}`], path }] : [])),
    ],
    dns: layer7.dns,
  };
}

interface PortEntry {
  readonly ports: readonly PortMatch[];
  readonly portless?: string;
}

function layer7Problem({ ports }: PortEntry, dns: boolean): string | undefined {
  if (ports.some((p) => p.port === undefined)) return 'is port 0, for which there can be no rules';
  if (!dns && ports.some((p) => p.protocol !== 'TCP')) return 'must be of protocol TCP to have rules';
  if (dns && ports.some((p) => p.endPort !== undefined)) return 'must not be a range to have DNS rules';
  return undefined;
}

/** No protocol and ANY are TCP, UDP and SCTP; port 0 is every port. The CRD wants ports as strings. */
function parsePort(entry: Field, scope: Scope): PortEntry {
  knownKeys(entry, ['port', 'endPort', 'protocol']);
  const wanted = at(entry, 'protocol');
  const protocol = isAbsent(wanted) ? 'ANY' : oneOf(wanted, [...PROTOCOLS, 'ANY', ...PORTLESS] as const);
  const ports = parseNumbers(entry, scope);
  const portless = PORTLESS.find((p) => p === protocol);
  if (portless !== undefined) return { ports: [], portless };
  if (ports === undefined) return { ports: [] };
  return {
    ports: PROTOCOLS.filter((p) => protocol === 'ANY' || protocol === p).map((p) => ({ protocol: p, ...ports })),
  };
}

/** Port and end of a range as a condition has them; undefined where Cilium refuses the port. */
function parseNumbers(entry: Field, scope: Scope): Omit<PortMatch, 'protocol'> | undefined {
  const name = textOf(at(entry, 'port')) ?? '';
  const end = isAbsent(at(entry, 'endPort')) ? 0 : integer(at(entry, 'endPort'));
  if (end !== 0 && !isPort(end)) throw entry.fail([...entry.path, 'endPort'], 'must be 0 to 65535');
  if (isPortName(name.toLowerCase())) return { port: name.toLowerCase() };
  const port = portNumber(name);
  if (port === undefined) {
    const portless = PORTLESS.some((p) => p === at(entry, 'protocol').value);
    if (!portless || name !== '') scope.refuse(entry.path, `has no port that Cilium can read: ${JSON.stringify(name)}`);
    return undefined;
  }
  if (port === 0) return {};
  return end > port ? { port, endPort: end } : { port };
}

/** As Go's ParseUint(text, 0, 16): a leading zero makes it octal. Not with `_` between digits, which nobody writes. */
function portNumber(name: string): number | undefined {
  if (!/^\d{1,6}$/.test(name)) return undefined;
  const octal = name.length > 1 && name.startsWith('0');
  if (octal && /[89]/.test(name)) return undefined;
  const port = Number.parseInt(name, octal ? 8 : 10);
  return port <= 65_535 ? port : undefined;
}

/** ICMP only: nothing of TCP, UDP or SCTP. */
function parseIcmp(icmp: Field): PortSet[] {
  knownKeys(icmp, ['fields']);
  const list = at(icmp, 'fields');
  const types = (items(list) ?? []).map(icmpText);
  if (types.length > MOST) throw list.fail(list.path, `must not hold more than ${MOST}`);
  return types.length === 0 ? [] : [{ ports: [], narrowedBy: types, path: icmp.path }];
}

function icmpText(type: Field): string {
  knownKeys(type, ['family', 'type']);
  const family = isAbsent(at(type, 'family')) ? 'IPv4' : oneOf(at(type, 'family'), ['IPv4', 'IPv6'] as const);
  const { value, path } = at(type, 'type');
  const number = typeof value === 'number' ? value : typeof value === 'string' ? Number(value) : Number.NaN;
  const isName = typeof value === 'string' && /^[A-Z][A-Za-z]*$/.test(value);
  if (!isName && !(Number.isInteger(number) && number >= 0 && number <= 255)) {
    throw type.fail(path, 'must be an ICMP type: 0 to 255, or a name such as EchoRequest');
  }
  return `ICMP${family === 'IPv6' ? 'v6' : ''} type ${value}`;
}
