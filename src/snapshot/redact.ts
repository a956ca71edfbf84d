import { picked } from '../policy/select.ts';
import type { NamespaceFacts, NodeFacts, Protocol, ServiceAccountFacts, ServiceFacts } from './model.ts';
import {
  at,
  type Field,
  integer,
  integerOrText,
  isAbsent,
  items,
  maybe,
  namespaceName,
  oneOf,
  text,
  textMap,
  textOf,
  texts,
} from './shape.ts';

/**
 * The allow-list: what may enter a snapshot from a namespace, a node, a service or a service account. Everything else (annotations,
 * status, managed fields, …) stays outside because it is never read. Policies: network-policy.ts; pods: workloads.ts.
 */

/** The API server itself sets this label, and nothing else may: namespace selectors count on it. */
export const NAME_LABEL = 'kubernetes.io/metadata.name';

/** Labels that identify a node's image on AKS. */
const NODE_LABELS = ['os-sku', 'os-sku-effective', 'os-sku-requested', 'node-image-version'].map(
  (name) => `kubernetes.azure.com/${name}`,
);

export const PROTOCOLS: readonly Protocol[] = ['TCP', 'UDP', 'SCTP'];

export function protocolOf(here: Field): Protocol {
  return isAbsent(here) ? 'TCP' : oneOf(here, PROTOCOLS);
}

export function namespaceFacts(object: Field): NamespaceFacts {
  const name = namespaceName(at(object, 'metadata', 'name'));
  return namespaceNamed(name, textMap(at(object, 'metadata', 'labels')));
}

export function namespaceNamed(name: string, labels: Readonly<Record<string, string>> = {}): NamespaceFacts {
  return { name, labels: { ...labels, [NAME_LABEL]: name } };
}

/** An object's namespace; without one it is in `default`. */
export function namespaceOf(object: Field): string {
  const namespace = at(object, 'metadata', 'namespace');
  return textOf(namespace) ? namespaceName(namespace) : 'default';
}

/** `isAsked`: whether some policy names a label key; the others stay outside (a node's tell of subscriptions, say). */
export function nodeFacts(object: Field, isAsked: (key: string) => boolean = () => false): NodeFacts {
  const info = at(object, 'status', 'nodeInfo');
  const all = textMap(at(object, 'metadata', 'labels')) ?? {};
  const labels = Object.fromEntries(Object.entries(all).filter(([key]) => NODE_LABELS.includes(key)));
  const addresses = (items(at(object, 'status', 'addresses')) ?? [])
    .filter((address) => ['InternalIP', 'ExternalIP'].includes(text(at(address, 'type'))))
    .map((address) => text(at(address, 'address')));
  return {
    name: text(at(object, 'metadata', 'name')),
    ...maybe('osImage', textOf(at(info, 'osImage'))),
    ...maybe('kernel', textOf(at(info, 'kernelVersion'))),
    ...maybe('runtime', textOf(at(info, 'containerRuntimeVersion'))),
    ...maybe('kubelet', textOf(at(info, 'kubeletVersion'))),
    ...maybe('architecture', textOf(at(info, 'architecture'))),
    ...maybe('os', textOf(at(info, 'operatingSystem'))),
    addresses,
    ...(Object.keys(labels).length > 0 ? { labels } : {}),
    policyLabels: picked(all, isAsked),
  };
}

/** `isAsked`: as for nodes. */
export function serviceAccountFacts(object: Field, isAsked: (key: string) => boolean): ServiceAccountFacts {
  return {
    namespace: namespaceOf(object),
    name: text(at(object, 'metadata', 'name')),
    policyLabels: picked(textMap(at(object, 'metadata', 'labels')) ?? {}, isAsked),
  };
}

export function serviceFacts(object: Field): ServiceFacts {
  const spec = at(object, 'spec');
  const single = textOf(at(spec, 'clusterIP'));
  const clusterIPs = texts(at(spec, 'clusterIPs')) ?? (single ? [single] : []);
  const balancers = items(at(object, 'status', 'loadBalancer', 'ingress')) ?? [];
  // A load balancer in `Proxy` mode is on the way of every packet: what it leads to is its own business.
  const direct = balancers.filter((b) => textOf(at(b, 'ipMode')) !== 'Proxy').flatMap((b) => textOf(at(b, 'ip')) || []);
  const externalIPs = [...(texts(at(spec, 'externalIPs')) ?? []), ...direct];
  const isExternal = textOf(at(spec, 'type')) === 'ExternalName';
  return {
    namespace: namespaceOf(object),
    name: text(at(object, 'metadata', 'name')),
    labels: textMap(at(object, 'metadata', 'labels')) ?? {},
    clusterIPs: clusterIPs.filter((ip) => ip !== 'None' && ip !== ''),
    ...(externalIPs.length > 0 && { externalIPs }),
    ...(clusterIPs.includes('None') && { headless: true as const }),
    ...(isExternal && maybe('externalName', textOf(at(spec, 'externalName')))),
    selector: textMap(at(spec, 'selector')) ?? {},
    ports: (items(at(spec, 'ports')) ?? []).map((port) => {
      const number = integer(at(port, 'port'));
      const target = at(port, 'targetPort');
      return {
        ...maybe('name', textOf(at(port, 'name')) || undefined),
        port: number,
        targetPort: isAbsent(target) ? number : integerOrText(target),
        protocol: protocolOf(at(port, 'protocol')),
        ...(!isAbsent(at(port, 'nodePort')) && { nodePort: integer(at(port, 'nodePort')) }),
      };
    }),
  };
}
