import ipaddr from 'ipaddr.js';
import { environmentError, type ParityError, refusedError } from '../host/errors.ts';
import type { Address, Host } from '../host/host.ts';
import type { Run } from '../host/run.ts';
import type { Connection } from '../target/rest.ts';
import { type Microk8s, microk8s } from './microk8s-cli.ts';
import type { NodeObject } from './microk8s-nodes.ts';
import { type LocalCluster, openNodes, type VouchedCluster, vouchedBy } from './provider.ts';
import { adminConfig, type Identity, seenFromOutside } from './seen.ts';

/** Its own authority (run-kubelite-with-args); readable by MicroK8s's group alone. */
const CA = '/var/snap/microk8s/current/certs/ca.crt';

/**
 * Proves that the API server that `microk8s config -l` names is this machine's MicroK8s: on loopback, with a certificate
 * of the authority that lies in the snap's own folder, with the same kube-system UID from outside as through MicroK8s's
 * own kubectl, and with nodes that carry MicroK8s's label. Throws `refused` naming what does not match, `environment`
 * where a node isn't ready. The user's kubeconfig is neither read nor written.
 */
export async function vouchForMicrok8s(
  host: Host,
  program: Microk8s,
  cluster: LocalCluster,
  { signal }: Run,
): Promise<VouchedCluster> {
  const refuse = (what: string, cause?: unknown): ParityError =>
    refusedError(`${cluster.id} is not what it says: ${what}`, {
      cause,
      action: 'Nothing is written to it. See "microk8s config -l" and "microk8s inspect".',
    });
  const connection = await connectionOf(host, program, cluster, refuse, signal);
  const jsonpath = ['-o', 'jsonpath={.metadata.uid}'];
  const inside = await microk8s(
    host,
    program,
    ['kubectl', 'get', 'namespace', 'kube-system', '--request-timeout=10s', ...jsonpath],
    signal,
  );
  const seen = await seenFromOutside(connection, signal, refuse);
  if (seen.uid !== inside.trim()) {
    throw refuse(`${connection.server} has kube-system UID ${seen.uid}, "microk8s kubectl" sees ${inside.trim()}`);
  }
  checkNodes(cluster, seen, refuse);
  return vouchedBy({
    ...cluster,
    connection,
    uid: seen.uid,
    kubernetesVersion: seen.version,
    evidence: [
      `${connection.server} is what "microk8s config -l" names, on this machine's loopback`,
      `the server's certificate is signed by the CA of MicroK8s, ${CA}`,
      `kube-system UID ${seen.uid}, seen from outside and by "microk8s kubectl"`,
      `every node has MicroK8s's label and is ready: ${cluster.nodes.map(({ name }) => name).join(', ')}`,
    ],
  });
}

async function connectionOf(
  host: Host,
  program: Microk8s,
  cluster: LocalCluster,
  refuse: (what: string) => ParityError,
  signal: AbortSignal,
): Promise<Connection> {
  const { server, ca, cert, key, token } = adminConfig(await microk8s(host, program, ['config', '-l'], signal));
  const hostname = server === undefined ? undefined : URL.parse(server)?.hostname.replace(/^\[|\]$/g, '');
  if (!server || !hostname || !ca) throw refuse('"microk8s config -l" names no server with a CA');
  if (hostname !== 'localhost' && (!ipaddr.isValid(hostname) || ipaddr.process(hostname).range() !== 'loopback')) {
    throw refuse(`"microk8s config -l" names ${server}, which is not this machine's loopback`);
  }
  // Root where that is to be had, else as the group that may read it.
  const user = openNodes(cluster).length > 0 ? { user: 'root' as const } : {};
  const onDisk = await host.exec(['cat', CA], { ...user, signal, timeoutMs: 15_000 });
  if (onDisk.exitCode !== 0) throw refuse(`${CA} can't be read: ${onDisk.stderr.trim().slice(0, 200)}`);
  if (onDisk.stdout.trim() !== ca.trim()) throw refuse(`the CA of "microk8s config -l" is not ${CA}`);
  // Loopback is that of the host: a distro's is not Windows's.
  const dial = host.name === 'local' ? {} : { dial: (to: Address) => host.connect(to) };
  // Since 1.28 the admin has a client certificate, before that a token.
  if (cert && key) return { server, ca, cert, key, ...dial };
  if (token) return { server, ca, authorization: async () => `Bearer ${token}`, ...dial };
  throw refuse('"microk8s config -l" holds neither a client certificate nor a token');
}

/** Throws where a node isn't MicroK8s's, isn't ready, or isn't one that MicroK8s itself knows. */
export function checkNodes(
  cluster: Pick<LocalCluster, 'id' | 'nodes'>,
  { nodes }: Pick<Identity, 'nodes'>,
  refuse: (what: string) => ParityError,
): void {
  for (const { metadata, status } of nodes as readonly (Identity['nodes'][number] & NodeObject)[]) {
    // Set by MicroK8s on every node that joins (run-kubelite-with-args, --node-labels of args/kubelet).
    if (metadata.labels?.['microk8s.io/cluster'] !== 'true') {
      throw refuse(`its API server has a node ${metadata.name} without the label microk8s.io/cluster=true`);
    }
    const ready = status?.conditions?.find(({ type }) => type === 'Ready');
    if (ready?.status === 'True') continue;
    throw environmentError(
      `Node ${metadata.name} of ${cluster.id} is not ready: ${ready?.message ?? 'it says nothing'}`,
      {
        action: `Start it, or take it out with "microk8s remove-node ${metadata.name}"; "microk8s inspect" on it tells more.`,
      },
    );
  }
  const [known, listed] = [nodes.map(({ metadata }) => metadata.name), cluster.nodes.map(({ name }) => name)];
  if (known.toSorted().join() === listed.toSorted().join()) return;
  throw refuse(`its API server knows the nodes ${known.join(', ')}, "microk8s kubectl" sees ${listed.join(', ')}`);
}
