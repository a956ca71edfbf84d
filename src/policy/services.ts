import { inputError } from '../host/errors.ts';
import type { Protocol, ServiceFacts } from '../snapshot/model.ts';
import { isSameAddress, parseAddress } from './addresses.ts';
import type { Endpoint, PodEndpoint, PolicyModel, Via } from './model.ts';
import { nearest } from './near.ts';
import { named } from './outside.ts';
import { matchesLabels } from './select.ts';

/** Where a connection to a Service ends up. */
export interface Backend {
  readonly to: Endpoint;
  readonly port: number;
  readonly via: Via;
}

/**
 * The Service that a peer means: by its cluster address (`ip:ADDRESS`) or its name in the cluster's DNS
 * (`dns:NAME.NAMESPACE`, with `.svc` and any domain of the cluster after it); undefined where it means none. Throws an
 * input error for a name under `.svc` that no Service has.
 */
export function serviceOf({ services }: PolicyModel, peer: string): ServiceFacts | undefined {
  if (peer.startsWith('ip:')) {
    const address = parseAddress(peer.slice('ip:'.length));
    return services.find((s) => s.clusterIPs.some((ip) => isSameAddress(parseAddress(ip), address)));
  }
  if (!peer.startsWith('dns:')) return undefined;
  const [name = '', namespace, svc, ...domain] = peer.slice('dns:'.length).toLowerCase().replace(/\.$/, '').split('.');
  if (svc !== undefined && svc !== 'svc') return undefined;
  const found = services.find((s) => s.name === name && s.namespace === namespace);
  if (found) return found;
  if (svc === undefined || namespace === undefined) {
    if (!peer.endsWith('.')) mustNotBeMistyped(services, name, namespace);
    return undefined;
  }
  // Names of the world may have such a label as well, but not as their last, nor in a cluster's own domain.
  if (domain.length > 0 && domain.at(-1) !== 'local') return undefined;
  const names = services.map((s) => `dns:${s.name}.${s.namespace}`);
  const near = nearest(`dns:${name}.${namespace}`, names);
  throw inputError(`There is no Service ${namespace}/${name}`, {
    action: near.length > 0 ? `Did you mean ${near.join(', ')}?` : 'Name a Service of the target, a pod or a workload.',
  });
}

/**
 * A name of one label or two may be one of the world, but hardly where it is a Service's without its namespace, or where
 * its second label is a namespace, or nearly that of a Service of this name.
 */
function mustNotBeMistyped(services: PolicyModel['services'], name: string, namespace: string | undefined): void {
  const namespaces = services.filter((s) => s.name === name).map((s) => s.namespace);
  const own = services.filter((s) => s.namespace === namespace).map((s) => s.name);
  const near =
    namespace === undefined
      ? namespaces.map((n) => `dns:${name}.${n}`)
      : [
          ...nearest(namespace, namespaces).map((n) => `dns:${name}.${n}`),
          ...nearest(name, own).map((n) => `dns:${n}.${namespace}`),
        ];
  if (near.length === 0 && own.length === 0) return;
  const asked = namespace === undefined ? name : `${name}.${namespace}`;
  const hint = near.length > 0 ? `Did you mean ${near.slice(0, 3).join(', ')}? ` : '';
  throw inputError(
    namespace === undefined ? `${name} is a Service without its namespace` : `There is no Service ${namespace}/${name}`,
    {
      action: `${hint}For a name outside the cluster end it with a dot: dns:${asked}.`,
    },
  );
}

/**
 * The Service and its port that an address leads to which isn't the cluster's own, from inside: that of a load balancer or
 * an external one, or a node's on a port of the Service. Kube-proxy and Cilium translate these where the pod is, as they do
 * cluster addresses, so that no packet leaves for the load balancer.
 */
export function exposedService(
  { services, nodes }: PolicyModel,
  peer: string,
  protocol: Protocol,
  port: number,
): { readonly service: ServiceFacts; readonly port: number } | undefined {
  const address = peer.startsWith('ip:') ? parseAddress(peer.slice('ip:'.length)) : undefined;
  if (!address) return undefined;
  const holds = (ips: readonly string[] = []) => ips.some((ip) => isSameAddress(parseAddress(ip), address));
  const exposed = services.filter(({ externalIPs }) => holds(externalIPs));
  // Several may share an address, each with ports of its own.
  const hasPort = ({ ports }: ServiceFacts) => ports.some((p) => p.port === port && p.protocol === protocol);
  const service = exposed.find(hasPort) ?? exposed[0];
  if (service) return { service, port };
  if (![...nodes.values()].some(holds)) return undefined;
  for (const candidate of services) {
    const found = candidate.ports.find((p) => p.nodePort === port && p.protocol === protocol);
    if (found) return { service: candidate, port: found.port };
  }
  return undefined;
}

