import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { settingsOf } from '../../src/cli/options.ts';
import { findCluster } from '../../src/cluster/index.ts';
import { assertNotListed, checkRemotes, remoteProvider } from '../../src/cluster/remote.ts';
import { localHost } from '../../src/host/local.ts';
import { quietRun } from '../../src/host/run.ts';
import { apiServer, CERT, type TestServer } from './api-server.ts';

const UID = '0a1b2c3d-0000-4000-8000-000000000001';
const OTHER = '0a1b2c3d-0000-4000-8000-000000000002';
const run = quietRun();
let folder = '';
let server: TestServer;
let asked = 0;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'clparity-remote-'));
  server = await apiServer((request, response) => {
    asked++;
    const path = request.url ?? '';
    const answer = path.startsWith('/version')
      ? { gitVersion: 'v1.37.2' }
      : path.includes('kube-system')
        ? { metadata: { name: 'kube-system', uid: UID } }
        : {
            metadata: {},
            items: [{ metadata: { name: 'n1' }, status: { nodeInfo: { architecture: 'arm64' } } }],
          };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  });
  const cluster = (name: string, more: object) => ({ name, cluster: { server: server.url, ...more } });
  const ca = { 'certificate-authority-data': Buffer.from(CERT).toString('base64'), 'tls-server-name': 'localhost' };
  const context = (name: string) => ({ name, context: { cluster: name, user: 'me' } });
  await writeFile(
    join(folder, 'config'),
    JSON.stringify({
      clusters: [
        cluster('dev', ca),
        cluster('trusting', { 'insecure-skip-tls-verify': true }),
        { name: 'plain', cluster: { server: 'http://127.0.0.1:1' } },
      ],
      users: [{ name: 'me', user: { token: 't' } }],
      contexts: ['dev', 'trusting', 'plain'].map(context),
    }),
  );
});
after(async () => {
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const host = () => localHost({ KUBECONFIG: join(folder, 'config'), HOME: folder });
const entry = (context: string, uid = UID) => ({ context, uid, registry: 'registry.test:5000/dev' });
const vouch = async (...list: ReturnType<typeof entry>[]) => {
  const provider = remoteProvider(host(), list);
  const [cluster] = await provider.list(run);
  assert.ok(cluster);
  return provider.vouch(cluster, run);
};

test('only what is on the list is there, and finding it asks nobody', async () => {
  const before = asked;
  assert.deepEqual(await remoteProvider(host(), []).list(run), []);
  const listed = await remoteProvider(host(), [entry('dev')]).list(run);
  assert.deepEqual(
    listed.map(({ id }) => id),
    ['remote:dev'],
  );
  assert.equal(asked, before);
});

test('a cluster elsewhere is never taken without being named', async () => {
  const all = [remoteProvider(host(), [entry('dev')])];
  await assert.rejects(findCluster(undefined, all, run), /Which cluster is meant has to be said: there is remote:dev/);
  assert.equal((await findCluster('remote:dev', all, run)).id, 'remote:dev');
});

test('who answers must have the listed UID, over TLS that was checked', async () => {
  const cluster = await vouch(entry('dev'));
  assert.equal(cluster.uid, UID);
  assert.deepEqual(cluster.nodes, [
    { name: 'n1', role: 'worker', architecture: 'arm64', closed: 'it is a node of a cluster elsewhere' },
  ]);
  assert.match(
    cluster.elsewhere ?? '',
    new RegExp(`remote:dev, the cluster at ${server.url} with kube-system UID ${UID}`),
  );
  await assert.rejects(vouch(entry('dev', OTHER)), {
    kind: 'refused',
    message: new RegExp(`has kube-system UID ${UID}, not`),
  });
  await assert.rejects(vouch(entry('trusting')), { kind: 'refused', message: /not to check who answers/ });
  await assert.rejects(vouch(entry('plain')), { kind: 'refused', message: /is not encrypted/ });
});

test('nothing runs in its nodes, and no packets are promised', async () => {
  const { exec, unprobed } = await vouch(entry('dev'));
  await assert.rejects(exec('n1', ['id'], { signal: run.signal }), /Nothing can be run in n1/);
  assert.match(unprobed ?? '', /not ours to send packets from/);
});

test('a target on the list is refused', () => {
  assert.throws(() => assertNotListed(UID, [entry('dev')]), { kind: 'refused', message: /The target is on the list/ });
  assertNotListed(OTHER, [entry('dev')]);
  assertNotListed(undefined, [entry('dev')]);
});

test('entries without UID, context or registry host are refused', () => {
  const bad = (change: object) => () => checkRemotes([{ ...entry('dev'), ...change }]);
  assert.throws(bad({ uid: '1234' }), /remote cluster dev has no kube-system UID/);
  assert.throws(bad({ context: '' }), /names no context/);
  assert.throws(bad({ registry: 'team/images' }), /has a registry without a host/);
  checkRemotes([entry('dev'), { uid: OTHER, context: 'c', registry: 'localhost/x' }, { uid: OTHER, context: 'd' }]);
});

test('the command line has to say the UID', () => {
  assert.deepEqual(settingsOf({ cluster: 'remote:dev', remoteUid: UID }).remoteClusters, [
    { context: 'dev', uid: UID },
  ]);
  assert.throws(() => settingsOf({ cluster: 'remote:dev', yes: true }), /needs --remote-uid/);
  assert.throws(() => settingsOf({ cluster: 'kind:dev', remoteUid: UID }), /belong to --cluster remote:CONTEXT/);
});
