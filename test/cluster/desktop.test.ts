import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { after, before, describe, test } from 'node:test';
import { remove } from '../../src/changes.ts';
import type { VouchedCluster } from '../../src/cluster/provider.ts';
import { ParityError } from '../../src/host/errors.ts';
import { localHost } from '../../src/host/local.ts';
import { quietRun } from '../../src/host/run.ts';
import { connectDocker } from '../../src/image/docker.ts';
import { openLocal } from '../../src/open.ts';
import { type Project, plan, sync } from '../../src/pipeline.ts';
import { hasChanges } from '../../src/plan/plan.ts';
import { DEFAULT_SETTINGS } from '../../src/settings.ts';
import { type Desktop, type DesktopFault, dressDesktop } from '../standins/desktop.ts';
import { forgetImages } from './image-world.ts';
import { startRegistry, type TestRegistry } from './registry.ts';
import { shopPart } from './shop-part.ts';
import { pushStandInImage, type StandIn } from './standin-image.ts';
import { onCluster, openTestCluster } from './test-cluster.ts';

const signal = AbortSignal.timeout(600_000);
const run = quietRun(signal);
const yes = async () => true;
const CLUSTER = 'desktop:docker-desktop';

describe("Docker Desktop's Kubernetes, whose containers are Docker's own", onCluster, () => {
  let real: VouchedCluster;
  let desktop: Desktop;
  let registry: TestRegistry;
  let image: StandIn;
  let folder: string;
  let project: Project;

  before(async () => {
    real = await openTestCluster();
    desktop = await dressDesktop(real);
    registry = await startRegistry();
    image = await pushStandInImage(registry.host, 'desktop/base', '3.0', { note: `desktop ${Date.now()}` });
    folder = await shopPart();
    const settings = { ...DEFAULT_SETTINGS, snapshot: 'part', image: image.reference, cluster: CLUSTER };
    project = { host: desktop.host, folder, settings };
  });
  after(async () => {
    if (project) await remove(run, project, yes);
    const docker = await connectDocker(localHost(), signal);
    if (registry) await forgetImages(docker, registry.host);
    await registry?.close();
    await desktop?.close();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  test('it is vouched for by the containers that both sides have', async () => {
    const cluster = await openLocal(run, project);
    assert.equal(cluster.uid, real.uid);
    assert.match(cluster.evidence.join('\n'), /all \d\d? containers .* by ID and pod/);
    assert.ok(cluster.nodes.every(({ closed }) => closed));
  });

  test('sync has Docker pull by digest and mirrors; what was not proven is never called equal', async () => {
    const before = await plan(run, project);
    assert.deepEqual(before.images, [{ reference: image.reference, digest: image.digest, nodes: ['Docker'] }]);
    const report = await sync(run, project, yes);
    assert.ok(report);
    assert.equal(report.equal, false);
    assert.equal(report.verify, undefined);
    assert.match(JSON.stringify(report.findings), /is in Docker, bit for bit/);
    assert.match(JSON.stringify(report.findings), /no way into its node/);
    const after = await plan(run, project);
    assert.ok(!hasChanges(after), JSON.stringify(after));
  });

  test('a container runs by digest, with the registry stopped, as its kubelet would have Docker do', async () => {
    await registry.stop();
    const name = `${image.reference.replace(/:[^:/]*$/, '')}@${image.digest}`;
    const argv = ['docker', 'run', '--rm', '--pull', 'never', '--network', 'none', name, '/bin/cat', '/note'];
    const { exitCode, stdout, stderr } = await localHost().exec(argv, { signal });
    assert.equal(exitCode, 0, stderr);
    assert.match(stdout, /^desktop /);
    await registry.restart();
  });
});

const FAULTS: Record<string, readonly [DesktopFault, RegExp]> = {
  'whose containers Docker does not show': [{ shown: () => [] }, /shows no pods' containers/],
  'of which some containers are not in this Docker': [
    { shown: (all) => all.slice(Math.ceil(all.length / 2)) },
    /\d+ of the \d+ containers .* none of the Docker here/,
  ],
  'whose containers have the right IDs in other pods': [
    { shown: (all) => all.map((one) => ({ ...one, Labels: { 'io.kubernetes.pod.uid': 'another' } })) },
    /none of the Docker here/,
  ],
  'whose API server is not on loopback': [{ server: 'https://10.0.0.1:6443' }, /not on this machine's loopback/],
};
for (const [title, [fault, says]] of Object.entries(FAULTS)) {
  test(`a desktop's Kubernetes ${title} is refused`, onCluster, async () => {
    await assertRefused(await dressDesktop(await openTestCluster(), fault), says);
  });
}

test("a desktop's Kubernetes is refused where Docker is on another machine", onCluster, async () => {
  const desktop = await dressDesktop(await openTestCluster());
  const env = { ...desktop.host.env, DOCKER_HOST: 'tcp://127.0.0.1:1' };
  await assertRefused({ ...desktop, host: { ...desktop.host, env } }, /need not be this machine/);
});

async function assertRefused({ host, close }: Desktop, says: RegExp): Promise<void> {
  try {
    await assert.rejects(
      openLocal(run, { host, folder: tmpdir(), settings: { ...DEFAULT_SETTINGS, cluster: CLUSTER } }),
      (error) => {
        assert.ok(error instanceof ParityError && error.kind === 'refused', String(error));
        assert.match(error.message, says);
        return true;
      },
    );
  } finally {
    await close();
  }
}
