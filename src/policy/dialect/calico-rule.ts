import type { ServiceFacts } from '../../snapshot/model.ts';
import {
  at,
  type Field,
  isAbsent,
  items,
  maybe,
  oneOf,
  onlyKeys,
  pathText,
  text,
  textMap,
  textOf,
} from '../../snapshot/shape.ts';
import type { Direction, Peer, PortMatch, Rule } from '../model.ts';
import { type Alternatives, type PolicyScope, parseEntity, toPeer, toPeers } from './calico-entity.ts';
import { parseHttp, parsePorts, type RulePorts } from './calico-ports.ts';
import { inNamespace } from './kubernetes.ts';
import { type Origin, sourceRef } from './origin.ts';
import { allOf, fromLabelSelector } from './selector.ts';

const FIELDS = ['action', 'ipVersion', 'protocol', 'icmp', 'notProtocol', 'notICMP', 'source', 'destination', 'http'];
const ACTIONS = { Allow: 'allow', Deny: 'deny', Pass: 'pass' } as const;

/**
 * A rule of a NetworkPolicy or GlobalNetworkPolicy (api v3 policy_common.go, checks of libcalico-go/lib/validator/v3).
 * Undefined for Log, which decides nothing. Throws what the field's `fail` makes.
 */
export function parseRule(rule: Field, direction: Direction, origin: Origin, scope: PolicyScope): Rule | undefined {
  onlyKeys(rule, [...FIELDS, 'metadata']);
  const action = oneOf(at(rule, 'action'), ['Allow', 'Deny', 'Log', 'Pass'] as const);
  const [source, destination] = [at(rule, 'source'), at(rule, 'destination')];
  const [own, peer] = direction === 'ingress' ? [destination, source] : [source, destination];
  checkSides(rule, own, direction);
  const ports = parsePorts(rule);
  const service = serviceOf(peer, direction, ports, scope);
  const conditions = [...parseEntity(peer, scope), ...ipVersion(at(rule, 'ipVersion'), peer), ...service.conditions];
  const self = toPeer(parseEntity(own, scope));
  const narrowedBy = [...ports.narrowedBy, ...httpOf(at(rule, 'http'), action, direction)];
  if (action === 'Log') return undefined;
  noteUnseen(rule, action, ports.portless, narrowedBy, scope);
  return {
    direction,
    action: ACTIONS[action],
    peers: toPeers(conditions),
    ports: service.ports ?? ports.ports,
    ...maybe('exceptPorts', ports.exceptPorts),
    ...maybe('self', self),
    ...maybe('narrowedBy', narrowedBy.length > 0 ? narrowedBy : undefined),
    source: sourceRef(origin, rule.path),
  };
}

function checkSides(rule: Field, own: Field, direction: Direction): void {
  const services = at(own, 'services');
  if (!isAbsent(services)) throw services.fail(services.path, `has no place on that side of an ${direction} rule`);
  const domains = [at(own, 'domains'), ...(direction === 'ingress' ? [at(rule, 'source', 'domains')] : [])];
  for (const names of domains) {
    if (!isAbsent(names)) throw names.fail(names.path, 'has its place only in the destination of an egress rule');
  }
  const annotations = at(rule, 'metadata');
  if (!isAbsent(annotations)) {
    onlyKeys(annotations, ['annotations']);
    textMap(at(annotations, 'annotations'));
  }
}

function httpOf(http: Field, action: string, direction: Direction): string[] {
  if (isAbsent(http)) return [];
  if (action !== 'Allow') throw http.fail(http.path, 'has its place only in a rule with action Allow');
  if (direction === 'egress') throw http.fail(http.path, 'has no place in an egress rule');
  return parseHttp(http);
}

function noteUnseen(
  rule: Field,
  action: keyof typeof ACTIONS,
  portless: string | undefined,
  narrowedBy: readonly string[],
  { caveat }: PolicyScope,
): void {
  const where = pathText(rule.path);
  if (portless !== undefined) caveat(`${where} is about ${portless}, which isn't compared: only TCP, UDP and SCTP are`);
  if (action === 'Allow' || narrowedBy.length === 0) return;
  caveat(
    `${where} ${action === 'Deny' ? 'denies' : 'passes'} only by ${narrowedBy.join(', ')}: it is taken not to match`,
  );
}

/** Of one family alone; CIDRs say so themselves. */
function ipVersion(version: Field, peer: Field): Alternatives[] {
  if (isAbsent(version)) return [];
  if (version.value !== 4 && version.value !== 6) throw version.fail(version.path, 'must be 4 or 6');
  const said = ['nets', 'notNets'].some((key) => (items(at(peer, key)) ?? []).length > 0);
  return said ? [] : [[{ type: 'cidr', cidr: version.value === 4 ? '0.0.0.0/0' : '::/0', except: [] }]];
}

interface ServiceMatch {
  readonly conditions: readonly Alternatives[];
  readonly ports?: readonly PortMatch[];
}

/** What may not stand next to `services`: validateEntityRule, validateRule. */
const EXCLUDED = ['selector', 'notSelector', 'namespaceSelector', 'serviceAccounts', 'nets', 'notNets', 'domains'];

/**
 * The endpoints of a service: as a destination with their ports, as a source with any (felix/calc/rule_scanner.go,
 * ServiceIncludePorts). Calico takes them from EndpointSlices; the service's selector says which pods those are.
 */
function serviceOf(peer: Field, direction: Direction, { ports }: RulePorts, scope: PolicyScope): ServiceMatch {
  const match = at(peer, 'services');
  if (isAbsent(match)) return { conditions: [] };
  onlyKeys(match, ['name', 'namespace']);
  const excluded = direction === 'egress' ? [...EXCLUDED, 'ports', 'notPorts'] : EXCLUDED;
  const stray = excluded.find((key) => !isEmpty(at(peer, key)));
  if (stray !== undefined) throw match.fail([...peer.path, stray], 'must not stand next to services');
  const name = text(at(match, 'name'));
  const namespace = textOf(at(match, 'namespace')) || scope.namespace;
  if (!name) throw match.fail([...match.path, 'name'], 'must not be empty');
  if (!namespace) throw match.fail([...match.path, 'namespace'], 'is missing: a policy of the cluster has none itself');
  const service = scope.services.find((s) => s.name === name && s.namespace === namespace);
  if (!service || Object.keys(service.selector).length === 0) {
    const why = service ? 'has no selector: its endpoints' : 'is not known: its endpoints';
    scope.missing(`${pathText(match.path)}: the service ${namespace}/${name} ${why} are taken to be none`);
    return { conditions: [[]] };
  }
  return {
    conditions: [[podsOf(service)]],
    ...(direction === 'egress' && { ports: targetPorts(service, ports) }),
  };
}

function podsOf({ namespace, selector }: ServiceFacts): Peer {
  return { type: 'pods', match: allOf(inNamespace(namespace), fromLabelSelector({ matchLabels: selector }, 'pod')) };
}

/** The pods' ports behind a service, as far as the rule's protocol goes. */
function targetPorts(service: ServiceFacts, wanted: readonly PortMatch[] | undefined): PortMatch[] {
  const ports = service.ports.map(({ protocol, targetPort }): PortMatch => ({ protocol, port: targetPort }));
  return wanted === undefined ? ports : ports.filter((port) => wanted.some((w) => w.protocol === port.protocol));
}

function isEmpty(value: Field): boolean {
  return isAbsent(value) || value.value === '' || (Array.isArray(value.value) && value.value.length === 0);
}
