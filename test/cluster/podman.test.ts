import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { kindEnv } from '../../src/cluster/kind-create.ts';
import { localHost } from '../../src/host/local.ts';
import { quietRun } from '../../src/host/run.ts';
import { loadImage } from '../../src/image/load.ts';
import { wantedImage } from '../../src/image/node-image.ts';
import { pullImage } from '../../src/image/pull.ts';
import { ROOM } from '../../src/image/push.ts';
import { resolveImage } from '../../src/image/resolve.ts';
import type { DockerDaemon } from './docker-daemon.ts';
import { type ImageWorld, openImageWorld, tidyUpAndRestart, unloadAll, watchedRun } from './image-world.ts';
import { podmanIsMissing, startPodman } from './podman.ts';
import { pushStandInImage } from './standin-image.ts';
import { kubectl, makeNamespace, onCluster } from './test-cluster.ts';

const run = quietRun(AbortSignal.timeout(600_000));
const NAMESPACE = 'clparity-podman';
const skip = onCluster.skip || (await podmanIsMissing());
let world: ImageWorld;
let podman: DockerDaemon;

before(async () => {
  if (skip) return;
  world = await openImageWorld();
  podman = await startPodman(world.registry.host);
  await makeNamespace(world.cluster, NAMESPACE);
});
after(async () => {
  if (!world) return;
  await kubectl(world.cluster, ['delete', 'namespace', NAMESPACE, '--wait=false']);
  await unloadAll(world.cluster, run);
  await podman.close();
  await world.close();
});

/** What is small comes by Podman's push, what is large by its save. */
for (const [way, filling] of [
  ['push', 2_000_000],
  ['save', ROOM + 8_000_000],
] as const) {
  test(`an image that Podman pulled gets into the nodes under production's digest, by its ${way}`, {
    skip,
  }, async () => {
    const image = await pushStandInImage(world.registry.host, `podman/${way}`, '3.0', { note: way, filling });
    const where = { host: localHost(), platform: world.platform };
    const lock = await resolveImage(image.reference, where, run);
    await pullImage(podman.docker, lock, localHost(), run);
    const watched = watchedRun(run.signal);
    const loaded = await loadImage(podman.docker, world.cluster, wantedImage(lock), watched);
    assert.deepEqual(
      loaded.map(({ state }) => state),
      world.cluster.nodes.map(() => 'loaded'),
    );
    assert.deepEqual(
      watched.logged.filter((line) => line.includes("can't push")),
      [],
    );
    // Whole by itself: nothing of it hangs on what containerd may tidy away.
    await tidyUpAndRestart(world.cluster);
    for (const [i, node] of world.cluster.nodes.entries()) {
      const name = `${way}-${i}`;
      await kubectl(world.cluster, ['create', '-f', '-'], {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name, namespace: NAMESPACE },
        spec: {
          nodeName: node.name,
          terminationGracePeriodSeconds: 0,
          tolerations: [{ operator: 'Exists' }],
          containers: [{ name: 'c', image: `${lock.repository}@${lock.digest}`, imagePullPolicy: 'Never' }],
        },
      });
      const pod = [`pod/${name}`, '-n', NAMESPACE];
      await kubectl(world.cluster, ['wait', '--for=condition=Ready', '--timeout=50s', ...pod]);
      const id = await kubectl(world.cluster, ['get', ...pod, '-o', 'jsonpath={.status.containerStatuses[0].imageID}']);
      assert.ok(id.endsWith(image.digest), `${name} runs ${id}`);
    }
    const again = await loadImage(podman.docker, world.cluster, wantedImage(lock), run);
    assert.ok(again.every(({ state }) => state === 'present'));
  });
}

test('kind is told to use the engine whose API is there, and whoever prefers another hears of it', {
  skip,
}, async () => {
  const prefers = { env: { KIND_EXPERIMENTAL_PROVIDER: 'nerdctl' } };
  for (const [docker, engine] of [
    [podman.docker, 'podman'],
    [world.docker, 'docker'],
  ] as const) {
    const watched = watchedRun(run.signal);
    assert.deepEqual(await kindEnv(prefers, docker, watched), { KIND_EXPERIMENTAL_PROVIDER: engine });
    assert.match(watched.logged.join(), new RegExp(`nerdctl.*${engine}'s`));
  }
});
