import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { remove } from '../../src/changes.ts';
import { openNodes, type VouchedCluster } from '../../src/cluster/provider.ts';
import type { Host } from '../../src/host/host.ts';
import { localHost } from '../../src/host/local.ts';
import { quietRun } from '../../src/host/run.ts';
import { planUnload } from '../../src/image/unload.ts';
import { openLocal } from '../../src/open.ts';
import { mirror, type Project, plan, sync } from '../../src/pipeline.ts';
import { DEFAULT_SETTINGS } from '../../src/settings.ts';
import { dressMicrok8s, type Microk8sMachine } from '../standins/microk8s.ts';
import { microk8sInWsl } from '../standins/microk8s-in-wsl.ts';
import { kindInPodman } from './podman.ts';
import { startRegistry, type TestRegistry } from './registry.ts';
import { shopPart } from './shop-part.ts';
import { pushStandInImage, type StandIn } from './standin-image.ts';
import { kubectl, onCluster, openTestCluster } from './test-cluster.ts';

/** What a provider's cluster is, to the assertions below. */
interface Row {
  readonly id: string;
  readonly host: Host;
  /** The rig's own where it is absent. */
  readonly kubectl?: readonly string[];
  close(): Promise<void>;
}

let machine: Microk8sMachine | undefined;

/** Every provider, by how its cluster is had here (`registry` is `HOST:PORT`). What is named "the real" runs where it is asked for. */
const ROWS: Record<string, { skip: string | boolean; open(registry: string): Promise<Row> }> = {
  kind: {
    ...onCluster,
    open: async () => ({ id: (await openTestCluster()).id, host: localHost(), close: async () => {} }),
  },
  'MicroK8s of two machines, a stand-in for its command': {
    ...onCluster,
    async open() {
      const { nodes, connection } = await openTestCluster();
      const dressed = await dressMicrok8s(
        nodes.map(({ name }) => name),
        new URL(connection.server).port,
      );
      machine = dressed;
      return { id: 'microk8s', host: dressed.host(), close: () => dressed.close() };
    },
  },
  'MicroK8s in a WSL distro': {
    skip: process.getuid?.() === 0 || process.env.CI ? onCluster.skip : 'namespaces need root',
    async open() {
      const { nodes } = await openTestCluster();
      const names = nodes.map(({ name }) => name);
      return { id: 'microk8s:wsl:Stand-In', ...(await microk8sInWsl(names, nodes[0]?.hostAddress ?? '')) };
    },
  },
  'the real MicroK8s': {
    skip: process.env.CLPARITY_TEST_MICROK8S ? false : 'CLPARITY_TEST_MICROK8S is not set',
    open: async () => ({
      id: 'microk8s',
      host: localHost(),
      kubectl: ['microk8s', 'kubectl'],
      close: async () => {},
    }),
  },
  // Not in every test run: a node image in a second engine takes minutes and gigabytes.
  'the real Podman, with kind in it': {
    skip: process.env.CLPARITY_TEST_PODMAN ? onCluster.skip : 'CLPARITY_TEST_PODMAN is not set',
    open: kindInPodman,
  },
};

