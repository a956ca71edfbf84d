import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type WriteClient, writeClient } from '../../src/apply/client.ts';
import { withLease } from '../../src/apply/lease.ts';
import type { VouchedCluster } from '../../src/cluster/provider.ts';
import { quietRun } from '../../src/host/run.ts';
import { kubectl, onCluster, openTestCluster } from './test-cluster.ts';

describe('one run a cluster at a time', onCluster, () => {
  let cluster: VouchedCluster;
  let client: WriteClient;

  before(async () => {
    cluster = await openTestCluster();
    client = writeClient(cluster);
  });
  after(() => client?.close());

  const lease = async () => {
    const found = await kubectl(cluster, [
      'get',
      'lease',
      'clparity',
      '-n',
      'kube-system',
      '--ignore-not-found',
      '-o',
      'json',
    ]);
    return found === '' ? undefined : (JSON.parse(found) as { spec: { renewTime: string; holderIdentity: string } });
  };
  const renewed = (renewTime: string, holderIdentity: string) => ({
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: 'clparity', namespace: 'kube-system' },
    spec: { renewTime, holderIdentity, leaseDurationSeconds: 40 },
  });

  test('it is held and renewed while the work goes on, refused to another, and gone after', async () => {
    await withLease(client, { ...quietRun(), owner: 'sync in shop' }, async (run) => {
      const first = await lease();
      assert.match(first?.spec.holderIdentity ?? '', new RegExp(`process ${process.pid}, sync in shop$`));
      await assert.rejects(
        withLease(client, quietRun(), async () => {}),
        /at work in this cluster \(.*process \d+, sync in shop\)/,
      );
      await sleep(11_000);
      assert.notEqual((await lease())?.spec.renewTime, first?.spec.renewTime);
      run.signal.throwIfAborted();
    });
    assert.equal(await lease(), undefined);
  });

  test('work that loses it is told so', async () => {
    await assert.rejects(
      withLease(client, quietRun(), async (run) => {
        await kubectl(
          cluster,
          ['apply', '--server-side', '--force-conflicts', '--field-manager=thief', '-f', '-'],
          renewed('2026-01-01T00:00:00.000000Z', 'thief'),
        );
        await sleep(60_000, undefined, { signal: run.signal }).catch(() => run.signal.throwIfAborted());
      }),
      /hold on the cluster was lost.*thief/,
    );
    assert.equal(await lease(), undefined);
  });

  test('a stale one is taken over, a fresh one of another machine is not', async () => {
    await kubectl(
      cluster,
      ['apply', '-f', '-'],
      renewed(new Date(Date.now() - 60_000).toISOString().replace('Z', '000Z'), 'elsewhere, process 1'),
    );
    await withLease(client, quietRun(), async () => {});
    await kubectl(
      cluster,
      ['apply', '-f', '-'],
      renewed(new Date().toISOString().replace('Z', '000Z'), 'elsewhere, process 1'),
    );
    await assert.rejects(
      withLease(client, quietRun(), async () => {}),
      /elsewhere, process 1/,
    );
    await kubectl(cluster, ['delete', 'lease', 'clparity', '-n', 'kube-system']);
  });
});
