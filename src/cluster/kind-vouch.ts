import type Docker from 'dockerode';
import ipaddr from 'ipaddr.js';
import { environmentError, inputError, type ParityError, refusedError } from '../host/errors.ts';
import type { Run } from '../host/run.ts';
import { dialBeside, execInContainer } from '../image/docker.ts';
import type { Connection } from '../target/rest.ts';
import { kindClusters } from './kind-containers.ts';
import { type LocalCluster, type LocalNode, type VouchedCluster, vouchedBy } from './provider.ts';
import { adminConfig, seenFromOutside } from './seen.ts';

const ADMIN_CONF = '/etc/kubernetes/admin.conf';

/**
 * Proves that the API server behind the control-plane container's published port is the one that runs in this kind
 * cluster's own nodes. Of `cluster` only the name is believed: containers, credentials and address are looked up afresh,
 * and never come from the user's kubeconfig. Throws `refused` naming what does not match, `environment` where a node is
 * stopped or the server is silent.
 */
export async function vouchForKind(docker: Docker, cluster: LocalCluster, run: Run): Promise<VouchedCluster> {
  const { signal } = run;
  const nodes = await runningNodes(docker, cluster, run);
  const master = nodes.find((node) => node.role === 'control-plane');
  if (!master) throw refuse(cluster, 'it has no running control-plane container');
  const inNode = async (argv: readonly string[]) => {
    const { exitCode, stdout, stderr } = await execInContainer(docker, master.name, argv, { signal });
    if (exitCode === 0) return stdout;
    throw refuse(cluster, `"${argv.join(' ')}" fails in ${master.name}: ${(stderr || stdout).trim().slice(0, 200)}`);
  };
  const server = await publishedServer(docker, cluster, master.name);
  const dial = dialBeside(docker);
  const connection: Connection = {
    ...connectionFrom(
      cluster,
      server,
      await inNode(['cat', ADMIN_CONF]),
      await inNode(['cat', '/etc/kubernetes/pki/ca.crt']),
    ),
    ...(dial && { dial }),
  };
  const insideUid = await inNode([
    ...['kubectl', '--kubeconfig', ADMIN_CONF, '--request-timeout=10s'],
    ...['get', 'namespace', 'kube-system', '-o', 'jsonpath={.metadata.uid}'],
  ]);
  const seen = await seenFromOutside(connection, signal, (what, cause) => refuse(cluster, what, cause));
  if (seen.uid !== insideUid.trim()) {
    throw refuse(cluster, `${server} has kube-system UID ${seen.uid}, the node's own server ${insideUid.trim()}`);
  }
  checkNodes(
    cluster,
    nodes,
    seen.nodes.map(({ metadata, spec }) => ({
      name: metadata.name,
      providerId: (spec as { providerID?: string } | undefined)?.providerID ?? '',
    })),
  );
  return vouchedBy({
    provider: 'kind',
    name: cluster.name,
    id: `kind:${cluster.name}`,
    nodes,
    exec: (node, argv, options) => execInContainer(docker, node, argv, options),
    connection,
    uid: seen.uid,
    kubernetesVersion: seen.version,
    evidence: [
      `containers ${nodes.map((n) => n.name).join(', ')} carry kind's labels for ${cluster.name} and run`,
      `${server} is the port that ${master.name} publishes, on an address of this machine or a private one`,
      `the server's certificate is signed by the CA in ${master.name}:/etc/kubernetes/pki/ca.crt`,
      `kube-system UID ${seen.uid}, seen from outside and from inside ${master.name}`,
      `every API node has providerID kind://…/${cluster.name}/… and is one of the containers`,
    ],
  });
}

async function runningNodes(docker: Docker, cluster: LocalCluster, run: Run): Promise<readonly LocalNode[]> {
  if (cluster.provider !== 'kind') throw refuse(cluster, `its provider is ${cluster.provider}, not kind`);
  const found = (await kindClusters(docker, run)).find((c) => c.name === cluster.name);
  if (!found) throw inputError(`There is no kind cluster ${cluster.name}`, { action: 'See "kind get clusters".' });
  if (found.stopped.length > 0) {
    throw environmentError(`Nodes of kind:${cluster.name} are stopped: ${found.stopped.join(', ')}`, {
      action: `Start them with "docker start ${found.stopped.join(' ')}".`,
    });
  }
  return found.running;
}

async function publishedServer(docker: Docker, cluster: LocalCluster, master: string): Promise<string> {
  const { NetworkSettings } = await docker.getContainer(master).inspect();
  const published = NetworkSettings.Ports['6443/tcp']?.[0];
  if (!published) throw refuse(cluster, `${master} publishes no API port (6443/tcp)`);
  const ip = ipaddr.process(published.HostIp);
  // Published on every address: loopback is one of them.
  if (ip.range() === 'unspecified') return `https://127.0.0.1:${published.HostPort}`;
  if (!['loopback', 'private', 'uniqueLocal', 'linkLocal'].includes(ip.range())) {
    throw refuse(cluster, `its API port is published on ${published.HostIp}, neither loopback nor private`);
  }
  return `https://${ip.kind() === 'ipv6' ? `[${ip}]` : ip}:${published.HostPort}`;
}

function connectionFrom(cluster: LocalCluster, server: string, adminConf: string, caOnDisk: string): Connection {
  const { ca, cert, key } = adminConfig(adminConf);
  if (!ca || !cert || !key) throw refuse(cluster, `${ADMIN_CONF} in its node holds no CA and client certificate`);
  if (ca.trim() !== caOnDisk.trim()) throw refuse(cluster, `the CA in ${ADMIN_CONF} is not the node's ca.crt`);
  // kubeadm puts `localhost` into every API server certificate of kind; an address it may be published on isn't always.
  return { server, ca, cert, key, tlsServerName: 'localhost' };
}

function checkNodes(
  cluster: LocalCluster,
  containers: readonly LocalNode[],
  nodes: readonly { name: string; providerId: string }[],
): void {
  for (const { name, providerId } of nodes) {
    const [, of, node] = /^kind:\/\/[^/]+\/([^/]+)\/([^/]+)$/.exec(providerId) ?? [];
    if (of !== cluster.name || node !== name) {
      throw refuse(cluster, `its API server has a node ${name} with providerID "${providerId}"`);
    }
  }
  const expected = containers.map((c) => c.name).sort();
  const actual = nodes.map((n) => n.name).sort();
  if (expected.join() !== actual.join()) {
    throw refuse(
      cluster,
      `its API server knows the nodes ${actual.join(', ')}, but Docker runs ${expected.join(', ')}`,
    );
  }
}

function refuse(cluster: LocalCluster, what: string, cause?: unknown): ParityError {
  return refusedError(`${cluster.id} is not what it says: ${what}`, {
    cause,
    action: `Nothing is written to it. Look at "docker ps --filter label=io.x-k8s.kind.cluster=${cluster.name}", or create a fresh cluster with "clparity create".`,
  });
}