for (const [title, { skip, open }] of Object.entries(ROWS)) {
  // The stand-in of a machine that isn't there is no gap of this one.
  if (skip && title.startsWith('the real')) continue;
  describe(`sync into ${title}`, { skip }, () => {
    let row: Row;
    let registry: TestRegistry;
    let image: StandIn;
    let folder: string;
    let project: Project;
    let cluster: VouchedCluster;
    const logged: string[] = [];
    const run = quietRun(AbortSignal.timeout(600_000), (level, message) => void logged.push(`${level}: ${message}`));
    const yes = async () => true;

    before(async () => {
      registry = await startRegistry();
      row = await open(registry.host);
      image = await pushStandInImage(registry.host, 'providers/base', '3.0', { note: `${title} ${Date.now()}` });
      folder = await shopPart();
      const settings = { ...DEFAULT_SETTINGS, snapshot: 'part', image: image.reference, cluster: row.id };
      project = { host: row.host, folder, settings };
      cluster = await openLocal(run, project);
      await remove(run, project, yes);
    });
    after(async () => {
      if (cluster) await remove(run, project, yes);
      await registry?.close();
      await row?.close();
      if (folder) await rm(folder, { recursive: true, force: true });
    });

    test('it is vouched for, with evidence', () => {
      assert.match(cluster.kubernetesVersion, /^v\d+\.\d+\./);
      assert.ok(
        cluster.evidence.some((line) => line.includes(cluster.uid)),
        cluster.evidence.join('\n'),
      );
      assert.ok(openNodes(cluster).length > 0, JSON.stringify(cluster.nodes));
    });

    test('a plan names every node that lacks the image', async () => {
      const { images } = await plan(run, project);
      assert.deepEqual(images, [
        { reference: image.reference, digest: image.digest, nodes: cluster.nodes.map(({ name }) => name) },
      ]);
    });

    test('sync loads, mirrors and proves', async () => {
      const report = await sync(run, project, yes);
      assert.equal(report?.equal, true, JSON.stringify({ ...report, logged }, null, 1));
      assert.equal(report.verify?.enforcement.enforced, true);
      assert.deepEqual(report.verify?.differences, []);
      assert.ok((report.verify?.counts.TCP.probed ?? 0) > 10);
      const loaded = report.changes.filter((line) => line.startsWith('loaded'));
      assert.equal(loaded.length, cluster.nodes.length, report.changes.join('\n'));
      const closed = cluster.nodes.filter((node) => node.closed);
      for (const { name } of closed) {
        assert.ok(
          report.verify?.notProbed.some((line) => line.includes(name)),
          report.verify?.notProbed.join('\n'),
        );
      }
    });

    test('a pod of each node runs by digest, with the registry stopped', async () => {
      await registry.stop();
      const repository = image.reference.replace(/:[^:/]*$/, '');
      const pods = cluster.nodes.map(({ name }, i) => ({ pod: `by-digest-${i}`, node: name }));
      const api = await kubectlOf(row);
      try {
        for (const { pod, node } of pods) {
          await api(['apply', '-f', '-'], {
            apiVersion: 'v1',
            kind: 'Pod',
            metadata: { name: pod, namespace: 'default' },
            spec: {
              nodeName: node,
              terminationGracePeriodSeconds: 0,
              tolerations: [{ operator: 'Exists' }],
              containers: [{ name: 'c', image: `${repository}@${image.digest}`, imagePullPolicy: 'IfNotPresent' }],
            },
          });
        }
        for (const { pod } of pods) {
          await api(['wait', '--for=condition=Ready', `pod/${pod}`, '-n', 'default', '--timeout=50s']);
          const path = 'jsonpath={.status.containerStatuses[0].imageID}';
          const id = await api(['get', 'pod', pod, '-n', 'default', '-o', path]);
          assert.ok(id.endsWith(image.digest), `${pod} runs ${id}`);
        }
        const { stays } = await planUnload(cluster, AbortSignal.timeout(60_000));
        for (const { pod, node } of pods) {
          const inUse = stays.some((line) => line.includes(`node ${node}: in use by default/${pod}`));
          assert.equal(
            inUse,
            openNodes(cluster).some(({ name }) => name === node),
            stays.join('\n'),
          );
        }
      } finally {
        const names = pods.map(({ pod }) => pod);
        await api(['delete', 'pod', ...names, '-n', 'default', '--ignore-not-found', '--now']);
        await registry.restart();
      }
    });

    test('the second sync changes nothing', async () => {
      const report = await sync(run, project, yes);
      assert.deepEqual(report?.changes, []);
      assert.equal(report?.equal, true);
    });

    if (title.includes('stand-in')) faults(() => ({ project, cluster, image }));

    test('remove takes all of it back, and says what stays', async () => {
      const removal = await remove(run, project, yes);
      const again = await plan(run, project);
      const open = openNodes(cluster).map(({ name }) => name);
      assert.deepEqual(again.images[0]?.nodes, open);
      assert.equal(
        again.objects.every((change) => change.action === 'create'),
        true,
      );
      const stays = removal?.warnings.filter((line) => /stay until its kubelet/.test(line)) ?? [];
      assert.equal(stays.length, cluster.nodes.length - open.length);
    });
  });
}

type Kubectl = (argv: readonly string[], manifest?: object) => Promise<string>;

