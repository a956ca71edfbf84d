import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type WriteClient, writeClient } from '../../src/apply/client.ts';
import type { VouchedCluster } from '../../src/cluster/provider.ts';
import { ParityError } from '../../src/host/errors.ts';
import { localHost } from '../../src/host/local.ts';
import { quietRun, type Run } from '../../src/host/run.ts';
import { openLocal } from '../../src/open.ts';
import { modelOf } from '../../src/policy/endpoints.ts';
import { DEFAULT_SETTINGS } from '../../src/settings.ts';
import { captureCluster } from '../../src/snapshot/capture.ts';
import { readTarget } from '../../src/snapshot/files.ts';
import type { Snapshot } from '../../src/snapshot/model.ts';
import type { KubeObject } from '../../src/target/rest.ts';
import { listStandIns, removeStandIns } from '../../src/verify/leftovers.ts';
import { waitForPods } from '../../src/verify/local-pods.ts';
import type { VerifyResult } from '../../src/verify/model.ts';
import { podNetworks } from '../../src/verify/netns.ts';
import { NAMESPACES, PODS, SERVICE_ACCOUNTS } from '../../src/verify/ours.ts';
import { verify } from '../../src/verify/verify.ts';

const FIXTURE = fileURLToPath(new URL('../fixtures/verify/target.yaml', import.meta.url));
const OURS = ['proof-shop', 'proof-data'];
const SIGNAL = AbortSignal.timeout(600_000);

/** Skipped where no such cluster is named; on CI that is a failure. */
function clusterFrom(variable: string): { id: string; skip: string | false } {
  const name = (process.env[variable] ?? '').replace(/^kind:/, '');
  if (name === '' && process.env.CI) throw new Error(`${variable} must name a kind cluster, for example dev`);
  return { id: `kind:${name}`, skip: name === '' && `${variable} names no cluster` };
}

interface Stage {
  readonly cluster: VouchedCluster;
  readonly client: WriteClient;
  readonly target: Snapshot;
}

async function openStage(id: string): Promise<Stage> {
  const run = quietRun(SIGNAL);
  const settings = { ...DEFAULT_SETTINGS, cluster: id };
  const cluster = await openLocal(run, { host: localHost(), folder: process.cwd(), settings });
  return { cluster, client: writeClient(cluster), target: await readTarget(FIXTURE, run) };
}

function proof({ cluster, client, target }: Stage, run: Run = quietRun(SIGNAL), keep = false): Promise<VerifyResult> {
  const settings = { probeTimeoutMs: 1000, keep, namespaceMap: {} };
  return captureCluster(client, cluster.id, quietRun(SIGNAL)).then((here) =>
    verify({ cluster, client, target, settings, localModel: modelOf(here) }, run),
  );
}

/** The namespaces as a mirror makes them, one of them with the strictest pod security level. */
async function createNamespaces({ client, target }: Stage): Promise<void> {
  for (const { name, labels } of target.namespaces.filter((n) => OURS.includes(n.name))) {
    const security = name === 'proof-data' ? { 'pod-security.kubernetes.io/enforce': 'restricted' } : {};
    const metadata = { name, labels: { ...labels, ...security } };
    await client.create({ apiVersion: 'v1', kind: 'Namespace', metadata }, { signal: SIGNAL });
  }
}

async function deleteNamespaces({ client }: Stage): Promise<void> {
  for (const name of OURS) {
    await client.delete({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }, { signal: SIGNAL });
    while (await client.get(NAMESPACES, name, undefined, SIGNAL)) await new Promise((r) => setTimeout(r, 300));
  }
}

function policy({ target }: Stage, name: string): KubeObject {
  const found = target.policies.find((p) => p.metadata.name === name);
  assert.ok(found, name);
  const { metadata, spec } = found;
  return { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata, spec };
}

/** A pod of the developer's own for a workload, with something that listens on its ports. */
async function startOwnPod({ cluster, client }: Stage, labels: Record<string, string>): Promise<void> {
  const image = [...(await podNetworks(cluster, SIGNAL)).values()][0]?.sandboxImage;
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'own', namespace: 'proof-shop', labels: { ...labels, 'pod-template-hash': 'abc' } },
    spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'own', image, imagePullPolicy: 'Never' }] },
  };
  await eventually(() => client.create(pod, { signal: SIGNAL }));
  const [own] = (await waitForPods(client, ['proof-shop/own'], SIGNAL)).values();
  const network = (await podNetworks(cluster, SIGNAL)).get(own?.uid ?? '');
  assert.ok(network);
  const listen = [
    'use Socket; fork and exit; close STDOUT; close STDERR; alarm 300;',
    'socket(T, AF_INET, SOCK_STREAM, 6); bind(T, pack_sockaddr_in(8080, INADDR_ANY)); listen(T, 9);',
    'socket(U, AF_INET, SOCK_DGRAM, 17); bind(U, pack_sockaddr_in(65000, INADDR_ANY)); sleep 300;',
  ].join(' ');
  const argv = ['nsenter', `--net=${network.path}`, 'perl', '-e', listen];
  assert.equal((await cluster.exec(network.node, argv, { signal: SIGNAL })).exitCode, 0);
}

