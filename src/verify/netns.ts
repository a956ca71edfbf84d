import { type LocalCluster, probedNodes } from '../cluster/provider.ts';
import { environmentError } from '../host/errors.ts';
import { sandboxScript } from '../image/node-runtime.ts';

/** A running pod's network namespace: a path that `nsenter --net` takes, in the node that runs the pod. */
export interface PodNetwork {
  readonly node: string;
  readonly path: string;
  /** The sandbox (pause) image that the node started the pod with. */
  readonly sandboxImage: string | undefined;
}

interface RuntimeSpec {
  readonly linux?: { readonly namespaces?: readonly { readonly type: string; readonly path?: string }[] };
}

/** What crictl (1.2x to 1.36) prints of a sandbox, and what ctr (1.6 to 2.3) does, as far as they are read here. */
interface InspectedSandbox {
  readonly status?: { readonly metadata?: { readonly uid?: string } };
  readonly info?: { readonly pid?: number; readonly image?: string; readonly runtimeSpec?: RuntimeSpec };
  readonly Labels?: Readonly<Record<string, string>>;
  readonly Image?: string;
  readonly Spec?: RuntimeSpec;
}

/**
 * The network namespaces of all pods of a cluster, by pod UID: one exec a node, all nodes at once. Pods on the host's
 * network have none and are left out, and so are nodes from which none can be sent. Throws where a node's container runtime doesn't answer.
 */
export async function podNetworks(cluster: LocalCluster, signal: AbortSignal): Promise<Map<string, PodNetwork>> {
  const answers = await sandboxes(cluster, signal);
  return new Map(answers.flatMap(({ node, output }) => parseSandboxes(output, node)));
}

/**
 * The image that the nodes start every pod's sandbox with, those on the host's network included: a node may have no other.
 * Undefined where no pod runs in a node that can be entered.
 */
export async function sandboxImage(cluster: LocalCluster, signal: AbortSignal): Promise<string | undefined> {
  const answers = await sandboxes(cluster, signal);
  const images = answers.flatMap(({ output }) => inspected(output).map(({ info, Image }) => info?.image ?? Image));
  return images.find((image) => image !== undefined);
}

/** What each node that can be entered says of its sandboxes. */
function sandboxes(cluster: LocalCluster, signal: AbortSignal): Promise<{ node: string; output: string }[]> {
  return Promise.all(
    probedNodes(cluster).map(async ({ name: node }) => {
      const { exitCode, stdout, stderr } = await cluster.exec(node, ['sh', '-c', sandboxScript(cluster)], { signal });
      if (exitCode === 0) return { node, output: stdout };
      throw environmentError(`Node ${node} can't list its pods: ${(stderr || stdout).trim()}`, {
        action: `Check the container runtime of node ${node}: does its containerd run?`,
      });
    }),
  );
}

/**
 * Reads `crictl inspectp -o json` (an object for one sandbox, an array for more, objects one after another before 1.31)
 * and what `ctr containers info` says of sandboxes, one after another. Kubelet labels each with its pod's UID.
 */
export function parseSandboxes(output: string, node: string): [string, PodNetwork][] {
  return inspected(output).flatMap(({ status, info, Labels, Image, Spec }): [string, PodNetwork][] => {
    const uid = status?.metadata?.uid ?? Labels?.['io.kubernetes.pod.uid'];
    const own = (info?.runtimeSpec ?? Spec)?.linux?.namespaces?.find((n) => n.type === 'network');
    if (!uid || !own) return [];
    const path = own.path || (info?.pid ? `/proc/${info.pid}/ns/net` : undefined);
    return path ? [[uid, { node, path, sandboxImage: info?.image ?? Image }]] : [];
  });
}

function inspected(output: string): InspectedSandbox[] {
  const text = output.trim();
  if (text === '') return [];
  return JSON.parse(text.startsWith('[') ? text : `[${text.replace(/^\}\s*^\{/gm, '},{')}]`) as InspectedSandbox[];
}
