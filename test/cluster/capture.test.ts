import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parse } from 'yaml';
import { localHost } from '../../src/host/local.ts';
import { quietRun } from '../../src/host/run.ts';
import { captureCluster } from '../../src/snapshot/capture.ts';
import { readTarget } from '../../src/snapshot/files.ts';
import type { Snapshot } from '../../src/snapshot/model.ts';
import { formatSnapshot, parseSnapshot } from '../../src/snapshot/write.ts';
import { connectionOf } from '../../src/target/contexts.ts';
import { openTransport, readClient } from '../../src/target/rest.ts';

const name = (process.env.CLPARITY_TEST_TARGET ?? '').replace(/^kind:/, '');
if (name === '' && process.env.CI) throw new Error('CLPARITY_TEST_TARGET must name a kind cluster, for example target');
const skip = name === '' && 'CLPARITY_TEST_TARGET names no cluster';

const PREFIX = 'tgt-';
const READ = ['get', 'list', 'watch'];

/** The real kubectl inside the control-plane node, which needs no kubeconfig on this machine. */
function kubectl(args: readonly string[], input = ''): string {
  const inNode = ['exec', '-i', `${name}-control-plane`, 'kubectl', '--kubeconfig', '/etc/kubernetes/admin.conf'];
  return execFileSync('docker', [...inNode, ...args], { encoding: 'utf8', input, stdio: 'pipe' });
}

/** Renames what the fixture's namespaces are called, in objects and in selectors alike. */
function prefixed(manifests: string): string {
  return manifests.replace(
    /(name: |namespace: )(shop-web|shop-api|shop-data|payments|monitoring|batch)\b/g,
    (_, key: string, ns: string) => `${key}${PREFIX}${ns}`,
  );
}

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
}

/** A service account that may read what the rules say. */
function account(sa: string, rules: readonly Rule[]): string {
  const metadata = { name: `${PREFIX}${sa}` };
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'List',
    items: [
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: sa, namespace: `${PREFIX}monitoring` } },
      {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'ClusterRole',
        metadata,
        rules: rules.map((rule) => ({ ...rule, verbs: READ })),
      },
      {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'ClusterRoleBinding',
        metadata,
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: metadata.name },
        subjects: [{ kind: 'ServiceAccount', name: sa, namespace: `${PREFIX}monitoring` }],
      },
    ],
  });
}

