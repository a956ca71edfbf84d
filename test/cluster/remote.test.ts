import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { VouchedCluster } from '../../src/cluster/provider.ts';
import type { Report } from '../../src/report/model.ts';
import { clparity } from './cli.ts';
import { startRegistry, type TestRegistry } from './registry.ts';
import { pushStandInImage, type StandIn } from './standin-image.ts';
import { kubectl, onCluster, openTestCluster } from './test-cluster.ts';

const TARGET = `apiVersion: v1
kind: Namespace
metadata: { name: rm-shop, labels: { team: rm } }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: from-team, namespace: rm-shop }
spec:
  podSelector: {}
  policyTypes: [Ingress]
  ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: rm } } }] }]
`;

/** A kind cluster that is known by nothing but a context of a kubeconfig, as one elsewhere would be. */
describe('a remote development cluster', onCluster, () => {
  let cluster: VouchedCluster;
  let production: TestRegistry;
  let shared: TestRegistry;
  let image: StandIn;
  let folder: string;

  before(async () => {
    cluster = await openTestCluster();
    folder = await mkdtemp(join(tmpdir(), 'clparity-remote-'));
    [production, shared] = await Promise.all([startRegistry(), startRegistry({ everywhere: true })]);
    image = await pushStandInImage(production.host);
    await writeFile(join(folder, 'production.yaml'), TARGET);
    const { server, ca = '', cert = '', key = '' } = cluster.connection;
    const data = (text: string) => Buffer.from(text).toString('base64');
    const kubeconfig = {
      clusters: [
        {
          name: 'dev',
          cluster: { server, 'tls-server-name': 'localhost', 'certificate-authority-data': data(ca) },
        },
      ],
      users: [{ name: 'me', user: { 'client-certificate-data': data(cert), 'client-key-data': data(key) } }],
      contexts: [{ name: 'dev', context: { cluster: 'dev', user: 'me' } }],
    };
    await writeFile(join(folder, 'kubeconfig'), JSON.stringify(kubeconfig));
    // Under the name by which this machine reaches the registry, a node reaches it at the address of this machine.
    for (const { name, hostAddress } of cluster.nodes) {
      const port = shared.host.split(':')[1];
      const script = `mkdir -p "$1" && printf '[host."http://%s"]\n' "$2" > "$1/hosts.toml"`;
      const argv = ['sh', '-c', script, 'sh', `/etc/containerd/certs.d/${shared.host}`, `${hostAddress}:${port}`];
      assert.equal((await cluster.exec(name, argv, { signal: AbortSignal.timeout(30_000) })).exitCode, 0);
    }
  });
  after(async () => {
    if (cluster) {
      await kubectl(cluster, ['delete', 'namespace', '--ignore-not-found', 'rm-shop', 'dev1-rm-shop']);
      for (const { name } of cluster.nodes) {
        const argv = ['rm', '-rf', `/etc/containerd/certs.d/${shared.host}`];
        await cluster.exec(name, argv, { signal: AbortSignal.timeout(30_000) });
      }
    }
    await Promise.all([production?.close(), shared?.close()]);
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  const run = (verb: string, ...more: string[]) =>
    clparity([verb, '--cluster', 'remote:dev', '--format', 'json', ...more], {
      cwd: folder,
      env: { KUBECONFIG: join(folder, 'kubeconfig') },
    });
  const listed = () => ['--remote-uid', cluster.uid, '--remote-registry', `${shared.host}/team`];
  const sync = () => run('sync', ...listed(), '--snapshot', 'production.yaml', '--image', image.reference, '--yes');
  const policies = async () =>
    (await kubectl(cluster, ['get', 'networkpolicy', '-A', '-o', 'name', '-l', 'clparity.dev/mirror'])).trim();

  test('--yes alone is not enough, and another UID is refused', async () => {
    const without = await run('mirror', '--snapshot', 'production.yaml', '--yes');
    assert.equal(without.code, 2, without.stderr);
    assert.match(without.stderr, /--cluster remote:dev needs --remote-uid/);
    const other = cluster.uid.replace(/.$/, (c) => (c === '0' ? '1' : '0'));
    const wrong = await run('mirror', '--remote-uid', other, '--snapshot', 'production.yaml', '--yes');
    assert.equal(wrong.code, 2, wrong.stderr);
    assert.match(wrong.stderr, new RegExp(`has kube-system UID ${cluster.uid}, not ${other}`));
    const asked = await run('mirror', '--remote-uid', cluster.uid, '--snapshot', 'production.yaml');
    assert.match(asked.stderr, new RegExp(`Apply this to remote:dev, the cluster at .* UID ${cluster.uid}`));
    assert.equal(await policies(), '');
  });

  test('it can not be its own target', async () => {
    const same = await run('mirror', ...listed(), '--context', 'dev', '--yes');
    assert.equal(same.code, 2, same.stderr);
    assert.match(same.stderr, /The target is on the list of remote clusters/);
  });

  test('the image goes to the registry under its digest, policies to the cluster, and packets are not claimed', async () => {
    const done = await sync();
    // What nobody measured is not equal.
    assert.equal(done.code, 1, done.stderr);
    const report = JSON.parse(done.stdout) as Report;
    const of = (layer: string) => report.findings.filter((f) => f.layer === layer);
    assert.deepEqual(
      of('base image').map(({ state }) => state),
      ['equal'],
      JSON.stringify(of('base image')),
    );
    assert.match(of('base image')[0]?.title ?? '', new RegExp(`is in ${shared.host}/team, bit for bit`));
    assert.deepEqual(
      of('connections').map(({ state }) => state),
      ['unknown'],
    );
    assert.match(report.changes.join('\n'), new RegExp(`loaded .* into ${shared.host}/team`));
    assert.match(await policies(), /networkpolicy.networking.k8s.io\/from-team/);

    const again = await sync();
    assert.deepEqual((JSON.parse(again.stdout) as Report).changes, [], again.stderr);
  });

  test("a pod there runs it under production's digest, with production's registry gone", async () => {
    await production.stop();
    const name = `${shared.host}/team/azurelinux/base/core@${image.digest}`;
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'app', namespace: 'rm-shop' },
      spec: { containers: [{ name: 'c', image: name }], terminationGracePeriodSeconds: 0 },
    };
    await kubectl(cluster, ['create', '-f', '-'], pod);
    await kubectl(cluster, ['wait', '--for=condition=Ready', 'pod/app', '-n', 'rm-shop', '--timeout=50s']);
    const status = '{.status.containerStatuses[0].imageID}';
    const id = await kubectl(cluster, ['get', 'pod', 'app', '-n', 'rm-shop', '-o', `jsonpath=${status}`]);
    assert.ok(id.endsWith(image.digest), id);
    await kubectl(cluster, ['delete', 'pod', 'app', '-n', 'rm-shop']);
    await production.restart();
  });

  test('under a prefix it is a mirror by itself, and goes by itself', async () => {
    const place = ['--namespace-prefix', 'dev1-', ...listed()];
    const done = await run('mirror', ...place, '--snapshot', 'production.yaml', '--yes');
    assert.equal(done.code, 0, done.stderr);
    const report = JSON.parse(done.stdout) as Report;
    assert.equal(report.cluster, 'remote:dev/dev1-*');
    assert.match(report.changes.join('\n'), /NetworkPolicy dev1-rm-shop\/from-team/);
    const again = await run('plan', ...place, '--snapshot', 'production.yaml', '--image', 'none');
    assert.equal(again.code, 0, again.stdout);
    const removed = await run('remove', ...place, '--yes');
    assert.equal(removed.code, 0, removed.stderr);
    const left = await kubectl(cluster, [
      'get',
      'namespace',
      'rm-shop',
      'dev1-rm-shop',
      '--ignore-not-found',
      '-o',
      'name',
    ]);
    assert.equal(left.trim(), 'namespace/rm-shop');
    assert.match(await policies(), /from-team/);
  });

  test('remove takes the policies away again', async () => {
    const removed = await run('remove', ...listed(), '--yes');
    assert.equal(removed.code, 0, removed.stderr);
    assert.equal(await policies(), '');
    const namespaces = ['get', 'namespace', 'rm-shop', '--ignore-not-found', '-o', 'name'];
    assert.equal((await kubectl(cluster, namespaces)).trim(), '');
  });
});
