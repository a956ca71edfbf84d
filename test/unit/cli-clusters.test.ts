import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { recorded } from '../../src/apply/history.ts';
import { K3D, KIND } from '../../src/cluster/container-kinds.ts';
import { clparityIn } from './in-process.ts';

/** What a Docker daemon lists: two nodes of kind's, two of another one of which one is stopped, a stopped node of k3d's. */
const CONTAINERS = [
  { Names: ['/dev-control-plane'], State: 'running', Labels: kindLabels('dev', 'control-plane') },
  { Names: ['/dev-worker'], State: 'running', Labels: kindLabels('dev', 'worker') },
  { Names: ['/half-control-plane'], State: 'running', Labels: kindLabels('half', 'control-plane') },
  { Names: ['/half-worker'], State: 'exited', Labels: kindLabels('half', 'worker') },
  { Names: ['/k3d-old-server-0'], State: 'exited', Labels: { app: 'k3d', [K3D.label]: 'old', 'k3d.role': 'server' } },
];
function kindLabels(cluster: string, role: string) {
  return { [KIND.label]: cluster, 'io.x-k8s.kind.role': role };
}

let folder = '';
let containers: typeof CONTAINERS | undefined;
const { DOCKER_HOST, KUBECONFIG } = process.env;
const docker = createServer(({ url = '' }, response) => {
  if (!containers) return void response.writeHead(500).end('{"message":"the daemon is ill"}');
  const filters = new URL(url, 'http://docker').searchParams.get('filters') ?? '';
  const asked = containers.filter(({ Labels }) => Object.keys(Labels).some((label) => filters.includes(label)));
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(asked));
});
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'clparity-clusters-'));
  docker.listen(join(folder, 'docker.sock'));
  await once(docker, 'listening');
  process.env.DOCKER_HOST = `unix://${join(folder, 'docker.sock')}`;
  process.env.KUBECONFIG = join(folder, 'kubeconfig');
});
after(async () => {
  Object.assign(process.env, { DOCKER_HOST, KUBECONFIG });
  if (DOCKER_HOST === undefined) delete process.env.DOCKER_HOST;
  if (KUBECONFIG === undefined) delete process.env.KUBECONFIG;
  docker.closeAllConnections();
  docker.close();
  await rm(folder, { recursive: true, force: true });
});

test('clusters lists what every provider finds, with its nodes or what is wrong', async () => {
  containers = CONTAINERS;
  await writeFile(join(folder, 'kubeconfig'), 'contexts: [{name: colima, context: {cluster: c}}]');
  const { code, stdout } = await clparityIn(folder, 'clusters');
  assert.equal(code, 0);
  assert.deepEqual(JSON.parse(stdout), [
    { id: 'kind:dev', nodes: 2 },
    {
      ...{ id: 'kind:half', nodes: 1, fault: 'node half-worker is stopped' },
      action: 'Start it with "docker start half-worker".',
    },
    {
      ...{ id: 'k3d:old', nodes: 0, fault: 'k3d:old is stopped' },
      action: 'Start it with "docker start k3d-old-server-0".',
    },
    { id: 'desktop:colima', nodes: 0 },
  ]);
  const text = await clparityIn(folder, 'clusters', '--format', 'text');
  assert.match(
    text.stdout,
    /^= kind:dev: 2 nodes\n! kind:half: node half-worker is stopped\. Start it with "docker start half-worker"\.\n! k3d:old: k3d:old is stopped\. Start it .*\n= desktop:colima: found by its context\n/,
  );
});

test('clusters says where one is made when there is none, and why Docker does not answer', async () => {
  containers = [];
  await writeFile(join(folder, 'kubeconfig'), '');
  assert.deepEqual(JSON.parse((await clparityIn(folder, 'clusters')).stdout), []);
  assert.match((await clparityIn(folder, 'clusters', '--format', 'text')).stdout, /clparity create/);
  containers = undefined;
  const { code, stderr } = await clparityIn(folder, 'clusters');
  assert.equal(code, 3);
  assert.match(stderr, /the daemon is ill/);
});

test('undo takes the cluster of the last apply from the folder, and asks where that is gone', async () => {
  containers = CONTAINERS;
  await writeFile(join(folder, 'kubeconfig'), '');
  const undo = async () => (await clparityIn(folder, 'undo', '--dry-run')).stderr;
  assert.match(await undo(), /Which cluster is meant has to be said: there is kind:dev, kind:half, k3d:old/);
  const object = { action: 'create', kind: 'Namespace', name: 'shop', reason: '' };
  const record = { target: 'prod', objects: [object] as unknown as Parameters<typeof recorded>[1]['objects'] };
  await recorded(folder, { ...record, cluster: 'kind:half' }, async () => {});
  assert.match(await undo(), /error: kind:half can't be used as it is: node half-worker is stopped\n {2}Start it with/);
  await setTimeout(2);
  await recorded(folder, { ...record, cluster: 'kind:gone' }, async () => {});
  assert.match(await undo(), /Which cluster is meant has to be said/);
});
