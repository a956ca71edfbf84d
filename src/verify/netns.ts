import type { LocalCluster } from '../cluster/provider.ts';
import { environmentError } from '../host/errors.ts';

/** A running pod's network namespace: a path that `nsenter --net` takes, in the node that runs the pod. */
export interface PodNetwork {
  readonly node: string;
  readonly path: string;
  /** The sandbox (pause) image that the node started the pod with. */
  readonly sandboxImage: string | undefined;
}

/** What crictl (1.2x to 1.36) prints of a sandbox, as far as it is read here. */
interface InspectedSandbox {
  readonly status?: { readonly metadata?: { readonly uid?: string } };
  readonly info?: {
    readonly pid?: number;
    readonly image?: string;
    readonly runtimeSpec?: {
      readonly linux?: { readonly namespaces?: readonly { readonly type: string; readonly path?: string }[] };
    };
  };
}

const INSPECT = 'ids=$(crictl pods --state ready -q) && { [ -z "$ids" ] || crictl inspectp -o json $ids; }';

/**
 * The network namespaces of all pods of a cluster, by pod UID: one exec a node, all nodes at once. Pods on the host's
 * network have none and are left out. Throws where a node's container runtime doesn't answer.
 */
export async function podNetworks(cluster: LocalCluster, signal: AbortSignal): Promise<Map<string, PodNetwork>> {
  const networks = new Map<string, PodNetwork>();
  await Promise.all(
    cluster.nodes.map(async ({ name }) => {
      const result = await cluster.exec(name, ['sh', '-c', INSPECT], { signal });
      if (result.exitCode !== 0) {
        throw environmentError(`Node ${name} can't list its pods: ${(result.stderr || result.stdout).trim()}`, {
          action: `Check the node's container runtime: docker exec ${name} crictl pods`,
        });
      }
      for (const [uid, network] of parseSandboxes(result.stdout, name)) networks.set(uid, network);
    }),
  );
  return networks;
}

/** Reads `crictl inspectp -o json`: an object for one sandbox, an array for more, objects one after another before 1.31. */
export function parseSandboxes(output: string, node: string): [string, PodNetwork][] {
  const text = output.trim();
  if (text === '') return [];
  const json = text.startsWith('[') ? text : `[${text.replace(/^\}\s*^\{/gm, '},{')}]`;
  return (JSON.parse(json) as InspectedSandbox[]).flatMap(({ status, info }): [string, PodNetwork][] => {
    const uid = status?.metadata?.uid;
    const own = info?.runtimeSpec?.linux?.namespaces?.find((n) => n.type === 'network');
    if (!uid || !own) return [];
    const path = own.path || (info?.pid ? `/proc/${info.pid}/ns/net` : undefined);
    return path ? [[uid, { node, path, sandboxImage: info?.image }]] : [];
  });
}
