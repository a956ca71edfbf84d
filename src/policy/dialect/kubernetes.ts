import type { NetworkPolicy } from '../../snapshot/model.ts';
import { contains, parseCidr } from '../addresses.ts';
import type { Direction, Peer, Policy, PortMatch, Rule } from '../model.ts';
import { PROTOCOLS } from '../ports.ts';
import { choiceOf, fieldsOf, listOf, malformed, type Origin, sourceRef, textOf } from './read.ts';
import { parseSelector } from './selector.ts';

/**
 * networking.k8s.io/v1 NetworkPolicy. Defaults as the API server's (pkg/apis/networking/v1/defaults.go), checks as its
 * own (pkg/apis/networking/validation): a manifest may never have met one. Rules of a direction that `policyTypes`
 * leaves out are kept, for some engines enforce them (see engine.ts). Throws an input error naming file, line, object
 * and path.
 */
export function parseNetworkPolicy(np: NetworkPolicy): Policy {
  const { name, namespace } = np.metadata;
  const origin: Origin = { object: `NetworkPolicy ${namespace}/${name}`, location: np.location };
  if (!name || !namespace) throw malformed(origin, 'metadata', 'needs a name and a namespace');
  const spec = fieldsOf(np.spec, 'spec', origin, ['podSelector', 'policyTypes', 'ingress', 'egress']) ?? {};
  const ingress = listOf(spec.ingress, 'spec.ingress', origin) ?? [];
  const egress = listOf(spec.egress, 'spec.egress', origin) ?? [];
  const podSelector = parseSelector(spec.podSelector, 'spec.podSelector', origin) ?? {};
  return {
    dialect: 'kubernetes',
    namespace,
    name,
    subject: { namespace, podSelector },
    isolates: parseTypes(spec.policyTypes, egress.length > 0, origin),
    rules: [
      ...ingress.map((rule, i) => parseRule(rule, 'ingress', `spec.ingress[${i}]`, origin, namespace)),
      ...egress.map((rule, i) => parseRule(rule, 'egress', `spec.egress[${i}]`, origin, namespace)),
    ],
    source: sourceRef(origin),
  };
}

/** Absent or empty: Ingress always, Egress where there is an egress rule (SetDefaults_NetworkPolicy). */
function parseTypes(value: unknown, hasEgress: boolean, origin: Origin): Direction[] {
  const types = (listOf(value, 'spec.policyTypes', origin) ?? []).map((type, i) => {
    const path = `spec.policyTypes[${i}]`;
    const choice = choiceOf(type, path, origin, ['Ingress', 'Egress']);
    if (!choice) throw malformed(origin, path, 'must be Ingress or Egress');
    return choice;
  });
  if (types.length > 2) throw malformed(origin, 'spec.policyTypes', 'must not hold more than two types');
  if (types.length === 0) return hasEgress ? ['ingress', 'egress'] : ['ingress'];
  return (['ingress', 'egress'] as const).filter((d) => types.includes(d === 'ingress' ? 'Ingress' : 'Egress'));
}

function parseRule(value: unknown, direction: Direction, path: string, origin: Origin, namespace: string): Rule {
  const side = direction === 'ingress' ? 'from' : 'to';
  const fields = fieldsOf(value, path, origin, [side, 'ports']) ?? {};
  const peers = listOf(fields[side], `${path}.${side}`, origin) ?? [];
  const ports = listOf(fields.ports, `${path}.ports`, origin) ?? [];
  return {
    direction,
    action: 'allow',
    // Empty and missing mean the same in this dialect: any peer, any port.
    peers: peers.length ? peers.map((p, i) => parsePeer(p, `${path}.${side}[${i}]`, origin, namespace)) : undefined,
    ports: ports.length ? ports.map((p, i) => parsePort(p, `${path}.ports[${i}]`, origin)) : undefined,
    source: sourceRef(origin, path),
  };
}

