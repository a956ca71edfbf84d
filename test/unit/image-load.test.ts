import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type Docker from 'dockerode';
import type { LocalCluster, NodeExecOptions } from '../../src/cluster/provider.ts';
import { quietRun } from '../../src/host/run.ts';
import { digestOf } from '../../src/image/digest.ts';
import { loadImage } from '../../src/image/load.ts';
import type { WantedImage } from '../../src/image/node-image.ts';
import { SEPARATOR, SURVEYED } from '../../src/image/node-scripts.ts';
import { textOf } from '../../src/image/stream.ts';
import { packTar } from '../../src/image/tar.ts';

const MEGABYTE = Buffer.alloc(1_000_000);
const SIZE = 200;
const wanted: WantedImage = {
  reference: 'docker.io/shop/web:dev',
  platform: 'linux/amd64',
  configDigest: digestOf('config'),
  diffIds: [digestOf('layer')],
  layerDigests: [],
  names: new Map([['docker.io/shop/web:dev', undefined]]),
  texts: new Map(),
  action: 'Build it.',
};

/** A daemon that has the image, of one layer that is larger than every buffer on the way. */
function daemon() {
  async function* layer() {
    for (let i = 0; i < SIZE; i++) yield MEGABYTE;
  }
  const inspected = { Id: wanted.configDigest, Size: SIZE * MEGABYTE.length, RootFS: { Layers: wanted.diffIds } };
  const name = `blobs/sha256/${wanted.diffIds[0]?.slice('sha256:'.length)}`;
  const saved = packTar([{ name, size: SIZE * MEGABYTE.length, content: layer() }]);
  const standIn = {
    getImage: () => ({ inspect: async () => inspected, history: async () => [{ Size: inspected.Size }] }),
    getImages: async () => saved,
  };
  return { docker: standIn as unknown as Docker, saved };
}

/** Nodes that answer every question and say that they reach this machine; `load` is what becomes of an import. */
function clusterOf(load: (node: string) => ReturnType<LocalCluster['exec']>, nodes = ['one']): LocalCluster {
  const answer = ['x86_64\noverlayfs\nyes\n', '{"images":[]}\n', '', ''].join(`${SEPARATOR}\n`);
  const standIn = {
    id: 'kind:test',
    nodes: nodes.map((name) => ({ name, role: 'worker', hostAddress: '127.0.0.1' })),
    exec: async (node: string, _argv: readonly string[], { stdin, onStdout }: NodeExecOptions) => {
      if (!(stdin instanceof Readable)) return { exitCode: 0, stdout: '', stderr: '' };
      onStdout?.(Buffer.from(`${answer}${SURVEYED}\n`));
      assert.match(await textOf(stdin), /^feeder\nclparity-import-[^\n]*\n/, 'the bytes are offered over TCP');
      return load(node);
    },
  };
  return standIn as unknown as LocalCluster;
}

test('a node that fails before it comes for the bytes ends the load, and the error is its own', async () => {
  const { docker, saved } = daemon();
  const cluster = clusterOf(async () => {
    await sleep(100);
    return { exitCode: 1, stdout: '', stderr: 'bash: connect: No route to host' };
  });
  await assert.rejects(loadImage(docker, cluster, wanted, quietRun()), {
    kind: 'environment',
    message: /Loading docker\.io\/shop\/web:dev failed: .*node one \(1\): bash: connect: No route to host/,
  });
  assert.ok(saved.destroyed, "Docker's save was ended");
});

test('a cancel while no node has come for the bytes yet is a cancel', async () => {
  const stop = new AbortController();
  const { docker, saved } = daemon();
  const cluster = clusterOf(
    async () =>
      new Promise((_, reject) => {
        stop.signal.addEventListener('abort', () => reject(stop.signal.reason as Error));
        setTimeout(() => stop.abort(), 100);
      }),
    ['one', 'two'],
  );
  await assert.rejects(loadImage(docker, cluster, wanted, quietRun(stop.signal)), {
    kind: 'cancelled',
    message: /was cancelled: nothing of it is on one, two/,
  });
  assert.ok(saved.destroyed);
});
