import { counted } from '../host/counted.ts';
import type { KubeObject } from '../target/rest.ts';
import type { Engine, EngineName, PolicyObject } from './model.ts';

/** A DaemonSet as far as it tells what runs on the nodes. */
export interface AgentFacts {
  readonly namespace: string;
  readonly name: string;
  readonly app: string | undefined;
  readonly image: string | undefined;
  /** Undefined where the status wasn't seen. */
  readonly ready: { readonly now: number; readonly wanted: number } | undefined;
}

export interface EngineFacts {
  readonly agents: readonly AgentFacts[];
  /** False where DaemonSets couldn't be listed, so that "none found" proves nothing. */
  readonly allAgentsKnown: boolean;
  readonly nodes: readonly KubeObject[];
  readonly ciliumConfig: Readonly<Record<string, string>>;
  /** How many NetworkPolicies there are. */
  readonly policies: number;
  readonly unread: readonly string[];
  /** Of files: where nothing else shows the engine, policies that only one engine reads do. */
  readonly policyObjects?: readonly PolicyObject[];
}

/** By `k8s-app` label or name; facts/azure-wsl-clusters.md. CRDs prove nothing: they survive an uninstall. */
const ENGINES: readonly { readonly name: EngineName; readonly agents: readonly string[] }[] = [
  { name: 'cilium', agents: ['cilium'] },
  { name: 'calico', agents: ['calico-node', 'canal'] },
  { name: 'npm', agents: ['azure-npm'] },
  { name: 'kindnet', agents: ['kindnet'] },
  { name: 'kube-network-policies', agents: ['kube-network-policies'] },
];

/** Agents that enforce NetworkPolicies by rules of their own that aren't modelled here. */
const OTHERS = ['antrea-agent', 'kube-router', 'weave-net', 'ovnkube-node', 'kube-ovn-cni', 'aws-node', 'anetd'];

export function agentsOf(daemonSets: readonly KubeObject[]): AgentFacts[] {
  return daemonSets.map(({ metadata, spec, status }) => {
    const template = (spec as { template?: { spec?: { containers?: { image?: string }[] } } } | undefined)?.template;
    const counts = status as { numberReady?: number; desiredNumberScheduled?: number } | undefined;
    const wanted = counts?.desiredNumberScheduled;
    return {
      namespace: metadata.namespace ?? 'default',
      name: metadata.name,
      app: metadata.labels?.['k8s-app'],
      image: template?.spec?.containers?.[0]?.image,
      ready: wanted === undefined ? undefined : { now: counts?.numberReady ?? 0, wanted },
    };
  });
}

/** Weighs the facts. Pure; `detectEngine` gathers them from a cluster, `readTarget` from files. */
export function engineOf(facts: EngineFacts): Engine {
  const found = ENGINES.flatMap(({ name, agents }) => {
    const agent = facts.agents.find((a) => agents.includes(a.name) || (a.app !== undefined && agents.includes(a.app)));
    return agent ? [{ name, agent }] : [];
  });
  const evidence = [...found.map(({ agent }) => describe(agent)), ...nodeEvidence(facts.nodes)];
  const chosen = found[0];
  if (chosen)
    return withVersion(chosen.name === 'cilium' ? cilium(facts, evidence) : named(chosen.name, evidence), chosen.agent);
  if (evidence.length > 0) return { name: 'cilium', evidence };
  const other = facts.agents.find((a) => OTHERS.includes(a.name) || (a.app !== undefined && OTHERS.includes(a.app)));
  if (other)
    return {
      name: 'unknown',
      evidence: [`${describe(other)}: it may enforce NetworkPolicies, by rules not modelled here`],
    };
  if (facts.nodes.some((node) => kubeletOf(node).includes('+k3s'))) {
    return { name: 'unknown', evidence: ['the nodes run k3s, which has a policy controller built in'] };
  }
  if (!facts.allAgentsKnown) {
    const unread = facts.unread.length > 0 ? `${facts.unread.join(' and ')} could not be read` : 'no cluster was asked';
    return byPolicies(unread, facts.policyObjects ?? []);
  }
  return { name: 'none', evidence: noneWords(facts) };
}

/** The groups whose policies one engine alone enforces. */
const OWN_GROUPS: readonly (readonly [group: string, name: EngineName])[] = [
  ['cilium.io', 'cilium'],
  ['projectcalico.org', 'calico'],
  ['crd.projectcalico.org', 'calico'],
];