/** The default service account comes a moment after its namespace. */
async function eventually(work: () => Promise<unknown>): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await work();
      return;
    } catch (error) {
      if (tries === 20) throw error;
      await new Promise((r) => setTimeout(r, 300));
    }
  }
}

async function assertNothingLeft({ client }: Stage): Promise<void> {
  assert.deepEqual(await listStandIns(client, SIGNAL), []);
  const pods = await client.list(PODS, SIGNAL);
  assert.deepEqual(
    pods.map((p) => p.metadata.name).filter((n) => n.startsWith('clparity-')),
    [],
  );
  assert.equal(await client.get(SERVICE_ACCOUNTS, 'api', 'proof-shop', SIGNAL), undefined);
}

const enforcing = clusterFrom('CLPARITY_TEST_CLUSTER');

describe('verify in a cluster that enforces policies', { skip: enforcing.skip }, () => {
  let stage: Stage;
  before(async () => {
    stage = await openStage(enforcing.id);
    await removeStandIns(stage.client, quietRun(SIGNAL));
    await deleteNamespaces(stage);
    await createNamespaces(stage);
    for (const { metadata } of stage.target.policies) {
      await stage.client.create(policy(stage, metadata.name), { signal: SIGNAL });
    }
    const template = {
      metadata: { labels: { app: 'api', tier: 'back' } },
      spec: { containers: [{ name: 'a', image: 'x' }] },
    };
    // It would adopt a bare pod with these labels, and kill it.
    const scaledToZero = {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      metadata: { name: 'api', namespace: 'proof-shop' },
      spec: { replicas: 0, selector: { matchLabels: { app: 'api' } }, template },
    };
    await stage.client.create(scaledToZero, { signal: SIGNAL });
    await startOwnPod(stage, { app: 'web' });
  });
  after(async () => {
    if (!stage) return;
    await removeStandIns(stage.client, quietRun(SIGNAL));
    await deleteNamespaces(stage);
    await stage.client.close();
  });

  it('finds the mirrored policies equal, with packets of all kinds', async () => {
    const result = await proof(stage);
    assert.equal(result.enforcement.enforced, true, result.enforcement.evidence.join('\n'));
    assert.deepEqual(result.differences, []);
    assert.deepEqual(result.ownPods, ['proof-shop/Deployment/web']);
    assert.deepEqual([...result.standIns].sort(), ['proof-data/StatefulSet/db', 'proof-shop/Deployment/api']);
    const { TCP, UDP, SCTP } = result.counts;
    assert.ok(TCP.probed >= 20 && TCP.agreed === TCP.probed, JSON.stringify(TCP));
    assert.ok(UDP.probed >= 8 && UDP.agreed === UDP.probed, JSON.stringify(UDP));
    const unsaid = result.notProbed.join('\n');
    assert.match(unsaid, /proof-data\/DaemonSet\/agent: on its node's network/);
    assert.match(unsaid, /proof-shop\/Deployment\/web UDP 65000: silence proves nothing/);
    if (SCTP.probed === 0) assert.match(unsaid, /SCTP connections: this cluster's network doesn't carry it/);
    assert.deepEqual(result.left, []);
    await assertNothingLeft(stage);
  });

  it('names the connection and the rule where the local policies allow less', async () => {
    const { client } = stage;
    await client.delete(policy(stage, 'web-to-api'), { signal: SIGNAL });
    try {
      const { differences } = await proof(stage);
      const find = (from: string, to: string, port: number) =>
        differences.find((d) => d.from.endsWith(from) && d.to.endsWith(to) && d.port === port);
      const narrower = find('/web', '/api', 8000);
      assert.deepEqual([narrower?.expected, narrower?.measured], ['allowed', 'denied']);
      const rule = narrower?.because.find((b) => b.source?.path === 'spec.egress[0]');
      assert.equal(rule?.source?.object, 'NetworkPolicy proof-shop/web-to-api');
      assert.ok(rule.source.line, 'the line of the rule');
      assert.ok(narrower?.because.some((b) => /^Here, egress: .*proof-shop\/deny-all/.test(b.text)));
      assert.equal(find('/web', '/db', 5432), undefined, 'deny-all still denies it');
      assert.ok(
        differences.every((d) => d.from.endsWith('/web')),
        JSON.stringify(differences, undefined, 1),
      );
    } finally {
      await client.create(policy(stage, 'web-to-api'), { signal: SIGNAL });
    }
  });

  it('names them where the local policies allow more', async () => {
    const { client } = stage;
    await client.delete(policy(stage, 'deny-all'), { signal: SIGNAL });
    try {
      const { differences } = await proof(stage);
      const wider = differences.find((d) => d.from.endsWith('/db') && d.to.endsWith('/web') && d.port === 8080);
      assert.deepEqual([wider?.expected, wider?.measured, wider?.detail], ['denied', 'allowed', 'connected']);
      assert.ok(wider?.because.some((b) => b.source?.object === 'NetworkPolicy proof-shop/deny-all' && b.source.line));
      assert.ok(wider?.because.some((b) => /^Here, ingress: no policy selects/.test(b.text)));
    } finally {
      await client.create(policy(stage, 'deny-all'), { signal: SIGNAL });
    }
  });

  for (const [title, moment] of [
    ['the enforcement check', 'Check that policies are enforced here'],
    ['the start of stand-ins', 'Start stand-ins'],
    ['probing', 'Probe connections'],
  ] as const) {
    it(`leaves nothing when cancelled in ${title}`, async () => {
      const cancel = new AbortController();
      const run: Run = {
        ...quietRun(cancel.signal),
        step: (name, work) => {
          if (name === moment) setTimeout(() => cancel.abort(), 700);
          return work(() => {});
        },
      };
      await assert.rejects(proof(stage, run), (error) => {
        assert.ok(error instanceof ParityError && error.kind === 'cancelled');
        assert.match(error.message, /Everything it had made was removed again/);
        return true;
      });
      await assertNothingLeft(stage);
    });
  }

  it('says why a stand-in is refused, and leaves nothing', async () => {
    const quota = {
      apiVersion: 'v1',
      kind: 'ResourceQuota',
      metadata: { name: 'none', namespace: 'proof-data' },
      spec: { hard: { pods: '0' } },
    };
    await stage.client.create(quota, { signal: SIGNAL });
    try {
      await assert.rejects(proof(stage), (error) => {
        assert.ok(error instanceof ParityError && error.kind === 'environment');
        assert.match(error.message, /stand-in for proof-data\/StatefulSet\/db was refused: .*quota/);
        assert.match(error.action ?? '', /quotas/);
        return true;
      });
    } finally {
      await stage.client.delete(quota, { signal: SIGNAL });
    }
    await assertNothingLeft(stage);
  });

  it('keeps stand-ins in namespaces of its own making when asked, and takes them away again', async () => {
    await deleteNamespaces(stage);
    const { left } = await proof(stage, quietRun(SIGNAL), true);
    assert.deepEqual(left.filter((l) => l.startsWith('namespace')).sort(), [
      'namespace proof-data',
      'namespace proof-shop',
    ]);
    assert.equal(left.filter((l) => /^pod proof-\w+\/clparity-standin-/.test(l)).length, 3);
    const kept = await stage.client.get(NAMESPACES, 'proof-shop', undefined, SIGNAL);
    assert.equal(kept?.metadata.labels?.team, 'shop');
    const mine = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'mine', namespace: 'proof-shop' } };
    await stage.client.create(mine, { signal: SIGNAL });
    const still = await removeStandIns(stage.client, quietRun(SIGNAL));
    assert.deepEqual(still, ['namespace proof-shop, for it holds configmaps mine']);
    await stage.client.delete(mine, { signal: SIGNAL });
    assert.deepEqual(await removeStandIns(stage.client, quietRun(SIGNAL)), []);
    assert.equal(await stage.client.get(NAMESPACES, 'proof-shop', undefined, SIGNAL), undefined);
    await assertNothingLeft(stage);
  });
});

