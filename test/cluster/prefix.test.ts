import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { VouchedCluster } from '../../src/cluster/provider.ts';
import type { Report } from '../../src/report/model.ts';
import type { KubeObject } from '../../src/target/rest.ts';
import { podNetworks } from '../../src/verify/netns.ts';
import { sendProbes } from '../../src/verify/prober.ts';
import { clparity } from './cli.ts';
import { kubectl, onCluster, openTestCluster } from './test-cluster.ts';

const TARGET = fileURLToPath(new URL('../fixtures/team', import.meta.url));
const PREFIXES = ['team1-', 'team2-'] as const;
type Prefix = (typeof PREFIXES)[number];
type Pod = KubeObject & { readonly status?: { readonly podIP?: string } };

/** One cluster, two developers, each with a mirror of the same production under a prefix. */
describe('a cluster that a team shares by prefixes', onCluster, () => {
  let cluster: VouchedCluster;
  let folder: string;
  before(async () => {
    cluster = await openTestCluster();
    folder = await mkdtemp(join(tmpdir(), 'clparity-team-'));
  });
  after(async () => {
    for (const prefix of PREFIXES) if (cluster) await run('remove', prefix, '--yes');
    if (folder) await rm(folder, { recursive: true, force: true });
  });
  const run = (verb: string, prefix: Prefix, ...args: string[]) =>
    clparity([verb, '--cluster', cluster.id, '--namespace-prefix', prefix, '--format', 'json', ...args], {
      cwd: folder,
    });
  const read = async (verb: string, prefix: Prefix, ...args: string[]) => {
    const { stdout, stderr } = await run(verb, prefix, '--snapshot', TARGET, ...args);
    assert.notEqual(stdout, '', stderr);
    return JSON.parse(stdout);
  };
  const sync = (prefix: Prefix): Promise<Report> => read('sync', prefix, '--image', 'none', '--keep', '--yes');
  const names = async (kind: string) =>
    (
      await kubectl(cluster, [
        'get',
        kind,
        '-A',
        '--no-headers',
        '-o',
        'custom-columns=:.metadata.namespace,:.metadata.name',
      ])
    )
      .split('\n')
      .filter((line) => /\bteam[12]-/.test(line))
      .map((line) => line.trim().split(/\s+/).join('/'))
      .sort();
  const pods = async () =>
    (JSON.parse(await kubectl(cluster, ['get', 'pod', '-A', '-o', 'json'])) as { items: Pod[] }).items.filter((p) =>
      p.metadata.name.startsWith('clparity-standin-'),
    );

  test('both sync at the same time, and packets agree in each', async () => {
    for (const [i, report] of (await Promise.all(PREFIXES.map(sync))).entries()) {
      assert.equal(report.cluster, `${cluster.id}/${PREFIXES[i]}*`);
      assert.deepEqual(report.verify?.differences, []);
      const { probed = 0, agreed } = report.verify?.counts.TCP ?? {};
      assert.ok(probed > 10 && agreed === probed, `${agreed} of ${probed}`);
      assert.deepEqual(
        (report.policies ?? []).map((f) => `${f.policy}: ${f.fidelity} ${f.verbatim}`).sort(),
        [
          'CiliumClusterwideNetworkPolicy.cilium.io ping: exact true',
          'CiliumNetworkPolicy.cilium.io ops/tool: exact true',
          'NetworkPolicy shop/db: exact true',
          'NetworkPolicy shop/web: exact true',
        ],
        'in the names of the target',
      );
    }
    assert.deepEqual(await names('ciliumclusterwidenetworkpolicy'), ['<none>/team1-ping', '<none>/team2-ping']);
  });

  test("a team-mate's pods are not let in where any namespace of production is", async () => {
    const all = await pods();
    const networks = await podNetworks(cluster, AbortSignal.timeout(60_000));
    const find = (namespace: string, app: string) => {
      const pod = all.find((p) => p.metadata.namespace === namespace && p.metadata.labels?.app === app);
      assert.ok(pod?.metadata.uid && pod.status?.podIP, `${namespace} ${app}`);
      return { uid: pod.metadata.uid, ip: pod.status.podIP };
    };
    const targets = [
      { namespace: 'shop', app: 'web', port: 8080 },
      { namespace: 'shop', app: 'db', port: 5432 },
      { namespace: 'shop', app: 'db', port: 7000 },
    ];
    const asked = PREFIXES.flatMap((from) =>
      PREFIXES.flatMap((to) =>
        targets.map(({ namespace, app, port }) => ({ from, to, namespace: `${to}${namespace}`, app, port })),
      ),
    );
    const probes = asked.map(({ from, namespace, app, port }) => {
      const destination = find(namespace, app);
      const source = find(`${from}ops`, 'tool').uid;
      return { source, destination: destination.uid, protocol: 'TCP' as const, address: destination.ip, port };
    });
    const options = { timeoutMs: 2000, signal: AbortSignal.timeout(60_000) };
    const answers = await sendProbes(cluster, networks, probes, options);
    const shown = asked.map(
      ({ from, namespace, app, port }, i) => `${from}ops > ${namespace}/${app}:${port} ${answers[i]?.verdict}`,
    );
    const expected = asked.map(
      ({ from, to, namespace, app, port }) =>
        `${from}ops > ${namespace}/${app}:${port} ${from === to ? 'allowed' : 'denied'}`,
    );
    assert.deepEqual(shown, expected);
  });

  test('a second run of either changes nothing', async () => {
    for (const prefix of PREFIXES) assert.deepEqual((await sync(prefix)).changes, []);
  });

  test('taking one away leaves the other, its stand-ins too, and packets still agree there', async () => {
    const { code, stderr } = await run('remove', 'team1-', '--yes');
    assert.equal(code, 0, stderr);
    for (const kind of ['namespace', 'networkpolicy', 'ciliumnetworkpolicy', 'ciliumclusterwidenetworkpolicy', 'pod']) {
      const found = await names(kind);
      assert.ok(found.length > 0, kind);
      assert.deepEqual(
        found.filter((name) => name.includes('team1-')),
        [],
        kind,
      );
    }
    const report: Report = await read('verify', 'team2-', '--yes');
    assert.deepEqual(report.verify?.differences, []);
  });

  test('an undo is of its own prefix', async () => {
    const { code, stderr } = await run('undo', 'team2-', '--dry-run');
    assert.equal(code, 1, `there is something to take back: ${stderr}`);
    assert.doesNotMatch(stderr, /team1-/);
  });
});
