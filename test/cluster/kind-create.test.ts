import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type Docker from 'dockerode';
import { withClient } from '../../src/apply/client.ts';
import { providers } from '../../src/cluster/index.ts';
import { ParityError } from '../../src/host/errors.ts';
import { localHost } from '../../src/host/local.ts';
import { quietRun } from '../../src/host/run.ts';
import { connectDocker } from '../../src/image/docker.ts';
import { detectEngine } from '../../src/snapshot/engine.ts';
import { checkEnforcement } from '../../src/verify/enforcement.ts';
import { podNetworks } from '../../src/verify/netns.ts';
import { onCluster, openTestCluster } from './test-cluster.ts';

const NAME = `made-${process.pid}`;

describe('making a kind cluster', onCluster, () => {
  let docker: Docker;
  let nodeImage: string;
  let folder: string;
  let kubeconfig: string;

  before(async () => {
    docker = await connectDocker(localHost(), AbortSignal.timeout(10_000));
    const [node] = (await openTestCluster()).nodes;
    nodeImage = (await docker.getContainer(node?.name ?? '').inspect()).Config.Image;
    folder = await mkdtemp(join(tmpdir(), 'kind-create-'));
    kubeconfig = join(folder, 'config');
    await writeFile(kubeconfig, '# mine\n');
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const kind = () => {
    const [provider] = providers(localHost({ ...process.env, KUBECONFIG: kubeconfig }), docker);
    assert.ok(provider?.create);
    return { ...provider, create: provider.create };
  };
  const containers = async () =>
    (await docker.listContainers({ all: true, filters: { label: [`io.x-k8s.kind.cluster=${NAME}`] } })).length;

  test('a taken name is refused before anything is made', async () => {
    const { name } = await openTestCluster();
    await assert.rejects(
      kind().create({ name, nodeImage }, quietRun()),
      (error) => error instanceof ParityError && error.kind === 'input' && /already/.test(error.message),
    );
  });

  test('a cancel in the middle deletes the half-made cluster, says so, and leaves the kubeconfig alone', async () => {
    const stop = new AbortController();
    const lines: string[] = [];
    const run = quietRun(stop.signal, (_level, line) => {
      lines.push(line);
      if (/Writing configuration|Preparing nodes/.test(line) && lines.length > 1) stop.abort();
    });
    await assert.rejects(
      kind().create({ name: NAME, nodeImage }, run),
      (error) =>
        error instanceof ParityError &&
        error.kind === 'cancelled' &&
        error.message === `The creation of kind:${NAME} was cancelled; the half-made cluster was deleted`,
    );
    assert.ok(lines.length > 1, 'kind said something');
    assert.equal(await containers(), 0);
    assert.equal(await readFile(kubeconfig, 'utf8'), '# mine\n');
    assert.deepEqual(await readdir(folder), ['config']);
  });

  test('what --engine cilium has made enforces policies, from a node image whose own network enforces none', async (t) => {
    const cluster = await openTestCluster(process.env.CLPARITY_TEST_TARGET);
    const [node] = cluster.nodes;
    const { Image } = (await docker.getContainer(node?.name ?? '').inspect()).Config;
    if (Image === nodeImage) return t.skip('the target was made by another node image, without an engine of its own');
    const networks = await podNetworks(cluster, AbortSignal.timeout(30_000));
    const [pause] = [...networks.values()].flatMap(({ sandboxImage }) => sandboxImage ?? []);
    assert.ok(pause, 'no pod runs there');
    const options = { timeoutMs: 2000, signal: AbortSignal.timeout(120_000) };
    await withClient(cluster, '', async (client) => {
      assert.equal((await detectEngine(client, options.signal)).name, 'cilium');
      const { check } = await checkEnforcement(client, cluster, { image: pause }, options);
      assert.ok(check.enforced, check.evidence.join('\n'));
    });
  });

  test('a node image that is not there fails with what kind says, and leaves nothing', async () => {
    await assert.rejects(
      kind().create({ name: NAME, nodeImage: 'localhost:1/no/node:v0.0.0' }, quietRun()),
      (error) =>
        error instanceof ParityError &&
        error.kind === 'environment' &&
        /localhost:1\/no\/node:v0\.0\.0.*the half-made cluster was deleted$/s.test(error.message),
    );
    assert.equal(await containers(), 0);
  });
});
