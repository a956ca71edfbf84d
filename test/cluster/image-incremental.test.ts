import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type Docker from 'dockerode';
import type { LocalCluster } from '../../src/cluster/provider.ts';
import { localHost } from '../../src/host/local.ts';
import { quietRun } from '../../src/host/run.ts';
import { loadImage } from '../../src/image/load.ts';
import { imageNames, nodeImage, wantedImage } from '../../src/image/node-image.ts';
import { openNodeStore } from '../../src/image/node-store.ts';
import { ownImage } from '../../src/image/own-image.ts';
import { pullImage } from '../../src/image/pull.ts';
import { resolveImage } from '../../src/image/resolve.ts';
import { must } from '../bench/bench-images.ts';
import { startContainerdStore } from './containerd-store.ts';
import { debianProgram } from './debian.ts';
import type { DockerDaemon } from './docker-daemon.ts';
import {
  type ImageWorld,
  namesOn,
  openImageWorld,
  TIDY_UP,
  tidyUpAndRestart,
  unloadAll,
  watchedRun,
} from './image-world.ts';
import { type OldNode, startOldNode } from './old-node.ts';
import { pushStandInImage } from './standin-image.ts';
import { kubectl, makeNamespace, onCluster } from './test-cluster.ts';

const run = quietRun();
const NAMESPACE = 'clparity-incremental';
const DEFAULT_SOCKET = '/var/run/docker.sock';
let world: ImageWorld;
let store: DockerDaemon;

before(async () => {
  if (onCluster.skip) return;
  world = await openImageWorld();
  store = await startContainerdStore();
  await makeNamespace(world.cluster, NAMESPACE);
});
after(async () => {
  if (!world) return;
  await kubectl(world.cluster, ['delete', 'namespace', NAMESPACE, '--wait=false']);
  await unloadAll(world.cluster, run);
  await store.close();
  await world.close();
});

/** An image as a developer builds it: 12 MB (or so many bytes) that stay, under a top of 1 MB that differs each time. */
async function builder(socket: string, tag: string, filling = 12_000_000): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(world.folder, 'build-'));
  await mkdir(join(folder, 'bin'));
  await writeFile(join(folder, 'filling'), randomBytes(filling));
  const busybox = await debianProgram('busybox-static', 'bin/busybox');
  await must(['cp', busybox, join(folder, 'bin', 'sleep')]);
  const lines = ['FROM scratch', 'COPY bin /bin', 'COPY filling /filling', 'COPY top /top'];
  await writeFile(join(folder, 'Dockerfile'), [...lines, 'CMD ["/bin/sleep","1000000"]'].join('\n'));
  return async () => {
    await writeFile(join(folder, 'top'), randomBytes(1_000_000));
    await must(['docker', '-H', `unix://${socket}`, 'build', '-q', '-t', tag, folder]);
  };
}

/** Loads what Docker has under a tag; returns how many bytes went out and which nodes took them. */
async function load(docker: Docker, tag: string, cluster: LocalCluster = world.cluster) {
  const watched = watchedRun();
  const wanted = await ownImage(docker, tag, run.signal);
  assert.ok(wanted);
  const nodes = await loadImage(docker, cluster, wanted, watched);
  assert.equal(nodes.length, cluster.nodes.length);
  assert.doesNotMatch(watched.logged.join(), /saves the whole image/);
  const bytes = Math.max(0, ...watched.progress.map(({ done }) => done ?? 0));
  return { bytes, loaded: nodes.filter(({ state }) => state === 'loaded').map(({ node }) => node) };
}

/** Starts a pod on every node that may not pull, and waits until all run. */
async function assertRuns(image: string, group: string): Promise<void> {
  const items = world.cluster.nodes.map(({ name: nodeName }, i) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `${group}-${i}`, namespace: NAMESPACE, labels: { group } },
    spec: {
      nodeName,
      terminationGracePeriodSeconds: 0,
      containers: [{ name: 'main', image, imagePullPolicy: 'Never' }],
    },
  }));
  await kubectl(world.cluster, ['create', '-f', '-'], { apiVersion: 'v1', kind: 'List', items });
  const waiting = ['wait', 'pod', '-l', `group=${group}`, '--for=condition=Ready', '--timeout=60s'];
  await kubectl(world.cluster, ['-n', NAMESPACE, ...waiting]);
}

