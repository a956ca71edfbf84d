import { setTimeout as sleep } from 'node:timers/promises';
import type { WriteClient } from '../../src/apply/client.ts';
import type { VouchedCluster } from '../../src/cluster/provider.ts';
import { OUTSIDE } from './arbitraries.ts';

/** Where the addresses outside of the cluster are: a network namespace in a node, no pod and no node. */
export const OUTSIDE_PATH = '/run/netns/clparity-outside';
export const OUTSIDE_KEY = 'outside';

/** Runs a shell line in a node; throws with what it said where it fails. */
export async function inNode(
  cluster: VouchedCluster,
  node: string,
  line: string,
  signal: AbortSignal,
): Promise<string> {
  const { exitCode, stdout, stderr } = await cluster.exec(node, ['sh', '-ec', line], { signal });
  if (exitCode !== 0) throw new Error(`${node}: ${line}: ${stderr || stdout}`);
  return stdout;
}

/** The node that holds the addresses outside, and the address by which the others reach it. */
export interface Gate {
  readonly node: string;
  readonly address: string;
}

/** Makes the addresses outside: behind a pair of interfaces in one node, to which the other nodes have routes. */
export async function openOutside(cluster: VouchedCluster, gate: Gate, signal: AbortSignal): Promise<void> {
  await closeOutside(cluster, gate, signal);
  const inside = `ip netns exec clparity-outside`;
  await inNode(
    cluster,
    gate.node,
    [
      'ip netns add clparity-outside',
      'ip link add clp-out type veth peer name eth0 netns clparity-outside',
      'ip addr add 169.254.77.1/30 dev clp-out',
      'ip link set clp-out up',
      `${inside} ip link set lo up`,
      `${inside} ip addr add 169.254.77.2/30 dev eth0`,
      `${inside} ip link set eth0 up`,
      // As many as there are: the first is what packets from there come from.
      ...OUTSIDE.map((ip) => `${inside} ip addr add ${ip}/32 dev lo`),
      `${inside} ip route add default via 169.254.77.1 src ${OUTSIDE[0]}`,
      ...OUTSIDE.map((ip) => `ip route add ${ip}/32 via 169.254.77.2 dev clp-out`),
    ].join('\n'),
    signal,
  );
  for (const { name } of cluster.nodes.filter((n) => n.name !== gate.node)) {
    const routes = OUTSIDE.map((ip) => `ip route replace ${ip}/32 via ${gate.address}`);
    await inNode(cluster, name, routes.join('\n'), signal);
  }
}

export async function closeOutside(cluster: VouchedCluster, gate: Gate, signal: AbortSignal): Promise<void> {
  const away = 'ip link del clp-out 2>/dev/null || true; ip netns del clparity-outside 2>/dev/null || true';
  await inNode(cluster, gate.node, away, signal);
  for (const { name } of cluster.nodes.filter((n) => n.name !== gate.node)) {
    await inNode(cluster, name, OUTSIDE.map((ip) => `ip route del ${ip}/32 2>/dev/null || true`).join('\n'), signal);
  }
}

const AGENT = 'crictl exec "$(crictl ps --name cilium-agent --state running -q)" cilium-dbg';

/** How far a node's agent is. */
interface Progress {
  /** UIDs of the objects whose rules it has. */
  readonly uids: ReadonlySet<string>;
  readonly isRealized: boolean;
}

/** Asked for no more than it takes: with hundreds of policies all of it would be megabytes. */
async function progressOf(cluster: VouchedCluster, node: string, signal: AbortSignal): Promise<Progress> {
  const uid = '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}';
  const lines = [
    `${AGENT} policy get -o jsonpath='{.revision}'`,
    `${AGENT} endpoint list -o jsonpath='{range [*]}{.status.policy.realized.policy-revision}{" "}{end}'`,
    `${AGENT} policy get -o json | grep -oE '${uid}' | sort -u`,
  ];
  const [revision = '', realized = '', ...uids] = (await inNode(cluster, node, lines.join('\n'), signal)).split('\n');
  const revisions = realized.trim().split(/\s+/).map(Number);
  return { uids: new Set(uids), isRealized: revisions.every((r) => r >= Number(revision)) };
}

