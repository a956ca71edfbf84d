import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type Docker from 'dockerode';
import { localHost } from '../../src/host/local.ts';
import { quietRun } from '../../src/host/run.ts';
import { connectDocker } from '../../src/image/docker.ts';
import { factsLine } from '../../src/image/facts-text.ts';
import { readLock } from '../../src/image/lock.ts';
import { image, pull } from '../../src/images.ts';
import type { Project } from '../../src/pipeline.ts';
import { DEFAULT_SETTINGS } from '../../src/settings.ts';
import { forgetImages } from './image-world.ts';
import { startRegistry, type TestRegistry } from './registry.ts';
import { pushStandInImage } from './standin-image.ts';
import { onCluster } from './test-cluster.ts';

const host = localHost();
const run = quietRun();
let registry: TestRegistry;
let docker: Docker;
let folder = '';
before(async () => {
  if (onCluster.skip) return;
  registry = await startRegistry();
  docker = await connectDocker(host, run.signal);
  folder = await mkdtemp(join(tmpdir(), 'clparity-facts-'));
});
after(async () => {
  if (!registry) return;
  await forgetImages(docker, registry.host);
  await registry.close();
  await rm(folder, { recursive: true, force: true });
});

const project = (settings: Partial<Project['settings']>): Project => ({
  host,
  folder,
  settings: { ...DEFAULT_SETTINGS, ...settings },
});
const OS = 'Stand-in for Microsoft Azure Linux 3.0 (not the real base image) (3.0)';

test(
  'the facts of an image that Docker does not have, from a registry without the referrers API',
  onCluster,
  async () => {
    const { reference, digest } = await pushStandInImage(registry.host, 'told', '3.0', { note: 'told' });
    const facts = await image(run, project({ image: reference }));
    assert.equal(facts.digest, digest);
    assert.equal(
      factsLine(facts),
      `${OS}; built: 2026-01-01; packages: unknown; end of life: unknown; signature: none found`,
    );
    assert.match(facts.os.evidence, /the layers at 127\.0\.0\.1/);
    assert.deepEqual(await readLock(folder), [], 'nothing is pinned by looking');
    await pull(run, project({ image: reference }));
    assert.match((await image(run, project({ image: reference }))).os.evidence, /in the Docker daemon/);
  },
);

test(
  'a pull that moves the pin says what is different, even where Docker has lost the old one',
  onCluster,
  async () => {
    const options = { note: 'first', filling: 1_000_000 };
    const first = await pushStandInImage(registry.host, 'moved', '3.0', options);
    const there = project({ image: first.reference });
    assert.equal((await pull(run, there)).difference, undefined);
    assert.equal((await pull(run, there, undefined, true)).difference, undefined, 'nothing has moved');
    await forgetImages(docker, registry.host);
    const second = await pushStandInImage(registry.host, 'moved', '3.0', { ...options, note: 'second' });
    assert.equal((await pull(run, there)).digest, first.digest, 'the pin holds');
    const moved = await pull(run, there, undefined, true);
    assert.deepEqual(moved.difference?.digest, { from: first.digest, to: second.digest });
    const { addedSize, ...layers } = moved.difference?.layers ?? {};
    assert.deepEqual(layers, { shared: 2, added: 1, removed: 1 });
    assert.ok((addedSize ?? 0) < 2_000);
    assert.equal(moved.difference?.os.from.value?.name, moved.difference?.os.to.value?.name);
  },
);

test('a mirror gives the bytes, the registry its name and digest', onCluster, async () => {
  const { digest } = await pushStandInImage(registry.host, 'proxy/base/core', '3.0', { note: 'mirrored' });
  // RFC 2606: a name that resolves nowhere.
  const reference = 'registry.invalid/base/core:3.0';
  const there = project({ image: reference, registryMirror: `${registry.host}/proxy` });
  try {
    const lock = await pull(run, there);
    assert.deepEqual([lock.reference, lock.repository, lock.digest], [reference, 'registry.invalid/base/core', digest]);
    assert.deepEqual((await docker.getImage(reference).inspect()).RepoTags.includes(reference), true);
    assert.match(factsLine(await image(run, there)), /signature: none found$/);
  } finally {
    await docker.getImage(reference).remove();
  }
  await assert.rejects(image(run, project({ image: 'registry.invalid/other:1' })), {
    kind: 'environment',
    message: /Can't reach the registry registry\.invalid for registry\.invalid\/other:1/,
  });
  await assert.rejects(pull(run, project({ image: 'registry.invalid/x:1', registryMirror: 'https://mirror' })), {
    kind: 'input',
    message: /"https:\/\/mirror" is not a registry mirror/,
  });
});

test('a file to trust that is not there is found out before anything is pulled', onCluster, async () => {
  const there = project({ image: `${registry.host}/told:3.0`, trust: join(folder, 'absent.pem') });
  await assert.rejects(pull(run, there), { kind: 'input', message: /absent\.pem to trust/ });
});
