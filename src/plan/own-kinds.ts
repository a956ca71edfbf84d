import { type LocalCluster, openNodes } from '../cluster/provider.ts';
import type { MissingProxies } from '../policy/dialect/place.ts';
import { isBefore } from '../policy/engine.ts';
import type { OwnKinds } from '../policy/local-world.ts';
import type { Engine } from '../snapshot/model.ts';
import type { ServedKind } from '../snapshot/other-policies.ts';
import type { KubeObject, ReadClient } from '../target/rest.ts';

const ADMIN = 'policy.networking.k8s.io';
const CALICO = ['projectcalico.org', 'crd.projectcalico.org'];
const CONFIG_MAPS = { group: '', version: 'v1', plural: 'configmaps' };
const DAEMON_SETS = { group: 'apps', version: 'v1', plural: 'daemonsets' };

type Config = Readonly<Record<string, string>>;

/**
 * Which of the kinds that a local cluster serves its engine enforces, and what these can't do there. CRDs by themselves
 * prove nothing: they are taken without an engine as well.
 */
export async function readOwnKinds(
  client: ReadClient,
  cluster: Pick<LocalCluster, 'nodes' | 'exec'>,
  engine: Engine,
  kinds: readonly ServedKind[],
  signal: AbortSignal,
): Promise<OwnKinds> {
  if (engine.name !== 'cilium') return { kinds: enforcedKinds(engine, kinds, {}), missing: {} };
  const found = await client.get(CONFIG_MAPS, 'cilium-config', 'kube-system', signal);
  const config = (found?.data ?? {}) as Config;
  const envoy = await client.get(DAEMON_SETS, 'cilium-envoy', 'kube-system', signal);
  const builtIn = config['external-envoy-proxy'] !== 'true' && (await hasEnvoy(cluster, signal));
  return { kinds: enforcedKinds(engine, kinds, config), missing: missingProxies(config, envoy, builtIn) };
}

/**
 * The kinds that an engine enforces. Cilium reads admin policies (ClusterNetworkPolicy) only where it is told to; Calico
 * since 3.29.
 */
export function enforcedKinds(engine: Engine, kinds: readonly ServedKind[], config: Config): ServedKind[] {
  const groups = () => {
    switch (engine.name) {
      case 'cilium':
        return ['cilium.io', ...(config['enable-k8s-cluster-network-policy'] === 'true' ? [ADMIN] : [])];
      case 'calico':
        return [...CALICO, ...(isBefore(engine.version, 3, 29) ? [] : [ADMIN])];
      case 'kube-network-policies':
        return [ADMIN];
      default:
        return [];
    }
  };
  const enforced = groups();
  return kinds.filter(({ resource }) => enforced.includes(resource.group));
}

/**
 * What Cilium lacks for rules that ask for more than addresses and ports, by its options (pkg/option/config.go) and by
 * whether Envoy is there at all: either as a DaemonSet of its own or inside of the agent.
 */
export function missingProxies(config: Config, envoy: KubeObject | undefined, builtIn: boolean): MissingProxies {
  const authentication =
    config['mesh-auth-enabled'] === 'true' ? {} : { authentication: 'mutual authentication is off here' };
  if (config['enable-l7-proxy'] !== 'true') {
    const off = "Cilium's enable-l7-proxy is off here";
    return { envoy: off, dns: off, ...authentication };
  }
  if (builtIn) return authentication;
  const ready = (envoy?.status as { numberReady?: number } | undefined)?.numberReady ?? 0;
  if (config['external-envoy-proxy'] === 'true' && ready > 0) return authentication;
  return { envoy: 'Cilium has no Envoy here', ...authentication };
}

/** Looks into the agent's own file system, by its process on a node. */
async function hasEnvoy({ nodes, exec }: Pick<LocalCluster, 'nodes' | 'exec'>, signal: AbortSignal): Promise<boolean> {
  const [node] = openNodes({ nodes });
  if (!node) return false;
  const script =
    'for p in $(pgrep -x cilium-agent); do test -x /proc/$p/root/usr/bin/cilium-envoy && exit 0; done; exit 1';
  return (await exec(node.name, ['sh', '-c', script], { signal })).exitCode === 0;
}
