import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { localHost } from '../../src/host/local.ts';
import { type Progress, quietRun, type Run } from '../../src/host/run.ts';
import { startStages } from '../../src/host/stages.ts';
import { pinImage } from '../../src/image/base-image.ts';
import { digestOf } from '../../src/image/digest.ts';
import { readLock } from '../../src/image/lock.ts';
import { chooseImages, forgetLeft, loadImages, planImages, pullImages, reportImages } from '../../src/image-stages.ts';
import { images } from '../../src/images.ts';
import type { Project } from '../../src/pipeline.ts';
import { DEFAULT_SETTINGS } from '../../src/settings.ts';
import { SNAPSHOT_SCHEMA, type Snapshot, type Workload } from '../../src/snapshot/model.ts';
import { formatSnapshot } from '../../src/snapshot/write.ts';
import { type ImageWorld, namesOn, openImageWorld, unloadAll } from './image-world.ts';
import { pushStandInImage, type StandIn } from './standin-image.ts';
import { onCluster } from './test-cluster.ts';

const run = quietRun();
const MEGABYTES = 1e6;
let world: ImageWorld;
let base: StandIn;
let web: StandIn;
let api: StandIn;
let windows: StandIn;
let project: Project;

const workload = (name: string, image: string, digest?: string): Workload => ({
  namespace: 'shop',
  kind: 'Deployment',
  name,
  labels: {},
  serviceAccount: 'default',
  hostNetwork: false,
  ports: [],
  images: [{ container: 'main', image, ...(digest === undefined ? {} : { digest }) }],
  pods: [],
});

/** A registry that nobody serves. */
const GONE = { image: '127.0.0.1:1/gone:1', digest: digestOf('gone') };

const workloads = () => [
  workload('web', web.reference, web.digest),
  workload('web-too', web.reference, web.digest),
  workload('api', api.reference, api.digest),
  workload('base', base.reference, base.digest),
  workload('shell', windows.reference, windows.digest),
  workload('gone', GONE.image, GONE.digest),
];

const snapshot = (): Snapshot => ({
  schema: SNAPSHOT_SCHEMA,
  source: { kind: 'context', name: 'production' },
  engine: { name: 'unknown', evidence: [] },
  ranges: { pods: [], services: [], nodes: [] },
  nodes: [],
  namespaces: [{ name: 'shop', labels: {} }],
  workloads: workloads(),
  services: [],
  policies: [],
  otherPolicies: [],
  gaps: [],
});

before(async () => {
  if (onCluster.skip) return;
  world = await openImageWorld();
  const { host } = world.registry;
  const under = { note: 'production', filling: 4 * MEGABYTES, created: '2026-02-01T00:00:00Z' };
  base = await pushStandInImage(host, 'base/core', '3.0', under);
  web = await pushStandInImage(host, 'shop/web', '1', { ...under, top: 'web' });
  api = await pushStandInImage(host, 'shop/api', '1', { ...under, top: 'api' });
  windows = await pushStandInImage(host, 'shop/shell', '1', { platform: 'windows/amd64' });
  await writeFile(join(world.folder, 'production.yaml'), formatSnapshot(snapshot()));
  const settings = { ...DEFAULT_SETTINGS, image: base.reference, images: 'workloads' as const };
  project = { host: localHost(), folder: world.folder, settings: { ...settings, snapshot: 'production.yaml' } };
  // The tag is pinned before it moves on: the base is what production runs, not what a build would take now.
  await pullImages(run, project, [await pinImage(run, project)], world.cluster, () => {});
  await pushStandInImage(host, 'base/core', '3.0', { note: 'newer', created: '2026-03-01T00:00:00Z' });
  await pushStandInImage(host, 'base/core', '2.0', { note: 'older', created: '2026-01-01T00:00:00Z' });
});
after(async () => {
  if (!world) return;
  await unloadAll(world.cluster, run);
  await world.close();
});

const chosen = async () =>
  chooseImages(run, project, await pinImage(run, project), { workloads: workloads(), nodes: [] });

