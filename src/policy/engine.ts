import type { Engine, EngineName } from '../snapshot/model.ts';
import type { DialectName, Policy } from './model.ts';

/** In what the engines differ about the same policy. Anything not here, they do alike. */
export interface EngineSemantics {
  /** As a person calls it. */
  readonly title: string;
  readonly enforces: boolean;
  /** Whether a CIDR matches pods by their address. */
  readonly cidrMatchesPods: boolean;
  /** Whether a CIDR matches nodes (and hostNetwork pods) by their address. */
  readonly cidrMatchesNodes: boolean;
  /** Whether a pod that is isolated for egress reaches its own node all the same. */
  readonly ownNodeEgress: boolean;
  /** Whether the rules of a direction that a NetworkPolicy's `policyTypes` leaves out are enforced, and isolate. */
  readonly rulesIsolate: boolean;
  /** The dialects that it reads; a policy of another decides nothing there. */
  readonly dialects: readonly DialectName[];
}

/** Kubernetes' own text: https://kubernetes.io/docs/concepts/services-networking/network-policies/ */
const SPECIFICATION: EngineSemantics = {
  title: 'Kubernetes',
  enforces: true,
  cidrMatchesPods: true,
  cidrMatchesNodes: true,
  ownNodeEgress: false,
  rulesIsolate: false,
  dialects: ['kubernetes', 'admin', 'cilium', 'calico'],
};

/**
 * Sources:
 * - kindnet: kube-network-policies pkg/networkpolicy/networkpolicy.go, which kindnetd (cmd/kindnetd/main.go) gives no
 *   admin policies; by itself, installed for them, it reads those as well. It looks only at the packet's addresses and at
 *   `policyTypes`. Egress to the own node: evaluated where its dataplane has an input chain, unseen in older releases.
 * - Calico: policy comes first, DefaultEndpointToHostAction after it; ipBlock on nodes is inferred, not documented.
 * - Cilium: `policy-cidr-match-mode` is empty by default and can't be set on AKS; "Network policies cannot use ipBlock
 *   to allow access to node or pod IPs" (AKS, azure-cni-powered-by-cilium.md). pkg/k8s/network_policy.go turns
 *   spec.ingress and spec.egress into rules without asking `policyTypes`, which only adds the empty default denies.
 *   ClusterNetworkPolicy: pkg/k8s/cluster_network_policy.go, since 1.20.
 * - NPM: the same page, on moving from NPM to Cilium: NPM allows egress to the own node implicitly.
 */
const ENGINES: Readonly<Record<EngineName, EngineSemantics>> = {
  unknown: SPECIFICATION,
  kindnet: { ...SPECIFICATION, title: 'kindnet', dialects: ['kubernetes'] },
  'kube-network-policies': {
    ...SPECIFICATION,
    title: 'kube-network-policies',
    dialects: ['kubernetes', 'admin'],
  },
  calico: { ...SPECIFICATION, title: 'Calico', dialects: ['kubernetes', 'admin', 'calico'] },
  cilium: {
    ...SPECIFICATION,
    title: 'Cilium',
    cidrMatchesPods: false,
    cidrMatchesNodes: false,
    rulesIsolate: true,
    dialects: ['kubernetes', 'admin', 'cilium'],
  },
  npm: { ...SPECIFICATION, title: 'Azure NPM', ownNodeEgress: true, dialects: ['kubernetes'] },
  none: { ...SPECIFICATION, title: 'This cluster', enforces: false },
};

/** How `name` reads policies; an engine that isn't known is taken at Kubernetes' word, and each dialect at its own. */
export function semanticsOf(name: EngineName): EngineSemantics {
  return ENGINES[name];
}

/** Whether CIDRs of a policy match what has an address inside the cluster: Cilium's never do, whoever asks. */
export function cidrMatches(semantics: EngineSemantics, { dialect }: Policy, kind: 'pod' | 'node'): boolean {
  return dialect !== 'cilium' && (kind === 'pod' ? semantics.cidrMatchesPods : semantics.cidrMatchesNodes);
}

/** Why a policy decides nothing under an engine, in words; undefined where it does. */
export function whyIgnored(policy: Policy, engine: Engine): string | undefined {
  const { title, dialects } = semanticsOf(engine.name);
  if (policy.inert !== undefined) return policy.inert;
  if (!dialects.includes(policy.dialect)) return `${title} doesn't enforce ${kindOf(policy)}`;
  if (engine.name !== 'cilium' || policy.dialect !== 'admin') return undefined;
  const kind = kindOf(policy);
  if (!kind.startsWith('ClusterNetworkPolicy')) return `${title} doesn't enforce ${kind}, only ClusterNetworkPolicy`;
  return isBefore(engine.version, 1, 20) ? `${title} ${engine.version} doesn't enforce ${kind}; 1.20 does` : undefined;
}

function kindOf({ source }: Policy): string {
  return source.object.split(' ')[0] ?? '';
}

/** Whether a version such as `v1.18.6` is known to be an older one. */
function isBefore(version: string | undefined, major: number, minor: number): boolean {
  const [, x, y] = /^v?(\d+)\.(\d+)/.exec(version ?? '') ?? [];
  if (x === undefined || y === undefined) return false;
  return Number(x) < major || (Number(x) === major && Number(y) < minor);
}
