import { ifAllowed } from '../target/api-error.ts';
import type { KubeObject, ReadClient, Resource } from '../target/rest.ts';
import { type AgentFacts, agentsOf, engineOf } from './engine-rules.ts';
import type { Engine } from './model.ts';

const DAEMON_SETS: Resource = { group: 'apps', version: 'v1', plural: 'daemonsets' };
const PODS: Resource = { group: '', version: 'v1', plural: 'pods' };
const NODES: Resource = { group: '', version: 'v1', plural: 'nodes' };
const CONFIG_MAPS: Resource = { group: '', version: 'v1', plural: 'configmaps' };
const POLICIES: Resource = { group: 'networking.k8s.io', version: 'v1', plural: 'networkpolicies' };
const KNOWN_AGENTS = 'k8s-app in (cilium,calico-node,azure-npm,kindnet,canal)';

/**
 * What should enforce NetworkPolicies in a cluster, a target or a local one, and the observations that say so. Whether
 * it does is for a probe to tell. What can't be read (403) is said in the evidence; any other failure is thrown.
 */
export async function detectEngine(client: ReadClient, signal: AbortSignal): Promise<Engine> {
  const [daemonSets, nodes, config, policies] = await Promise.all([
    ifAllowed(client.list(DAEMON_SETS, signal)),
    ifAllowed(client.list(NODES, signal)),
    ifAllowed(client.get(CONFIG_MAPS, 'cilium-config', 'kube-system', signal)),
    ifAllowed(client.list(POLICIES, signal, { metadataOnly: true })),
  ]);
  const unread = [...(daemonSets ? [] : ['DaemonSets']), ...(nodes ? [] : ['nodes'])];
  const agents = daemonSets ? agentsOf(daemonSets) : await agentsByPods(client, signal);
  return engineOf({
    agents,
    allAgentsKnown: daemonSets !== undefined,
    nodes: nodes ?? [],
    ciliumConfig: (config?.data ?? {}) as Readonly<Record<string, string>>,
    policies: policies?.length ?? 0,
    unread,
  });
}

/** Where DaemonSets can't be read, their pods may be. */
async function agentsByPods(client: ReadClient, signal: AbortSignal): Promise<AgentFacts[]> {
  const pods = (await ifAllowed(client.list(PODS, signal, { labelSelector: KNOWN_AGENTS }))) ?? [];
  const sets = new Map<string, KubeObject>();
  for (const pod of pods) {
    const owner = pod.metadata.ownerReferences?.find((o) => o.kind === 'DaemonSet');
    const { namespace = 'default', labels = {} } = pod.metadata;
    if (!owner) continue;
    sets.set(`${namespace}/${owner.name}`, {
      metadata: { name: owner.name, namespace, labels },
      spec: { template: { spec: pod.spec } },
    });
  }
  return agentsOf([...sets.values()]);
}
