import type Docker from 'dockerode';
import ipaddr from 'ipaddr.js';
import { environmentError, inputError, type ParityError, refusedError } from '../host/errors.ts';
import type { Run } from '../host/run.ts';
import { dialBeside, execInContainer } from '../image/docker.ts';
import type { Connection, KubeObject } from '../target/rest.ts';
import { internalAddresses } from './container-kinds.ts';
import { type ContainerKind, containerClusters, type NodeContainers, stoppedNodes } from './node-containers.ts';
import { type LocalCluster, type VouchedCluster, vouchedBy } from './provider.ts';
import { adminConfig, askedPatiently, seenFromOutside } from './seen.ts';

/**
 * Proves that the API server behind the control-plane container's published port is the one that runs in this cluster's
 * own nodes. Of `cluster` only the name is believed: containers, credentials and address are looked up afresh, and never
 * come from the user's kubeconfig. Throws `refused` naming what does not match, `environment` where a node is stopped or
 * the server is silent.
 */
export async function vouchForContainers(
  docker: Docker,
  kind: ContainerKind,
  cluster: LocalCluster,
  run: Run,
): Promise<VouchedCluster> {
  const { signal } = run;
  const refuse = (what: string, cause?: unknown) => refusal(kind, cluster, what, cause);
  const containers = await runningNodes(docker, kind, cluster, run);
  const nodes = containers.running;
  const master = nodes.find((node) => node.role === 'control-plane');
  if (!master) throw refuse('it has no running control-plane container');
  const inNode = async (argv: readonly string[]) => {
    const { exitCode, stdout, stderr } = await execInContainer(docker, master.name, argv, { signal });
    if (exitCode === 0) return stdout;
    throw refuse(`"${argv.join(' ')}" fails in ${master.name}: ${(stderr || stdout).trim().slice(0, 200)}`);
  };
  const publisher = containers.proxy ?? master.name;
  const server = await publishedServer(docker, kind, publisher, refuse);
  const { ca, cert, key } = adminConfig(await inNode(['cat', kind.adminConf]));
  if (!ca || !cert || !key) throw refuse(`${kind.adminConf} in its node holds no CA and client certificate`);
  if (ca.trim() !== (await inNode(['cat', kind.ca])).trim()) {
    throw refuse(`the CA in ${kind.adminConf} is not the node's ${kind.ca}`);
  }
  const dial = dialBeside(docker);
  // `localhost` is in every API server's certificate of these tools; an address it may be published on isn't always.
  const connection: Connection = { server, ca, cert, key, tlsServerName: 'localhost', ...(dial && { dial }) };
  const question = ['get', 'namespace', 'kube-system', '--request-timeout=10s', '-o', 'jsonpath={.metadata.uid}'];
  const insideUid = (await askedPatiently(() => inNode([...kind.kubectl, ...question]), signal)).trim();
  const seen = await seenFromOutside(connection, signal, refuse);
  if (seen.uid === '' || seen.uid !== insideUid) {
    throw refuse(`${server} has kube-system UID ${seen.uid}, the node's own server ${insideUid}`);
  }
  checkNodes(kind, cluster, containers, seen.nodes, refuse);
  return vouchedBy({
    ...cluster,
    nodes,
    connection,
    uid: seen.uid,
    kubernetesVersion: seen.version,
    evidence: [
      `containers ${nodes.map((n) => n.name).join(', ')} carry ${kind.provider}'s labels for ${cluster.name} and run`,
      `${server} is the port that ${publisher} publishes, on an address of this machine or a private one`,
      `the server's certificate is signed by the CA in ${master.name}:${kind.ca}`,
      `kube-system UID ${seen.uid}, seen from outside and from inside ${master.name}`,
      kind.nodesAre,
    ],
  });
}

async function runningNodes(
  docker: Docker,
  kind: ContainerKind,
  cluster: LocalCluster,
  run: Run,
): Promise<NodeContainers> {
  const { provider } = kind;
  if (cluster.provider !== provider) {
    throw refusal(kind, cluster, `its provider is ${cluster.provider}, not ${provider}`);
  }
  const found = (await containerClusters(docker, kind, run)).find((c) => c.name === cluster.name);
  if (!found) {
    throw inputError(`There is no ${provider} cluster ${cluster.name}`, { action: `See "${kind.lister}".` });
  }
  if (found.stopped.length > 0) {
    throw environmentError(`${provider}:${cluster.name} can't be used as it is: ${stoppedNodes(found.stopped)}`, {
      action: `Start ${found.stopped.length === 1 ? 'it' : 'them'} with "${found.start}".`,
    });
  }
  return found;
}

type Refuse = (what: string, cause?: unknown) => ParityError;

async function publishedServer(
  docker: Docker,
  kind: ContainerKind,
  publisher: string,
  refuse: Refuse,
): Promise<string> {
  const { NetworkSettings } = await docker.getContainer(publisher).inspect();
  const published = NetworkSettings.Ports[kind.port]?.[0];
  if (!published) throw refuse(`${publisher} publishes no API port (${kind.port})`);
  // Podman leaves the address out where it means all of them.
  const ip = ipaddr.process(published.HostIp || '0.0.0.0');
  // Published on every address: loopback is one of them.
  if (ip.range() === 'unspecified') return `https://127.0.0.1:${published.HostPort}`;
  if (!['loopback', 'private', 'uniqueLocal', 'linkLocal'].includes(ip.range())) {
    throw refuse(`its API port is published on ${published.HostIp}, neither loopback nor private`);
  }
  return `https://${ip.kind() === 'ipv6' ? `[${ip}]` : ip}:${published.HostPort}`;
}

function checkNodes(
  kind: ContainerKind,
  { name: cluster }: LocalCluster,
  { running, addresses }: NodeContainers,
  nodes: readonly KubeObject[],
  refuse: Refuse,
): void {
  for (const node of nodes) {
    const { name } = node.metadata;
    const foreign = kind.foreign?.(node, cluster);
    if (foreign !== undefined) throw refuse(`its API server has a node ${name} ${foreign}`);
  }
  const expected = running.map((c) => c.name).sort();
  const actual = nodes.map((n) => n.metadata.name).sort();
  if (expected.join() !== actual.join()) {
    throw refuse(`its API server knows the nodes ${actual.join(', ')}, but Docker runs ${expected.join(', ')}`);
  }
  for (const node of nodes) {
    const [own, seen] = [addresses.get(node.metadata.name) ?? [], internalAddresses(node)];
    if (seen.some((address) => own.includes(address))) continue;
    throw refuse(
      `its API server has the node ${node.metadata.name} at ${seen.join(', ') || 'no address'}, Docker at ${own.join(', ') || 'none'}`,
    );
  }
}

function refusal(kind: ContainerKind, cluster: LocalCluster, what: string, cause?: unknown): ParityError {
  return refusedError(`${cluster.id} is not what it says: ${what}`, {
    cause,
    action: `Nothing is written to it. Look at "docker ps --filter label=${kind.label}=${cluster.name}", or create a fresh cluster with "clparity create".`,
  });
}
