import type { PolicyObject } from '../../snapshot/model.ts';
import { at, type Field, isAbsent, items, oneOf, onlyKeys, text, texts } from '../../snapshot/shape.ts';
import { type AddressRange, contains, parseCidr } from '../addresses.ts';
import { DIRECTIONS, OTHER_END } from '../directions.ts';
import { semanticsOf } from '../engine.ts';
import type { Direction, Peer, Policy, PortMatch, Rule, Selector } from '../model.ts';
import { isPort, PROTOCOLS } from '../ports.ts';
import { DEFAULT_TIER, KUBERNETES_ORDER } from '../tiers.ts';
import type { Dialect } from './index.ts';
import { fieldOf, groupOf, type Origin, originOf, sourceRef } from './origin.ts';
import { ANY, allOf, asksForNone, isAny, parseSelector } from './selector.ts';

/** networking.k8s.io/v1. */
export const KUBERNETES: Dialect = {
  name: 'kubernetes',
  kinds: [{ group: 'networking.k8s.io', kind: 'NetworkPolicy', versions: ['v1'] }],
  parse(objects, { engine }) {
    const own = objects.filter((o) => groupOf(o) === 'networking.k8s.io' && o.kind === 'NetworkPolicy');
    const policies = own.map(parseNetworkPolicy);
    return engine === undefined || semanticsOf(engine).portRanges ? policies : policies.map(withoutRanges);
  },
};

/** As engines read it that know no `endPort`. */
function withoutRanges(policy: Policy): Policy {
  const single = ({ endPort: _, ...match }: PortMatch): PortMatch => match;
  return { ...policy, rules: policy.rules.map((rule) => ({ ...rule, ports: rule.ports?.map(single) })) };
}

/**
 * networking.k8s.io/v1 NetworkPolicy. Defaults as the API server's (pkg/apis/networking/v1/defaults.go), checks as its
 * own (pkg/apis/networking/validation): a manifest may never have met one. Rules of a direction that `policyTypes`
 * leaves out are kept, for some engines enforce them (see engine.ts). Throws an input error naming file, line, object
 * and path.
 */
export function parseNetworkPolicy(np: PolicyObject): Policy {
  const { name, namespace } = np.metadata;
  const origin = originOf(np);
  const spec = at(fieldOf(np), 'spec');
  if (!name || !namespace) throw spec.fail(['metadata'], 'needs a name and a namespace');
  if (!isAbsent(spec)) onlyKeys(spec, ['podSelector', 'policyTypes', 'ingress', 'egress']);
  const ingress = items(at(spec, 'ingress')) ?? [];
  const egress = items(at(spec, 'egress')) ?? [];
  return {
    dialect: 'kubernetes',
    namespace,
    name,
    tier: DEFAULT_TIER.name,
    order: KUBERNETES_ORDER,
    subject: allOf(inNamespace(namespace), parseSelector(at(spec, 'podSelector'), 'pod') ?? ANY),
    isolates: parseTypes(at(spec, 'policyTypes'), egress.length > 0),
    rules: [
      ...ingress.map((rule) => parseRule(rule, 'ingress', origin, namespace)),
      ...egress.map((rule) => parseRule(rule, 'egress', origin, namespace)),
    ],
    source: sourceRef(origin),
  };
}

/** Pods of one namespace. */
export function inNamespace(namespace: string): Selector {
  return { op: 'namespace', names: [namespace] };
}

/** Absent or empty: Ingress always, Egress where there is an egress rule (SetDefaults_NetworkPolicy). */
function parseTypes(list: Field, hasEgress: boolean): Direction[] {
  const types = (items(list) ?? []).map((type) => oneOf(type, ['Ingress', 'Egress'] as const));
  if (types.length > 2) throw list.fail(list.path, 'must not hold more than two types');
  if (types.length === 0) return hasEgress ? ['ingress', 'egress'] : ['ingress'];
  return DIRECTIONS.filter((d) => types.includes(d === 'ingress' ? 'Ingress' : 'Egress'));
}

