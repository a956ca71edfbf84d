import type { Engine, EngineName } from '../snapshot/model.ts';
import { identityLabels } from './identity.ts';
import type { DialectName, Peer, Policy, Rule } from './model.ts';

/** Nodes and addresses outside of the cluster, or these and all pods. */
export type Strangers = 'nobody' | 'strangers' | 'everyone';

/** In what the engines differ about the same policy. Anything not here, they do alike. */
export interface EngineSemantics {
  readonly name: EngineName;
  /** As a person calls it. */
  readonly title: string;
  readonly enforces: boolean;
  /** Whether a CIDR matches pods by their address. */
  readonly cidrMatchesPods: boolean;
  /** Whether a CIDR matches nodes (and hostNetwork pods) by their address. */
  readonly cidrMatchesNodes: boolean;
  /** Whether a pod that is isolated for egress reaches its own node all the same. */
  readonly ownNodeEgress: boolean;
  /** Whether a rule that denies keeps a pod's own node out, which every default denial lets in. */
  readonly rulesDenyOwnNode: boolean;
  /** Whether the rules of a direction that a NetworkPolicy's `policyTypes` leaves out are enforced, and isolate. */
  readonly rulesIsolate: boolean;
  /** Whether the rules of admin policies of one priority take their turns side by side, not policy by policy. */
  readonly rulesTakeTurns: boolean;
  /** Whether a pod that is isolated is denied the rest only after the baseline tier, whose rules may still allow it. */
  readonly denialsLast: boolean;
  /** Set where what a rule passes on in the last tier may come to something else: see stray-passes.ts. */
  readonly passesStray?: true;
  /** Whether `endPort` of a NetworkPolicy counts; where not, its `port` alone does. */
  readonly portRanges: boolean;
  /** What a peer that asks for no label to be there means besides the pods that it selects. */
  readonly strangers: Strangers;
  /** The dialects that it reads; a policy of another decides nothing there. */
  readonly dialects: readonly DialectName[];
  /** Whether selectors see a pod's label of this key; undefined where they see all. */
  readonly seesLabel?: (key: string) => boolean;
}

/** Kubernetes' own text: https://kubernetes.io/docs/concepts/services-networking/network-policies/ */
const SPECIFICATION: EngineSemantics = {
  name: 'unknown',
  title: 'Kubernetes',
  enforces: true,
  cidrMatchesPods: true,
  cidrMatchesNodes: true,
  ownNodeEgress: false,
  rulesDenyOwnNode: false,
  rulesIsolate: false,
  rulesTakeTurns: false,
  denialsLast: false,
  portRanges: true,
  strangers: 'nobody',
  dialects: ['kubernetes', 'admin', 'cilium', 'calico'],
};

/**
 * Sources:
 * - kindnet: kube-network-policies pkg/networkpolicy/networkpolicy.go, which kindnetd (cmd/kindnetd/main.go) gives no
 *   admin policies; by itself, installed for them, it reads those as well. It looks only at the packet's addresses and at
 *   `policyTypes`. Egress to the own node: evaluated where its dataplane has an input chain, unseen in older releases.
 * - Calico: policy comes first, DefaultEndpointToHostAction after it; ipBlock on nodes is inferred, not documented.
 * - Cilium: `policy-cidr-match-mode` is empty by default and can't be set on AKS (CIDRSelector in pkg/policy/types);
 *   "Network policies cannot use ipBlock to allow access to node or pod IPs" (AKS, azure-cni-powered-by-cilium.md).
 *   pkg/k8s/network_policy.go turns spec.ingress and spec.egress into rules without asking `policyTypes`, which only adds
 *   the empty default denies. ClusterNetworkPolicy: pkg/k8s/cluster_network_policy.go, since 1.20. Its own node gets in by
 *   a rule that comes after all others (computePolicyEnforcementAndRules in pkg/policy/repository.go of v1.20.2; seen on
 *   the real engine). Rules of one priority: the i-th of each policy stand together, and of these deny comes before allow
 *   and pass (ParseClusterNetworkPolicy; pkg/policy/types/entry.go). What no tier decides is denied at the very end, behind
 *   Baseline, which may so allow what a NetworkPolicy isolates (addDefaultRule there; seen on the real engine).
 *   endPort: taken and ignored before port ranges came (cilium#28684).
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
    rulesDenyOwnNode: true,
    rulesIsolate: true,
    rulesTakeTurns: true,
    denialsLast: true,
    passesStray: true,
    dialects: ['kubernetes', 'admin', 'cilium'],
  },
  npm: { ...SPECIFICATION, title: 'Azure NPM', ownNodeEgress: true, dialects: ['kubernetes'] },
  none: { ...SPECIFICATION, title: 'This cluster', enforces: false },
};

/**
 * How an engine reads policies; one that isn't known is taken at Kubernetes' word, and each dialect at its own. What its
 * options change counts where they are known: `policy-cidr-match-mode` and `labels` of Cilium's.
 */
