import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import Docker from 'dockerode';
import { findCluster, listAll, providers } from '../../src/cluster/index.ts';
import { createKindCluster } from '../../src/cluster/kind-create.ts';
import { bestNodeImage, chooseNodeImage } from '../../src/cluster/kind-image.ts';
import { ParityError } from '../../src/host/errors.ts';
import { localHost } from '../../src/host/local.ts';
import { quietRun } from '../../src/host/run.ts';
import { said, standInHost } from './stand-in-host.ts';

const none = async () => undefined;

test('where no daemon listens there are no clusters, and the way out is named', async () => {
  const all = providers(localHost(), new Docker({ socketPath: '/nonexistent/docker.sock' }));
  await assert.rejects(
    findCluster(undefined, all, quietRun()),
    (error) => error instanceof ParityError && error.kind === 'input' && /clparity create/.test(error.action ?? ''),
  );
});

test("a node image in the daemon: kind's own first, then the newest of the minor", () => {
  const tags = [
    'a/node:v1.34.2',
    'a/node:v1.34.10',
    'a/node:v1.34.10-cilium',
    'kindest/node:v1.33.1',
    'a/node:v1.35.0',
    'node:20',
    'x/nodes:v1.34.99',
  ];
  assert.equal(bestNodeImage(tags, '1.34'), 'a/node:v1.34.10-cilium');
  assert.equal(bestNodeImage([...tags, 'kindest/node:v1.34.0'], '1.34'), 'kindest/node:v1.34.0');
  assert.equal(bestNodeImage(tags, undefined), 'kindest/node:v1.33.1');
  assert.equal(bestNodeImage(tags, '1.3'), undefined);
});

/** A daemon that has `tags` and records what it is asked to load. */
function daemon(tags: readonly string[], loaded: Buffer[] = []): Docker {
  const fake = {
    listImages: async () => [{ RepoTags: tags }],
    async loadImage(archive: Readable) {
      for await (const chunk of archive) loaded.push(chunk as Buffer);
      return Readable.from(['{"stream":"Loaded image: a/node:v1.2.3\\n"}']);
    },
  };
  return fake as unknown as Docker;
}

test('without an image of the minor, the newest public one; without that, a way out', async () => {
  const patch = async (minor: string) => `${minor}.7`;
  const options = { name: 'x', minor: '1.34' };
  assert.equal(await chooseNodeImage(daemon(['a/node:v1.34.2']), options, patch, quietRun()), 'a/node:v1.34.2');
  assert.equal(await chooseNodeImage(daemon([]), options, patch, quietRun()), 'kindest/node:v1.34.7');
  assert.equal(await chooseNodeImage(daemon([]), { name: 'x' }, patch, quietRun()), undefined);
  assert.equal(
    await chooseNodeImage(daemon([]), { ...options, nodeImage: 'my/node:1' }, none, quietRun()),
    'my/node:1',
  );
  await assert.rejects(
    chooseNodeImage(daemon([]), options, none, quietRun()),
    (error) => error instanceof ParityError && error.kind === 'input' && /--node-image/.test(error.action ?? ''),
  );
});

test('what looks like the path of a node image and is not there is no reference to pull', async () => {
  const choose = (nodeImage: string) => chooseNodeImage(daemon([]), { name: 'x', nodeImage }, none, quietRun());
  for (const path of [
    '/no/node',
    './node',
    '../node',
    '~/node',
    'C:\\images\\node',
    'node.tar',
    'no/node.tar.gz',
    'n.tgz',
  ]) {
    await assert.rejects(choose(path), (error: ParityError) => {
      assert.ok(error.message.startsWith(`There is no node image ${path}: it looks like a path`), error.message);
      assert.match(error.action ?? '', /path of the archive/);
      return error.kind === 'input';
    });
  }
  for (const reference of ['kindest/node:v1.34.2', 'localhost:5000/a/node@sha256:0']) {
    assert.equal(await choose(reference), reference);
  }
});

