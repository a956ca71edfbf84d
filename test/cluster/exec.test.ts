import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { before, test } from 'node:test';
import type Docker from 'dockerode';
import { localHost } from '../../src/host/local.ts';
import { connectDocker, execInContainer, pingDocker } from '../../src/image/docker.ts';
import { onCluster, openTestCluster } from './test-cluster.ts';

const never = new AbortController().signal;
let docker: Docker;
let node = '';
before(async () => {
  if (onCluster.skip) return;
  docker = await connectDocker(localHost(), never);
  node = (await openTestCluster()).nodes[0]?.name ?? '';
});

const sh = (script: string, stdin?: Readable | string, signal = never) =>
  execInContainer(docker, node, ['sh', '-c', script], { signal, ...(stdin === undefined ? {} : { stdin }) });

function* blocks(count: number): Generator<Buffer> {
  for (let i = 0; i < count; i++) yield Buffer.alloc(65536, i);
}

test('both outputs and the exit code come back', onCluster, async () => {
  assert.deepEqual(await sh('echo out; echo err >&2; exit 3'), { exitCode: 3, stdout: 'out\n', stderr: 'err\n' });
});

test('32 MB of input arrive whole, and the program sees their end', onCluster, async () => {
  const hash = createHash('sha256');
  for (const block of blocks(512)) hash.update(block);
  assert.equal((await sh('sha256sum', Readable.from(blocks(512)))).stdout, `${hash.digest('hex')}  -\n`);
  assert.equal((await sh('cat', 'text')).stdout, 'text');
});

test('a program that ends before its input does still tells why, and the input is let go', onCluster, async () => {
  const endless = Readable.from(
    (function* () {
      for (;;) yield* blocks(16);
    })(),
  );
  assert.deepEqual(await sh('echo enough >&2; exit 7', endless), { exitCode: 7, stdout: '', stderr: 'enough\n' });
  assert.ok(endless.destroyed);
});

test('a program that ends while its input stalls does not hang', onCluster, async () => {
  const stalled = new Readable({ read() {} });
  assert.equal((await sh('exit 4', stalled)).exitCode, 4);
  assert.ok(stalled.destroyed);
});

test('input that fails fails the call', onCluster, async () => {
  const failing = Readable.from(
    (function* () {
      yield* blocks(1);
      throw new Error('the source broke');
    })(),
  );
  await assert.rejects(sh('cat >/dev/null', failing), { kind: 'environment', message: /the source broke/ });
});

test('a cancel is a cancel, before and while it runs', onCluster, async () => {
  await assert.rejects(sh('true', undefined, AbortSignal.abort()), { name: 'AbortError' });
  const stop = new AbortController();
  const reading = new Readable({
    read() {
      stop.abort();
    },
  });
  await assert.rejects(sh('cat', reading, stop.signal), { name: 'AbortError' });
});

test('a container that is not there is named', onCluster, async () => {
  await assert.rejects(execInContainer(docker, 'no-such-container', ['true'], { signal: never }), {
    kind: 'environment',
    message: /Can't run true in the container no-such-container: .*No such container/,
  });
});

test('the daemon that DOCKER_HOST names is the one that is asked', onCluster, async () => {
  assert.match((await pingDocker(docker, never)).platform, /^linux\/\w+$/);
  for (const address of ['unix:///nowhere/docker.sock', 'tcp://127.0.0.1:9', '127.0.0.1:9']) {
    const absent = await connectDocker(localHost({ ...process.env, DOCKER_HOST: address }), never);
    await assert.rejects(pingDocker(absent, never), { kind: 'environment', message: /does not answer/ });
  }
  await assert.rejects(connectDocker(localHost({ DOCKER_HOST: 'ftp://x' }), never), { kind: 'input' });
});
