import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { quietRun } from '../../src/host/run.ts';
import { digestOf } from '../../src/image/digest.ts';
import { findLock, formatLock, LOCK_FILE, parseLock, pruneLock, readLock, writeLock } from '../../src/image/lock.ts';
import { type ChosenImages, forgetLeft } from '../../src/image-stages.ts';
import { makeReport } from '../../src/report/findings.ts';
import { saveReport } from '../../src/report/store.ts';
import { sampleImage } from './image-sample.ts';
import { snapshotOf } from './plan-world.ts';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'clparity-lock-'));
});
after(() => rm(folder, { recursive: true, force: true }));

const { lock } = sampleImage();
const other = sampleImage('example.com/a/first:1').lock;

test('no lock file means nothing is pinned', async () => {
  assert.deepEqual(await readLock(join(folder, 'nowhere')), []);
});

test('several images are kept, in stable order, and an image replaces itself', async () => {
  await writeLock(folder, { ...lock, resolvedAt: 'before' });
  await writeLock(folder, other);
  await writeLock(folder, lock);
  assert.deepEqual(await readLock(folder), [other, lock]);
  assert.deepEqual(await readdir(folder), [LOCK_FILE], 'no temporary file is left');
  assert.equal(await readFile(join(folder, LOCK_FILE), 'utf8'), formatLock([other, lock]));
  assert.deepEqual(findLock([other, lock], 'example.com/base/core:3.0', 'linux/x86_64'), lock);
  assert.equal(findLock([other, lock], 'example.com/base/core:3.0', 'linux/arm64'), undefined);
});

test('pins of workloads go when nothing runs them any more, all others stay', async () => {
  const place = join(folder, 'prune');
  const runs = sampleImage('example.com/a/runs:1').lock;
  const left = sampleImage('example.com/a/left:1').lock;
  for (const one of [lock, { ...runs, workload: true } as const, { ...left, workload: true } as const]) {
    await writeLock(place, one);
  }
  assert.deepEqual(await pruneLock(place, new Set([runs.reference])), [left.reference]);
  assert.deepEqual(
    (await readLock(place)).map(({ reference, workload }) => [reference, workload]),
    [
      [runs.reference, true],
      [lock.reference, undefined],
    ],
  );
  assert.deepEqual(await pruneLock(place, new Set()), [runs.reference]);
  assert.deepEqual(await pruneLock(place, new Set()), []);
});