/**
 * Waits until the agents of all nodes have the rules of these objects (and none of the others) and every endpoint
 * has reached the agent's revision. Returns the objects that no agent took within the time: it refuses them.
 */
export async function untilLive(
  cluster: VouchedCluster,
  wanted: readonly string[],
  gone: readonly string[],
  signal: AbortSignal,
  patienceMs = 40_000,
): Promise<string[]> {
  const end = Date.now() + patienceMs;
  const limit = Date.now() + 80_000 + 500 * (wanted.length + gone.length);
  for (;;) {
    const all = await Promise.all(cluster.nodes.map(({ name }) => progressOf(cluster, name, signal)));
    const missing = wanted.filter((uid) => !all.every((p) => p.uids.has(uid)));
    const stale = gone.some((uid) => all.some((p) => p.uids.has(uid)));
    const settled = all.every((p) => p.isRealized) && !stale;
    if (settled && (missing.length === 0 || Date.now() > end)) return missing;
    if (Date.now() > limit) throw new Error(`Policies are not realised in time: ${missing.join(', ')}`);
    await sleep(250, undefined, { signal });
  }
}

/** Makes ClusterNetworkPolicy a kind that can be written, and that Cilium may read. */
export async function serveAdminPolicies(client: WriteClient, signal: AbortSignal): Promise<void> {
  const apply = (object: Parameters<WriteClient['apply']>[0]) => client.apply(object, { signal });
  const group = 'policy.networking.k8s.io';
  await apply({
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name: `clusternetworkpolicies.${group}`,
      annotations: { 'api-approved.kubernetes.io': 'https://github.com/kubernetes-sigs/network-policy-api/pull/300' },
    },
    spec: {
      group,
      scope: 'Cluster',
      names: { kind: 'ClusterNetworkPolicy', plural: 'clusternetworkpolicies', singular: 'clusternetworkpolicy' },
      versions: [
        {
          name: 'v1alpha2',
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
        },
      ],
    },
  });
  const name = 'clparity-differential';
  const api = 'rbac.authorization.k8s.io';
  const rules = [
    { apiGroups: [group], resources: ['clusternetworkpolicies', 'clusternetworkpolicies/status'], verbs: ['*'] },
  ];
  await apply({ apiVersion: `${api}/v1`, kind: 'ClusterRole', metadata: { name }, rules });
  await apply({
    apiVersion: `${api}/v1`,
    kind: 'ClusterRoleBinding',
    metadata: { name },
    roleRef: { apiGroup: api, kind: 'ClusterRole', name },
    subjects: ['cilium', 'cilium-operator'].map((account) => ({
      kind: 'ServiceAccount',
      name: account,
      namespace: 'kube-system',
    })),
  });
}

/** What Cilium leaves off by default and admin policies and SCTP need. */
export const ADMIN_OPTIONS = { 'enable-k8s-cluster-network-policy': 'true', 'enable-sctp': 'true' };

/** Gives Cilium's agents their options; they start anew where these change anything. */
export async function setOptions(
  cluster: VouchedCluster,
  options: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<void> {
  const [first] = cluster.nodes.filter((n) => n.role === 'control-plane');
  const kubectl = 'kubectl --kubeconfig /etc/kubernetes/admin.conf -n kube-system';
  const data = JSON.stringify({ data: options });
  const lines = [
    // A cluster that was played in before has them.
    `case "$(${kubectl} patch configmap cilium-config --type merge -p '${data}')" in *'no change'*) exit 0;; esac`,
    `${kubectl} rollout restart daemonset/cilium`,
    `${kubectl} rollout status daemonset/cilium --timeout=240s`,
  ];
  await inNode(cluster, first?.name ?? '', lines.join('\n'), signal);
}
