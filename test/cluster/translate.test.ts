import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Report } from '../../src/report/model.ts';
import { clparity } from './cli.ts';
import { onCluster, openTestCluster } from './test-cluster.ts';

const TARGET = fileURLToPath(new URL('../fixtures/dialects', import.meta.url));

/** Policies of Cilium, Calico and the platform, translated for whatever engine the cluster has, and proven by packets. */
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
      titles.some((t) => /^3 of 4 policies allow exactly/.test(t)),
      titles.join('\n'),
    );
    assert.ok(titles.some((t) => /CiliumNetworkPolicy.cilium.io dialects-ops\/names allows less/.test(t)));
  });

  test('a second run changes nothing', async () => {
    assert.deepEqual((await sync()).changes, []);
  });
});
