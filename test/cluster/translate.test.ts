import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Plan } from '../../src/plan/model.ts';
import type { Report } from '../../src/report/model.ts';
import { clparity } from './cli.ts';
import { kubectl, onCluster, openTestCluster } from './test-cluster.ts';

const TARGET = fileURLToPath(new URL('../fixtures/dialects', import.meta.url));

/** Policies of Cilium, Calico and the platform under a local Cilium: its own as they are, the others translated. */
describe('a mirror of several dialects', onCluster, () => {
  let cluster: string;
  let folder: string;
  before(async () => {
    cluster = (await openTestCluster()).id;
    folder = await mkdtemp(join(tmpdir(), 'clparity-dialects-'));
  });
  after(async () => {
    if (cluster) await run('remove', '--yes');
    if (folder) await rm(folder, { recursive: true, force: true });
  });
  const run = (...args: string[]) => clparity([...args, '--cluster', cluster, '--format', 'json'], { cwd: folder });
  const sync = async () => {
    const { stdout, stderr } = await run('sync', '--snapshot', TARGET, '--image', 'none', '--yes');
    assert.notEqual(stdout, '', stderr);
    return JSON.parse(stdout) as Report;
  };

  test('packets agree with the prediction, and what can not be said is named', async () => {
    const report = await sync();
    assert.deepEqual(report.verify?.differences, []);
    const { probed = 0, agreed } = report.verify?.counts.TCP ?? {};
    assert.ok(probed > 10 && agreed === probed, `${agreed} of ${probed}`);
    const titles = report.findings.filter((f) => f.layer === 'policies').map((f) => f.title);
    assert.ok(
      titles.some((t) => /^(\d+) of \1 policies allow exactly/.test(t)),
      titles.join('\n'),
    );
    const forms = (report.policies ?? []).map((f) => `${f.policy}: ${f.verbatim}`);
    assert.deepEqual(forms.sort(), [
      'CiliumClusterwideNetworkPolicy.cilium.io dialects-wide: true',
      'CiliumNetworkPolicy.cilium.io dialects-ops/names: true',
      'CiliumNetworkPolicy.cilium.io dialects-shop/web: true',
      'ClusterNetworkPolicy.policy.networking.k8s.io no-ops-to-db: false',
      'GlobalNetworkPolicy.projectcalico.org db: false',
    ]);
  });

  test('what is for the whole cluster speaks for the mirrored namespaces alone', async () => {
    const local = await openTestCluster();
    const args = ['get', 'ciliumclusterwidenetworkpolicy', 'dialects-wide', '-o', 'jsonpath={.spec.endpointSelector}'];
    assert.match(await kubectl(local, args), /"values":\["dialects-ops","dialects-shop"\]/);
  });

  test('a second run changes nothing', async () => {
    assert.deepEqual((await sync()).changes, []);
  });

  test('one of the kind that somebody else has made is left alone, and named', async () => {
    const local = await openTestCluster();
    await run('remove', '--yes');
    const object = {
      apiVersion: 'cilium.io/v2',
      kind: 'CiliumClusterwideNetworkPolicy',
      metadata: { name: 'dialects-wide' },
      spec: { endpointSelector: { matchLabels: { nobody: 'is' } }, ingress: [{ fromEntities: ['all'] }] },
    };
    await kubectl(local, ['apply', '-f', '-'], object);
    try {
      const { stdout } = await run('plan', '--snapshot', TARGET, '--image', 'none');
      const { objects, conflicts } = JSON.parse(stdout) as Plan;
      assert.deepEqual(
        conflicts.map(({ kind, name, owner }) => `${kind} ${name}: ${owner}`),
        ['CiliumClusterwideNetworkPolicy dialects-wide: kubectl-client-side-apply'],
      );
      assert.ok(objects.some(({ kind }) => kind === 'CiliumNetworkPolicy'));
    } finally {
      await kubectl(local, ['delete', 'ciliumclusterwidenetworkpolicy', 'dialects-wide']);
    }
  });
});