for (const backend of ['overlay2', 'containerd'] as const) {
  test(`only what changed of an own build leaves a ${backend} daemon`, onCluster, async () => {
    const [docker, socket] = backend === 'overlay2' ? [world.docker, DEFAULT_SOCKET] : [store.docker, store.socket];
    const tag = `clparity-own/${backend}:dev`;
    // More than is held in memory: it goes through this process as it comes.
    const build = await builder(socket, tag, backend === 'containerd' ? 40_000_000 : undefined);
    try {
      await build();
      const first = await load(docker, tag);
      assert.equal(first.loaded.length, world.cluster.nodes.length);
      assert.ok(first.bytes > 12_000_000, `${first.bytes}`);
      assert.deepEqual(await load(docker, tag), { bytes: 0, loaded: [] });
      await assertRuns(`docker.io/${tag}`, `${backend}-first`);

      for (const round of ['second', 'third']) {
        await build();
        const changed = await load(docker, tag);
        assert.equal(changed.loaded.length, world.cluster.nodes.length);
        assert.ok(changed.bytes > 1_000_000 && changed.bytes < 1_500_000, `${round}: ${changed.bytes}`);
        // The name that moved is still ours to take away.
        for (const { name } of world.cluster.nodes) {
          assert.ok((await openNodeStore(world.cluster, name).names(run.signal, 'owned')).has(`docker.io/${tag}`));
        }
      }
      await assertRuns(`docker.io/${tag}`, `${backend}-changed`);

      // One node loses all of it: it alone gets all of it, once more.
      const lost = world.cluster.nodes.at(-1)?.name ?? '';
      await kubectl(world.cluster, ['-n', NAMESPACE, 'delete', 'pod', '--all', '--wait']);
      // Containers that have ended keep their layers until kubelet takes them away.
      const script = `while ctr -n k8s.io containers ls | grep -q ${tag}; do sleep 1; done
        ctr -n k8s.io images rm docker.io/${tag}; crictl rmi --prune
        ${TIDY_UP}`;
      await world.cluster.exec(lost, ['bash', '-c', script], { signal: run.signal });
      const again = await load(docker, tag);
      assert.deepEqual(again.loaded, [lost]);
      assert.ok(again.bytes > 12_000_000, `${again.bytes}`);
    } finally {
      await docker.getImage(tag).remove({ force: true });
    }
  });
}

test(
  "production's digest survives a daemon that keeps images in containerd, with one platform of two",
  onCluster,
  async () => {
    const image = await pushStandInImage(world.registry.host, 'incremental/pinned', '3.0', {
      note: 'containerd store',
    });
    const lock = await resolveImage(image.reference, { host: localHost(), platform: world.platform }, run);
    await pullImage(store.docker, lock, localHost(), run);
    await loadImage(store.docker, world.cluster, wantedImage(lock), run);
    await world.registry.stop();
    await tidyUpAndRestart(world.cluster);
    await assertRuns(`${lock.repository}@${lock.digest}`, 'pinned');
    await world.registry.restart();
  },
);

test('layers that a node tidies up right after it was asked are sent again', onCluster, async () => {
  const tag = 'clparity-own/gone:dev';
  const [first] = world.cluster.nodes;
  assert.ok(first);
  await (await builder(DEFAULT_SOCKET, tag))();
  await load(world.docker, tag, { ...world.cluster, nodes: [first] });
  // What it says of itself now, but for the name, is what it says first once the image is gone.
  let stale: string | undefined;
  const late: LocalCluster = {
    ...world.cluster,
    nodes: [first],
    exec(node, argv, options) {
      const { onStdout } = options;
      if (!onStdout || stale === undefined) return world.cluster.exec(node, argv, options);
      onStdout(Buffer.from(stale));
      stale = undefined;
      // Its own answer comes after that one, and isn't heard.
      return world.cluster.exec(node, argv, { ...options, onStdout: () => {} });
    },
  };
  const wanted = await ownImage(world.docker, tag, run.signal);
  assert.ok(wanted);
  const recording: LocalCluster = {
    ...late,
    async exec(node, argv, options) {
      const result = await world.cluster.exec(node, argv, options);
      stale = result.stdout.split('=====\n').with(2, '').join('=====\n');
      return result;
    },
  };
  await loadImage(world.docker, recording, wanted, run);
  assert.match(stale ?? '', /===== surveyed\n$/);
  const script = `ctr -n k8s.io images rm --sync docker.io/${tag}; crictl rmi --prune
    ${TIDY_UP}`;
  await world.cluster.exec(first.name, ['bash', '-c', script], { signal: run.signal });
  const watched = watchedRun();
  const [loaded] = await loadImage(world.docker, late, wanted, watched);
  assert.equal(loaded?.state, 'loaded');
  assert.match(watched.logged.join(), /once more/);
  await world.docker.getImage(tag).remove({ force: true });
});