export function semanticsOf({
  name,
  options = {},
  version,
}: Pick<Engine, 'name' | 'options' | 'version'>): EngineSemantics {
  const semantics = { ...ENGINES[name], name };
  if (name !== 'cilium') return semantics;
  const modes = (options['policy-cidr-match-mode'] ?? '').split(/[\s,]+/);
  return {
    ...semantics,
    cidrMatchesPods: modes.includes('pods'),
    cidrMatchesNodes: modes.includes('nodes'),
    seesLabel: identityLabels(options.labels),
    portRanges: !isBefore(version, 1, 17),
    strangers: namesLocalCluster(options, version) ? 'nobody' : isBefore(version, 1, 20) ? 'strangers' : 'everyone',
  };
}

/**
 * Whether Cilium adds the own cluster's name to selectors that name none, by which they mean pods alone: its option
 * `policy-default-local-cluster`, which is on by default since 1.19 and wasn't there before 1.18 (PolicyConfig in
 * pkg/clustermesh/types/option.go, getEndpointSelector in pkg/k8s/apis/cilium.io/utils/utils.go).
 */
function namesLocalCluster(options: Engine['options'] = {}, version?: string): boolean {
  return (options['policy-default-local-cluster'] ?? `${!isBefore(version, 1, 19)}`) === 'true';
}

/** Whether CIDRs of a policy match what has an address inside the cluster: Cilium's don't where nobody knows the engine. */
export function cidrMatches(semantics: EngineSemantics, { dialect }: Policy, kind: 'pod' | 'node'): boolean {
  if (dialect === 'cilium' && semantics.name !== 'cilium') return false;
  return kind === 'pod' ? semantics.cidrMatchesPods : semantics.cidrMatchesNodes;
}

/** Why a policy decides nothing under an engine, in words; undefined where it does. */
export function whyIgnored(policy: Policy, engine: Engine): string | undefined {
  const { title, dialects } = semanticsOf(engine);
  if (!dialects.includes(policy.dialect)) return `${title} doesn't enforce ${kindOf(policy)}`;
  if (policy.inert !== undefined) return policy.inert;
  return engine.name === 'cilium' && policy.dialect === 'admin' ? whyNotByCilium(policy, engine) : undefined;
}

/** What Cilium makes of admin policies: pkg/k8s/cluster_network_policy.go of v1.20.2, which takes all or nothing of one. */
function whyNotByCilium(policy: Policy, { version, options }: Engine): string | undefined {
  const kind = kindOf(policy);
  if (!kind.startsWith('ClusterNetworkPolicy')) return `Cilium doesn't enforce ${kind}, only ClusterNetworkPolicy`;
  if (isBefore(version, 1, 20)) return `Cilium ${version} doesn't enforce ${kind}; 1.20 does`;
  const isOff = (option: string) => options !== undefined && options[option] !== 'true';
  if (isOff('enable-k8s-cluster-network-policy')) {
    return `Cilium enforces ${kind} only with its option enable-k8s-cluster-network-policy, which is off`;
  }
  const asks = (rule: Rule, type: Peer['type']) => rule.peers?.some((peer) => peer.type === type) ?? false;
  if (isOff('enable-node-selector-labels') && policy.rules.some((rule) => asks(rule, 'nodes'))) {
    return 'Cilium refuses it: nodes as peers need its option enable-node-selector-labels, which is off';
  }
  const named = policy.rules.some((rule) => rule.action !== 'allow' && asks(rule, 'fqdn'));
  return named ? 'Cilium refuses it: domainNames are for rules that accept' : undefined;
}

/** The engines that enforce policies. */
export const ENGINE_NAMES: readonly EngineName[] = (Object.keys(ENGINES) as EngineName[]).filter(
  (name) => name !== 'unknown' && name !== 'none',
);

/** The engines that enforce policies of a kind, in words. */
export function enginesFor(policy: Policy): string {
  const names = ENGINE_NAMES.filter((name) => whyIgnored(policy, { name, evidence: [] }) === undefined);
  return names.map((name) => ENGINES[name].title).join(', ') || 'no engine that is modelled here';
}

function kindOf({ source }: Policy): string {
  return source.object.split(' ')[0] ?? '';
}

/** Whether a version such as `v1.18.6` is known to be an older one. */
export function isBefore(version: string | undefined, major: number, minor: number): boolean {
  const [, x, y] = /^v?(\d+)\.(\d+)/.exec(version ?? '') ?? [];
  if (x === undefined || y === undefined) return false;
  return Number(x) < major || (Number(x) === major && Number(y) < minor);
}
