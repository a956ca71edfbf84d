import assert from 'node:assert/strict';
import { test } from 'node:test';
import { builtOn, configFacts } from '../../src/image/built-on.ts';
import { digestOf } from '../../src/image/digest.ts';
import { parseDockerfile } from '../../src/image/dockerfile.ts';
import { checkFrom, type ProductionDigest, type Published } from '../../src/image/from-check.ts';
import { imagesText, loadText } from '../../src/image/images-text.ts';
import type { ImageLock } from '../../src/image/model.ts';
import { elsewhere, productionDigests } from '../../src/image/production.ts';
import { runningImages } from '../../src/image/running.ts';
import { makeReport } from '../../src/report/findings.ts';
import { dockerfileFindings, productionFindings } from '../../src/report/image-findings.ts';
import { openFindings } from '../../src/report/summary.ts';
import type { Workload } from '../../src/snapshot/model.ts';
import { sampleImage } from './image-sample.ts';

const A = digestOf('a');
const B = digestOf('b');
const C = digestOf('c');

const workload = (name: string, images: Workload['images']): Workload => ({
  namespace: 'shop',
  kind: 'Deployment',
  name,
  labels: {},
  serviceAccount: 'default',
  hostNetwork: false,
  ports: [],
  images,
  pods: [],
});

const lockOf = (reference: string, digest: string, diffIds: readonly string[], annotations?: object): ImageLock => ({
  ...sampleImage(reference).lock,
  digest,
  diffIds,
  manifest: JSON.stringify({ annotations }),
});

test('each image once, by what its pods run, by whom it is run', () => {
  const { images, gaps } = runningImages([
    workload('web', [{ container: 'web', image: 'registry.example/web:1', digest: A }]),
    workload('api', [
      { container: 'api', image: 'registry.example/web:1', digest: A },
      { container: 'old', image: 'registry.example/web:1', digest: B },
      { container: 'pinned', image: `nginx@${C}`, digest: A },
      { container: 'idle', image: 'nginx' },
      { container: 'odd', image: 'NOT/an image' },
      { container: 'long', image: 'nginx', digest: `sha512:${'a'.repeat(128)}` },
    ]),
  ]);
  assert.deepEqual(images, [
    { reference: 'docker.io/library/nginx:latest', workloads: ['shop/Deployment/api'] },
    { reference: `docker.io/library/nginx@${C}`, digest: C, workloads: ['shop/Deployment/api'] },
    ...[A, B].toSorted().map((digest) => ({
      reference: `registry.example/web:1@${digest}`,
      digest,
      workloads: digest === A ? ['shop/Deployment/web', 'shop/Deployment/api'] : ['shop/Deployment/api'],
    })),
  ]);
  assert.deepEqual(
    gaps.map(({ reference }) => reference),
    ['NOT/an image', 'nginx'],
  );
});

test('an image stands on the base whose layers it begins with, all of them and in order', () => {
  const base = lockOf('registry.example/base:3.0', A, ['1', '2']);
  const on = (diffIds: readonly string[]) => builtOn(lockOf('registry.example/app:1', B, diffIds), base, [base], {});
  for (const diffIds of [
    ['1', '2', '3'],
    ['1', '2'],
  ]) {
    const { base: kind, digest, proven } = on(diffIds);
    assert.deepEqual({ kind, digest, proven }, { kind: 'chosen', digest: A, proven: true });
  }
  for (const diffIds of [['1'], ['2', '1', '3'], ['1', '3', '2'], []]) assert.equal(on(diffIds).base, 'unknown');
  const none = lockOf('registry.example/none:1', C, []);
  assert.equal(builtOn(lockOf('registry.example/app:1', B, ['1']), none, [], {}).base, 'unknown');
});

