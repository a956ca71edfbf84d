import type { PolicyObject, Protocol } from '../snapshot/model.ts';
import { parsePolicies } from './dialect/index.ts';
import { OTHER_END } from './directions.ts';
import type { Direction, Endpoint, PodEndpoint, Policy, PolicyModel, Rule } from './model.ts';
import { type Labels, NAMESPACE_NAME_LABEL } from './select.ts';

/** What a rule is to be about: one peer and one port. */
interface RuleRequest {
  readonly direction: Direction;
  readonly action: 'allow' | 'deny';
  readonly peer: Endpoint;
  /** The labels to know a peer by that is a pod. */
  readonly labels: Labels;
  readonly protocol: Protocol;
  readonly port: number;
}

/** A rule as its policy kind writes it, and what the dialect reads in it. */
interface WrittenRule {
  /** The list of `spec` that it belongs in. */
  readonly list: string;
  readonly yaml: unknown;
  readonly rule: Rule;
}

type Draft = { readonly list: string; readonly yaml: Readonly<Record<string, unknown>> } | undefined;

interface Kind {
  readonly apiVersion: string;
  /** Whatever a policy of the kind can't do without, beside the rule. */
  readonly spec: Readonly<Record<string, unknown>>;
  /** Undefined where the kind has no words for it. */
  write(request: RuleRequest, namespace: string | undefined): Draft;
}

const CALICO: Omit<Kind, 'apiVersion'> = { spec: { selector: 'all()' }, write: calico };
const CILIUM: Kind = { apiVersion: 'cilium.io/v2', spec: { endpointSelector: {} }, write: cilium };
const SUBJECT = { subject: { namespaces: {} } };
const ADMIN = 'policy.networking.k8s.io';

/** By group-qualified kind, as `SourceRef.object` begins. */
const KINDS: Readonly<Record<string, Kind>> = {
  NetworkPolicy: { apiVersion: 'networking.k8s.io/v1', spec: { podSelector: {} }, write: kubernetes },
  'CiliumNetworkPolicy.cilium.io': CILIUM,
  'CiliumClusterwideNetworkPolicy.cilium.io': CILIUM,
  'NetworkPolicy.projectcalico.org': { ...CALICO, apiVersion: 'projectcalico.org/v3' },
  'GlobalNetworkPolicy.projectcalico.org': { ...CALICO, apiVersion: 'projectcalico.org/v3' },
  'NetworkPolicy.crd.projectcalico.org': { ...CALICO, apiVersion: 'crd.projectcalico.org/v1' },
  'GlobalNetworkPolicy.crd.projectcalico.org': { ...CALICO, apiVersion: 'crd.projectcalico.org/v1' },
  [`AdminNetworkPolicy.${ADMIN}`]: {
    apiVersion: `${ADMIN}/v1alpha1`,
    spec: { ...SUBJECT, priority: 0 },
    write: (request) =>
      admin(request, 'Allow', {
        ports: [{ portNumber: { protocol: request.protocol, port: request.port } }],
      }),
  },
  [`BaselineAdminNetworkPolicy.${ADMIN}`]: {
    apiVersion: `${ADMIN}/v1alpha1`,
    spec: SUBJECT,
    write: (request) =>
      admin(request, 'Allow', {
        ports: [{ portNumber: { protocol: request.protocol, port: request.port } }],
      }),
  },
  [`ClusterNetworkPolicy.${ADMIN}`]: {
    apiVersion: `${ADMIN}/v1alpha2`,
    spec: { ...SUBJECT, tier: 'Admin', priority: 0 },
    write: (request) =>
      admin(request, 'Accept', {
        protocols: [{ [request.protocol.toLowerCase()]: { destinationPort: { number: request.port } } }],
      }),
  },
};

/**
 * A rule for a policy, in the words of its kind; undefined where the kind has none for it. It is read back by the
 * dialect, so what is shown to a person is what was evaluated.
 */
export function writeRule(
  model: PolicyModel,
  policy: Pick<Policy, 'namespace' | 'name' | 'source'>,
  request: RuleRequest,
): WrittenRule | undefined {
  const kind = policy.source.object.split(' ')[0] ?? '';
  const known = Object.hasOwn(KINDS, kind) ? KINDS[kind] : undefined;
  const draft = known?.write(request, policy.namespace);
  if (!known || !draft) return undefined;
  const { namespace, name } = policy;
  const object: PolicyObject = {
    apiVersion: known.apiVersion,
    kind: kind.split('.')[0] ?? '',
    metadata: { name: kind.startsWith('Baseline') ? 'default' : name, ...(namespace !== undefined && { namespace }) },
    spec: { ...known.spec, ...types(known, request.direction), [draft.list]: [draft.yaml] },
  };
  const rule = parsePolicies([object], { services: [], namespaces: model.namespaces })[0]?.rules[0];
  if (!rule) throw new TypeError(`a rule written for ${policy.source.object} is none`);
  return { ...draft, rule: { ...rule, source: { ...policy.source, path: `a new rule of spec.${draft.list}` } } };
}