test('a full disk on a node is named, leaves nothing, and the next try works', onCluster, async () => {
  const tag = 'clparity-own/full:dev';
  const node = world.cluster.nodes.at(-1)?.name ?? '';
  const shell = async (text: string) => {
    const { exitCode, stderr } = await world.cluster.exec(node, ['bash', '-c', text], { signal: run.signal });
    assert.equal(exitCode, 0, stderr);
  };
  await (await builder(DEFAULT_SOCKET, tag))();
  const content = '/var/lib/containerd/io.containerd.content.v1.content';
  await shell(`mount -t tmpfs -o size=4m tmpfs ${content} && mkdir -p ${content}/ingest ${content}/blobs/sha256`);
  try {
    await assert.rejects(load(world.docker, tag), {
      kind: 'environment',
      message: new RegExp(`${tag} failed: .*node ${node}.*no space left on device`),
      action: new RegExp(`Make room on node ${node}`),
    });
  } finally {
    await shell(`umount ${content}`);
  }
  for (const { name } of world.cluster.nodes) {
    const left = (await namesOn(world.cluster, name)).filter((one) => one.includes(tag) || one.includes('staging'));
    assert.deepEqual(left, [], name);
  }
  assert.equal((await load(world.docker, tag)).loaded.length, world.cluster.nodes.length);
  await world.docker.getImage(tag).remove({ force: true });
});

test("a node's containerd that dies in the middle is named, and the next try works", onCluster, async () => {
  const tag = 'clparity-own/dies:dev';
  const node = world.cluster.nodes.at(-1)?.name ?? '';
  await (await builder(DEFAULT_SOCKET, tag))();
  // From inside the node, once containerd takes content in; until then nothing more comes from here. A containerd that
  // dies sooner or later than that is none that dies in the middle.
  const ingest = '/var/lib/containerd/io.containerd.content.v1.content/ingest';
  // What goes away there is of the test before.
  const kill = `old=$(ls -A ${ingest}); until ls -A ${ingest} | grep -qvxF -e "$old"; do sleep 0.01; done
    pkill -KILL -x containerd`;
  await must(['docker', 'exec', '-d', node, 'timeout', '120', 'bash', '-c', kill]);
  let held = false;
  const watched = watchedRun(undefined, ({ done }) => {
    if (held || (done ?? 0) < 1_000_000) return;
    held = true;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 4000);
  });
  const wanted = await ownImage(world.docker, tag, run.signal);
  assert.ok(wanted);
  await assert.rejects(loadImage(world.docker, world.cluster, wanted, watched), {
    kind: 'environment',
    message: new RegExp(`Loading docker.io/${tag} failed: .*${node}`),
  });
  const up = 'until crictl images >/dev/null 2>&1; do sleep 1; done';
  await world.cluster.exec(node, ['timeout', '60', 'bash', '-c', up], { signal: run.signal });
  assert.equal((await load(world.docker, tag)).loaded.includes(node), true);
  await world.docker.getImage(tag).remove({ force: true });
});

for (const suite of ['bookworm', 'trixie']) {
  test(`a node with the containerd of Debian ${suite}`, onCluster, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'clparity-crictl-'));
    const [node] = world.cluster.nodes;
    const { stdout } = await world.cluster.exec(node?.name ?? '', ['which', 'crictl'], { signal: run.signal });
    await must(['docker', 'cp', '-L', `${node?.name}:${stdout.trim()}`, join(folder, 'crictl')]);
    let old: OldNode | undefined;
    try {
      old = await startOldNode(suite, join(folder, 'crictl'));
      t.diagnostic(old.version);
      const image = await pushStandInImage(world.registry.host, `incremental/${suite}`, '3.0', { note: suite });
      const lock = await resolveImage(image.reference, { host: localHost(), platform: world.platform }, run);
      await pullImage(world.docker, lock, localHost(), run);
      const [loaded] = await loadImage(world.docker, old.cluster, wantedImage(lock), run);
      assert.deepEqual(loaded?.names, imageNames(lock));
      assert.ok(await nodeImage(old.cluster, 'old', lock, run.signal));
      const tag = `clparity-own/${suite}:dev`;
      const build = await builder(DEFAULT_SOCKET, tag);
      await build();
      assert.ok((await load(world.docker, tag, old.cluster)).bytes > 12_000_000);
      await build();
      assert.ok((await load(world.docker, tag, old.cluster)).bytes < 1_500_000);
      await world.docker.getImage(tag).remove({ force: true });
    } finally {
      await old?.close();
      await rm(folder, { recursive: true, force: true });
    }
  });
}