test('else on another pinned image, the one of most layers; not on itself or its like', () => {
  const app = lockOf('registry.example/app:1', A, ['1', '2', '3']);
  const pinned = [
    lockOf('registry.example/low:1', B, ['1']),
    lockOf('registry.example/high:1', C, ['1', '2']),
    lockOf('registry.example/app:2', digestOf('d'), ['1', '2', '3']),
    app,
  ];
  const { base, reference, proven } = builtOn(
    app,
    lockOf('registry.example/base:3.0', digestOf('e'), ['9']),
    pinned,
    {},
  );
  assert.deepEqual([base, reference, proven], ['other', 'registry.example/high:1', true]);
});

test("else on what it says itself, the manifest's annotations before the labels", () => {
  const labels = {
    'org.opencontainers.image.base.name': 'registry.example/base:2.0',
    'org.opencontainers.image.base.digest': A,
  };
  const bare = lockOf('registry.example/app:1', B, ['7']);
  const said = builtOn(bare, undefined, [], labels);
  assert.deepEqual(
    [said.base, said.reference, said.digest, said.proven],
    ['other', 'registry.example/base:2.0', A, false],
  );
  const annotated = lockOf('registry.example/app:1', B, ['7'], { 'org.opencontainers.image.base.digest': C });
  assert.equal(builtOn(annotated, undefined, [], labels).digest, C);
  const squashed = builtOn(bare, lockOf('registry.example/base:2.0', A, ['1']), [], labels);
  assert.deepEqual([squashed.base, squashed.proven], ['chosen', false]);
  assert.equal(
    builtOn(bare, undefined, [], { 'org.opencontainers.image.base.digest': 'sha256:short' }).base,
    'unknown',
  );
});

test("a config's time and labels; the epoch and odd values say nothing", () => {
  const config = { created: '2026-01-02T03:04:05Z', config: { Labels: { a: 'b', n: 1 } } };
  assert.deepEqual(configFacts(JSON.stringify(config)), { created: '2026-01-02T03:04:05Z', labels: { a: 'b' } });
  for (const created of ['1970-01-01T00:00:00Z', '0001-01-01T00:00:00Z', 'yesterday', 5, null]) {
    assert.deepEqual(configFacts(JSON.stringify({ created, config: null })), { labels: {} });
  }
});

const production: ProductionDigest[] = [
  { repository: 'registry.example/base', digest: A, manifestDigest: B, use: 'the base image' },
];

async function check(written: string, published: Readonly<Record<string, Published>> = {}) {
  const asked: string[] = [];
  const [from] = parseDockerfile(`ARG NONE\nFROM ${written}`, 'linux/amd64');
  assert.ok(from);
  const { state, detail } = await checkFrom(from, production, async (reference) => {
    asked.push(reference);
    return published[reference];
  });
  return { state, detail, asked };
}

test('a FROM is the same by any digest of production, and no registry is asked where it names one', async () => {
  for (const digest of [A, B]) {
    const { state, asked } = await check(`registry.example/base:9@${digest}`);
    assert.deepEqual([state, asked], ['same', []]);
  }
  const tag = 'registry.example/base:3.0';
  assert.equal((await check(tag, { [tag]: { digest: A } })).state, 'same');
});

test('a FROM is older or newer by when both were made; where that is not said, other', async () => {
  const tag = 'registry.example/base:3.0';
  const there = `registry.example/base@${A}`;
  const at = async (created?: string, productionCreated?: string) => {
    const time = (value: string | undefined) => (value === undefined ? {} : { created: value });
    const published = { [tag]: { digest: C, ...time(created) }, [there]: { digest: A, ...time(productionCreated) } };
    return (await check(tag, published)).state;
  };
  assert.equal(await at('2026-01-01T00:00:00Z', '2026-02-01T00:00:00Z'), 'older');
  assert.equal(await at('2026-03-01T00:00:00Z', '2026-02-01T00:00:00Z'), 'newer');
  assert.equal(await at('2026-02-01T00:00:00Z', '2026-02-01T00:00:00Z'), 'other');
  assert.equal(await at(undefined, '2026-02-01T00:00:00Z'), 'other');
  assert.equal(await at('2026-02-01T00:00:00Z'), 'other');
});