function parseRule(rule: Field, direction: Direction, origin: Origin, namespace: string): Rule {
  const side = OTHER_END[direction];
  onlyKeys(rule, [side, 'ports']);
  const peers = (items(at(rule, side)) ?? []).map((peer) => parsePeer(peer, namespace));
  const ports = (items(at(rule, 'ports')) ?? []).map(parsePort);
  return {
    direction,
    action: 'allow',
    // Empty and missing mean the same in this dialect: any peer, any port.
    peers: peers.length > 0 ? peers : undefined,
    ports: ports.length > 0 ? ports : undefined,
    source: sourceRef(origin, rule.path),
  };
}

function parsePeer(peer: Field, namespace: string): Peer {
  onlyKeys(peer, ['podSelector', 'namespaceSelector', 'ipBlock']);
  const podSelector = parseSelector(at(peer, 'podSelector'), 'pod');
  const namespaceSelector = parseSelector(at(peer, 'namespaceSelector'), 'namespace');
  const block = at(peer, 'ipBlock');
  if (!isAbsent(block)) {
    if (podSelector || namespaceSelector) throw peer.fail(peer.path, 'must not hold both an ipBlock and a selector');
    return parseBlock(block);
  }
  if (namespaceSelector) {
    const match = allOf(namespaceSelector, podSelector ?? ANY);
    // An empty namespaceSelector asks for a namespace (processNamespaceSelector in Cilium's pkg/k8s/network_policy.go).
    const strangers = !isAny(namespaceSelector) && asksForNone(match);
    return { type: 'pods', match, ...(strangers && { strangers: 'unlessLocal' }) };
  }
  if (podSelector) return { type: 'pods', match: allOf(inNamespace(namespace), podSelector) };
  throw peer.fail(peer.path, 'is empty: it needs a podSelector, a namespaceSelector or an ipBlock');
}

function parseBlock(block: Field): Peer {
  onlyKeys(block, ['cidr', 'except']);
  const cidr = text(at(block, 'cidr'));
  const range = cidrAt(at(block, 'cidr'));
  for (const hole of items(at(block, 'except')) ?? []) {
    const inner = cidrAt(hole);
    if (!contains(range, inner) || contains(inner, range)) {
      throw hole.fail(hole.path, `must lie strictly inside the cidr ${cidr}, but is ${text(hole)}`);
    }
  }
  return { type: 'cidr', cidr, except: texts(at(block, 'except')) ?? [] };
}

/** The addresses of a CIDR; throws what the field's `fail` makes where it is none. */
export function cidrAt(value: Field): AddressRange {
  const range = parseCidr(text(value));
  if (!range) throw value.fail(value.path, `must be a CIDR such as 10.0.0.0/8, not "${text(value)}"`);
  return range;
}

function parsePort(value: Field): PortMatch {
  onlyKeys(value, ['protocol', 'port', 'endPort']);
  const protocol = isAbsent(at(value, 'protocol')) ? 'TCP' : oneOf(at(value, 'protocol'), PROTOCOLS);
  const { value: port, path } = at(value, 'port');
  const end = at(value, 'endPort');
  if (!isAbsent(end) && typeof port !== 'number') throw end.fail(end.path, 'needs a numeric port to start from');
  if (port === undefined || port === null) return { protocol };
  if (typeof port === 'string') {
    if (!isPortName(port)) throw value.fail(path, portNameProblem(port));
    return { protocol, port };
  }
  if (!isPort(port)) throw value.fail(path, `must be a name or 1 to 65535, not ${JSON.stringify(port)}`);
  if (isAbsent(end)) return { protocol, port };
  const endPort = end.value;
  if (!isPort(endPort)) throw end.fail(end.path, `must be 1 to 65535, not ${JSON.stringify(endPort)}`);
  if (endPort < port) throw end.fail(end.path, `must not be below the port: ${endPort} < ${port}`);
  return { protocol, port, endPort };
}

/** IANA_SVC_NAME, as apimachinery's IsValidPortName. */
export function isPortName(name: string): boolean {
  return name.length <= 15 && /^[a-z0-9]+(-[a-z0-9]+)*$/.test(name) && /[a-z]/.test(name);
}

function portNameProblem(port: string): string {
  if (/^\d+$/.test(port)) return `must be a number, not the string "${port}": take the quotes away`;
  return `must be a number or a name of up to 15 lower-case letters, digits and single dashes, not "${port}"`;
}
