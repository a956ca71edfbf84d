import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LocalCluster } from '../../src/cluster/provider.ts';
import { quietRun } from '../../src/host/run.ts';
import { digestOf } from '../../src/image/digest.ts';
import { EVERYTHING, OWNED, SEPARATOR } from '../../src/image/node-scripts.ts';
import { planUnload, unloadImages } from '../../src/image/unload.ts';

const [BASE, WEB, THEIRS] = ['base', 'web', 'theirs'].map(digestOf) as [string, string, string];
const NAMES: Readonly<Record<string, string>> = {
  'example.com/base:1': BASE,
  [`example.com/base@${BASE}`]: BASE,
  'docker.io/shop/web:dev': WEB,
  [digestOf('web config')]: WEB,
  'docker.io/other/one:1': THEIRS,
};
const KUBELET = {
  images: [
    { id: digestOf('base config'), repoTags: ['example.com/base:1'], repoDigests: [`example.com/base@${BASE}`] },
    { id: digestOf('web config'), repoTags: ['docker.io/shop/web:dev'] },
  ],
};

/**
 * Nodes with the same images, by what runs there: `namespace/pod` by the ID of the image, in brackets where the pod is gone
 * and its container not yet cleaned up. A string is why it won't tell.
 */
function clusterOf(nodes: Readonly<Record<string, Readonly<Record<string, string>> | string>>) {
  const removed: Record<string, string[]> = {};
  const listing = (names: readonly string[]) =>
    ['REF TYPE DIGEST', ...names.map((name) => `${name} type ${NAMES[name]} 1 MiB linux/amd64 -`)].join('\n');
  const cluster = {
    id: 'kind:test',
    nodes: Object.keys(nodes).map((name) => ({ name, role: 'worker' })),
    exec: async (node: string, argv: readonly string[]) => {
      const pods = nodes[node];
      if (typeof pods === 'string') return { exitCode: 1, stdout: '', stderr: pods };
      if (argv.includes('rm')) {
        removed[node] = argv.slice(argv.indexOf('rm') + 1);
        return { exitCode: 0, stdout: '', stderr: '' };
      }
      assert.ok(argv[2]?.endsWith(EVERYTHING), 'asked once');
      const containers = Object.entries(pods ?? {}).map(([imageRef, pod]) => {
        const [namespace, name] = pod.split('/');
        const labels = { 'io.kubernetes.pod.namespace': namespace, 'io.kubernetes.pod.name': name };
        return { imageRef, podSandboxId: `sandbox of ${pod}`, labels };
      });
      const running = containers.map(({ podSandboxId }) => podSandboxId).filter((id) => !id.endsWith(']'));
      const ours = Object.keys(NAMES).filter((name) => /base|web:/.test(name));
      const parts = [listing(ours), listing(Object.keys(NAMES)), JSON.stringify({ containers })];
      const stdout = [...parts, running.join('\n'), JSON.stringify(KUBELET)].join(`\n${SEPARATOR}\n`);
      return { exitCode: 0, stdout, stderr: '' };
    },
  };
  return { cluster: cluster as unknown as LocalCluster, removed };
}

test('what is to go is listed by the names that people know, and goes with all names of ours', async () => {
  const { cluster, removed } = clusterOf({ a: {}, b: {} });
  const { images, stays } = await planUnload(cluster, quietRun().signal);
  const action = 'remove';
  assert.deepEqual(images, [
    { action, reference: 'example.com/base:1', digest: BASE, nodes: ['a', 'b'] },
    { action, reference: 'docker.io/shop/web:dev', digest: WEB, nodes: ['a', 'b'] },
  ]);
  assert.deepEqual([stays, removed], [[], {}], 'nothing is written before it was agreed to');
  await unloadImages(cluster, quietRun(), images.slice(0, 1));
  const base = ['example.com/base:1', `example.com/base@${BASE}`];
  assert.deepEqual(removed, { a: base, b: base }, 'only what was agreed to');
  await unloadImages(cluster, quietRun(), images);
  assert.deepEqual(removed.a, [...base, 'docker.io/shop/web:dev', digestOf('web config')], "and CRI's second name");
});

test('an image that a container uses stays, on that node', async () => {
  const uses = [digestOf('web config'), 'docker.io/shop/web:dev'];
  for (const use of uses) {
    const { cluster, removed } = clusterOf({ a: { [use]: 'team/web-0', [digestOf('else')]: 'team/other' }, b: {} });
    const { images, stays } = await planUnload(cluster, quietRun().signal);
    assert.deepEqual(stays, ['image docker.io/shop/web:dev stays on node a: in use by team/web-0']);
    assert.deepEqual(
      images.map(({ reference, nodes }) => [reference, nodes]),
      [
        ['example.com/base:1', ['a', 'b']],
        ['docker.io/shop/web:dev', ['b']],
      ],
    );
    // It has come to use it since the plan was made.
    await unloadImages(
      cluster,
      quietRun(),
      images.map((image) => ({ ...image, nodes: ['a', 'b'] })),
    );
    assert.ok(!removed.a?.includes('docker.io/shop/web:dev') && removed.b?.includes('docker.io/shop/web:dev'));
  }
});

test('what is left of a pod that is gone keeps no image: kubelet tidies up once a minute', async () => {
  const { cluster } = clusterOf({ a: { [digestOf('web config')]: '[team/web-0]' } });
  const { images, stays } = await planUnload(cluster, quietRun().signal);
  assert.deepEqual([images.length, stays], [2, []]);
});

test('a node that does not answer keeps its images, and the others are still listed', async () => {
  const { cluster } = clusterOf({ a: 'containerd is down', b: {} });
  const { images, stays } = await planUnload(cluster, quietRun().signal);
  assert.match(stays.join(), /loaded into node a stay: .*containerd is down/);
  assert.ok(images.length === 2 && images.every(({ nodes }) => nodes.join() === 'b'));
  assert.match(EVERYTHING, new RegExp(OWNED.split('=')[0] ?? ''));
});
