import type { PolicyObject } from '../../snapshot/model.ts';
import { at, type Field, isAbsent, items, onlyKeys, text, texts } from '../../snapshot/shape.ts';
import { parseAddress, parseCidr } from '../addresses.ts';
import type { Peer } from '../model.ts';
import { type Labels, NAMESPACE_NAME_LABEL } from '../select.ts';
import { NAMESPACE_LABEL, NAMESPACE_NAME } from './calico-labels.ts';
import type { ParseContext } from './index.ts';
import { specOf } from './origin.ts';

/** Addresses that selectors match besides pods: a network set, or a host endpoint with its expected addresses. */
export interface AddressSet {
  readonly kind: string;
  readonly name: string;
  /** As selectors see them, see Expression. */
  readonly labels: Labels;
  readonly peers: readonly Peer[];
}

const FIELDS: Readonly<Record<string, readonly string[]>> = {
  NetworkSet: ['nets', 'allowedEgressDomains'],
  GlobalNetworkSet: ['nets', 'allowedEgressDomains'],
  HostEndpoint: ['node', 'interfaceName', 'expectedIPs', 'profiles', 'ports'],
};

/**
 * All sets among the objects. Only a NetworkSet has its namespace's labels (libcalico-go syncersv1/updateprocessors,
 * networksetprocessor.go and globalnetworksetprocessor.go). Domains are Calico Enterprise's. Throws an input error.
 */
export function addressSets(objects: readonly PolicyObject[], context: ParseContext): AddressSet[] {
  return objects.flatMap((object) => {
    const known = FIELDS[object.kind];
    return known ? addressSet(object, known, context) : [];
  });
}

function addressSet(object: PolicyObject, known: readonly string[], context: ParseContext): AddressSet {
  const { name, namespace, labels = {} } = object.metadata;
  const spec = specOf(object);
  if (!isAbsent(spec)) onlyKeys(spec, known);
  const blocks = items(at(spec, object.kind === 'HostEndpoint' ? 'expectedIPs' : 'nets')) ?? [];
  const domains = known.includes('allowedEgressDomains') ? (texts(at(spec, 'allowedEgressDomains')) ?? []) : [];
  if (object.kind === 'NetworkSet' && !namespace) throw spec.fail(['metadata', 'namespace'], 'is missing');
  const inherited = object.kind === 'NetworkSet' && namespace ? namespaceLabels(namespace, context) : {};
  return {
    kind: object.kind,
    name: namespace ? `${namespace}/${name}` : name,
    labels: { ...inherited, ...labels },
    peers: [
      ...blocks.map((block): Peer => ({ type: 'cidr', cidr: netAt(block), except: [] })),
      ...domains.map((pattern): Peer => ({ type: 'fqdn', pattern })),
    ],
  };
}

function namespaceLabels(namespace: string, context: ParseContext): Labels {
  const labels = { ...context.namespaces.get(namespace), [NAMESPACE_NAME_LABEL]: namespace };
  const inherited = Object.entries(labels).map(([key, value]) => [`pcns.${key}`, value]);
  return { ...Object.fromEntries(inherited), [NAMESPACE_NAME]: namespace, [NAMESPACE_LABEL]: namespace };
}

/** A CIDR, or an address, which stands for itself alone. Throws what the field's `fail` makes where it is neither. */
export function netAt(value: Field): string {
  const net = text(value);
  if (parseCidr(net)) return net;
  const address = parseAddress(net);
  if (!address) throw value.fail(value.path, 'must be an address or a CIDR such as 10.0.0.0/8');
  // An IPv4 address in IPv6's form has the longer prefix, as parseCidr reads it.
  return `${net}/${net.includes(':') ? 128 : 32}`;
}
