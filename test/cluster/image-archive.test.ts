import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFile, mkdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { localHost } from '../../src/host/local.ts';
import { quietRun } from '../../src/host/run.ts';
import { loadArchive } from '../../src/image/archive.ts';
import { inspectImage } from '../../src/image/daemon-image.ts';
import { loadImage } from '../../src/image/load.ts';
import type { ImageLock } from '../../src/image/model.ts';
import { wantedImage } from '../../src/image/node-image.ts';
import { pullImage } from '../../src/image/pull.ts';
import { resolveImage } from '../../src/image/resolve.ts';
import { packTar, tarFile } from '../../src/image/tar.ts';
import { forgetImages, type ImageWorld, openImageWorld, unloadAll, watchedRun } from './image-world.ts';
import { pushStandInImage } from './standin-image.ts';
import { onCluster } from './test-cluster.ts';

const sh = promisify(execFile);
const run = quietRun();
let world: ImageWorld;
let lock: ImageLock;
let layout = '';

before(async () => {
  if (onCluster.skip) return;
  world = await openImageWorld();
  const image = await pushStandInImage(world.registry.host, 'archived', '3.0', { note: 'archived' });
  lock = await resolveImage(image.reference, { host: localHost(), platform: world.platform }, run);
  layout = await makeLayout(join(world.folder, 'layout'));
});
after(async () => {
  if (!world) return;
  await unloadAll(world.cluster, run);
  await world.close();
});