function types({ write }: Kind, direction: Direction): Readonly<Record<string, unknown>> {
  const list = [direction === 'ingress' ? 'Ingress' : 'Egress'];
  if (write === kubernetes) return { policyTypes: list };
  return write === calico ? { types: list } : {};
}

function kubernetes({ direction, action, peer, labels, protocol, port }: RuleRequest, namespace?: string): Draft {
  if (action === 'deny') return undefined;
  const who = isSelectable(peer)
    ? { ...namespaceUnless(peer.namespace, namespace), podSelector: selector(labels) }
    : blockOf(peer, (cidr) => ({ ipBlock: { cidr } }));
  if (!who) return undefined;
  const side = OTHER_END[direction];
  return { list: direction, yaml: { [side]: [who], ports: [{ protocol, port }] } };
}

function cilium({ direction, action, peer, labels, protocol, port }: RuleRequest): Draft {
  const side = OTHER_END[direction];
  const who = () => {
    if (isSelectable(peer)) {
      const matchLabels = { 'k8s:io.kubernetes.pod.namespace': peer.namespace, ...labels };
      return { [`${side}Endpoints`]: [{ matchLabels }] };
    }
    const [name] = namesOf(peer);
    if (name !== undefined) {
      return side === 'to' && action === 'allow' ? { toFQDNs: [{ matchName: name }] } : undefined;
    }
    // Cilium's CIDRs never match what is inside the cluster.
    if (peer.type === 'pod') return { [`${side}Entities`]: ['host', 'remote-node'] };
    return blockOf(peer, (cidr) => ({ [`${side}CIDR`]: [cidr] }));
  };
  const where = who();
  if (!where) return undefined;
  const toPorts = [{ ports: [{ port: `${port}`, protocol }] }];
  return { list: action === 'deny' ? `${direction}Deny` : direction, yaml: { ...where, toPorts } };
}

function calico({ direction, action, peer, labels, protocol, port }: RuleRequest, namespace?: string): Draft {
  const who = isSelectable(peer)
    ? {
        ...(peer.namespace !== namespace && { namespaceSelector: `projectcalico.org/name == '${peer.namespace}'` }),
        selector: expression(labels),
      }
    : blockOf(peer, (cidr) => ({ nets: [cidr] }));
  if (!who) return undefined;
  const ports = { ports: [port] };
  const ends = direction === 'ingress' ? { source: who, destination: ports } : { destination: { ...who, ...ports } };
  return { list: direction, yaml: { action: action === 'allow' ? 'Allow' : 'Deny', protocol, ...ends } };
}

function admin({ direction, action, peer, labels }: RuleRequest, allow: string, ports: object): Draft {
  const side = OTHER_END[direction];
  const who = () => {
    if (isSelectable(peer)) {
      return { pods: { ...namespaceUnless(peer.namespace, undefined), podSelector: selector(labels) } };
    }
    if (direction === 'ingress') return undefined;
    const [name] = namesOf(peer);
    if (name !== undefined) return action === 'allow' ? { domainNames: [name] } : undefined;
    return blockOf(peer, (cidr) => ({ networks: [cidr] }));
  };
  const where = who();
  if (!where) return undefined;
  return { list: direction, yaml: { action: action === 'allow' ? allow : 'Deny', [side]: [where], ...ports } };
}

/** Whether selectors can mean it: pods of their node's network are only known by an address. */
export function isSelectable(peer: Endpoint): peer is PodEndpoint & { hostNetwork: false } {
  return peer.type === 'pod' && !peer.hostNetwork;
}

function namesOf(peer: Endpoint): readonly string[] {
  return peer.type === 'address' ? (peer.names ?? []) : [];
}

/** Undefined where no address is known for good: a name's may change at any time. */
function blockOf<T>(peer: Endpoint, write: (cidr: string) => T): T | undefined {
  if (namesOf(peer).length > 0) return undefined;
  const ip = peer.type === 'address' ? peer.ip : peer.ips[0];
  return ip === undefined ? undefined : write(`${ip}/${ip.includes(':') ? 128 : 32}`);
}

function namespaceUnless(namespace: string, own: string | undefined): object {
  return namespace === own ? {} : { namespaceSelector: selector({ [NAMESPACE_NAME_LABEL]: namespace }) };
}

function selector(labels: Labels): object {
  return Object.keys(labels).length === 0 ? {} : { matchLabels: labels };
}

function expression(labels: Labels): string {
  const tests = Object.entries(labels).map(([key, value]) => `${key} == '${value}'`);
  return tests.length === 0 ? 'all()' : tests.join(' && ');
}
