import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { LocalCluster } from '../../src/cluster/provider.ts';
import { localHost } from '../../src/host/local.ts';
import { quietRun } from '../../src/host/run.ts';
import { loadImage } from '../../src/image/load.ts';
import type { ImageLock } from '../../src/image/model.ts';
import { imageNames, nodeImage, wantedImage } from '../../src/image/node-image.ts';
import { pullImage } from '../../src/image/pull.ts';
import { resolveImage } from '../../src/image/resolve.ts';
import {
  forgetImages,
  type ImageWorld,
  namesOn,
  openImageWorld,
  tidyUpAndRestart,
  unloadAll,
  watchedRun,
} from './image-world.ts';
import { pushStandInImage, type StandInOptions } from './standin-image.ts';
import { kubectl, onCluster } from './test-cluster.ts';

const NAMESPACE = 'clparity-image-test';
const run = quietRun();
let world: ImageWorld;

before(async () => {
  if (onCluster.skip) return;
  world = await openImageWorld();
  await kubectl(world.cluster, ['create', 'namespace', NAMESPACE]);
});
after(async () => {
  if (!world) return;
  await kubectl(world.cluster, ['delete', 'namespace', NAMESPACE, '--wait=false']);
  await unloadAll(world.cluster, run);
  await world.close();
});

/** Makes an image in the registry, pins it and pulls it. */
async function pulled(name: string, options: StandInOptions = {}): Promise<ImageLock> {
  const image = await pushStandInImage(world.registry.host, name, '3.0', { note: name, ...options });
  const lock = await resolveImage(image.reference, { host: localHost(), platform: world.platform }, run);
  await pullImage(world.docker, lock, localHost(), run);
  return lock;
}

/** An image whose manifest's digest sorts before its index's: CRI's imageID would be the wrong one of the two. */
async function manifestFirst(): Promise<ImageLock> {
  for (let i = 0; i < 30; i++) {
    const { digest, manifestDigest, reference } = await pushStandInImage(world.registry.host, 'base/core', `t${i}`, {
      note: `try ${i}`,
    });
    if (manifestDigest > digest) continue;
    const lock = await resolveImage(reference, { host: localHost(), platform: world.platform }, run);
    await pullImage(world.docker, lock, localHost(), run);
    return lock;
  }
  return assert.fail('no such image in 30 tries');
}

const pod = (group: string, name: string, image: string, nodeName: string) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: `${group}-${name}`, namespace: NAMESPACE, labels: { group } },
  spec: {
    nodeName,
    terminationGracePeriodSeconds: 0,
    containers: [{ name: 'main', image, imagePullPolicy: 'IfNotPresent' }],
  },
});

/** Starts pods on every node, one by each name, waits until they run and returns their containers' image IDs. */
async function imageIds(group: string, images: readonly string[]): Promise<string[]> {
  const items = world.cluster.nodes.flatMap((node, n) =>
    images.map((image, i) => pod(group, `${n}-${i}`, image, node.name)),
  );
  await serviceAccount();
  await kubectl(world.cluster, ['create', '-f', '-'], { apiVersion: 'v1', kind: 'List', items });
  const pods = ['pod', '-l', `group=${group}`];
  await kubectl(world.cluster, ['-n', NAMESPACE, 'wait', '--for=condition=Ready', '--timeout=50s', ...pods]);
  const path = 'jsonpath={range .items[*]}{.status.containerStatuses[0].imageID}{"\\n"}{end}';
  return (await kubectl(world.cluster, ['-n', NAMESPACE, 'get', ...pods, '-o', path])).trim().split('\n');
}

/** A new namespace gets its default service account a moment later. */
const serviceAccount = () =>
  kubectl(world.cluster, ['-n', NAMESPACE, 'wait', '--for=create', '--timeout=50s', 'serviceaccount/default']);