test('what another target of the same folder runs stays pinned', async () => {
  const place = join(folder, 'two-targets');
  const image = 'example.com/a/staging:1';
  const runs = { ...sampleImage(image).lock, workload: true } as const;
  const left = { ...sampleImage('example.com/a/left:1').lock, workload: true } as const;
  for (const one of [runs, left]) await writeLock(place, one);
  const workload = {
    namespace: 'a',
    kind: 'Deployment',
    name: 'w',
    labels: {},
    serviceAccount: '',
    hostNetwork: false,
  };
  const staging = snapshotOf({ a: {} }, [], {
    workloads: [{ ...workload, ports: [], pods: [], images: [{ container: 'c', image }] }],
  });
  const report = { target: 'staging', cluster: 'kind:b', createdAt: '', changes: [], findings: [] };
  await saveReport(place, makeReport(report), staging);
  const project = { folder: place, settings: { images: 'workloads', namespaces: [] } } as const;
  const nothing = { production: { images: [], gaps: [] }, wanted: [] } as unknown as ChosenImages;
  await forgetLeft(quietRun(), project, nothing, 'prod');
  assert.deepEqual(
    (await readLock(place)).map(({ reference }) => reference),
    [runs.reference],
  );
  const [pair = ''] = await readdir(join(place, '.clparity', 'reports'));
  const file = join(place, '.clparity', 'reports', pair, 'target.json');
  const target = await readFile(file, 'utf8');
  await writeFile(file, '{');
  const warnings: string[] = [];
  const warned = quietRun(undefined, (_level, text) => warnings.push(text));
  await writeLock(place, left);
  await forgetLeft(warned, project, nothing, 'prod');
  assert.equal((await readLock(place)).length, 2, 'which it needs is not known');
  assert.match(warnings.join('\n'), /^Pins that no workload needs stay.*target\.json can't be read.*Delete it/);
  await writeFile(file, target);
  await forgetLeft(quietRun(), project, nothing, 'staging');
  assert.deepEqual(await readLock(place), [], 'but not what this target ran before');
});

test('manifests are kept line by line, byte by byte', () => {
  const text = formatLock([lock]);
  assert.match(text, /\n {8}"\{",\n {8}" {3}\\"schemaVersion\\": 2,",\n/);
  assert.equal(parseLock(text, 'lock')[0]?.manifest, lock.manifest);
});

test('a single manifest and a made-up digest survive the way there and back', () => {
  const { index: _, ...rest } = lock;
  const single = { ...rest, digest: lock.manifestDigest, origin: 'archive', synthetic: true } as const;
  assert.deepEqual(parseLock(formatLock([single]), 'lock'), [single]);
});

test('a damaged file is not overwritten', async () => {
  const path = join(folder, LOCK_FILE);
  await writeFile(path, '{');
  await assert.rejects(writeLock(folder, lock), { kind: 'input', message: /clparity\.lock\.json is not a valid lock/ });
  assert.equal(await readFile(path, 'utf8'), '{');
});

const evil = JSON.stringify({ ...JSON.parse(lock.manifest), note: 'changed' });
const WRONG: readonly [what: string, change: Record<string, unknown>, why: RegExp][] = [
  ['another manifest', { manifest: [evil] }, /images\[0\]: "manifest" is not what its digest promises/],
  ['another manifest with its digest', { manifest: [evil], manifestDigest: digestOf(evil) }, /"index" lists/],
  ['another index', { index: ['{}'] }, /"index" is not what its digest promises/],
  ['no index for an index digest', { index: undefined }, /there is no "index"/],
  ['another digest', { digest: digestOf('x') }, /"index" is not what its digest promises/],
  ['another config', { configDigest: digestOf('x') }, /"configDigest"/],
  ['a layer too many', { diffIds: [...lock.diffIds, digestOf('x')] }, /"diffIds" has 3 layers/],
  ['no digest', { digest: 'latest' }, /"digest" is not a sha256 digest/],
  ['another repository', { repository: 'evil.example/base/core' }, /"repository" and "tag"/],
  ['another tag', { tag: '4.0' }, /"repository" and "tag"/],
  ['a short reference', { reference: 'busybox' }, /not normalised/],
  ['an option for a reference', { reference: '--privileged' }, /not an image reference/],
  ['another platform', { platform: 'linux/arm64' }, /"index" lists for linux\/arm64/],
  ['a size in words', { size: 'large' }, /"size"/],
  ['a manifest in one piece', { manifest: lock.manifest }, /"manifest" is not a list of lines/],
  ['an unknown origin', { origin: 'email' }, /"origin" is "email"/],
];

for (const [what, change, why] of WRONG) {
  test(`a lock file with ${what} is refused`, () => {
    const file = JSON.parse(formatLock([lock]));
    Object.assign(file.images[0], change);
    assert.throws(() => parseLock(JSON.stringify(file), 'lock'), { name: 'ParityError', kind: 'input', message: why });
  });
}

test('a file of another version or shape is refused', () => {
  for (const [text, why] of [
    ['[]', /not a JSON object/],
    ['{"version":2,"images":[]}', /version is 2/],
    ['{"version":1}', /"images" is not a list/],
    ['{"version":1,"images":[7]}', /images\[0\]: not an object/],
  ] as const) {
    assert.throws(() => parseLock(text, 'lock'), { kind: 'input', message: why });
  }
});
