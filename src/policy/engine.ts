import type { EngineName } from '../snapshot/model.ts';

/** In what the engines differ about the same policy. Anything not here, they do alike. */
export interface EngineSemantics {
  /** As a person calls it. */
  readonly title: string;
  readonly enforces: boolean;
  /** Whether an ipBlock matches pods by their address. */
  readonly cidrMatchesPods: boolean;
  /** Whether an ipBlock matches nodes (and hostNetwork pods) by their address. */
  readonly cidrMatchesNodes: boolean;
  /** Whether a pod that is isolated for egress reaches its own node all the same. */
  readonly ownNodeEgress: boolean;
  /** Whether the rules of a direction that `policyTypes` leaves out are enforced, and isolate, anyway. */
  readonly rulesIsolate: boolean;
}

/** Kubernetes' own text: https://kubernetes.io/docs/concepts/services-networking/network-policies/ */
const SPECIFICATION: EngineSemantics = {
  title: 'Kubernetes',
  enforces: true,
  cidrMatchesPods: true,
  cidrMatchesNodes: true,
  ownNodeEgress: false,
  rulesIsolate: false,
};

/**
 * Sources:
 * - kindnet: kube-network-policies pkg/networkpolicy/networkpolicy.go. It looks only at the packet's addresses and at
 *   `policyTypes`. Egress to the own node: evaluated where its dataplane has an input chain, unseen in older releases.
 * - Calico: policy comes first, DefaultEndpointToHostAction after it; ipBlock on nodes is inferred, not documented.
 * - Cilium: `policy-cidr-match-mode` is empty by default and can't be set on AKS; "Network policies cannot use ipBlock
 *   to allow access to node or pod IPs" (AKS, azure-cni-powered-by-cilium.md). pkg/k8s/network_policy.go turns
 *   spec.ingress and spec.egress into rules without asking `policyTypes`, which only adds the empty default denies.
 * - NPM: the same page, on moving from NPM to Cilium: NPM allows egress to the own node implicitly.
 */
const ENGINES: Readonly<Record<EngineName, EngineSemantics>> = {
  unknown: SPECIFICATION,
  kindnet: { ...SPECIFICATION, title: 'kindnet' },
  calico: { ...SPECIFICATION, title: 'Calico' },
  cilium: {
    ...SPECIFICATION,
    title: 'Cilium',
    cidrMatchesPods: false,
    cidrMatchesNodes: false,
    rulesIsolate: true,
  },
  npm: { ...SPECIFICATION, title: 'Azure NPM', ownNodeEgress: true },
  none: { ...SPECIFICATION, title: 'This cluster', enforces: false },
};

/** How `name` reads policies; an engine that isn't known is taken at Kubernetes' word. */
export function semanticsOf(name: EngineName): EngineSemantics {
  return ENGINES[name];
}