test('an archive is loaded, whole or in parts, named by its base or its first part', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'kind-image-'));
  try {
    const content = Buffer.from('the archive '.repeat(1000));
    const packed = zstdCompressSync(content);
    const base = join(folder, 'node.tar.zst');
    await writeFile(`${base}.0`, packed.subarray(0, 20));
    await writeFile(`${base}.1`, packed.subarray(20));
    await writeFile(join(folder, 'node.tar'), content);
    for (const nodeImage of [base, `${base}.0`, join(folder, 'node.tar')]) {
      const loaded: Buffer[] = [];
      assert.equal(
        await chooseNodeImage(daemon([], loaded), { name: 'x', nodeImage }, none, quietRun()),
        'a/node:v1.2.3',
      );
      assert.ok(Buffer.concat(loaded).equals(content), nodeImage);
    }
    await writeFile(join(folder, 'bad.tar.zst'), 'not zstd');
    await assert.rejects(
      chooseNodeImage(daemon([]), { name: 'x', nodeImage: join(folder, 'bad.tar.zst') }, none, quietRun()),
    );
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("a desktop's own Kubernetes is named, never taken unasked, and refused where no Docker shows its containers", async () => {
  const kubeconfig =
    'contexts: [{name: docker-desktop, context: {cluster: c}}, {name: colima-x, context: {cluster: c}}]';
  const host = standInHost({
    env: { KUBECONFIG: '/k' },
    files: { '/k': kubeconfig },
    exec: () => said(''),
  });
  const all = providers(host, undefined);
  const found = await listAll(all, quietRun());
  assert.deepEqual(
    found.map(({ id }) => id),
    ['desktop:docker-desktop', 'desktop:colima-x'],
  );
  await assert.rejects(findCluster(undefined, all, quietRun()), /has to be said/);
  const [first] = found;
  const provider = all.find(({ name }) => name === 'desktop');
  assert.ok(first && provider);
  await assert.rejects(
    provider.vouch(first, quietRun()),
    (error) =>
      error instanceof ParityError &&
      error.kind === 'refused' &&
      /Docker Desktop's own Kubernetes .*no Docker here/.test(error.message) &&
      /remote:docker-desktop/.test(error.action ?? ''),
  );
});

test('what kind says of its failure is told once: by the error, and by the log where that has no room for it', async () => {
  const docker = {
    listContainers: async () => [],
    listImages: async () => [],
    version: async () => ({}),
  } as unknown as Docker;
  const create = async (output: readonly string[]) => {
    const host = standInHost({
      exec(argv, { onLine }) {
        if (argv[1] === 'delete') return said('');
        for (const line of output) onLine?.(line);
        return said('', 1, `${output.join('\n')}\n`);
      },
    });
    const logged: string[] = [];
    const run = quietRun(undefined, (_level, text) => logged.push(text));
    const failure = createKindCluster(host, docker, { name: 'x' }, none, run);
    const error: ParityError = await failure.then(
      () => assert.fail('it was made'),
      (thrown) => thrown,
    );
    return { logged, message: error.message };
  };
  const start = ['Creating cluster "x" ...', ' ✗ Preparing nodes'];
  const trace = Array.from({ length: 8 }, (_, i) => `trace ${i}`);
  const [short, long, silent] = await Promise.all([
    create([...start, 'ERROR: failed to create cluster: no space', 'Command Output: full']),
    create([...start, 'ERROR: failed to create cluster: init', ...trace]),
    create(start),
  ]);
  assert.deepEqual(short.logged, start);
  assert.equal(
    short.message,
    "kind can't make the cluster x: failed to create cluster: no space\nCommand Output: full; the half-made cluster was deleted",
  );
  assert.deepEqual(long.logged, [...start, ...trace.slice(0, 4)]);
  assert.match(long.message, /: init\ntrace 4\ntrace 5\ntrace 6\ntrace 7; the/);
  assert.deepEqual(silent.logged, start);
  assert.match(silent.message, /it ended with exit code 1; the/);
});
