import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import type Docker from 'dockerode';
import { containerImporter, withClosed } from '../../src/cluster/container-import.ts';
import { K3D, KIND, MINIKUBE } from '../../src/cluster/container-kinds.ts';
import { listContainerClusters } from '../../src/cluster/containers.ts';
import { type ContainerKind, containerClusters } from '../../src/cluster/node-containers.ts';
import {
  type LocalCluster,
  type LocalNode,
  probedNodes,
  type VouchedCluster,
  whyUnprobed,
} from '../../src/cluster/provider.ts';
import { quietRun } from '../../src/host/run.ts';
import { execInContainer } from '../../src/image/docker.ts';

/** A container as the Engine API lists it: of its name, labels, network and state, the parts that are read. */
function container(name: string, labels: Record<string, string>, address: string, state = 'running') {
  const network = { Gateway: state === 'running' ? '172.19.0.1' : '', IPAddress: address, GlobalIPv6Address: '' };
  return { Names: [`/${name}`], Labels: labels, State: state, NetworkSettings: { Networks: { one: network } } };
}

/** A daemon that has these containers, and gives those of the label that is asked for. */
function daemon(...containers: ReturnType<typeof container>[]): Docker {
  const fake = {
    listContainers: async ({ filters }: { filters: { label: string[] } }) =>
      containers.filter(({ Labels }) => filters.label.every((label) => label in Labels)),
  };
  return fake as unknown as Docker;
}

/** As k3d 5 labels what it makes (pkg/types, pkg/runtimes/docker/translate.go). */
const ofK3d = (cluster: string, role: string) => ({ app: 'k3d', 'k3d.cluster': cluster, 'k3d.role': role });
/** As minikube labels its machines (pkg/drivers/kic/oci). */
const ofMinikube = (profile: string, role: string) => ({
  'created_by.minikube.sigs.k8s.io': 'true',
  [MINIKUBE.label]: profile,
  'role.minikube.sigs.k8s.io': role,
});

test("k3d's servers and agents are nodes, its load balancer is in front of them, its registry is neither", async () => {
  const docker = daemon(
    container('k3d-dev-agent-0', ofK3d('dev', 'agent'), '172.19.0.4'),
    container('k3d-dev-server-0', ofK3d('dev', 'server'), '172.19.0.3'),
    container('k3d-dev-serverlb', ofK3d('dev', 'loadbalancer'), '172.19.0.2'),
    container('k3d-dev-tools', ofK3d('dev', 'noRole'), '172.19.0.5'),
    container('k3d-registry', ofK3d('dev', 'registry'), '172.19.0.6'),
    container('another', { 'k3d.cluster': 'dev', 'k3d.role': 'server' }, '172.19.0.7'),
    container('k3d-old-server-0', ofK3d('old', 'server'), '', 'exited'),
    container('k3d-alone', ofK3d('alone', 'registry'), '172.19.0.8'),
  );
  const [dev, old, ...more] = await containerClusters(docker, K3D, quietRun());
  assert.deepEqual(more, []);
  assert.deepEqual(dev?.running, [
    { name: 'k3d-dev-server-0', role: 'control-plane', hostAddress: '172.19.0.1' },
    { name: 'k3d-dev-agent-0', role: 'worker', hostAddress: '172.19.0.1' },
  ]);
  assert.equal(dev?.proxy, 'k3d-dev-serverlb');
  assert.deepEqual(dev?.addresses.get('k3d-dev-agent-0'), ['172.19.0.4']);
  assert.deepEqual([old?.name, old?.running, old?.stopped], ['old', [], ['k3d-old-server-0']]);
});

test('what is paused is not started but unpaused', async () => {
  const docker = daemon(
    container('k3d-dev-server-0', ofK3d('dev', 'server'), '172.19.0.3', 'paused'),
    container('k3d-dev-agent-0', ofK3d('dev', 'agent'), '', 'exited'),
  );
  const [dev] = await listContainerClusters(docker, K3D, quietRun());
  assert.match(dev?.fault?.action ?? '', /"docker start k3d-dev-agent-0 && docker unpause k3d-dev-server-0"/);
});

test('a cluster that is stopped is listed with the command that starts it', async () => {
  const docker = daemon(container('k3d-old-server-0', ofK3d('old', 'server'), '', 'exited'));
  const [old] = await listContainerClusters(docker, K3D, quietRun());
  assert.equal(old?.id, 'k3d:old');
  assert.match(old?.fault?.action ?? '', /docker start k3d-old-server-0/);
});

