import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { localHost } from '../../src/host/local.ts';
import { quietRun } from '../../src/host/run.ts';
import { inspectImage } from '../../src/image/daemon-image.ts';
import { readLock, writeLock } from '../../src/image/lock.ts';
import { pullImage } from '../../src/image/pull.ts';
import { resolveImage } from '../../src/image/resolve.ts';
import { forgetImages, type ImageWorld, openImageWorld, watchedRun } from './image-world.ts';
import { pushStandInImage } from './standin-image.ts';
import { onCluster } from './test-cluster.ts';

const host = localHost();
const run = quietRun();
let world: ImageWorld;
before(async () => {
  if (!onCluster.skip) world = await openImageWorld();
});
after(() => world?.close());

const resolve = (reference: string, more: Partial<Parameters<typeof resolveImage>[1]> = {}) =>
  resolveImage(reference, { host, platform: world.platform, ...more }, run);

test('a tag is pinned to the index and to the manifest of the platform', onCluster, async () => {
  const image = await pushStandInImage(world.registry.host);
  const lock = await resolve(image.reference);
  assert.equal(lock.digest, image.digest);
  assert.equal(lock.manifestDigest, image.manifestDigest);
  assert.equal(lock.configDigest, image.configDigest);
  assert.deepEqual(lock.diffIds, image.diffIds);
  assert.equal(lock.tag, '3.0');
  const foreign = await resolve(image.reference, { platform: image.foreignPlatform });
  assert.equal(foreign.digest, image.digest);
  assert.equal(foreign.manifestDigest, image.foreignDigest);
});

test('a platform that the image lacks is named before anything is pulled', onCluster, async () => {
  const image = await pushStandInImage(world.registry.host);
  await assert.rejects(resolve(image.reference, { platform: 'linux/riscv64' }), {
    kind: 'input',
    message: /is not there for linux\/riscv64: it has linux\/\w+, linux\/\w+$/,
  });
  const single = `${image.reference.replace(/:3\.0$/, '')}@${image.foreignDigest}`;
  await assert.rejects(resolve(single), { kind: 'input', message: /is not there for/ });
});

test('a tag that moves is followed only on update', onCluster, async () => {
  const first = await pushStandInImage(world.registry.host, 'moving');
  await writeLock(world.folder, await resolve(first.reference));
  const locks = await readLock(world.folder);
  const second = await pushStandInImage(world.registry.host, 'moving', '3.0', { note: 'newer' });
  assert.notEqual(second.digest, first.digest);
  assert.equal((await resolve(first.reference, { locks })).digest, first.digest);
  const platform = first.foreignPlatform;
  assert.equal((await resolve(first.reference, { locks, platform })).digest, first.digest, 'for another platform too');
  assert.equal((await resolve(first.reference, { locks, update: true })).digest, second.digest);
  await world.registry.stop();
  assert.equal((await resolve(first.reference, { locks })).digest, first.digest, 'no registry is needed');
  await world.registry.restart();
});

test('pulled by digest, once, and named by its tag', onCluster, async () => {
  const image = await pushStandInImage(world.registry.host, 'pulled', '3.0', { note: 'pulled', filling: 3_000_000 });
  const lock = await resolve(image.reference);
  const watched = watchedRun();
  assert.equal(await pullImage(world.docker, lock, host, watched), 'pulled');
  const last = watched.progress.at(-1);
  assert.deepEqual([last?.done, last?.total], [lock.size, lock.size]);
  const inspected = await inspectImage(world.docker, image.reference);
  assert.ok(inspected?.RepoDigests.includes(`${lock.repository}@${image.digest}`));
  assert.deepEqual(inspected?.RepoTags, [image.reference]);

  // The same image under another name alone: nothing to pull, only the name to give.
  await world.docker.getImage(image.reference).tag({ repo: `${world.registry.host}/kept`, tag: 'x' });
  await world.docker.getImage(image.reference).remove();
  await world.registry.stop();
  assert.equal(await pullImage(world.docker, lock, host, run), 'present');
  assert.equal((await inspectImage(world.docker, image.reference))?.Id, lock.configDigest);
  await world.registry.restart();
});

test("the daemon's error is passed on, with the registry's name", onCluster, async () => {
  const image = await pushStandInImage(world.registry.host, 'gone', '3.0', { note: 'gone' });
  const lock = await resolve(image.reference);
  await world.registry.stop();
  await assert.rejects(pullImage(world.docker, lock, host, run), {
    kind: 'environment',
    message: /Docker can't pull .*gone@sha256:.*refused/,
  });
  await world.registry.restart();
});

test('a cancel leaves no name, and the next try works', onCluster, async () => {
  const image = await pushStandInImage(world.registry.host, 'cancelled', '3.0', {
    note: 'cancelled',
    filling: 4_000_000,
  });
  const lock = await resolve(image.reference);
  const stop = new AbortController();
  const cancelling = watchedRun(stop.signal, () => stop.abort());
  await assert.rejects(pullImage(world.docker, lock, host, cancelling), {
    kind: 'cancelled',
    message: /Docker keeps the layers that were complete/,
  });
  assert.equal(await inspectImage(world.docker, image.reference), undefined);
  assert.equal(await inspectImage(world.docker, `${lock.repository}@${lock.digest}`), undefined);
  assert.equal(await pullImage(world.docker, lock, host, run), 'pulled');
  await forgetImages(world.docker, world.registry.host);
});

test('a broken credential helper does not stand in the way of a public image', onCluster, async () => {
  const image = await pushStandInImage(world.registry.host, 'helper', '3.0', { note: 'helper' });
  const lock = await resolve(image.reference);
  const broken = { ...host, readFile: async () => '{"credsStore":"desktop.exe"}' };
  const watched = watchedRun();
  assert.equal(await pullImage(world.docker, lock, broken, watched), 'pulled');
  assert.match(watched.logged.join('\n'), /docker-credential-desktop\.exe can't be used/);
});