/** The image as tools such as skopeo lay it down: the index whole, this platform's blobs only. */
async function makeLayout(folder: string): Promise<string> {
  const blobs = join(folder, 'blobs', 'sha256');
  await mkdir(blobs, { recursive: true });
  const store = async (digest: string, kind: 'manifests' | 'blobs') => {
    const url = `http://${lock.repository.replace('/', '/v2/')}/${kind}/${digest}`;
    const response = await fetch(url, { headers: { accept: '*/*, application/vnd.oci.image.index.v1+json' } });
    await writeFile(join(blobs, digest.slice(7)), Buffer.from(await response.arrayBuffer()));
  };
  await writeFile(join(blobs, lock.digest.slice(7)), lock.index ?? '');
  await writeFile(join(blobs, lock.manifestDigest.slice(7)), lock.manifest);
  const { config, layers } = JSON.parse(lock.manifest) as { config: { digest: string }; layers: { digest: string }[] };
  for (const { digest } of [config, ...layers]) await store(digest, 'blobs');
  await writeFile(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  const mediaType = 'application/vnd.oci.image.index.v1+json';
  const annotations = { 'org.opencontainers.image.ref.name': '3.0' };
  const manifests = [{ mediaType, digest: lock.digest, size: lock.index?.length, annotations }];
  await writeFile(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
  return folder;
}

const load = (path: string, reference: string | undefined = lock.reference) =>
  loadArchive(world.docker, { path, platform: world.platform, ...(reference ? { reference } : {}) }, run);

const facts = ({ resolvedAt: _, ...rest }: ImageLock) => rest;

test('an OCI layout, as a folder or a tar, keeps the registry digests, up to the nodes', onCluster, async () => {
  const tar = join(world.folder, 'layout.tar');
  await sh('tar', ['-cf', tar, '-C', layout, '.']);
  await sh('gzip', ['-k', tar]);
  for (const path of [layout, tar, `${tar}.gz`]) {
    await forgetImages(world.docker, world.registry.host);
    assert.deepEqual(facts(await load(path)), { ...facts(lock), origin: 'archive' }, path);
    assert.equal((await inspectImage(world.docker, lock.reference))?.Id, lock.configDigest);
  }
  const [loaded] = await loadImage(world.docker, world.cluster, wantedImage(lock), run);
  assert.ok(loaded?.names.includes(`${lock.repository}@${lock.digest}`));
});

test('what docker save wrote is taken, and its digest is said to be none of the registry', onCluster, async () => {
  await forgetImages(world.docker, world.registry.host);
  await pullImage(world.docker, lock, localHost(), run);
  const path = join(world.folder, 'saved.tar');
  await sh('docker', ['save', '-o', path, lock.reference]);
  await forgetImages(world.docker, world.registry.host);
  const watched = watchedRun();
  const taken = await loadArchive(world.docker, { path, platform: world.platform }, watched);
  assert.equal(taken.reference, lock.reference);
  assert.equal(taken.synthetic, true);
  assert.notEqual(taken.digest, lock.digest);
  assert.equal(taken.configDigest, lock.configDigest);
  assert.match(watched.logged.join('\n'), /keeps no registry digest/);
  const [loaded] = await loadImage(world.docker, world.cluster, wantedImage(taken), run);
  assert.ok(loaded?.names.includes(lock.reference));
  // docker save before version 25 wrote no index: the same without it.
  const old = join(world.folder, 'old');
  await mkdir(old);
  await sh('tar', ['-xf', path, '-C', old]);
  await sh('tar', ['-cf', `${old}.tar`, '-C', old, 'manifest.json', 'blobs']);
  await forgetImages(world.docker, world.registry.host);
  const oldTaken = await load(`${old}.tar`);
  assert.deepEqual([oldTaken.configDigest, oldTaken.synthetic], [lock.configDigest, true]);
});

/** A copy of the layout, spoilt. */
async function spoilt(name: string, spoil: (folder: string) => Promise<unknown>): Promise<string> {
  const folder = await makeLayout(join(world.folder, name));
  await spoil(folder);
  return folder;
}

test('damaged archives are refused before Docker gets a byte', onCluster, async () => {
  await forgetImages(world.docker, world.registry.host);
  const blob = (folder: string, digest: string) => join(folder, 'blobs', 'sha256', digest.slice(7));
  const { layers } = JSON.parse(lock.manifest) as { layers: { digest: string }[] };
  const layer = layers[0]?.digest ?? '';
  const tar = join(world.folder, 'whole.tar');
  await sh('tar', ['-cf', tar, '-C', layout, '.']);
  const cut = join(world.folder, 'cut.tar');
  await copyFile(tar, cut);
  await truncate(cut, 300_000);
  await sh('gzip', ['-k', tar]);
  const cutGzip = join(world.folder, 'cut.tar.gz');
  await writeFile(cutGzip, (await readFile(`${tar}.gz`)).subarray(0, 300_000));
  const noise = join(world.folder, 'noise');
  await writeFile(noise, Buffer.alloc(4096, 'noise'));
  const evil = join(world.folder, 'evil.tar');
  await writeFile(evil, packTar([tarFile('blobs/../../../etc/cron.d/x', 'x')]));

  const cases: readonly [path: string, why: RegExp][] = [
    [cut, /not a whole tar archive/],
    [cutGzip, /not a whole tar archive/],
    [noise, /not a whole tar archive|neither index\.json nor manifest\.json/],
    [evil, /reaches outside itself/],
    [join(world.folder, 'absent'), /no archive/],
    [await spoilt('bad-layer', (f) => writeFile(blob(f, layer), 'x')), /damaged: blobs\/sha256\//],
    [await spoilt('no-layer', (f) => rm(blob(f, layer))), new RegExp(`lacks the blob ${layer}`)],
    [await spoilt('no-config', (f) => rm(blob(f, lock.configDigest))), /lacks the blob/],
    [await spoilt('no-manifest', (f) => rm(blob(f, lock.manifestDigest))), /lacks the blob/],
    [await spoilt('no-index', (f) => rm(join(f, 'index.json'))), /neither index\.json nor manifest\.json/],
    [
      await spoilt('link', async (f) => {
        await rm(blob(f, layer));
        await symlink('/etc/passwd', blob(f, layer));
      }),
      /is a link/,
    ],
  ];
  for (const [path, why] of cases) await assert.rejects(load(path), { kind: 'input', message: why }, path);
  assert.equal(await inspectImage(world.docker, lock.reference), undefined, 'nothing was loaded');
});

test('another image, another digest and another platform are named', onCluster, async () => {
  await assert.rejects(load(layout, `${lock.repository}:4.0`), {
    kind: 'input',
    message: /does not hold .*:4\.0: it holds 3\.0/,
  });
  await assert.rejects(load(layout, ''), { kind: 'input', message: /has no whole name/ });
  const wrong = `${lock.repository}@sha256:${'0'.repeat(64)}`;
  await assert.rejects(load(layout, wrong), { kind: 'input', message: /does not hold|has the digest/ });
  const foreign = { path: layout, platform: 'linux/s390x', reference: lock.reference };
  await assert.rejects(loadArchive(world.docker, foreign, run), {
    kind: 'input',
    message: /not there for linux\/s390x/,
  });
});
