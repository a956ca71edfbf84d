import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { VouchedCluster } from '../../src/cluster/provider.ts';
import type { Report } from '../../src/report/model.ts';
import { type CliResult, clparity } from './cli.ts';
import { startRegistry, type TestRegistry } from './registry.ts';
import { pushStandInImage, type StandIn } from './standin-image.ts';
import { kubectl, onCluster, openTestCluster } from './test-cluster.ts';

const SHOP = fileURLToPath(new URL('../fixtures/shop', import.meta.url));

/** Two namespaces of the shop: enough for what hangs on no size, and proven in a third of the time. */
async function copyPart(to: string): Promise<void> {
  for (const file of ['namespaces', 'payments', 'monitoring']) {
    await cp(join(SHOP, `${file}.yaml`), join(to, `${file}.yaml`));
  }
}

/** The main job as a user runs it, on the sample target: every line of "done" in one story, in order. */
describe('sync, from the command line', onCluster, () => {
  let cluster: VouchedCluster;
  let registry: TestRegistry;
  let image: StandIn;
  let folder: string;
  let part: string;
  let asBefore: unknown;

  before(async () => {
    cluster = await openTestCluster();
    registry = await startRegistry();
    image = await pushStandInImage(registry.host, 'sync/base', '3.0', { note: `made at ${Date.now()}` });
    folder = await mkdtemp(join(tmpdir(), 'clparity-sync-'));
    part = join(folder, 'part');
    await cp(SHOP, join(folder, 'shop'), { recursive: true });
    await copyPart(part);
    await run(['remove', '--yes']);
    asBefore = await visible();
  });
  after(async () => {
    if (cluster) await run(['remove', '--yes']);
    await registry?.close();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  const run = (args: readonly string[], interruptAt?: RegExp, signal?: NodeJS.Signals): Promise<CliResult> =>
    clparity([...args, '--cluster', cluster.id], {
      cwd: folder,
      ...(interruptAt ? { interruptAt } : {}),
      ...(signal ? { signal } : {}),
    });
  const sync = (snapshot: string, ...more: string[]) =>
    run(['sync', '--snapshot', snapshot, '--image', image.reference, '--yes', ...more]);
  const verify = ['verify', '--snapshot', 'part', '--yes'];
  const reportOf = ({ stdout }: CliResult) => JSON.parse(stdout) as Report;

  /** Namespaces, policies and pods outside of the system, as kubectl sees them. */
  async function visible(): Promise<unknown> {
    const get = async (kind: string) => {
      const { items } = JSON.parse(await kubectl(cluster, ['get', kind, '-A', '-o', 'json'])) as {
        items: { metadata: { namespace?: string; name: string; labels?: object }; spec?: object }[];
      };
      return items
        .filter((i) => i.metadata.namespace !== 'kube-system')
        .map((i) => [kind, i.metadata.namespace, i.metadata.name, i.metadata.labels, kind === 'pods' ? null : i.spec]);
    };
    return [...(await get('namespaces')), ...(await get('networkpolicies')), ...(await get('pods'))];
  }

  test('without a terminal and without --yes, nothing is written', async () => {
    const result = await run(['sync', '--snapshot', 'shop', '--image', image.reference]);
    assert.equal(result.code, 2, result.stderr);
    assert.match(result.stderr, /--yes/);
    assert.deepEqual(await visible(), asBefore);
  });

  test('plan shows every change and exits 1', async () => {
    const result = await run(['plan', '--snapshot', 'shop', '--image', image.reference]);
    assert.equal(result.code, 1, result.stderr);
    const plan = JSON.parse(result.stdout) as { objects: unknown[]; images: { digest: string; nodes: string[] }[] };
    assert.equal(plan.objects.length, 26);
    assert.deepEqual(
      plan.images.map((i) => [i.digest, i.nodes.length]),
      [[image.digest, cluster.nodes.length]],
    );
    assert.deepEqual(await visible(), asBefore);
  });

  const CANCELS: [stage: string, at: RegExp, left: RegExp][] = [
    ['reading the target', /Read the target .* …/, /Nothing was changed before that/],
    ['pulling the image', /Pull .* …/, /pull/i],
    ['loading the image', /Load .* into kind.* …/, /Done before that: pulled/],
    ['mirroring policies', /Change the local cluster …/, /rolled back|nothing was changed/i],
    ['looking at what is there now', /Change the local cluster: done/, /Done before that: .*created Namespace/],
    ['verifying', /Start stand-ins …/, /removed again.* (Done|Nothing was changed) before that/],
  ];
  for (const [stage, at, left] of CANCELS) {
    test(`cancel while ${stage} says what it leaves, and leaves that`, async () => {
      const result = await run(['sync', '--snapshot', 'shop', '--image', image.reference, '--yes'], at);
      assert.equal(result.code, 130, result.stderr);
      assert.match(result.stderr, new RegExp(`Cancelled: while ${stage}`));
      assert.match(result.stderr, left);
      const now = JSON.stringify(await visible());
      assert.ok(!now.includes('clparity-standin'), 'stand-ins are left');
      if (!['looking at what is there now', 'verifying'].includes(stage)) assert.equal(now, JSON.stringify(asBefore));
      else assert.ok(now.includes('shop-web'), 'the mirrored policies stay, as the message says');
    });
  }

  test('a terminal that is closed between the policies and the proof: what was done is named', async () => {
    await run(['remove', '--yes']);
    const between = /Change the local cluster: done[\s\S]*Read the local cluster …/;
    const result = await run(['sync', '--snapshot', 'shop', '--image', 'none', '--yes'], between, 'SIGHUP');
    assert.equal(result.code, 130, result.stderr);
    assert.match(result.stderr, /Cancelled: while looking at what is there now\. Done before that: created Namespace/);
  });

  test('sync makes the cluster equal and proves it', async () => {
    await run(['remove', '--yes']);
    assert.deepEqual(await visible(), asBefore);
    const result = await sync('shop');
    assert.equal(result.code, 0, `${result.stderr}\n${result.stdout}`);
    const report = reportOf(result);
    assert.equal(report.equal, true);
    assert.equal(report.verify?.enforcement.enforced, true);
    assert.deepEqual(report.verify?.differences, []);
    assert.ok((report.verify?.counts.TCP.probed ?? 0) > 500);
    assert.ok((report.verify?.counts.UDP.probed ?? 0) > 100);
    assert.equal(report.changes.filter((c) => c.startsWith('created')).length, 26);
    const lock = JSON.parse(await readFile(join(folder, 'clparity.lock.json'), 'utf8')) as object;
    assert.ok(JSON.stringify(lock).includes(image.digest));
  });

  test("a pod starts by production's digest and by tag, with the registry stopped", async () => {
    await registry.stop();
    try {
      const repository = image.reference.replace(/:[^:/]*$/, '');
      for (const [name, reference] of [
        ['by-digest', `${repository}@${image.digest}`],
        ['by-tag', image.reference],
      ] as const) {
        await kubectl(cluster, ['apply', '-f', '-'], {
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: { name, namespace: 'default' },
          spec: {
            terminationGracePeriodSeconds: 0,
            tolerations: [{ operator: 'Exists' }],
            containers: [{ name: 'c', image: reference, imagePullPolicy: 'IfNotPresent' }],
          },
        });
        await kubectl(cluster, ['wait', '--for=condition=Ready', `pod/${name}`, '-n', 'default', '--timeout=50s']);
        const id = await kubectl(cluster, [
          'get',
          'pod',
          name,
          '-n',
          'default',
          '-o',
          'jsonpath={.status.containerStatuses[0].imageID}',
        ]);
        assert.ok(id.endsWith(image.digest), `${name} runs ${id}`);
      }
    } finally {
      await kubectl(cluster, ['delete', 'pod', 'by-digest', 'by-tag', '-n', 'default', '--ignore-not-found', '--now']);
      await registry.restart();
    }
  });

  test('another target takes the place of the first', async () => {
    const result = await sync('part');
    assert.equal(result.code, 0, result.stderr);
    const { changes } = reportOf(result);
    assert.ok(changes.includes('deleted NetworkPolicy shop-web/default-deny'), changes.join());
    // What both have stays, marked as the other's.
    const kept = changes.filter((c) => / (payments|monitoring)\//.test(c));
    assert.ok(kept.length > 0 && kept.every((c) => c.startsWith('updated ')), changes.join());
  });

  test('the second sync changes nothing', async () => {
    const result = await sync('part');
    assert.equal(result.code, 0, result.stderr);
    assert.deepEqual(reportOf(result).changes, []);
    const shown = await clparity(['report', '--format', 'text'], { cwd: folder });
    assert.equal(shown.code, 0, shown.stderr);
    assert.match(shown.stdout, /No changes\./);
  });

  test('a policy broken on purpose here turns the report red, with connection and rule', async () => {
    await kubectl(cluster, ['delete', 'networkpolicy', 'ledger', '-n', 'payments']);
    await kubectl(cluster, ['apply', '-f', '-'], {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: 'hole', namespace: 'payments' },
      spec: { podSelector: { matchLabels: { app: 'ledger' } }, policyTypes: ['Ingress'], ingress: [{}] },
    });
    const result = await run(verify);
    assert.equal(result.code, 1, result.stderr);
    const report = reportOf(result);
    assert.equal(report.equal, false);
    const foreign =
      /^NetworkPolicy payments\/hole is not at the target and belongs to kubectl.*may change what is allowed here$/;
    assert.ok(
      report.findings.some(({ layer, title }) => layer === 'policies' && foreign.test(title)),
      result.stdout,
    );
    const hole = report.verify?.differences.find((d) => d.to.endsWith('/ledger') && d.measured === 'allowed');
    assert.equal(hole?.expected, 'denied');
    const why = JSON.stringify(hole?.because);
    assert.match(why, /default-deny|ledger/, 'the rule of the target');
    assert.match(why, /hole/, 'the rule here');
    assert.match(why, /payments\.yaml/, 'the file');
    await kubectl(cluster, ['delete', 'networkpolicy', 'hole', '-n', 'payments']);
  });

  test('what the target no longer has is pruned; what is missing comes back', async () => {
    const file = join(part, 'monitoring.yaml');
    const documents = (await readFile(file, 'utf8')).split(/^---$/m);
    const kept = documents.filter((d) => !(d.includes('kind: NetworkPolicy') && d.includes('name: statsd')));
    assert.equal(kept.length, documents.length - 1);
    await writeFile(file, kept.join('---'));
    const result = await sync('part');
    assert.equal(result.code, 0, result.stderr);
    const { changes } = reportOf(result);
    assert.deepEqual(changes.toSorted(), [
      'created NetworkPolicy payments/ledger',
      'deleted NetworkPolicy monitoring/statsd',
    ]);
    await copyPart(part);
  });

  test('a foreign policy of the same name is refused with its owner named, and left alone', async () => {
    const foreign = {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: 'statsd', namespace: 'monitoring' },
      spec: { podSelector: { matchLabels: { app: 'mine' } } },
    };
    await kubectl(cluster, ['apply', '--server-side', '--field-manager=team-tool', '-f', '-'], foreign);
    const result = await sync('part');
    assert.equal(result.code, 1, result.stderr);
    assert.ok(
      reportOf(result).findings.some((f) => f.state === 'differs' && f.title.includes('team-tool')),
      result.stdout,
    );
    const now = await kubectl(cluster, [
      'get',
      'networkpolicy',
      'statsd',
      '-n',
      'monitoring',
      '-o',
      'jsonpath={.spec.podSelector.matchLabels.app}',
    ]);
    assert.equal(now, 'mine');
    await kubectl(cluster, ['delete', 'networkpolicy', 'statsd', '-n', 'monitoring']);
  });

  test('without --yes the proof is refused too, though nothing is to change', async () => {
    const mirrored = await run(['mirror', '--snapshot', 'part', '--yes']);
    assert.deepEqual([mirrored.code, reportOf(mirrored).equal], [0, false], 'as at the target, and not proven');
    const result = await run(['sync', '--snapshot', 'part', '--image', image.reference]);
    assert.equal(result.code, 2, result.stderr);
    assert.match(result.stderr, /Put stand-ins .* --yes/s);
  });

  test('verify of some namespaces holds packets against all of the target', async () => {
    const result = await run([...verify, '--namespace', 'pay*']);
    assert.equal(result.code, 0, result.stderr);
    assert.deepEqual(reportOf(result).verify?.byScope, [], 'everything is mirrored, by the run before');
  });

  test('a second run at the same time is refused with the first one named', async () => {
    const results = await Promise.all([run(verify), run(verify)]);
    const refused = results.find((r) => r.code !== 0);
    assert.deepEqual(results.map((r) => r.code).toSorted(), [0, 3], refused?.stderr);
    assert.match(refused?.stderr ?? '', /Another run of clparity is at work in this cluster/);
  });

  test("a run that was killed stands in nobody's way, and what it left is taken away", async () => {
    const killed = await run(verify, /Probe connections …/, 'SIGKILL');
    assert.equal(killed.code, null);
    assert.match(JSON.stringify(await visible()), /clparity-standin/);
    const next = await run(verify);
    assert.equal(next.code, 0, next.stderr);
    assert.doesNotMatch(JSON.stringify(await visible()), /clparity-standin/);
  });

  test('check --live sends packets for each assertion', async () => {
    const assertions = [
      { from: 'payments/Deployment/gateway', to: 'payments/StatefulSet/ledger', port: 9000, allowed: true },
      { from: 'monitoring/Deployment/statsd', to: 'payments/StatefulSet/ledger', port: 9000, allowed: true },
    ];
    await writeFile(join(folder, 'assertions.json'), JSON.stringify(assertions));
    for (const live of [[], ['--live', '--yes', '--cluster', cluster.id]]) {
      const result = await clparity(['check', 'assertions.json', '--snapshot', 'part', ...live], { cwd: folder });
      assert.equal(result.code, 1, result.stderr);
      const { passed, failed, results } = JSON.parse(result.stdout) as {
        passed: number;
        failed: number;
        results: { actual: string }[];
      };
      assert.deepEqual([passed, failed, ...results.map((r) => r.actual)], [1, 1, 'allowed', 'denied']);
    }
  });

  test('bad input and a dead daemon have their own exit codes and a way out', async () => {
    await writeFile(join(folder, 'bad.yaml'), 'kind: NetworkPolicy\nmetadata: {name: a\n');
    const cases: [args: string[], code: number, text: RegExp, env?: Record<string, string>][] = [
      [['sync', '--yes'], 2, /--context NAME|--snapshot PATH/],
      [['plan', '--snapshot', 'bad.yaml'], 2, /bad\.yaml:\d+/],
      [['plan', '--snapshot', 'nowhere'], 2, /nowhere/],
      [['plan', '--context', 'no-such-context'], 2, /no-such-context/],
      [['plan', '--snapshot', 'shop', '--image', 'none', '--cluster', 'kind:no-such'], 2, /kind:no-such/],
      [['plan', '--snapshot', 'shop', '--image', 'NOT A REFERENCE', '--cluster', cluster.id], 2, /NOT A REFERENCE/],
      [['plan', '--snapshot', 'shop', '--image', '127.0.0.1:1/a/b:c', '--cluster', cluster.id], 3, /127\.0\.0\.1:1/],
      [['sync', '--snapshot', 'shop', '--yes'], 3, /Docker daemon/, { DOCKER_HOST: 'unix:///no/such.sock' }],
      [['frobnicate'], 2, /unknown command/],
    ];
    for (const [args, code, text, env] of cases) {
      const result = await clparity(args, { cwd: folder, ...(env ? { env } : {}) });
      assert.equal(result.code, code, `${args.join(' ')}: ${result.stderr}`);
      assert.match(result.stderr, text);
      assert.equal(result.stdout, '');
    }
  });

  test('a scope that leaves out what decides at the target is not called everything', async () => {
    await run(['remove', '--yes']);
    const result = await sync('shop', '--namespace', 'shop-web', '--namespace', 'shop-api', '--format', 'text');
    assert.equal(result.code, 0, result.stderr);
    assert.match(result.stdout, /connections? behaves? otherwise than at the target/);
    assert.match(result.stdout, /Equal in what was chosen/);
    assert.doesNotMatch(result.stdout, /Equal: everything/);
  });

  test('a plan warns of what another folder mirrored from a target of the same name', async () => {
    const other = await mkdtemp(join(tmpdir(), 'clparity-other-'));
    try {
      await cp(join(SHOP, 'namespaces.yaml'), join(other, 'shop', 'namespaces.yaml'));
      const args = ['plan', '--snapshot', 'shop', '--image', 'none', '--cluster', cluster.id];
      const warnings = async (cwd: string) =>
        (JSON.parse((await clparity(args, { cwd })).stdout) as { warnings: string[] }).warnings.join('\n');
      assert.match(
        await warnings(other),
        /takes away what no run in .* has left in .*: NetworkPolicy .* calls its target shop too/,
      );
      assert.doesNotMatch(await warnings(folder), /takes away/);
    } finally {
      await rm(other, { recursive: true });
    }
  });

  test('what was proven is shown where it can not be kept', async () => {
    const other = await mkdtemp(join(tmpdir(), 'clparity-other-'));
    try {
      await copyPart(join(other, 'part'));
      // In the way of the folder that reports are kept in, for root too.
      await writeFile(join(other, '.clparity'), '');
      const result = await clparity([...verify, '--cluster', cluster.id], { cwd: other });
      assert.match(result.stderr, /error: The report is shown but not kept whole: .*\.clparity/);
      assert.ok(reportOf(result).verify, result.stderr);
      const refused = await clparity([...verify, '--cluster', cluster.id].toSpliced(0, 1, 'mirror'), { cwd: other });
      assert.equal(refused.code, 2, refused.stderr);
    } finally {
      await rm(other, { recursive: true });
    }
  });

  test('what was made can be undone, although the wait for what goes was cancelled', async () => {
    const cancelled = await run(['remove', '--yes'], /Wait until deleted namespaces/);
    assert.equal(cancelled.code, 130, cancelled.stderr);
    assert.match(cancelled.stderr, /All \d+ changes were made; Namespace .* may still be going/);
    const looked = await run(['undo', '--dry-run']);
    assert.equal(looked.code, 1, `there is something to take back: ${looked.stderr}`);
    const undo = JSON.parse(looked.stdout) as { objects: { action: string }[] };
    assert.ok(undo.objects.length > 0 && undo.objects.every(({ action }) => action === 'create'));
  });

  test('remove leaves the cluster as it was before the first sync', async () => {
    const result = await run(['remove', '--yes']);
    assert.equal(result.code, 0, result.stderr);
    assert.deepEqual(await visible(), asBefore);
  });
});

test('a cluster that enforces nothing is never called equal', {
  skip: process.env.CLPARITY_TEST_PLAIN || process.env.CI ? false : 'CLPARITY_TEST_PLAIN names no kind cluster',
}, async () => {
  const id = `kind:${process.env.CLPARITY_TEST_PLAIN}`;
  const folder = await mkdtemp(join(tmpdir(), 'clparity-plain-'));
  try {
    const args = ['--cluster', id, '--yes', '--format', 'text'];
    await copyPart(folder);
    const mirrored = await clparity(['mirror', '--snapshot', '.', ...args], { cwd: folder });
    assert.match(mirrored.stdout, /not proven: no packet was sent \("clparity verify" does\)\.$/m);
    assert.doesNotMatch(mirrored.stdout, /^Equal/m);
    const result = await clparity(['sync', '--snapshot', '.', '--image', 'none', ...args], { cwd: folder });
    assert.equal(result.code, 1, result.stderr);
    assert.match(result.stdout, /NOTHING ENFORCES NETWORK POLICIES HERE/);
    assert.match(result.stdout, /Not equal/);
    assert.equal((await clparity(['remove', ...args], { cwd: folder })).code, 0);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
