import ipaddr from 'ipaddr.js';
import type { NodeFacts, Snapshot } from './model.ts';
import { at, type Field, field, textOf } from './shape.ts';
import { failAt, parseYaml } from './yaml.ts';

type Ranges = Snapshot['ranges'];

/** What tells of a cluster's address ranges; each is undefined where it couldn't be read or isn't there. */
export interface RangeSources {
  readonly nodes: readonly NodeFacts[];
  /** `spec.podCIDRs` of all nodes. */
  readonly nodePodCidrs: readonly string[];
  /** `data` of these ConfigMaps in kube-system. */
  readonly kubeadmConfig?: Readonly<Record<string, string>>;
  readonly kubeProxy?: Readonly<Record<string, string>>;
  readonly ciliumConfig?: Readonly<Record<string, string>>;
  /** `spec.cidrs` of all ServiceCIDR objects. */
  readonly serviceCidrs: readonly string[];
}

/** Works out the ranges, each from the best source there is, and says which that was. */
export function rangesOf(sources: RangeSources): Ranges {
  const kubeadm = networkingOf(sources.kubeadmConfig);
  const cilium = sources.ciliumConfig ?? {};
  // With its own pool, Cilium gives pods addresses that neither kubeadm nor the nodes know of.
  const pool =
    cilium.ipam === 'cluster-pool' ? split(cilium['cluster-pool-ipv4-cidr'], cilium['cluster-pool-ipv6-cidr']) : [];
  const pods = first([
    ['ConfigMap kube-system/cilium-config (cluster-pool)', pool],
    ['ConfigMap kube-system/kubeadm-config (podSubnet)', split(kubeadm.podSubnet)],
    ['ConfigMap kube-system/kube-proxy (clusterCIDR)', split(clusterCidrOf(sources.kubeProxy))],
    ['the nodes’ spec.podCIDRs', sources.nodePodCidrs],
  ]);
  const services = first([
    ['ServiceCIDR objects', sources.serviceCidrs],
    ['ConfigMap kube-system/kubeadm-config (serviceSubnet)', split(kubeadm.serviceSubnet)],
  ]);
  const nodes = first([['the nodes’ addresses', sources.nodes.flatMap((node) => node.addresses).flatMap(hostCidr)]]);
  return {
    pods: pods.cidrs,
    services: services.cidrs,
    nodes: nodes.cidrs,
    evidence: [
      ...pods.from.map((from) => `pods: ${from}`),
      ...services.from.map((from) => `services: ${from}`),
      ...nodes.from.map((from) => `nodes: ${from}`),
    ],
  };
}

function first(sources: readonly (readonly [string, readonly string[]])[]): { cidrs: string[]; from: string[] } {
  for (const [name, all] of sources) {
    const cidrs = [...new Set(all.filter((cidr) => ipaddr.isValidCIDR(cidr)))].sort();
    if (cidrs.length > 0) return { cidrs, from: [name] };
  }
  return { cidrs: [], from: [] };
}

function split(...lists: readonly (string | undefined)[]): string[] {
  return lists.flatMap((list) => (list ?? '').split(/[\s,]+/)).filter((cidr) => cidr !== '');
}

function hostCidr(address: string): string[] {
  if (!ipaddr.isValid(address)) return [];
  return [`${address}/${ipaddr.parse(address).kind() === 'ipv4' ? 32 : 128}`];
}

/** `networking` of kubeadm's ClusterConfiguration. */
function networkingOf(data: Readonly<Record<string, string>> | undefined) {
  const found = embedded(data?.ClusterConfiguration, 'kubeadm-config');
  const networking = found && at(found, 'networking');
  return {
    podSubnet: networking && textOf(at(networking, 'podSubnet')),
    serviceSubnet: networking && textOf(at(networking, 'serviceSubnet')),
  };
}

function clusterCidrOf(data: Readonly<Record<string, string>> | undefined): string | undefined {
  const found = embedded(data?.['config.conf'], 'kube-proxy');
  return found && textOf(at(found, 'clusterCIDR'));
}

/** A configuration file inside a ConfigMap. */
function embedded(content: string | undefined, name: string): Field | undefined {
  const document = content === undefined ? undefined : parseYaml(content, `ConfigMap kube-system/${name}`)[0];
  return document && field(document.value, failAt(`ConfigMap kube-system/${name}`, document));
}
