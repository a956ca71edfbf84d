import type { ContainerPort } from '../snapshot/model.ts';
import { type Block, compileBlock } from './blocks.ts';
import type { CompiledModel } from './compile.ts';
import { cidrMatches, semanticsOf } from './engine.ts';
import type { Endpoint, PodEndpoint, PolicyModel } from './model.ts';
import { peersOf, selectedKeys } from './peers.ts';

/** Pods that no policy can tell apart. */
export interface PodGroup {
  /**
   * `namespace/Kind/name` of its first workload, `namespace/name` of a pod by itself; `#2` and up where that is taken. A peer
   * of a question, see resolvePeer.
   */
  readonly id: string;
  readonly namespace: string;
  /** Without the labels that only tell one run or replica from another, unless a selector names them. */
  readonly labels: Readonly<Record<string, string>>;
  /** `namespace/name`. */
  readonly pods: readonly string[];
  /** How many pods these are: of a workload that was never run, as many as its manifest makes. */
  readonly count: number;
  /** `Kind/name`. */
  readonly workloads: readonly string[];
  readonly serviceAccount: string;
  readonly hostNetwork: boolean;
  readonly ports: readonly ContainerPort[];
  /** Its pods themselves, in the order of `pods`. */
  readonly members: readonly PodEndpoint[];
}

/** Labels that controllers stamp: they differ between pods of one workload. */
export const STAMPED: readonly string[] = [
  'pod-template-hash',
  'controller-revision-hash',
  'pod-template-generation',
  'statefulset.kubernetes.io/pod-name',
  'apps.kubernetes.io/pod-index',
  'batch.kubernetes.io/controller-uid',
  'batch.kubernetes.io/job-name',
  'batch.kubernetes.io/job-completion-index',
  'controller-uid',
  'job-name',
];

/** Groups a model's pods, each by itself where `single`. Sorted by id. */
export function groupsOf(compiled: CompiledModel, single: boolean): PodGroup[] {
  const ignored = ignoredLabels(compiled);
  const signature = addressSignature(compiled);
  const byKey = Map.groupBy(compiled.model.pods, (pod) => keyOf(pod, ignored, signature));
  const sets = single ? compiled.model.pods.map((pod) => [pod]) : [...byKey.values()];
  const named = Map.groupBy(compiled.model.pods, ({ id }) => id);
  // Workloads of two kinds that were never run may count as pods of one name: then these are told by their kind.
  const nameOf = (pod: PodEndpoint) => (single && named.get(pod.id)?.length === 1 ? pod.id : workloadOf(pod));
  const groups = sets.map((pods) => groupOf([...pods].sort(byId), ignored, single, nameOf));
  return numbered(groups.sort((a, b) => byId(a, b) || compareText(`${a.pods}`, `${b.pods}`)));
}

function keyOf(pod: PodEndpoint, ignored: ReadonlySet<string>, signature: (pod: PodEndpoint) => string): string {
  const named = pod.ports.filter((p) => p.name !== undefined).map((p) => `${p.name} ${p.protocol} ${p.port}`);
  const labels = Object.entries(keptLabels(pod, ignored)).sort(([a], [b]) => compareText(a, b));
  return JSON.stringify([
    pod.namespace,
    labels,
    pod.serviceAccount,
    pod.hostNetwork,
    [...new Set(named)].sort(compareText),
    signature(pod),
  ]);
}

/** What tells pods apart by their addresses: which CIDRs cover them; of nodes also labels, and the API server. */
export function addressSignature({ model, addresses, isApiServer }: CompiledModel): (pod: PodEndpoint) => string {
  const signature = { pod: blocksThatMatch(model, 'pod'), node: blocksThatMatch(model, 'node') };
  const ofPod = addresses.signature(signature.pod);
  const ofNode = addresses.signature(signature.node);
  const labelsOf = (pod: PodEndpoint) => JSON.stringify(model.nodeLabels?.get(addresses.nodeOf(pod) ?? '') ?? {});
  return (pod) => (pod.hostNetwork ? `${ofNode(pod)} ${isApiServer(pod)} ${labelsOf(pod)}` : ofPod(pod));
}