/** Runs with what was sent in each step, in bytes, and a say when one begins. */
function measuredRun(signal: AbortSignal, onStep: (title: string) => void = () => {}) {
  const sent = new Map<string, number>();
  const measured: Run = {
    ...quietRun(signal),
    step: (title, work) => {
      onStep(title);
      return work((p: Progress) => {
        if (p.done !== undefined) sent.set(title, p.done);
      });
    },
  };
  return { measured, sent };
}

test('what production runs, on which base, and how the Dockerfiles stand to it', onCluster, async () => {
  const { host } = world.registry;
  const dockerfile = [
    `FROM ${host}/base/core:3.0 AS now`,
    `FROM ${host}/base/core:2.0`,
    `FROM ${host}/base/core@${base.manifestDigest}`,
    `FROM ${host}/base/core:none`,
    'FROM golang:1.24',
    'FROM now',
  ];
  await writeFile(join(world.folder, 'Dockerfile'), dockerfile.join('\n'));
  const list = await images(run, project);
  const kinds = list.images.map(({ workloads, digest, builtOn, problem }) => ({
    workloads,
    digest,
    base: builtOn?.base,
    problem,
  }));
  const of = (name: string) => kinds.find(({ workloads }) => workloads[0] === `shop/Deployment/${name}`);
  assert.deepEqual(of('web'), {
    workloads: ['shop/Deployment/web', 'shop/Deployment/web-too'],
    digest: web.digest,
    base: 'chosen',
    problem: null,
  });
  assert.equal(of('api')?.base, 'chosen');
  assert.equal(of('base')?.base, 'chosen');
  assert.equal(of('shell')?.problem, 'a Windows image, not for a Linux cluster');
  assert.match(of('gone')?.problem ?? '', /127\.0\.0\.1:1/);
  assert.deepEqual(
    list.gaps.map(({ reference }) => reference),
    [`${GONE.image}@${GONE.digest}`],
  );
  assert.deepEqual(
    list.dockerfiles.map(({ line, state, final }) => ({ line, state, final })),
    [
      { line: 1, state: 'newer', final: true },
      { line: 2, state: 'older', final: false },
      { line: 3, state: 'same', final: false },
      { line: 4, state: 'unknown', final: false },
      { line: 5, state: 'other', final: false },
    ],
  );
});

test('with another base chosen, the one that was is found by its pin', onCluster, async () => {
  const settings = { ...project.settings, image: `${world.registry.host}/base/core:2.0` };
  const list = await images(run, { ...project, settings });
  const found = list.images.find(({ digest }) => digest === web.digest)?.builtOn;
  assert.deepEqual([found?.base, found?.digest, found?.proven], ['other', base.digest, true]);
});

test('a cancel between two images keeps the whole ones and names them; a repeat does the rest', onCluster, async () => {
  const some = await chosen();
  const plan = await planImages(run, some, world.cluster);
  const nodes = world.cluster.nodes.map(({ name }) => name);
  assert.deepEqual(
    plan.images.map(({ digest, nodes }) => [digest, nodes]),
    [base.digest, ...some.wanted.slice(1).map(({ lock }) => lock.digest)].map((digest) => [digest, nodes]),
  );
  assert.equal(plan.images.length, 3, 'base, web and api; the pod of the base is no image more');
  assert.match(plan.warnings.join(), /gone:1@.* will not be loaded/);
  assert.match(plan.notMirrored.join(), /shop\/shell:1@.*: a Windows image/);
  await pullImages(run, project, some.wanted, world.cluster, () => {});
  assert.deepEqual(
    (await readLock(world.folder)).map(({ digest, workload }) => [digest, workload]).toSorted(),
    some.wanted.map(({ lock }) => [lock.digest, lock.digest === base.digest ? undefined : true]).toSorted(),
  );

  const stop = new AbortController();
  const second = some.wanted[1]?.lock;
  assert.ok(second);
  const { measured } = measuredRun(stop.signal, (title) => title.includes(second.reference) && stop.abort());
  const { stage, changed } = startStages(measured);
  await assert.rejects(
    stage('loading the image', () => loadImages(measured, some.wanted, world.cluster, changed)),
    (error: Error) => {
      assert.match(error.message, /while loading the image/);
      for (const node of nodes) assert.ok(error.message.includes(`loaded ${base.reference} into node ${node}`));
      return true;
    },
  );
  for (const node of nodes) {
    const names = await namesOn(world.cluster, node);
    assert.ok(names.includes(`${world.registry.host}/base/core@${base.digest}`));
    assert.deepEqual(
      names.filter((name) => name.includes('/shop/') || name.includes('staging')),
      [],
    );
  }
  const rest = await planImages(run, some, world.cluster);
  assert.deepEqual(
    rest.images.map(({ digest }) => digest),
    some.wanted.slice(1).map(({ lock }) => lock.digest),
  );
});