/** A kubectl that isn't ours, for the cluster of a row. */
async function kubectlOf({ host, kubectl: own }: Row): Promise<Kubectl> {
  if (!own) {
    const cluster = await openTestCluster();
    return (argv, manifest) => kubectl(cluster, argv, manifest);
  }
  return async (argv, manifest) => {
    const stdin = manifest && JSON.stringify(manifest);
    const signal = AbortSignal.timeout(60_000);
    const { exitCode, stdout, stderr } = await host.exec([...own, ...argv], { signal, ...(stdin && { stdin }) });
    if (exitCode !== 0) throw new Error(`kubectl ${argv.join(' ')}: ${stderr}`);
    return stdout;
  };
}

/** What goes wrong with MicroK8s, put there on purpose: each has its own words and the command that mends it. */
function faults(
  world: () => { readonly project: Project; readonly cluster: VouchedCluster; readonly image: StandIn },
): void {
  const signal = () => AbortSignal.timeout(120_000);
  const yes = async () => true;
  const it = () => {
    assert.ok(machine);
    return machine;
  };

  test('not running, and no permission', async () => {
    const { project } = world();
    await it().fault('stopped', true);
    try {
      await assert.rejects(openLocal(quietRun(signal()), project), /MicroK8s is not running/);
    } finally {
      await it().fault('stopped', false);
    }
    const outside = { ...project, host: it().host({ inGroup: false }) };
    await assert.rejects(openLocal(quietRun(signal()), outside), /does not let .* use it/);
  });

  test('missing DNS is told, and enabled only when asked: with root, and never by asking for a password', async () => {
    const { project } = world();
    const asked = { ...project, settings: { ...project.settings, enableDns: true } };
    const own = /has no DNS.*--enable-dns/;
    await it().fault('no-dns', true);
    try {
      await mirror(quietRun(signal()), project, yes);
      assert.match((await plan(quietRun(signal()), project)).warnings.join(), own);
      assert.match((await plan(quietRun(signal()), asked)).warnings.join(), /DNS add-on of microk8s will be enabled/);
      await it().fault('password', true);
      await assert.rejects(mirror(quietRun(signal()), asked, yes), /DNS can't be enabled.*password/);
      await it().fault('password', false);
      const report = await mirror(quietRun(signal()), asked, yes);
      assert.ok(report?.changes.includes('enabled the DNS add-on of microk8s'), report?.changes.join());
      assert.doesNotMatch((await plan(quietRun(signal()), project)).warnings.join(), own);
    } finally {
      await it().fault('password', false);
      await it().fault('no-dns', false);
    }
  });

  test('a sudo that would ask for a password hangs nothing: policies go on, packets do not', async () => {
    const { project } = world();
    await it().fault('password', true);
    try {
      const begun = Date.now();
      const cluster = await openLocal(quietRun(signal()), project);
      assert.deepEqual(openNodes(cluster), []);
      const text = JSON.stringify(cluster.nodes);
      assert.match(text, /sudo asks for a password/);
      assert.ok(Date.now() - begun < 60_000, 'it hung');
      const report = await sync(quietRun(signal()), project, yes);
      assert.equal(report?.verify, undefined);
      assert.equal(report?.equal, false);
      const unknown = report.findings.find(({ layer, state }) => layer === 'connections' && state === 'unknown');
      assert.match(unknown?.title ?? '', /No packet was sent in microk8s: .*password/);
    } finally {
      await it().fault('password', false);
    }
  });

  test("an import that one node's agent refuses, or that doesn't reach it, names the node", async () => {
    const { project, cluster, image } = world();
    const closed = cluster.nodes.find((node) => node.closed)?.name ?? '';
    const host = image.reference.slice(0, image.reference.indexOf('/'));
    const other = await pushStandInImage(host, 'providers/other', '1', { note: `other ${Date.now()}` });
    const wanted = { ...project, settings: { ...project.settings, image: other.reference } };
    try {
      for (const [state, says] of [
        ['full', /no space left/],
        ['stopped', /refused/],
      ] as const) {
        await it().agent(closed, state);
        await assert.rejects(
          sync(quietRun(signal()), wanted, async () => true),
          (error: Error) => {
            assert.match(error.message, /Not every node took/);
            assert.match(error.message, new RegExp(closed));
            assert.match(error.message, says);
            return true;
          },
        );
      }
    } finally {
      await it().agent(closed, 'good');
    }
  });
}
