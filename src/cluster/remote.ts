import { inputError, refusedError } from '../host/errors.ts';
import type { Host } from '../host/host.ts';
import type { Run } from '../host/run.ts';
import { connectionOf } from '../target/contexts.ts';
import type { KubeObject } from '../target/rest.ts';
import { type LocalCluster, type LocalNode, type Provider, type VouchedCluster, vouchedBy } from './provider.ts';
import { seenFromOutside } from './seen.ts';

/** A development cluster elsewhere that may be written to: named by the user, one by one, never found. */
export interface RemoteCluster {
  /** UID of its kube-system namespace: `kubectl get namespace kube-system -o jsonpath={.metadata.uid}`. */
  readonly uid: string;
  /** The kubeconfig's context by which it is reached. */
  readonly context: string;
  /** `HOST[/PREFIX]` that it pulls from and that we push to; without one, no images go there. */
  readonly registry?: string;
}

/**
 * Clusters on the user's list alone, as `remote:CONTEXT`. A context that isn't on it is not even looked at, and what
 * answers under one that is must have the listed UID: a context that was pointed at another cluster is refused.
 */
export function remoteProvider(host: Host, allowed: readonly RemoteCluster[]): Provider {
  return {
    name: 'remote',
    list: async () => allowed.map((entry) => found(entry, host)),
    vouch: (cluster, run) => vouch(host, allowed, cluster, run),
  };
}

function found({ context, registry }: RemoteCluster, host: Host): LocalCluster {
  return {
    provider: 'remote',
    name: context,
    id: `remote:${context}`,
    nodes: [],
    ...(registry === undefined ? {} : { images: { registry, host } }),
    unprobed: 'its nodes are not ours to send packets from',
    exec: async (node) => {
      throw inputError(`Nothing can be run in ${node}, a node of the remote cluster ${context}`);
    },
  };
}

async function vouch(
  host: Host,
  allowed: readonly RemoteCluster[],
  { name, id }: LocalCluster,
  run: Run,
): Promise<VouchedCluster> {
  const entry = allowed.find(({ context }) => context === name);
  if (!entry)
    throw inputError(`${id} is not on the list of remote clusters`, {
      action: 'Choose another with --cluster, or put it on the list: clparity.remoteClusters, --remote-uid.',
    });
  const refuse = (what: string, cause?: unknown) =>
    refusedError(`${id} is not what the list of remote clusters says: ${what}`, {
      cause,
      action: `Nothing is written to it. Check the context ${name} and the UID on the list (clparity.remoteClusters, --remote-uid).`,
    });
  const connection = await connectionOf(host, name, run.signal);
  if (URL.parse(connection.server)?.protocol !== 'https:') throw refuse(`${connection.server} is not encrypted`);
  if (connection.insecureSkipTlsVerify) throw refuse('its kubeconfig says not to check who answers');
  const { uid, version, nodes } = await seenFromOutside(connection, run.signal, refuse);
  if (uid === '' || uid !== entry.uid)
    throw refuse(`${connection.server} has kube-system UID ${uid}, not ${entry.uid}`);
  return vouchedBy({
    ...found(entry, host),
    nodes: nodes.map(nodeOf),
    connection,
    uid,
    kubernetesVersion: version,
    elsewhere: `${id}, the cluster at ${connection.server} with kube-system UID ${uid}, which is not on this machine and which others may use`,
    evidence: [
      `the context ${name} is on the list of remote clusters`,
      `${connection.server} has the listed kube-system UID ${uid}, over TLS that was checked`,
    ],
  });
}

function nodeOf({ metadata, status }: KubeObject): LocalNode {
  const { architecture } = (status as { nodeInfo?: { architecture?: string } } | undefined)?.nodeInfo ?? {};
  return {
    name: metadata.name,
    role: 'node-role.kubernetes.io/control-plane' in (metadata.labels ?? {}) ? 'control-plane' : 'worker',
    ...(architecture === undefined ? {} : { architecture }),
    closed: 'it is a node of a cluster elsewhere',
  };
}

/** Throws `refused` where the target itself is on the list: what is mirrored from is never written to. */
export function assertNotListed(targetUid: string | undefined, allowed: readonly RemoteCluster[]): void {
  const entry = allowed.find(({ uid }) => uid === targetUid);
  if (!entry) return;
  throw refusedError(`The target is on the list of remote clusters that may be written to (UID ${entry.uid})`, {
    action: `Take remote:${entry.context} off the list (clparity.remoteClusters, --remote-uid), or choose another target.`,
  });
}

/** Checks the user's list. Throws an input error naming the entry. */
export function checkRemotes(list: readonly RemoteCluster[]): readonly RemoteCluster[] {
  for (const { uid, context, registry } of list) {
    const wrong = (what: string) => inputError(`The remote cluster ${context || uid || '(without a name)'} ${what}`);
    if (!context) throw wrong('names no context');
    if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(uid ?? '')) throw wrong(`has no kube-system UID: "${uid}"`);
    const [registryHost = ''] = (registry ?? '').split('/');
    if (registry !== undefined && registryHost !== 'localhost' && !/[.:]/.test(registryHost)) {
      throw wrong(`has a registry without a host: "${registry}"`);
    }
  }
  return list;
}