test('all under their digests on every node; what they share goes there once', onCluster, async () => {
  await unloadAll(world.cluster, run);
  const some = await chosen();
  const { measured, sent } = measuredRun(run.signal);
  const changes: string[] = [];
  await loadImages(measured, some.wanted, world.cluster, (...lines) => void changes.push(...lines));
  assert.equal(changes.length, 3 * world.cluster.nodes.length);
  const bytes = (digest: string) => [...sent].find(([title]) => title.includes(digest))?.[1] ?? Number.NaN;
  assert.ok(bytes(web.digest) < MEGABYTES, `web: ${bytes(web.digest)} bytes`);
  assert.ok(bytes(api.digest) < MEGABYTES, `api: ${bytes(api.digest)} bytes`);
  for (const { name } of world.cluster.nodes) {
    const names = await namesOn(world.cluster, name);
    for (const { reference, digest } of [base, web, api]) {
      assert.ok(names.includes(`${reference.replace(/:[^:/]*$/, '')}@${digest}`), `${reference} on ${name}`);
      assert.ok(names.includes(reference), `${reference} on ${name}`);
    }
  }
  assert.deepEqual((await planImages(run, some, world.cluster)).images, []);
  const { findings, image } = await reportImages(run, project, some, world.cluster);
  assert.equal(image?.reference, base.reference);
  const states = (layer: string) => findings.filter((one) => one.layer === layer).map(({ state }) => state);
  assert.deepEqual(states('base image'), ['equal']);
  assert.deepEqual(states('workload images').toSorted(), ['cannot', 'equal', 'equal', 'equal', 'unknown']);
  assert.deepEqual(states('Dockerfiles'), ['differs', 'differs', 'equal', 'unknown', 'skipped']);
});

test('with the registry gone, what was pinned is still known and loaded', onCluster, async () => {
  await unloadAll(world.cluster, run);
  await world.registry.stop();
  try {
    const some = await chosen();
    await pullImages(run, project, some.wanted, world.cluster, () => {});
    await loadImages(run, some.wanted, world.cluster, () => {});
    assert.deepEqual((await planImages(run, some, world.cluster)).images, []);
    assert.deepEqual((await images(run, project)).images.filter(({ builtOn }) => builtOn?.base === 'chosen').length, 3);

    // Production leaves one of them: its pin goes, unless only a part of production was looked at.
    const left = workloads().filter(({ name }) => !name.startsWith('web'));
    const fewer = await chooseImages(run, project, some.base, { workloads: left, nodes: [] });
    const pins = async () => (await readLock(world.folder)).map(({ digest }) => digest).toSorted();
    const part = { ...project, settings: { ...project.settings, namespaces: ['shop'] } };
    await forgetLeft(run, part, fewer, 'prod');
    assert.deepEqual(await pins(), [base.digest, web.digest, api.digest].toSorted());
    await forgetLeft(run, project, fewer, 'prod');
    assert.deepEqual(await pins(), [base.digest, api.digest].toSorted());
  } finally {
    await world.registry.restart();
  }
});