function parsePeer(value: unknown, path: string, origin: Origin, namespace: string): Peer {
  const fields = fieldsOf(value, path, origin, ['podSelector', 'namespaceSelector', 'ipBlock']) ?? {};
  const podSelector = parseSelector(fields.podSelector, `${path}.podSelector`, origin);
  const namespaceSelector = parseSelector(fields.namespaceSelector, `${path}.namespaceSelector`, origin);
  const block = parseBlock(fields.ipBlock, `${path}.ipBlock`, origin);
  if (block && (podSelector || namespaceSelector)) {
    throw malformed(origin, path, 'must not hold both ipBlock and a selector');
  }
  if (block) return block;
  if (namespaceSelector) return { type: 'pods', match: { namespaceSelector, podSelector: podSelector ?? {} } };
  if (podSelector) return { type: 'pods', match: { namespace, podSelector } };
  throw malformed(origin, path, 'is empty: it needs a podSelector, a namespaceSelector or an ipBlock');
}

function parseBlock(value: unknown, path: string, origin: Origin): Peer | undefined {
  const fields = fieldsOf(value, path, origin, ['cidr', 'except']);
  if (!fields) return undefined;
  const cidr = textOf(fields.cidr, `${path}.cidr`, origin) ?? '';
  const range = parseCidr(cidr);
  if (!range) throw malformed(origin, `${path}.cidr`, `must be a CIDR such as 10.0.0.0/8, not "${cidr}"`);
  const except = (listOf(fields.except, `${path}.except`, origin) ?? []).map((item, i) => {
    const at = `${path}.except[${i}]`;
    const text = textOf(item, at, origin) ?? '';
    const hole = parseCidr(text);
    if (!hole) throw malformed(origin, at, `must be a CIDR such as 10.1.0.0/16, not "${text}"`);
    if (!contains(range, hole) || contains(hole, range)) {
      throw malformed(origin, at, `must lie strictly inside the cidr ${cidr}, but is ${text}`);
    }
    return text;
  });
  return { type: 'cidr', cidr, except };
}

function parsePort(value: unknown, path: string, origin: Origin): PortMatch {
  const fields = fieldsOf(value, path, origin, ['protocol', 'port', 'endPort']) ?? {};
  const protocol = choiceOf(fields.protocol, `${path}.protocol`, origin, PROTOCOLS) ?? 'TCP';
  const port = fields.port ?? undefined;
  const endPort = fields.endPort ?? undefined;
  if (endPort !== undefined && typeof port !== 'number') {
    throw malformed(origin, `${path}.endPort`, 'needs a numeric port to start from');
  }
  if (port === undefined) return { protocol };
  if (typeof port === 'string') {
    if (!isPortName(port)) throw malformed(origin, `${path}.port`, portNameProblem(port));
    return { protocol, port };
  }
  if (!isPortNumber(port)) throw malformed(origin, `${path}.port`, `must be 1 to 65535 or a name, not ${shown(port)}`);
  if (endPort === undefined) return { protocol, port };
  if (!isPortNumber(endPort)) throw malformed(origin, `${path}.endPort`, `must be 1 to 65535, not ${shown(endPort)}`);
  if (endPort < port) throw malformed(origin, `${path}.endPort`, `must not be below the port: ${endPort} < ${port}`);
  return { protocol, port, endPort };
}

function isPortNumber(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 65535;
}

/** IANA_SVC_NAME, as apimachinery's IsValidPortName. */
function isPortName(name: string): boolean {
  return name.length <= 15 && /^[a-z0-9]+(-[a-z0-9]+)*$/.test(name) && /[a-z]/.test(name);
}

function portNameProblem(port: string): string {
  if (/^\d+$/.test(port)) return `must be a number, not the string "${port}" (take the quotes away)`;
  return `must be a number or a name of up to 15 lower-case letters, digits and single dashes, not "${port}"`;
}

function shown(value: unknown): string {
  return JSON.stringify(value);
}
