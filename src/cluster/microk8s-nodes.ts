import { messageOf } from '../host/errors.ts';
import type { Host } from '../host/host.ts';
import { type Microk8s, microk8s } from './microk8s-cli.ts';
import type { LocalNode } from './provider.ts';

/** A node as `kubectl get nodes -o json` prints it, as far as it is read here. */
export interface NodeObject {
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
  readonly status?: {
    readonly nodeInfo?: { readonly machineID?: string };
    readonly addresses?: readonly { readonly type: string; readonly address: string }[];
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message?: string }[];
    readonly images?: readonly { readonly names?: readonly string[] }[];
  };
}

/** MicroK8s's nodes through its own kubectl, by its own admin's credentials. */
export async function nodeObjects(host: Host, program: Microk8s, signal: AbortSignal): Promise<NodeObject[]> {
  const text = await microk8s(host, program, ['kubectl', 'get', 'nodes', '-o', 'json'], signal);
  return (JSON.parse(text) as { items: NodeObject[] }).items;
}

/**
 * The nodes; closed are those on other machines, and this one where there is no root without a password. Nothing ever
 * asks for one: see the host's `user: 'root'`.
 */
export async function microk8sNodes(host: Host, program: Microk8s, signal: AbortSignal): Promise<LocalNode[]> {
  const objects = await nodeObjects(host, program, signal);
  const noRoot = await whyNoRoot(host, signal);
  const here = await thisMachine(host, objects, signal);
  return objects.map(({ metadata: { name, labels = {} } }): LocalNode => {
    const closed = name === here ? noRoot : 'it is another machine';
    // The worker's label is of MicroK8s (scripts/wrappers/join.py); a single node has neither.
    const role = labels['node.kubernetes.io/microk8s-worker'] === undefined ? 'control-plane' : 'worker';
    return { name, role, ...(closed === undefined ? {} : { closed }) };
  });
}

/** Undefined where programs run as root here. */
async function whyNoRoot(host: Host, signal: AbortSignal): Promise<string | undefined> {
  try {
    const { exitCode, stderr } = await host.exec(['true'], { user: 'root', signal, timeoutMs: 15_000 });
    if (exitCode === 0) return undefined;
    return /password|terminal/.test(stderr)
      ? 'that needs root, and sudo asks for a password (run "sudo -v" in this terminal before, or start it as root)'
      : `that needs root, and sudo says: ${stderr.trim().slice(0, 200)}`;
  } catch (error) {
    signal.throwIfAborted();
    return `that needs root: ${messageOf(error)}`;
  }
}

/** Which node is this machine: by the machine's ID, and by the host name where copies of one machine share it. */
async function thisMachine(
  host: Host,
  objects: readonly NodeObject[],
  signal: AbortSignal,
): Promise<string | undefined> {
  const say = async (...argv: string[]) => (await host.exec(argv, { signal, timeoutMs: 15_000 })).stdout.trim();
  const id = await say('cat', '/etc/machine-id');
  const same = objects.filter(({ status }) => id !== '' && status?.nodeInfo?.machineID === id);
  if (same.length === 1) return same[0]?.metadata.name;
  const hostname = (await say('hostname')).toLowerCase();
  return same.find(({ metadata }) => metadata.name === hostname)?.metadata.name;
}
