import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { after, before, describe, test } from 'node:test';
import { remove } from '../../src/changes.ts';
import type { VouchedCluster } from '../../src/cluster/provider.ts';
import { ParityError } from '../../src/host/errors.ts';
import { quietRun } from '../../src/host/run.ts';
import { openLocal } from '../../src/open.ts';
import { type Project, plan, sync } from '../../src/pipeline.ts';
import { hasChanges } from '../../src/plan/plan.ts';
import { DEFAULT_SETTINGS } from '../../src/settings.ts';
import { type DressedCluster, dressNodes } from '../standins/node-tools.ts';
import { startRegistry, type TestRegistry } from './registry.ts';
import { shopPart } from './shop-part.ts';
import { pushStandInImage, type StandIn } from './standin-image.ts';
import { kubectl, onCluster, openTestCluster } from './test-cluster.ts';

const signal = AbortSignal.timeout(600_000);
const yes = async () => true;

/** What a tool's stand-in is to be found as. */
const TOOLS = {
  k3d: {
    title: 'a cluster of k3d, whose nodes have busybox and socat and little more, behind its labels',
    evidence: /k3d's labels[\s\S]*server-ca\.crt[\s\S]*name and the address/,
    closed: 'its image has no bash, perl',
  },
  minikube: {
    title: 'a cluster of minikube, whose nodes have all that proves packets, behind its labels',
    evidence: /minikube\/certs\/ca\.crt[\s\S]*name and the address/,
    closed: undefined,
  },
} as const;

for (const tool of ['k3d', 'minikube'] as const) {
  const { title, evidence, closed } = TOOLS[tool];
  describe(title, onCluster, () => {
    let dressed: DressedCluster;
    let registry: TestRegistry;
    let image: StandIn;
    let folder: string;
    let project: Project;
    let real: VouchedCluster;
    const run = quietRun(signal);

    before(async () => {
      real = await openTestCluster();
      dressed = await dressNodes(tool, real.nodes);
      registry = await startRegistry();
      image = await pushStandInImage(registry.host, 'tools/base', '3.0', { note: `${tool} ${Date.now()}` });
      folder = await shopPart();
      const settings = { ...DEFAULT_SETTINGS, snapshot: 'part', image: image.reference, cluster: dressed.id };
      project = { host: dressed.host, folder, settings };
    });
    after(async () => {
      if (project) await remove(run, project, yes);
      await registry?.close();
      await dressed?.close();
      if (folder) await rm(folder, { recursive: true, force: true });
    });

    test('it is vouched for as what it is, and says what its nodes lack', async () => {
      const cluster = await openLocal(run, project);
      assert.equal(cluster.provider, tool);
      assert.equal(cluster.uid, real.uid);
      assert.match(cluster.evidence.join('\n'), evidence);
      assert.ok(cluster.nodes.every((node) => node.closed === closed));
    });

    test('sync loads, mirrors and proves', async () => {
      const report = await sync(run, project, yes);
      assert.ok(report);
      assert.equal(report.changes.filter((line) => line.startsWith('loaded')).length, real.nodes.length);
      assert.equal(report.equal, true, JSON.stringify(report, null, 1));
      assert.equal(report.verify?.enforcement.enforced, true);
      for (const protocol of ['TCP', 'UDP'] as const) {
        const { probed = 0, agreed } = report.verify?.counts[protocol] ?? {};
        assert.ok(probed > 10 && agreed === probed, `${protocol}: ${agreed} of ${probed}`);
      }
      const after = await plan(run, project);
      assert.deepEqual(after.images[0]?.nodes ?? [], []);
      assert.ok(!hasChanges(after), JSON.stringify(after));
    });

    test('a pod runs by digest, with the registry stopped', async () => {
      await registry.stop();
      const name = `${image.reference.replace(/:[^:/]*$/, '')}@${image.digest}`;
      const pod = [`pod/${tool}-digest`, '-n', 'default'];
      try {
        const overrides = JSON.stringify({ spec: { tolerations: [{ operator: 'Exists' }] } });
        const options = [`--image=${name}`, `--overrides=${overrides}`];
        await kubectl(real, ['run', `${tool}-digest`, '-n', 'default', ...options]);
        await kubectl(real, ['wait', '--for=condition=Ready', ...pod, '--timeout=50s']);
        const path = 'jsonpath={.status.containerStatuses[0].imageID}';
        assert.ok((await kubectl(real, ['get', ...pod, '-o', path])).endsWith(image.digest));
      } finally {
        await kubectl(real, ['delete', ...pod, '--ignore-not-found', '--now']);
        await registry.restart();
      }
    });
  });
}

test('a node whose container is at another address is refused, whatever its labels say', onCluster, async () => {
  const real = await openTestCluster();
  const dressed = await dressNodes('minikube', real.nodes, { address: '10.9.9.9' });
  try {
    const settings = { ...DEFAULT_SETTINGS, cluster: dressed.id };
    await assert.rejects(
      openLocal(quietRun(signal), { host: dressed.host, folder: tmpdir(), settings }),
      (error) =>
        error instanceof ParityError && error.kind === 'refused' && /Docker at 10\.9\.9\.9/.test(error.message),
    );
  } finally {
    await dressed.close();
  }
});