/**
 * Connections by an address that exposes a Service: kube-proxy may put the node's own address in place of the source's
 * (KUBE-MARK-MASQ in its chain KUBE-EXT, unless externalTrafficPolicy is Local). Cilium's own translation keeps it; where
 * Cilium leaves these addresses to kube-proxy, the policies of the source have been asked before that.
 */
export function exposed(backends: readonly Backend[], { engine }: PolicyModel): Backend[] {
  const isCilium = engine.name === 'cilium';
  return backends.map(({ via, ...backend }) => {
    const masked = "kube-proxy may put the node's address in place of the source's: then policies see a node";
    const unless = isCilium ? 'unless Cilium replaces kube-proxy, ' : '';
    const start = `by an address that exposes ${via.service}, ${unless}`;
    const egress = isCilium && `${start}policies see that address, not the pod behind it`;
    return { ...backend, via: { ...via, doubts: { ingress: `${start}${masked}`, ...(egress && { egress }) } } };
  });
}

/**
 * Where engines see a connection to a Service: its address is translated before policies are asked, by kube-proxy and by
 * Cilium, so what they see is a pod behind it and that pod's own port. Of a headless one DNS gives the pods themselves, and
 * no port is translated; an ExternalName is the name that it stands for. Throws an input error where that isn't known, or
 * leads nowhere. https://kubernetes.io/docs/reference/networking/virtual-ips/
 */
export function backendsOf(model: PolicyModel, service: ServiceFacts, protocol: Protocol, port: number): Backend[] {
  const title = `Service ${service.namespace}/${service.name}`;
  const via = (how: string): Via => ({ service: title, addresses: service.clusterIPs, text: `${title} ${how}` });
  if (service.externalName !== undefined) {
    return [{ to: named(service.externalName), port, via: via(`stands for ${service.externalName}`) }];
  }
  const pods = podsBehind(model, service);
  if (pods === undefined) {
    throw inputError(`${title} has no selector, and where it leads is not in the snapshot`, {
      action: 'Name an address that it leads to, as ip:ADDRESS.',
    });
  }
  if (pods.length === 0) {
    const labels = Object.entries(service.selector).map(([key, value]) => `${key}=${value}`);
    throw inputError(`${title} leads to no pod: none has the labels ${labels.join(', ')}`, {
      action: 'Correct its selector, or name a pod or a workload.',
    });
  }
  if (service.headless) return pods.map((to) => ({ to, port, via: via(`is headless: its name leads to ${to.id}`) }));
  const wanted = service.ports.find((p) => p.port === port && p.protocol === protocol);
  if (!wanted) {
    const ports = service.ports.map((p) => `${p.protocol} ${p.port}`);
    throw inputError(`${title} has no port ${protocol} ${port}`, { action: `It has ${ports.join(', ') || 'none'}.` });
  }
  const { targetPort } = wanted;
  const found = pods.flatMap((to): Backend[] => {
    const named = to.ports.find((p) => p.name === targetPort && p.protocol === protocol);
    const own = typeof targetPort === 'number' ? targetPort : named?.port;
    return own === undefined
      ? []
      : [{ to, port: own, via: via(`leads ${protocol} ${port} to port ${own} of ${to.id}`) }];
  });
  if (found.length > 0) return found;
  throw inputError(`${title} leads nowhere on ${protocol} ${port}: no pod behind it has a port named ${targetPort}`, {
    action: `Name the port ${targetPort} in a container of theirs, or give the Service's targetPort as a number.`,
  });
}

/** The pods that a Service selects; undefined where only the cluster itself knows. */
export function podsBehind(
  { pods }: PolicyModel,
  { namespace, name, selector }: ServiceFacts,
): PodEndpoint[] | undefined {
  if (Object.keys(selector).length > 0) {
    return pods.filter((pod) => pod.namespace === namespace && matchesLabels({ matchLabels: selector }, pod.labels));
  }
  // The API server keeps the addresses of this one itself.
  if (namespace !== 'default' || name !== 'kubernetes') return undefined;
  const servers = pods.filter(isApiServerPod);
  return servers.length > 0 ? servers : undefined;
}

/** Whether a pod is an API server, as kubeadm labels its own. */
export function isApiServerPod({ namespace, labels, hostNetwork }: PodEndpoint): boolean {
  return hostNetwork && namespace === 'kube-system' && labels.component === 'kube-apiserver';
}