test(
  "pods start by production's digest with the registry gone, also after garbage collection and a restart of containerd",
  onCluster,
  async () => {
    const lock = await manifestFirst();
    const loading = watchedRun();
    const loaded = await loadImage(world.docker, world.cluster, wantedImage(lock), loading);
    assert.deepEqual(
      loaded.map(({ node, state }) => [node, state]),
      world.cluster.nodes.map((node) => [node.name, 'loaded']),
    );
    assert.ok(loading.progress.some((p) => p.unit === 'bytes' && (p.done ?? 0) > 0));

    await world.registry.stop();
    const images = [
      `${lock.repository}@${lock.digest}`,
      `${lock.repository}@${lock.manifestDigest}`,
      `${lock.repository}:${lock.tag}`,
      `${lock.repository}:${lock.tag}@${lock.digest}`,
    ];
    for (const id of await imageIds('before', images)) assert.ok(id.endsWith(`@${lock.digest}`), id);
    // Images that no container uses go, then the content and layers that no image names.
    await tidyUpAndRestart(world.cluster, 'crictl rmi --prune >/dev/null');
    for (const id of await imageIds('after', images)) assert.ok(id.endsWith(`@${lock.digest}`), id);

    for (const { name } of world.cluster.nodes) {
      const names = await namesOn(world.cluster, name);
      assert.deepEqual(
        names.filter((one) => one.includes('staging')),
        [],
      );
      assert.deepEqual((await nodeImage(world.cluster, name, lock, run.signal))?.diffIds, lock.diffIds);
    }
    // Nothing is asked of Docker where nothing is missing.
    await forgetImages(world.docker, world.registry.host);
    const again = await loadImage(world.docker, world.cluster, wantedImage(lock), run);
    assert.ok(again.every(({ state }) => state === 'present'));
    await world.registry.restart();
  },
);

test('an image without an index keeps its digest too', onCluster, async () => {
  const image = await pushStandInImage(world.registry.host, 'single', '3.0', { note: 'single' });
  const reference = `${world.registry.host}/single@${image.manifestDigest}`;
  const lock = await resolveImage(reference, { host: localHost(), platform: world.platform }, run);
  assert.equal(lock.index, undefined);
  await pullImage(world.docker, lock, localHost(), run);
  const [loaded] = await loadImage(world.docker, world.cluster, wantedImage(lock), run);
  assert.deepEqual(loaded?.names, [reference]);
  for (const id of await imageIds('single', [reference])) assert.equal(id, reference);
});

test('a tag that meant something else on a node is said, and then means production', onCluster, async () => {
  const lock = await pulled('moved');
  const other = await pulled('other');
  await loadImage(world.docker, world.cluster, wantedImage(other), run);
  const node = world.cluster.nodes[0]?.name ?? '';
  const tag = `${lock.repository}:${lock.tag}`;
  const argv = ['ctr', '-n', 'k8s.io', 'images', 'tag', `${other.repository}@${other.digest}`, tag];
  assert.equal((await world.cluster.exec(node, argv, { signal: run.signal })).exitCode, 0);
  const watched = watchedRun();
  await loadImage(world.docker, world.cluster, wantedImage(lock), watched);
  assert.ok(
    watched.logged.some((line) => line.includes(`${tag} on node ${node} meant ${other.digest} until now`)),
    String(watched.logged),
  );
  for (const id of await imageIds('moved', [tag])) assert.ok(id.endsWith(lock.digest), id);
});

test('the image missing in Docker is bad input, another platform as well', onCluster, async () => {
  const lock = await pulled('missing');
  await forgetImages(world.docker, world.registry.host);
  await assert.rejects(loadImage(world.docker, world.cluster, wantedImage(lock), run), {
    kind: 'input',
    message: /Docker does not have .*missing@sha256/,
    action: /clparity pull/,
  });
  const platform = 'linux/s390x';
  await assert.rejects(
    loadImage(world.docker, world.cluster, wantedImage({ ...lock, platform }), run),
    /has linux\/s390x/,
  );
});