/** The distinct CIDRs of all rules that may match a kind of endpoint. */
function blocksThatMatch(model: PolicyModel, kind: 'pod' | 'node'): Block[] {
  const semantics = semanticsOf(model.engine);
  const distinct = new Map<string, Block>();
  for (const policy of model.policies) {
    if (!cidrMatches(semantics, policy, kind)) continue;
    for (const peer of peersOf(policy)) {
      if (peer.type !== 'cidr') continue;
      const key = [peer.cidr, ...peer.except].join();
      if (!distinct.has(key)) distinct.set(key, compileBlock(peer, policy.source.object));
    }
  }
  return [...distinct.values()];
}

function ignoredLabels({ model }: CompiledModel): ReadonlySet<string> {
  const used = selectedKeys(model.policies);
  return new Set(STAMPED.filter((label) => !used.has(label)));
}

function keptLabels(pod: PodEndpoint, ignored: ReadonlySet<string>): Record<string, string> {
  return Object.fromEntries(Object.entries(pod.labels).filter(([key]) => !ignored.has(key)));
}

/** `namespace/Kind/name` of the workload that a pod is of. */
export function workloadOf({ namespace, workload }: Pick<PodEndpoint, 'namespace' | 'workload'>): string {
  return `${namespace}/${workload}`;
}

/** The workloads that some pods are of, each once, sorted. */
export function workloadsOf(pods: readonly PodEndpoint[]): string[] {
  return [...new Set(pods.map(workloadOf))].sort();
}

function groupOf(
  members: readonly PodEndpoint[],
  ignored: ReadonlySet<string>,
  single: boolean,
  nameOf: (pod: PodEndpoint) => string,
): PodGroup {
  const [first] = members;
  if (!first) throw new TypeError('a group has at least one pod');
  const workloads = [...new Set(members.map((p) => p.workload))].sort(compareText);
  const ports = new Map(members.flatMap((p) => p.ports.map((port) => [JSON.stringify(port), port])));
  return {
    id: single ? nameOf(first) : `${first.namespace}/${workloads[0]}`,
    namespace: first.namespace,
    labels: keptLabels(first, single ? new Set() : ignored),
    pods: members.map((p) => p.id),
    count: members.reduce((sum, { replicas = 1 }) => sum + replicas, 0),
    workloads,
    serviceAccount: first.serviceAccount,
    hostNetwork: first.hostNetwork,
    ports: [...ports.values()].sort((a, b) => a.port - b.port || compareText(a.protocol, b.protocol)),
    members,
  };
}

/** Whether a pod is one of a kind by intent: a bare one is. */
export function mayHaveReplicas({ workload }: PodEndpoint): boolean {
  return !workload.startsWith('Pod/');
}

/** A pod that is like another in everything that policies see. */
export function otherReplica<E extends Endpoint>(endpoint: E): E {
  return { ...endpoint, id: `${endpoint.id} (another replica)` };
}

/** Any pod of a group stands for all of it, wherever it runs. */
export function unscheduledMember({ members: [first] }: PodGroup): PodEndpoint {
  if (!first) throw new TypeError('a group has at least one pod');
  const { node: _, ...pod } = first;
  return pod;
}

/** Makes ids unique: two groups of one workload, as in a rollout, are `x` and `x#2`. */
function numbered(groups: readonly PodGroup[]): PodGroup[] {
  const seen = new Map<string, number>();
  return groups.map((group) => {
    const n = (seen.get(group.id) ?? 0) + 1;
    seen.set(group.id, n);
    return n === 1 ? group : { ...group, id: `${group.id}#${n}` };
  });
}

function byId(a: { id: string }, b: { id: string }): number {
  return compareText(a.id, b.id);
}

/** By code unit, not by locale: the same order on every machine. */
function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