test("minikube's first machine is its control plane, whatever its label of the role holds", async () => {
  const docker = daemon(
    container('minikube-m02', ofMinikube('minikube', ''), '192.168.49.3'),
    container('minikube', ofMinikube('minikube', ''), '192.168.49.2'),
    container('ha-m02', ofMinikube('ha', 'control-plane'), '192.168.58.3'),
    container('ha', ofMinikube('ha', 'control-plane'), '192.168.58.2'),
  );
  const clusters = await containerClusters(docker, MINIKUBE, quietRun());
  const roles = clusters.map(({ name, running }) => [name, running.map((node) => `${node.name} ${node.role}`)]);
  assert.deepEqual(roles, [
    ['ha', ['ha control-plane', 'ha-m02 control-plane']],
    ['minikube', ['minikube control-plane', 'minikube-m02 worker']],
  ]);
});

test('no tool takes the containers of another', async () => {
  const kind = { 'io.x-k8s.kind.cluster': 'x', 'io.x-k8s.kind.role': 'control-plane' };
  const all = {
    kind: container('x-control-plane', kind, '172.18.0.2'),
    k3d: container('k3d-x-server-0', ofK3d('x', 'server'), '172.19.0.3'),
    minikube: container('x', ofMinikube('x', ''), '192.168.49.2'),
  };
  const found = async (of: ContainerKind) =>
    (await containerClusters(daemon(...Object.values(all)), of, quietRun())).flatMap(({ running }) =>
      running.map(({ name }) => name),
    );
  assert.deepEqual(
    [await found(KIND), await found(K3D), await found(MINIKUBE)],
    [['x-control-plane'], ['k3d-x-server-0'], ['x']],
  );
});

const NODES: readonly LocalNode[] = [
  { name: 'server', role: 'control-plane' },
  { name: 'agent', role: 'worker' },
];
/** A cluster in whose nodes `exec` runs; its API server is not asked. */
const clusterOf = (exec: LocalCluster['exec']) => ({ nodes: NODES, exec }) as unknown as VouchedCluster;

test('what a node lacks closes it; no packets are sent where one node has nothing that sends them', async () => {
  const lacking = (agent: string): LocalCluster['exec'] => {
    return async (node) => ({ exitCode: 0, stdout: node === 'agent' ? agent : '', stderr: '' });
  };
  const silent = await withClosed(clusterOf(lacking('bash\nperl\nsocat\n')), quietRun());
  assert.deepEqual(silent.nodes.slice(0, 1), NODES.slice(0, 1));
  assert.deepEqual([silent.nodes[1]?.closed, silent.nodes[1]?.socat], ['its image has no bash, perl', undefined]);
  assert.match(whyUnprobed(silent) ?? '', /agent: its image has no bash, perl/);
  const k3s = await withClosed(clusterOf(lacking('bash\nperl\n')), quietRun());
  assert.deepEqual([k3s.nodes[1]?.closed, k3s.nodes[1]?.socat], ['its image has no bash, perl', true]);
  assert.equal(whyUnprobed(k3s), undefined);
  assert.equal(probedNodes(k3s).length, 2);
});

test('a node that gives up at once is named, and holds up none of the others', { timeout: 30_000 }, async () => {
  const size = 8 * 1024 * 1024;
  const archive = Readable.from(
    (function* () {
      for (let sent = 0; sent < size; sent += 65_536) yield Buffer.alloc(65_536);
    })(),
  );
  let taken = 0;
  const importer = containerImporter(
    clusterOf(async (node, _argv, { stdin }) => {
      if (node === 'agent') return { exitCode: 1, stdout: '', stderr: 'ctr: no space left on device' };
      taken = (await buffer(stdin as Readable)).length;
      return { exitCode: 0, stdout: '', stderr: '' };
    }),
  );
  const failures = await importer.import(archive, AbortSignal.timeout(20_000));
  assert.deepEqual([...failures], [['agent', 'ctr: no space left on device']]);
  assert.equal(taken, size);
});

test('a program that finds its container stopped or paused is answered with the command that makes it run', async () => {
  const stopped = (Running: boolean, Paused: boolean): Docker => {
    const exec = async () => {
      throw new Error('(HTTP code 409) container is not running');
    };
    const fake = { getContainer: () => ({ exec, inspect: async () => ({ State: { Running, Paused } }) }) };
    return fake as unknown as Docker;
  };
  const run = (docker: Docker) => execInContainer(docker, 'n', ['true'], { signal: AbortSignal.timeout(10_000) });
  await assert.rejects(run(stopped(false, false)), { kind: 'environment', action: /"docker start n"/ });
  await assert.rejects(run(stopped(true, true)), { action: /"docker unpause n"/ });
  await assert.rejects(run(stopped(true, false)), { action: /docker ps/ });
  const unknown = { getContainer: () => ({}) } as unknown as Docker;
  await assert.rejects(run(unknown), { action: /docker ps/ });
});
