import fc from 'fast-check';
import { type WriteClient, writeClient } from '../../src/apply/client.ts';
import type { VouchedCluster } from '../../src/cluster/provider.ts';
import type { AddressEndpoint, Endpoint } from '../../src/policy/model.ts';
import type { KubeObject } from '../../src/target/rest.ts';
import { type LocalPod, waitForPods } from '../../src/verify/local-pods.ts';
import { type PodNetwork, podNetworks } from '../../src/verify/netns.ts';
import { NAMESPACES as NAMESPACE, PODS, SERVICE_ACCOUNTS } from '../../src/verify/ours.ts';
import { pausePod } from '../../src/verify/pause-pod.ts';
import { labels, NAMESPACES, OUTSIDE, type PodShape, pod, SUITE_LABEL } from './arbitraries.ts';
import { closeOutside, type Gate, OUTSIDE_KEY, OUTSIDE_PATH, openOutside } from './engine.ts';

/** Random pods in random namespaces that run, and addresses of nodes and of the outside to talk to. */
export interface World {
  readonly cluster: VouchedCluster;
  readonly client: WriteClient;
  readonly pods: ReadonlyMap<string, LocalPod>;
  /** What isn't a pod: nodes, and addresses outside. */
  readonly others: readonly (AddressEndpoint & { readonly key: string })[];
  readonly networks: ReadonlyMap<string, PodNetwork>;
  /** Takes everything away again, and closes the client. */
  close(): Promise<void>;
}

/** Objects that policies refer to. */
const REFERRED: readonly KubeObject[] = [
  {
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumCIDRGroup',
    metadata: { name: 'docs', labels: { kind: 'docs' } },
    spec: { externalCIDRs: ['198.51.100.0/25', '203.0.113.0/24'] },
  },
  ...NAMESPACES.map((namespace) => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'front', namespace, labels: { tier: 'front' } },
    spec: { selector: { app: 'web' }, ports: [{ port: 80 }] },
  })),
];

/** Makes the world of a seed. Throws where it doesn't start; then everything is taken away again. */
export async function openWorld(
  cluster: VouchedCluster,
  seed: number,
  count: number,
  signal: AbortSignal,
): Promise<World> {
  const client = writeClient(cluster);
  const nodes = await nodeAddresses(client, signal);
  const [control] = cluster.nodes.filter((n) => n.role === 'control-plane');
  const gate: Gate = { node: control?.name ?? '', address: nodes.get(control?.name ?? '') ?? '' };
  const close = async () => {
    // Also after the signal: what was made must go.
    const later = AbortSignal.timeout(120_000);
    await closeOutside(cluster, gate, later);
    await removeAll(client, later);
    await client.close();
  };
  try {
    await removeAll(client, signal);
    await openOutside(cluster, gate, signal);
    const names = await createPods(client, cluster, seed, count, signal);
    for (const object of REFERRED) await client.create(object, { signal });
    const pods = await waitForPods(client, names, signal);
    const networks = new Map(await podNetworks(cluster, signal));
    networks.set(OUTSIDE_KEY, { node: gate.node, path: OUTSIDE_PATH, sandboxImage: undefined });
    for (const node of nodes.keys()) networks.set(node, { node, path: '/proc/1/ns/net', sandboxImage: undefined });
    const others = [
      ...OUTSIDE.map((ip) => ({ ip, key: OUTSIDE_KEY })),
      ...[...nodes].map(([node, ip]) => ({ ip, key: node })),
    ].map(({ ip, key }) => ({ type: 'address' as const, id: `ip:${ip}`, ip, key }));
    return { cluster, client, pods, others, networks, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function createPods(
  client: WriteClient,
  cluster: VouchedCluster,
  seed: number,
  count: number,
  signal: AbortSignal,
) {
  const image = [...(await podNetworks(cluster, signal)).values()][0]?.sandboxImage ?? '';
  const [spaces = [], shapes = []] =
    fc.sample(
      fc.tuple(
        fc.array(labels('namespace'), { minLength: 3, maxLength: 3 }),
        fc.array(pod, { minLength: count, maxLength: count }),
      ),
      { seed, numRuns: 1 },
    )[0] ?? [];
  for (const [i, name] of NAMESPACES.entries()) {
    await client.create(
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: { ...spaces[i], [SUITE_LABEL]: 'true' } } },
      { signal },
    );
    await client.create(
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'robot', namespace: name } },
      { signal },
    );
    while (!(await client.get(SERVICE_ACCOUNTS, 'default', name, signal))) await new Promise((r) => setTimeout(r, 100));
  }
  const names: string[] = [];
  for (const [i, shape] of (shapes as readonly PodShape[]).entries()) {
    const namespace = NAMESPACES[i % NAMESPACES.length] ?? '';
    const { metadata, ...rest } = pausePod({ ...shape, namespace, name: `p${i}` }, { image }, '', client.signature);
    const { ownerReferences: _owners, annotations: _mark, ...own } = metadata;
    const nodeName = cluster.nodes[i % cluster.nodes.length]?.name;
    await client.create({ ...rest, metadata: own, spec: { ...(rest.spec as object), nodeName } }, { signal });
    names.push(`${namespace}/p${i}`);
  }
  return names;
}

async function nodeAddresses(client: WriteClient, signal: AbortSignal): Promise<Map<string, string>> {
  const nodes = await client.list({ group: '', version: 'v1', plural: 'nodes' }, signal);
  return new Map(
    nodes.map(({ metadata, status }) => {
      const { addresses = [] } = status as { addresses?: { type: string; address: string }[] };
      return [metadata.name, addresses.find((a) => a.type === 'InternalIP')?.address ?? ''];
    }),
  );
}

async function removeAll(client: WriteClient, signal: AbortSignal): Promise<void> {
  const kinds = [
    {
      apiVersion: 'cilium.io/v2',
      kind: 'CiliumClusterwideNetworkPolicy',
      plural: 'ciliumclusterwidenetworkpolicies',
      group: 'cilium.io',
      version: 'v2',
    },
    {
      apiVersion: 'policy.networking.k8s.io/v1alpha2',
      kind: 'ClusterNetworkPolicy',
      plural: 'clusternetworkpolicies',
      group: 'policy.networking.k8s.io',
      version: 'v1alpha2',
    },
  ];
  for (const { apiVersion, kind, ...resource } of kinds) {
    const served = (await client.raw('/apis', signal)) as { groups: { name: string }[] };
    if (!served.groups.some((g) => g.name === resource.group)) continue;
    for (const { metadata } of await client.list(resource, signal)) {
      if (metadata.name.startsWith('diff-'))
        await client.delete({ apiVersion, kind, metadata: { name: metadata.name } }, { signal });
    }
  }
  await client.delete({ apiVersion: 'cilium.io/v2', kind: 'CiliumCIDRGroup', metadata: { name: 'docs' } }, { signal });
  for (const name of NAMESPACES)
    await client.delete({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }, { signal });
  for (const name of NAMESPACES) {
    while (await client.get(NAMESPACE, name, undefined, signal)) await new Promise((r) => setTimeout(r, 300));
  }
}

/** An endpoint of the model that plays in the world: its key among the networks, and its address. */
export function playerOf(
  { pods, others }: World,
  endpoint: Endpoint,
): { readonly key: string; readonly ip: string } | undefined {
  const known = endpoint.type === 'pod' ? pods.get(endpoint.id) : undefined;
  if (known) return { key: known.uid, ip: known.ip };
  const other = others.find((o) => o.id === endpoint.id);
  return other && { key: other.key, ip: other.ip };
}

export { PODS };