/** What nobody said is told by policies that one engine alone reads, where they are all of one. */
function byPolicies(unread: string, policies: readonly PolicyObject[]): Engine {
  const meant = OWN_GROUPS.flatMap(([group, name]) => {
    const count = policies.filter((p) => p.apiVersion.startsWith(`${group}/`)).length;
    return count > 0 ? [{ name, words: `${counted(count, 'object')} of ${group}` }] : [];
  });
  const [name, ...others] = new Set(meant.map((m) => m.name));
  if (name !== undefined && others.length === 0) {
    const words = meant.map((m) => m.words).join(' and ');
    return { name, evidence: [`${unread}; taken for ${name} by ${words}, which nothing else reads`] };
  }
  const each = meant.map((m) => `${m.words}, which only ${m.name} reads`);
  return { name: 'unknown', evidence: [`${unread}, so what enforces policies is not known`, ...each] };
}

function named(name: EngineName, evidence: readonly string[]): Engine {
  if (name !== 'kindnet') return { name, evidence };
  return {
    name,
    evidence: [...evidence, 'kindnet should enforce NetworkPolicies, but fails open: only a probe can tell'],
  };
}

function unenforced(policies: number): string {
  return policies === 1
    ? '1 NetworkPolicy exists and nothing enforces it'
    : `${policies} NetworkPolicies exist and nothing enforces them`;
}

function cilium({ ciliumConfig: config, policies }: EngineFacts, evidence: readonly string[]): Engine {
  const off =
    config['enable-policy'] === 'never'
      ? 'enable-policy: never'
      : config['enable-k8s-networkpolicy'] === 'false'
        ? 'enable-k8s-networkpolicy: false'
        : undefined;
  if (off) {
    const words = `cilium-config says ${off}: ${unenforced(policies)}`;
    return { name: 'none', evidence: [...evidence, words] };
  }
  const options = ciliumOptions(config);
  const words = Object.entries(options ?? {}).map(([key, value]) => `cilium-config says ${key}: ${value}`);
  return { name: 'cilium', ...(options && { options }), evidence: [...evidence, ...words] };
}

/** The options of Cilium's agent that change what policies mean. */
const CILIUM_OPTIONS = [
  'policy-cidr-match-mode',
  'labels',
  'cluster-name',
  'enable-policy',
  'enable-k8s-cluster-network-policy',
  'enable-node-selector-labels',
  'policy-default-local-cluster',
] as const;

/** Undefined where there is no configuration to see; an option that is off or empty is left out. */
function ciliumOptions(config: EngineFacts['ciliumConfig']): Engine['options'] {
  if (Object.keys(config).length === 0) return undefined;
  const set = CILIUM_OPTIONS.flatMap((key) => (config[key] ? [[key, config[key]] as const] : []));
  return Object.fromEntries(set.filter(([key, value]) => value !== (DEFAULTS[key] ?? 'false')));
}

/** Empty: it has another default in older versions, and either word is kept. */
const DEFAULTS: Readonly<Record<string, string>> = {
  'cluster-name': 'default',
  'enable-policy': 'default',
  'policy-default-local-cluster': '',
};

function withVersion(engine: Engine, agent: AgentFacts): Engine {
  const tag = /:([\w][\w.-]*)(?:@|$)/.exec(agent.image?.split('/').at(-1) ?? '')?.[1];
  return tag && engine.name !== 'none' ? { ...engine, version: tag } : engine;
}

function describe(agent: AgentFacts): string {
  const { ready } = agent;
  const label = agent.app && agent.app !== agent.name ? ` (k8s-app=${agent.app})` : '';
  return `DaemonSet ${agent.namespace}/${agent.name}${label}${ready ? `, ready on ${ready.now} of ${counted(ready.wanted, 'node')}` : ''}`;
}

function nodeEvidence(nodes: readonly KubeObject[]): string[] {
  const key = 'kubernetes.azure.com/ebpf-dataplane';
  const count = nodes.filter((node) => node.metadata.labels?.[key] === 'cilium').length;
  return count > 0 ? [`label ${key}=cilium on ${count} of ${counted(nodes.length, 'node')}`] : [];
}

function kubeletOf(node: KubeObject): string {
  const status = node.status as { nodeInfo?: { kubeletVersion?: string } } | undefined;
  return status?.nodeInfo?.kubeletVersion ?? '';
}

function noneWords({ agents, policies }: EngineFacts): string[] {
  const names = agents.map((agent) => `${agent.namespace}/${agent.name}`).sort();
  return [
    names.length > 0
      ? `none of the DaemonSets enforces NetworkPolicies: ${names.join(', ')}`
      : 'there are no DaemonSets',
    ...(policies > 0 ? [unenforced(policies)] : []),
  ];
}