describe('capture of a live cluster', { skip }, () => {
  let folder = '';

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'clparity-capture-'));
    const manifests = execFileSync(
      'sh',
      ['-c', 'for f in test/fixtures/shop/namespaces.yaml test/fixtures/shop/*.yaml; do cat "$f"; echo ---; done'],
      { encoding: 'utf8' },
    );
    kubectl(['apply', '-f', '-'], prefixed(manifests));
    const everything = [{ apiGroups: ['*'], resources: ['*'] }];
    const some = [
      { apiGroups: [''], resources: ['namespaces', 'pods', 'services'] },
      { apiGroups: ['networking.k8s.io'], resources: ['networkpolicies'] },
    ];
    for (const [sa, rules] of [
      ['reader', everything],
      ['limited', some],
      ['nobody', []],
    ] as const)
      kubectl(['apply', '-f', '-'], account(sa, rules));
    // A pod's images can't be pulled here; that it has an owner and labels is all that matters.
    kubectl(['-n', `${PREFIX}shop-web`, 'wait', '--for=create', 'pod', '-l', 'app=storefront', '--timeout=60s']);
  });

  after(async () => {
    const namespaces = ['shop-web', 'shop-api', 'shop-data', 'payments', 'monitoring', 'batch'].map(
      (ns) => PREFIX + ns,
    );
    kubectl(['delete', 'namespace', '--ignore-not-found', ...namespaces]);
    const roles = ['reader', 'limited', 'nobody'].map((sa) => PREFIX + sa);
    kubectl(['delete', 'clusterrole,clusterrolebinding', '--ignore-not-found', ...roles]);
    await rm(folder, { recursive: true, force: true });
  });

  /** Captures as a service account, by a kubeconfig of its own that holds nothing but its token. */
  async function captureAs(sa: string): Promise<Snapshot> {
    const token = kubectl(['-n', `${PREFIX}monitoring`, 'create', 'token', sa]).trim();
    const kind = execFileSync('kind', ['get', 'kubeconfig', '--name', name], { encoding: 'utf8' });
    const [cluster] = (parse(kind) as { clusters: { cluster: object }[] }).clusters;
    const file = join(folder, sa);
    await writeFile(
      file,
      JSON.stringify({
        'current-context': '',
        contexts: [{ name: sa, context: { cluster: 'k', user: sa } }],
        clusters: [{ name: 'k', cluster: cluster?.cluster }],
        users: [{ name: sa, user: { token } }],
      }),
    );
    const connection = await connectionOf(
      localHost({ ...process.env, KUBECONFIG: file }),
      sa,
      new AbortController().signal,
    );
    const client = readClient(openTransport(connection));
    try {
      return await captureCluster(client, sa, quietRun());
    } finally {
      await client.close();
    }
  }

  const ours = (snapshot: Snapshot) => ({
    policies: snapshot.policies
      .filter((p) => (p.metadata.namespace ?? '').startsWith(PREFIX))
      .map(({ metadata, spec }) => ({ metadata, spec })),
    workloads: snapshot.workloads.filter((w) => w.namespace.startsWith(PREFIX)),
  });

  it('finds what the manifests say, and more: pods, nodes, ranges, identity', async () => {
    const snapshot = await captureAs('reader');
    assert.deepEqual(snapshot.gaps, []);
    assert.match(snapshot.source.kubernetesVersion ?? '', /^v1\./);
    assert.equal(
      snapshot.source.clusterUid,
      kubectl(['get', 'namespace', 'kube-system', '-o', 'jsonpath={.metadata.uid}']),
    );
    assert.ok(
      snapshot.nodes.every(
        (node) =>
          node.osImage && node.kernel && node.runtime && node.kubelet && node.architecture && node.addresses.length > 0,
      ),
    );
    assert.ok(
      snapshot.ranges.pods.length > 0 && snapshot.ranges.services.length > 0 && snapshot.ranges.nodes.length > 0,
    );
    assert.notEqual(snapshot.engine.name, 'unknown');
    const manifests = join(folder, 'shop.yaml');
    const text = execFileSync('sh', ['-c', 'for f in test/fixtures/shop/*.yaml; do cat "$f"; echo ---; done'], {
      encoding: 'utf8',
    });
    await writeFile(manifests, prefixed(text));
    const wanted = ours(await readTarget(manifests, quietRun()));
    const found = ours(snapshot);
    assert.equal(found.policies.length, 20);
    assert.deepEqual(found.policies.map(asStored), wanted.policies.map(asStored));
    assert.deepEqual(found.workloads.map(shape), wanted.workloads.map(shape));
    assert.ok(found.workloads.some((workload) => workload.kind === 'Deployment' && workload.pods.length === 2));
    const written = formatSnapshot(snapshot);
    for (const secret of ['DATABASE_PASSWORD', 'LOG_LEVEL', 'yesterday', 'last-applied'])
      assert.ok(!written.includes(secret), secret);
    assert.equal(formatSnapshot(parseSnapshot(written, 'f')), written);
  });

  it('goes on without what it may not read, with a line for each', async () => {
    const snapshot = await captureAs('limited');
    assert.equal(ours(snapshot).policies.length, 20);
    assert.ok(
      ours(snapshot).workloads.some((w) => w.kind === 'Deployment' && w.name === 'storefront' && w.pods.length === 2),
    );
    const forbidden = snapshot.gaps.filter((gap) => gap.reason === 'forbidden').map((gap) => gap.resource);
    for (const kind of ['nodes', 'replicasets.apps', 'jobs.batch', 'daemonsets.apps'])
      assert.ok(forbidden.includes(kind), kind);
    assert.ok(snapshot.gaps.every((gap) => gap.message.length > 20 && !gap.message.includes('eyJ')));
  });

  it('is an error where nothing may be read', async () => {
    await assert.rejects(captureAs('nobody'), {
      kind: 'environment',
      message: /Nothing could be read/,
      action: /read access/,
    });
  });

  it('reads what kubectl prints of the same cluster to the same workloads and policies', async () => {
    const live = await captureAs('reader');
    const dump = join(folder, 'dump.yaml');
    await writeFile(
      dump,
      kubectl([
        'get',
        'namespaces,pods,deployments,statefulsets,daemonsets,replicasets,jobs,cronjobs,networkpolicies,services,nodes',
        '-A',
        '-o',
        'yaml',
      ]),
    );
    const read = await readTarget(dump, quietRun());
    // Pods come, and get their addresses, at their own time.
    const stable = (s: Snapshot) => ({
      policies: ours(s).policies,
      workloads: ours(s).workloads.map(shape),
      namespaces: s.namespaces,
      services: s.services,
    });
    assert.deepEqual(stable(read), stable(live));
  });
});

/** Pods have been made of what a manifest that was never run gives as their number. */
function shape({ pods, replicas, ...workload }: Snapshot['workloads'][number]) {
  return workload;
}

/**
 * A policy as the API server gives it back: it writes TCP where a port has no protocol, and forgets empty lists of rules
 * (with policyTypes written out, they mean the same as none).
 */
function asStored(policy: object): unknown {
  const text = JSON.stringify(policy, (key, value: unknown) => {
    if ((key === 'ingress' || key === 'egress') && Array.isArray(value) && value.length === 0) return undefined;
    if (key !== 'ports' || !Array.isArray(value)) return value;
    return value.map((port: object) => ({ protocol: 'TCP', ...port }));
  });
  return JSON.parse(text);
}
