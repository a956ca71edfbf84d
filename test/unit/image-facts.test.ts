import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { localHost } from '../../src/host/local.ts';
import { quietRun } from '../../src/host/run.ts';
import { pinArchive } from '../../src/image/archive.ts';
import { compareImages } from '../../src/image/difference.ts';
import { imageFacts } from '../../src/image/facts.ts';
import { differenceText, factsLine, factsText, pullText } from '../../src/image/facts-text.ts';
import { registryFiles } from '../../src/image/image-files.ts';
import { parseConfig } from '../../src/image/manifest.ts';
import type { ImageLock } from '../../src/image/model.ts';
import { parseReference } from '../../src/image/reference.ts';
import { openRegistry, type Registry, type RegistryOptions } from '../../src/image/registry.ts';
import { resolveImage } from '../../src/image/resolve.ts';
import { packTar, tarFile } from '../../src/image/tar.ts';
import type { Trust } from '../../src/image/trust.ts';
import { artifact, type ImageServer, layoutIn, putImage, putReferrer, serveImages } from './image-server.ts';
import { cosignPayload, cosignSigned, notaryJws, notaryPayload, trustIn } from './signature-sample.ts';

const run = quietRun();
const OS = 'PRETTY_NAME="Microsoft Azure Linux 3.0"\nVERSION_ID="3.0"\n';
const LIFECYCLE = 'application/vnd.microsoft.artifact.lifecycle';
const END = 'vnd.microsoft.artifact.lifecycle.end-of-life.date';
const NOTARY = 'application/vnd.cncf.notary.signature';
const NOW = new Date('2026-06-01T00:00:00Z');
const nothing = { mediaType: 'application/vnd.oci.empty.v1+json', bytes: Buffer.from('{}') };

let server: ImageServer;
let folder = '';
let rpmdb: Buffer;
const opened: Registry[] = [];
before(async () => {
  server = await serveImages();
  folder = await mkdtemp(join(tmpdir(), 'clparity-facts-test-'));
  // What is left in the system's own temporary folder is seen here.
  process.env.TMPDIR = join(folder, 'tmp');
  await mkdir(process.env.TMPDIR);
  rpmdb = gunzipSync(await readFile('test/fixtures/rpm/rpmdb.sqlite.gz'));
});
after(async () => {
  server.close();
  await Promise.all(opened.map((one) => one.close()));
  await rm(folder, { recursive: true, force: true });
});

async function lockOf(tag: string): Promise<ImageLock> {
  const reference = `${server.host}/base/core:${tag}`;
  return resolveImage(reference, { host: localHost({}), platform: 'linux/amd64' }, run);
}

function registryOf(lock: ImageLock, options: RegistryOptions = {}): Registry {
  const registry = openRegistry(parseReference(lock.reference), { pause: async () => {}, ...options });
  opened.push(registry);
  return registry;
}

function factsOf(lock: ImageLock, trust?: Trust, signal = run.signal) {
  const registry = registryOf(lock);
  const files = registryFiles(registry, lock);
  return imageFacts(lock, { files, registry, ...(trust ? { trust } : {}) }, quietRun(signal));
}

const leftOver = () => readdir(process.env.TMPDIR ?? '');

test('everything there is to know, with where it comes from', async () => {
  const image = await putImage(server, 'full', [
    { 'etc/os-release': OS, 'var/lib/rpm/rpmdb.sqlite': 'not yet' },
    { 'var/lib/rpm/rpmdb.sqlite': rpmdb },
  ]);
  const life = putReferrer(server, image.digest, LIFECYCLE, nothing, { [END]: '2027-05-31' });
  const envelope = notaryJws(notaryPayload(image.digest));
  const signature = putReferrer(server, image.digest, NOTARY, { mediaType: 'application/jose+json', bytes: envelope });
  const facts = await factsOf(await lockOf('full'), await trustIn('root.pem'));
  const layers = `the layers at ${server.host}`;
  assert.deepEqual(facts.os, {
    value: { name: 'Microsoft Azure Linux 3.0', version: '3.0' },
    evidence: `/etc/os-release in ${layers}`,
  });
  assert.deepEqual(
    facts.packages.value?.map((p) => `${p.name} ${p.version}`),
    ['azurelinux-release 3.0-30.azl3', 'bash 5.2.15-3.azl3', 'openssl-libs 1:3.3.3-2.azl3'],
  );
  assert.equal(facts.packages.evidence, `/var/lib/rpm/rpmdb.sqlite in ${layers}`);
  assert.equal(facts.architecture.value, 'amd64');
  const { configDigest } = await lockOf('full');
  assert.deepEqual(facts.built, { value: '2026-05-20T08:00:00.000Z', evidence: `config ${configDigest}` });
  assert.deepEqual(facts.endOfLife, { value: '2027-05-31', evidence: `lifecycle referrer ${life} at ${server.host}` });
  const [first] = facts.signatures.value ?? [];
  assert.deepEqual(
    [first?.kind, first?.state, first?.manifest, first?.subject],
    ['Notary Project', 'verified', signature, image.digest],
  );
  assert.equal(
    factsLine(facts, NOW),
    'Microsoft Azure Linux 3.0 (3.0); built: 2026-05-20; packages: 3; end of life: 2027-05-31; signature: verified (Notary Project, CN=Test signer ec)',
  );
  assert.match(factsText(facts, new Date('2028-01-01')), /end of life {2}2027-05-31: has passed\n.*lifecycle referrer/);
  assert.deepEqual(await leftOver(), []);
});

