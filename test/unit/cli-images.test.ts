import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { localHost } from '../../src/host/local.ts';
import { quietRun } from '../../src/host/run.ts';
import type { ImageLock } from '../../src/image/model.ts';
import { resolveImage } from '../../src/image/resolve.ts';
import { type ImageServer, layoutIn, putImage, serveImages } from './image-server.ts';
import { clparityIn } from './in-process.ts';

/** The verbs that only read images, on a machine without a Docker daemon. */

let folder = '';
let server: ImageServer;
let lock: ImageLock;
const { DOCKER_HOST } = process.env;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'clparity-images-'));
  process.env.DOCKER_HOST = `unix://${folder}/nobody.sock`;
  server = await serveImages();
  await putImage(server, '3.0', [{ 'etc/os-release': 'VERSION_ID="3.0"\nPRETTY_NAME="Azure Linux 3.0"\n' }]);
  const platform = `linux/${process.arch === 'x64' ? 'amd64' : process.arch}`;
  lock = await resolveImage(`${server.host}/base/core:3.0`, { host: localHost({}), platform }, quietRun());
  const namespace = 'apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n';
  await writeFile(join(folder, 'target.yaml'), namespace);
  const froms = [lock.reference, `${lock.repository}@${lock.digest}`, `${lock.repository}:2.0`];
  await writeFile(join(folder, 'Dockerfile'), froms.map((name) => `FROM ${name}\n`).join(''));
});
after(async () => {
  if (DOCKER_HOST === undefined) delete process.env.DOCKER_HOST;
  else process.env.DOCKER_HOST = DOCKER_HOST;
  server.close();
  await rm(folder, { recursive: true, force: true });
});

test('image needs no daemon: the registry has the files, and the platform is said', async () => {
  const { code, stdout, stderr } = await clparityIn(folder, 'image', lock.reference);
  assert.equal(code, 0, stderr);
  const facts = JSON.parse(stdout) as { digest: string; os: { value: { version: string } } };
  assert.deepEqual([facts.digest, facts.os.value.version], [lock.digest, '3.0']);
  assert.match(stderr, /Images are looked up for linux\/\w+, this machine's: The Docker daemon does not answer/);
});

test('none is no image, by whichever way it is named', async () => {
  for (const args of [
    ['image', 'none'],
    ['image', '--image', 'none'],
    ['pull', 'none', '--yes'],
  ]) {
    const { code, stderr } = await clparityIn(folder, ...args);
    assert.deepEqual([code, /"none" stands for no image/.test(stderr)], [2, true], stderr);
  }
});

test('images: a registry that does not answer is a gap in the list, and the exit code says so', async () => {
  const pod = (name: string, image: string) => `---
apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: shop}
spec: {containers: [{name: c, image: '${image}'}]}
`;
  const images = (target: string) => clparityIn(folder, 'images', '--snapshot', target, '--image', lock.reference);
  await writeFile(join(folder, 'answered.yaml'), pod('a', lock.reference) + pod('b', `${lock.repository}:none`));
  const answered = await images('answered.yaml');
  assert.equal(answered.code, 0, 'a registry that has no such image has answered');
  assert.equal((JSON.parse(answered.stdout) as { gaps: unknown[] }).gaps.length, 1);
  await writeFile(join(folder, 'silent.yaml'), pod('a', lock.reference) + pod('b', 'localhost:1/a/b:1'));
  const { code, stdout, stderr } = await images('silent.yaml');
  assert.equal(code, 3, stderr);
  const { gaps } = JSON.parse(stdout) as { gaps: { reference: string; reason: string; unanswered?: boolean }[] };
  assert.deepEqual(
    gaps.map(({ reference, unanswered }) => [reference, unanswered]),
    [['localhost:1/a/b:1', true]],
  );
  assert.match(gaps[0]?.reason ?? '', /Can't reach the registry localhost:1/);
  assert.match(stderr, /error: 1 image could not be looked up; the list says why: localhost:1\/a\/b:1\n/);
});

test('images: an archive tells what its own reference is, where no registry and no daemon answers', async () => {
  const archive = await layoutIn(folder, server, lock);
  server.close();
  const from = ['--image', lock.reference, '--archive', archive];
  const { code, stdout, stderr } = await clparityIn(folder, 'images', '--snapshot', 'target.yaml', ...from);
  assert.equal(code, 0, stderr);
  const { base, dockerfiles } = JSON.parse(stdout) as {
    base: { digest: string };
    dockerfiles: { line: number; state: string }[];
  };
  assert.equal(base.digest, lock.digest);
  assert.deepEqual(
    dockerfiles.map(({ line, state }) => [line, state]),
    [
      [1, 'same'],
      [2, 'same'],
      [3, 'unknown'],
    ],
  );
});