const plain = clusterFrom('CLPARITY_TEST_PLAIN');

describe('verify in a cluster that accepts policies and enforces none', { skip: plain.skip }, () => {
  it('says so loudly, and how many connections pass that production denies', async () => {
    const stage = await openStage(plain.id);
    const logged: string[] = [];
    try {
      await removeStandIns(stage.client, quietRun(SIGNAL));
      await createNamespaces(stage);
      for (const { metadata } of stage.target.policies) {
        await stage.client.create(policy(stage, metadata.name), { signal: SIGNAL });
      }
      const run = quietRun(SIGNAL, (level, message) => logged.push(`${level} ${message}`));
      const result = await proof(stage, run);
      assert.equal(result.enforcement.enforced, false);
      assert.match(result.enforcement.evidence.join('\n'), /default deny for ingress: still allowed after/);
      assert.ok(
        result.enforcement.evidence.includes(
          `${result.differences.length} connections that the target denies pass here, measured`,
        ),
      );
      assert.ok(logged.includes('error NOTHING ENFORCES NETWORK POLICIES IN THIS CLUSTER'));
      assert.ok(result.differences.length > 10);
      assert.ok(result.differences.every((d) => d.expected === 'denied' && d.measured === 'allowed'));
      assert.ok(result.counts.SCTP.probed > 0, 'the plain network carries SCTP');
      await assertNothingLeft(stage);
    } finally {
      await removeStandIns(stage.client, quietRun(SIGNAL));
      await deleteNamespaces(stage);
      await stage.client.close();
    }
  });
});
