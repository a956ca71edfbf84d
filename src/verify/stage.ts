import { evaluator } from '../policy/evaluate.ts';
import { workloadOf } from '../policy/groups.ts';
import type { Connection, Endpoint, PodEndpoint, PolicyModel, Verdict } from '../policy/model.ts';
import type { Snapshot, Workload } from '../snapshot/model.ts';
import { workloadId } from './cast.ts';
import { type LocalPod, type PodObject, runningPod } from './local-pods.ts';

/** The target's pods as the policies see them, and the local pods that play them. */
export interface Endpoints {
  readonly sources: readonly PodEndpoint[];
  readonly destinations: readonly PodEndpoint[];
  /** By the endpoint's id. */
  readonly players: ReadonlyMap<string, LocalPod>;
  /** What can't be probed and why, one line each. */
  readonly missing: readonly string[];
}

/** The label of the cluster's DNS pods, in AKS, kind and MicroK8s alike. */
const DNS_LABEL = { 'k8s-app': 'kube-dns' } as const;

/**
 * One endpoint for each workload that has a player, and the cluster's own DNS as one more destination: that is what
 * egress rules break first. `players` are by workload id.
 */
export function targetEndpoints(
  target: Snapshot,
  model: PolicyModel,
  players: ReadonlyMap<string, LocalPod>,
  pods: readonly PodObject[],
): Endpoints {
  const byWorkload = new Map(model.pods.toReversed().map((pod) => [workloadOf(pod), pod]));
  const byEndpoint = new Map<string, LocalPod>();
  const sources: PodEndpoint[] = [];
  for (const workload of target.workloads) {
    const player = players.get(workloadId(workload));
    const endpoint = byWorkload.get(workloadId(workload));
    if (!player || !endpoint) continue;
    sources.push(endpoint);
    byEndpoint.set(endpoint.id, player);
  }
  const destinations = [...sources];
  const missing: string[] = [];
  if (!sources.some(isDns)) {
    const dns = pods.map(runningPod).find((pod) => pod && isDns(pod));
    if (dns) {
      destinations.push(DNS);
      byEndpoint.set(DNS.id, dns);
    } else missing.push('DNS: no pod labelled k8s-app=kube-dns runs in kube-system here');
  }
  return { sources, destinations, players: byEndpoint, missing: [...missing, ...outside(model)] };
}

const DNS: PodEndpoint = {
  type: 'pod',
  id: 'kube-system/kube-dns',
  namespace: 'kube-system',
  name: 'kube-dns',
  workload: 'Service/kube-dns',
  labels: DNS_LABEL,
  serviceAccount: 'coredns',
  hostNetwork: false,
  ports: [
    { name: 'dns', port: 53, protocol: 'UDP' },
    { name: 'dns-tcp', port: 53, protocol: 'TCP' },
  ],
  ips: [],
};

function isDns(pod: Pick<PodEndpoint, 'namespace' | 'labels'>): boolean {
  return pod.namespace === 'kube-system' && pod.labels['k8s-app'] === DNS_LABEL['k8s-app'];
}

/** Nobody answers at addresses outside of the cluster, so nothing can be said of them by packets alone. */
function outside(model: PolicyModel): string[] {
  const blocks = model.policies.flatMap((policy) =>
    policy.rules.flatMap((rule) => (rule.peers ?? []).flatMap((peer) => (peer.type === 'cidr' ? [peer.cidr] : []))),
  );
  const distinct = [...new Set(blocks)].sort();
  if (distinct.length === 0) return [];
  return [`addresses outside of the cluster in ${distinct.join(', ')}: no packet was sent to or from them`];
}

/** Names a workload as the target does: `namespace/Kind/name`. `localNames`: as in ScopedTarget; all the same when absent. */
export function targetName(
  localNames: ReadonlyMap<string, string> = new Map(),
): (pod: Pick<PodEndpoint, 'namespace' | 'workload'> | Pick<Workload, 'namespace' | 'kind' | 'name'>) => string {
  const back = new Map([...localNames].map(([there, here]) => [here, there]));
  return (pod) => {
    const namespace = back.get(pod.namespace) ?? pod.namespace;
    return 'workload' in pod ? workloadOf({ ...pod, namespace }) : workloadId({ ...pod, namespace });
  };
}

/**
 * What the local cluster's own policies say of a connection between the pods that play its endpoints. Namespaces that
 * exist only for the proof have the target's labels.
 */
export function localJudge(
  local: PolicyModel,
  target: Pick<Snapshot, 'namespaces'>,
  players: ReadonlyMap<string, LocalPod>,
): (connection: Connection) => Verdict {
  const namespaces = new Map([...target.namespaces.map((n) => [n.name, n.labels] as const), ...local.namespaces]);
  const known = new Map<string, Endpoint>();
  const here = (endpoint: Endpoint): Endpoint => {
    const player = players.get(endpoint.id);
    if (endpoint.type !== 'pod' || !player) return endpoint;
    const { node: _, ...pod } = endpoint;
    const found = known.get(endpoint.id) ?? { ...pod, labels: player.labels, ips: [player.ip] };
    known.set(endpoint.id, found);
    return found;
  };
  const judge = evaluator({ ...local, namespaces });
  // Asked after every answer, of thousands of connections.
  const verdicts = new WeakMap<Connection, Verdict>();
  return (connection) => {
    const verdict =
      verdicts.get(connection) ?? judge({ ...connection, from: here(connection.from), to: here(connection.to) });
    verdicts.set(connection, verdict);
    return verdict;
  };
}