/** The test cluster with a second node, a view of the first, whose imports fail as `failing` does. */
function withBrokenNode(failing: LocalCluster['exec']): LocalCluster {
  const [first] = world.cluster.nodes;
  assert.ok(first);
  return {
    ...world.cluster,
    // Without an address of this machine the bytes go by standard input.
    nodes: [
      { name: first.name, role: first.role },
      { name: 'broken', role: 'worker' },
    ],
    exec: (node, argv, options) => {
      if (node !== 'broken') return world.cluster.exec(node, argv, options);
      if (options.stdin === undefined) return world.cluster.exec(first.name, argv, options);
      return failing(first.name, argv, options);
    },
  };
}

async function assertNothingLeft(lock: ImageLock): Promise<void> {
  for (const { name } of world.cluster.nodes) {
    const names = await namesOn(world.cluster, name);
    assert.deepEqual(
      names.filter((one) => one.includes('staging') || imageNames(lock).includes(one)),
      [],
    );
    const running = await world.cluster.exec(name, ['pgrep', '-f', '^clparity-import'], { signal: run.signal });
    assert.equal(running.stdout, '');
  }
}

test('one node that fails stops the others, and nothing is left', onCluster, async () => {
  const lock = await pulled('half', { filling: 6_000_000 });
  const cluster = withBrokenNode(async (node, argv, { signal, stdin, onStdout }) => {
    assert.ok(typeof stdin === 'object');
    // It answers, and goes away once it is told of what comes.
    const answered = await world.cluster.exec(node, argv, { signal, stdin: '', ...(onStdout && { onStdout }) });
    assert.equal(answered.exitCode, 0);
    for await (const _chunk of stdin) break;
    return { exitCode: 1, stdout: '', stderr: 'no space left on device' };
  });
  await assert.rejects(loadImage(world.docker, cluster, wantedImage(lock), run), {
    kind: 'environment',
    message: /failed on node broken \(1\): no space left on device.*nothing of it is on .*broken/,
  });
  await assertNothingLeft(lock);
});

test('a cancel midway leaves nothing, and says so', onCluster, async () => {
  const lock = await pulled('cancelled', { filling: 6_000_000 });
  const stop = new AbortController();
  const cancelling = watchedRun(stop.signal, (p) => {
    if ((p.done ?? 0) > 1_000_000) stop.abort();
  });
  await assert.rejects(loadImage(world.docker, world.cluster, wantedImage(lock), cancelling), {
    kind: 'cancelled',
    message: /was cancelled: nothing of it is on/,
  });
  await assertNothingLeft(lock);
  assert.equal(
    (await loadImage(world.docker, world.cluster, wantedImage(lock), run))[0]?.state,
    'loaded',
    'the next try works',
  );
});

test('unloading takes our names off every node, and no other', onCluster, async () => {
  const lock = await pulled('unloaded');
  await loadImage(world.docker, world.cluster, wantedImage(lock), run);
  const node = world.cluster.nodes[0]?.name ?? '';
  const foreign = 'example.com/foreign:1';
  const ctr = (...argv: string[]) =>
    world.cluster.exec(node, ['ctr', '-n', 'k8s.io', 'images', ...argv], { signal: run.signal });
  await ctr('tag', `${lock.repository}:${lock.tag}`, foreign);
  // ctr copies labels with a tag; a foreign tool's name has none of ours.
  await ctr('label', foreign, 'clparity.dev/managed=');
  const before = await namesOn(world.cluster, node);
  const removed = (await unloadAll(world.cluster, run)).get(node) ?? [];
  assert.ok(imageNames(lock).every((name) => removed.includes(name)));
  const left = await namesOn(world.cluster, node);
  assert.deepEqual(
    left.filter((name) => imageNames(lock).includes(name)),
    [],
  );
  assert.ok(left.includes(foreign));
  assert.ok(left.includes(lock.configDigest), 'the name that CRI made stays with the foreign one');
  assert.ok(before.filter((name) => name.startsWith('registry.k8s.io/')).every((name) => left.includes(name)));
  assert.deepEqual((await unloadAll(world.cluster, run)).get(node), undefined);
  await ctr('rm', foreign, lock.configDigest);
});