test('a repository that production does not use is other without asking; what nobody tells is unknown', async () => {
  assert.deepEqual(await check('golang:1.24').then(({ state, asked }) => [state, asked]), ['other', []]);
  assert.equal((await check('registry.example/base:3.0')).state, 'unknown');
  for (const written of ['$NONE', 'registry.example/base:$NONE', 'registry.example/Upper']) {
    assert.equal((await check(written)).state, 'unknown', written);
  }
});

test("a Dockerfile's line in the report: older differs, what is not known claims nothing", () => {
  const line = { file: 'web/Dockerfile', line: 3, reference: 'registry.example/base:3.0', detail: 'why', final: true };
  const report = (state: 'same' | 'older' | 'other' | 'unknown') =>
    makeReport({
      target: 'prod',
      cluster: 'kind:dev',
      createdAt: '2026-01-01T00:00:00Z',
      changes: [],
      findings: dockerfileFindings([{ ...line, state }]),
    });
  assert.match(
    report('older').findings[0]?.title ?? '',
    /^web\/Dockerfile:3 FROM registry\.example\/base:3\.0 is older/,
  );
  assert.deepEqual(
    (['same', 'older', 'other', 'unknown'] as const).map((state) => openFindings(report(state).findings).length),
    [0, 1, 0, 0],
  );
});

test('an image for other nodes is said to be so and no fault; one that nobody gives is unknown', () => {
  assert.equal(elsewhere(['windows/amd64']), 'a Windows image, not for a Linux cluster');
  assert.match(elsewhere(['windows/amd64', 'linux/s390x']), /^for windows\/amd64, linux\/s390x/);
  const findings = productionFindings(
    {
      images: [{ reference: 'w:1', workloads: ['shop/Deployment/w'], problem: 'x', platforms: ['windows/amd64'] }],
      gaps: [{ reference: 'registry.example/gone:1', reason: 'refused' }],
    },
    ['n'],
    new Map(),
  );
  assert.deepEqual(
    findings.map(({ state }) => state),
    ['cannot', 'unknown'],
  );
});

test('what an image says of its base is held against a FROM too, unless it is no reference', () => {
  const on = (reference: string) => [
    {
      reference: 'app:1',
      workloads: [],
      builtOn: { base: 'other' as const, reference, digest: A, proven: false, evidence: '' },
    },
  ];
  assert.deepEqual(productionDigests(undefined, on('registry.example/base:3.0')), [
    { repository: 'registry.example/base', digest: A, use: 'what app:1 was built on' },
  ]);
  assert.deepEqual(productionDigests(undefined, on('not a reference')), []);
});

test('texts: what was sent to a node, and a list with gaps', () => {
  const node = { names: ['registry.example/app:1'], diffIds: ['1'] };
  assert.equal(
    loadText([
      { node: 'one', state: 'loaded', bytes: 1_234_567, ...node },
      { node: 'two', state: 'present', bytes: 0, ...node },
      { node: 'three', state: 'loaded', bytes: 1_234, ...node },
    ]),
    'one: loaded, 1.2 MB sent, as registry.example/app:1\ntwo: was there already, nothing sent, as registry.example/app:1\nthree: loaded, 1.2 kB sent, as registry.example/app:1',
  );
  const text = imagesText({
    base: null,
    images: [],
    gaps: [{ reference: 'registry.example/base:3.0', reason: 'refused' }],
    dockerfiles: [
      {
        file: 'Dockerfile',
        line: 1,
        reference: 'registry.example/base:3.0',
        state: 'older',
        detail: 'd',
        final: false,
      },
    ],
  });
  assert.match(text, /problem +refused/);
  assert.match(text, /^! Dockerfile:1 FROM registry\.example\/base:3\.0: older \(a stage on the way\)$/m);
});