test('a date of before containers is none: builds that can be repeated write one', () => {
  const built = (created: unknown) => parseConfig(JSON.stringify({ created, rootfs: { diff_ids: [] } }), 'it').created;
  assert.equal(built('2026-05-20T10:00:00.123456789+02:00'), '2026-05-20T08:00:00.123Z');
  for (const none of ['0001-01-01T00:00:00Z', '1970-01-01T00:00:00Z', 'soon', 5, undefined]) {
    assert.equal(built(none), undefined, String(none));
  }
});

test('an end of life that only the referrer itself tells; the newest one counts', async () => {
  const image = await putImage(server, 'ending', [{ 'etc/os-release': OS }]);
  const created = 'org.opencontainers.image.created';
  const put = (date: string, made: string) =>
    putReferrer(server, image.manifestDigest, LIFECYCLE, nothing, { [END]: date, [created]: made }, false);
  server.referrers.set(image.digest, []);
  put('2030-01-01', '2026-02-01');
  put('2029-01-01', '2026-01-01');
  put('whenever', '2026-03-01');
  assert.equal((await factsOf(await lockOf('ending'))).endOfLife.value, '2030-01-01');
});

test("a signature by cosign's tag, by no key that is known, for another image", async () => {
  const image = await putImage(server, 'cosigned', [{ 'etc/os-release': OS }]);
  const type = 'application/vnd.dev.cosign.simplesigning.v1+json';
  const layer = (digest: string) => {
    const bytes = cosignPayload(digest);
    return { mediaType: type, bytes, annotations: { 'dev.cosignproject.cosign/signature': cosignSigned(bytes) } };
  };
  const tag = `${image.digest.replace(':', '-')}.sig`;
  const tagged = (...digests: string[]) => server.tags.set(tag, server.put(artifact(server, 'x', digests.map(layer))));
  tagged(image.digest);
  const lock = await lockOf('cosigned');
  assert.match(factsLine(await factsOf(lock, await trustIn('ec.pub')), NOW), /signature: verified \(cosign\)$/);
  const unknown = await factsOf(lock);
  assert.match(factsLine(unknown, NOW), /signature: present, not verified$/);
  assert.match(factsText(unknown, NOW), /not verified: cosign over sha256:\w+: no public key to trust was given/);
  tagged(image.manifestDigest);
  assert.match(factsLine(await factsOf(lock, await trustIn('ec.pub')), NOW), /signature: INVALID \(it is for sha256/);
  tagged(image.digest, image.manifestDigest);
  assert.match(factsLine(await factsOf(lock, await trustIn('ec.pub')), NOW), /verified \(cosign\), 1 INVALID$/);
});

test('nothing there is nothing claimed', async () => {
  await putImage(server, 'bare', [{ 'bin/sh': 'x' }]);
  const facts = await factsOf(await lockOf('bare'), await trustIn('root.pem'));
  assert.equal(
    factsLine(facts, NOW),
    'unknown OS; built: 2026-05-20; packages: unknown; end of life: unknown; signature: none found',
  );
  assert.match(facts.packages.evidence, /no package database in the layers at/);
  assert.match(facts.endOfLife.evidence, /no lifecycle among referrers of sha256:\w+ and sha256:\w+ at/);
});

test('a registry that fails, and layers that are damaged, make facts unknown and say why', async () => {
  const image = await putImage(server, 'failing', [{ 'etc/os-release': OS, 'var/lib/rpm/rpmdb.sqlite': 'noise' }]);
  const lock = await lockOf('failing');
  const broken = await factsOf(lock);
  assert.equal(broken.os.value?.version, '3.0');
  assert.match(broken.packages.evidence, /RPM database is damaged/);
  server.referrers.set(image.digest, [{ mediaType: 'm', digest: 'nonsense', size: 1 }]);
  assert.match((await factsOf(lock)).signatures.evidence, /has no sha256 digest/);
  const layer = JSON.parse(lock.manifest).layers[0].digest;
  server.blobs.set(layer, Buffer.from(server.blobs.get(layer) ?? '').fill(1, 100));
  const damaged = await factsOf(lock);
  assert.equal(damaged.os.value, null);
  assert.match(damaged.os.evidence, /not what its digest promises|not a whole tar/);
  server.blobs.delete(layer);
  assert.match((await factsOf(lock)).packages.evidence, /has no .*base\/core@sha256/);
  assert.deepEqual(await leftOver(), []);
});

test('a cancel is a cancel, and leaves nothing behind', async () => {
  await putImage(server, 'cancelled', [{ 'var/lib/rpm/rpmdb.sqlite': rpmdb }]);
  const lock = await lockOf('cancelled');
  const stop = new AbortController();
  const registry = registryOf(lock);
  const files = registryFiles(registry, lock);
  const watched = {
    ...quietRun(stop.signal),
    step: <T>(_: string, work: (p: () => void) => Promise<T>) => work(() => stop.abort()),
  };
  await assert.rejects(imageFacts(lock, { files, registry }, watched), { name: 'AbortError' });
  assert.deepEqual(await leftOver(), []);
});

test('an archive tells as much about the files, and nothing about what its publisher attached', async () => {
  await putImage(server, 'kept', [{ 'etc/os-release': OS }, { 'var/lib/rpm/rpmdb.sqlite': rpmdb }]);
  const lock = await lockOf('kept');
  const path = await layoutIn(folder, server, lock);
  const names = (await readdir(path, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  const entries = await Promise.all(
    names.map(async (entry) => {
      const file = join(entry.parentPath, entry.name);
      return tarFile(file.slice(path.length + 1), await readFile(file));
    }),
  );
  const tar = await buffer(packTar(entries));
  await writeFile(`${path}.tar`, tar);
  for (const where of [path, `${path}.tar`]) {
    const pinned = await pinArchive({ path: where, platform: 'linux/amd64' }, run);
    const facts = await imageFacts(pinned.lock, { files: pinned.files }, run);
    assert.equal(facts.digest, lock.digest);
    assert.deepEqual([facts.packages.value?.length, facts.os.value?.version], [3, '3.0']);
    assert.equal(facts.packages.evidence, `/var/lib/rpm/rpmdb.sqlite in ${where}`);
    assert.match(facts.signatures.evidence, /an archive holds neither/);
  }
  await writeFile(`${path}.cut.tar`, tar.subarray(0, tar.length - 4000));
  await assert.rejects(pinArchive({ path: `${path}.cut.tar`, platform: 'linux/amd64' }, run), {
    kind: 'input',
    message: /not a whole tar archive|lacks/,
  });
  const layer = JSON.parse(lock.manifest).layers[0].digest.slice(7);
  await writeFile(join(path, 'blobs', 'sha256', layer), 'other');
  await assert.rejects(pinArchive({ path, platform: 'linux/amd64' }, run), {
    kind: 'input',
    message: /is damaged: blobs/,
  });
});

test('what a moved pin changes, as data and in words', async () => {
  const bottom = { 'etc/os-release': OS };
  await putImage(server, 'moving', [bottom, { 'lib/apk/db/installed': 'P:a\nV:1\n\nP:b\nV:1\n' }]);
  const before = await lockOf('moving');
  const from = { lock: before, facts: await factsOf(before) };
  await putImage(server, 'moving', [bottom, { 'lib/apk/db/installed': 'P:a\nV:2\n\nP:c\nV:1\n' }, { more: 'x' }]);
  const lock = await lockOf('moving');
  const difference = compareImages(from, { lock, facts: await factsOf(lock) });
  assert.deepEqual(difference.digest, { from: before.digest, to: lock.digest });
  const { addedSize, ...layers } = difference.layers;
  assert.deepEqual(layers, { shared: 1, added: 2, removed: 1 });
  assert.ok(addedSize > 0 && addedSize < lock.size);
  assert.deepEqual(difference.packages.value, {
    added: [{ name: 'c', version: '1', arch: '' }],
    removed: [{ name: 'b', version: '1', arch: '' }],
    changed: [{ name: 'a', arch: '', from: '1', to: '2' }],
  });
  const text = pullText({ ...lock, difference }, true);
  for (const line of [
    /^moved:$/m,
    /packages {2}1 added, 1 removed, 1 in another version/,
    /^ {4}~ a 1 -> 2$/m,
    /1 shared, 2 added/,
  ]) {
    assert.match(text, line);
  }
  assert.match(pullText(lock, true), /Nothing moved\.$/);
  assert.doesNotMatch(pullText(lock, false), /moved/);
  const gone = { ...from.facts, packages: { value: null, evidence: 'gone' } };
  const blind = compareImages(from, { lock, facts: gone });
  assert.match(differenceText(blind), /packages {2}unknown: after: gone$/);
});
