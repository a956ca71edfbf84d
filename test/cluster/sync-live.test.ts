import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { VouchedCluster } from '../../src/cluster/provider.ts';
import type { Plan } from '../../src/plan/model.ts';
import type { Report } from '../../src/report/model.ts';
import { type CliResult, clparity } from './cli.ts';
import { kubectl, onCluster, openTestCluster } from './test-cluster.ts';

const NS = 'tgt-live';
const READ = ['get', 'list', 'watch'];

/** A target that is a cluster of its own, read by accounts that may do little. */
describe('sync from a live target', onCluster, () => {
  let local: VouchedCluster;
  let target: VouchedCluster;
  let folder: string;

  before(async () => {
    const name = process.env.CLPARITY_TEST_TARGET;
    assert.ok(name, 'CLPARITY_TEST_TARGET names no kind cluster');
    local = await openTestCluster();
    target = await openTestCluster(name);
    folder = await mkdtemp(join(tmpdir(), 'clparity-live-'));
    await apply(
      namespace,
      workload('web'),
      workload('db'),
      policy('default-deny', {}, []),
      policy('db', { app: 'db' }, [
        { from: [{ podSelector: { matchLabels: { app: 'web' } } }], ports: [{ port: 5432 }] },
      ]),
    );
    await apply(...account('reader', ['*']), ...account('narrow', ['', 'apps']));
    const contexts = await Promise.all(['reader', 'narrow'].map(async (sa) => ({ sa, token: await token(sa) })));
    await writeFile(join(folder, 'kubeconfig'), kubeconfig(contexts));
  });
  after(async () => {
    if (local) await clparity(['remove', '--yes', '--cluster', local.id], { cwd: folder });
    if (target) {
      const roles = ['reader', 'narrow'].map((sa) => `tgt-live-${sa}`);
      await kubectl(target, ['delete', 'clusterrole,clusterrolebinding', '--ignore-not-found', ...roles]);
      const wide = 'ciliumclusterwidenetworkpolicy/tgt-live-wide';
      await kubectl(target, ['delete', wide, 'ciliumcidrgroup/tgt-live-partners', '--ignore-not-found']);
      await kubectl(target, ['delete', 'namespace', NS, '--ignore-not-found']);
    }
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  const apply = (...items: object[]) =>
    kubectl(target, ['apply', '-f', '-'], { apiVersion: 'v1', kind: 'List', items });
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NS, labels: { team: 'live' } } };
  const workload = (name: string) => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: NS },
    spec: {
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        // It never starts, for its image is nowhere: a pod's labels are all that counts here.
        spec: {
          containers: [
            {
              name: 'c',
              image: 'registry.invalid/app:1',
              env: [{ name: 'PASSWORD', value: 'hunter2' }],
              ports: [{ containerPort: 5432 }],
            },
          ],
        },
      },
    },
  });
  const policy = (name: string, matchLabels: object, ingress: object[]) => ({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name, namespace: NS },
    spec: { podSelector: { matchLabels }, policyTypes: ['Ingress'], ingress },
  });
  const account = (sa: string, apiGroups: string[]) => {
    const metadata = { name: `tgt-live-${sa}` };
    const api = 'rbac.authorization.k8s.io';
    return [
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: sa, namespace: NS } },
      { apiVersion: `${api}/v1`, kind: 'ClusterRole', metadata, rules: [{ apiGroups, resources: ['*'], verbs: READ }] },
      {
        apiVersion: `${api}/v1`,
        kind: 'ClusterRoleBinding',
        metadata,
        roleRef: { apiGroup: api, kind: 'ClusterRole', name: metadata.name },
        subjects: [{ kind: 'ServiceAccount', name: sa, namespace: NS }],
      },
    ];
  };
  const cilium = (kind: string, name: string, spec: object) => ({
    apiVersion: 'cilium.io/v2',
    kind,
    metadata: { name, ...(kind === 'CiliumNetworkPolicy' && { namespace: NS }) },
    spec,
  });
  const toPorts = (port: number, rules?: object) => [
    { ports: [{ port: `${port}`, protocol: port === 53 ? 'UDP' : 'TCP' }], ...(rules && { rules }) },
  ];
  const app = (name: string) => ({ matchLabels: { app: name } });
  const kubeDns = { 'k8s:io.kubernetes.pod.namespace': 'kube-system', 'k8s-app': 'kube-dns' };
  const ofCilium = () => [
    cilium('CiliumCIDRGroup', 'tgt-live-partners', { externalCIDRs: ['203.0.113.0/24'] }),
    cilium('CiliumNetworkPolicy', 'names', {
      endpointSelector: app('web'),
      egress: [
        { toEndpoints: [app('db')] },
        { toCIDRSet: [{ cidrGroupRef: 'tgt-live-partners' }] },
        { toFQDNs: [{ matchName: 'a.example' }] },
        { toEndpoints: [{ matchLabels: kubeDns }], toPorts: toPorts(53, { dns: [{ matchPattern: '*' }] }) },
      ],
    }),
    cilium('CiliumNetworkPolicy', 'http', {
      endpointSelector: app('db'),
      ingress: [
        { fromEndpoints: [app('web')], toPorts: toPorts(5432) },
        { fromEndpoints: [app('web')], toPorts: toPorts(8080, { http: [{ method: 'GET' }] }) },
      ],
    }),
    cilium('CiliumClusterwideNetworkPolicy', 'tgt-live-wide', {
      endpointSelector: { matchExpressions: [{ key: 'app', operator: 'In', values: ['web'] }] },
      enableDefaultDeny: { ingress: false },
      ingressDeny: [{ fromEndpoints: [app('db')] }],
    }),
  ];
  const token = async (sa: string) => (await kubectl(target, ['create', 'token', sa, '-n', NS])).trim();
  const kubeconfig = (users: { sa: string; token: string }[]) =>
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [
        {
          name: 'target',
          cluster: {
            server: target.connection.server,
            'tls-server-name': 'localhost',
            'certificate-authority-data': Buffer.from(target.connection.ca ?? '').toString('base64'),
          },
        },
      ],
      users: users.map(({ sa, token }) => ({ name: sa, user: { token } })),
      contexts: users.map(({ sa }) => ({ name: sa, context: { cluster: 'target', user: sa } })),
    });

  const run = (args: string[]): Promise<CliResult> =>
    clparity(args, { cwd: folder, env: { KUBECONFIG: join(folder, 'kubeconfig') } });
  const sync = (context: string) =>
    run(['sync', '--context', context, '--cluster', local.id, '--image', 'none', '--namespace', NS, '--yes']);
  const reportOf = ({ stdout }: CliResult) => JSON.parse(stdout) as Report;

  test('capture writes a snapshot without secrets that everything works from', async () => {
    const result = await run(['capture', '--context', 'reader', '-o', 'snap.yaml']);
    assert.equal(result.code, 0, result.stderr);
    const text = await readFile(join(folder, 'snap.yaml'), 'utf8');
    assert.match(text, /tgt-live/);
    assert.doesNotMatch(text, /hunter2|PASSWORD/);
    const ask = ['--from', `${NS}/Deployment/web`, '--to', `${NS}/Deployment/db`, '--port', '5432'];
    const explained = await run(['explain', '--snapshot', 'snap.yaml', '--format', 'text', ...ask]);
    assert.match(explained.stdout, /ALLOWED/, explained.stderr);
    assert.match(explained.stdout, /snap\.yaml:\d+/);
  });

  test('the live target is mirrored and proven; a policy deleted there is pruned here', async () => {
    const first = await sync('reader');
    assert.equal(first.code, 0, `${first.stderr}${first.stdout}`);
    assert.ok(reportOf(first).changes.includes(`created NetworkPolicy ${NS}/db`));
    const drift = (...more: string[]) =>
      run(['drift', '--context', 'reader', '--cluster', local.id, '--namespace', NS, ...more]);
    const same = await drift();
    assert.equal(same.code, 0, `${same.stderr}${same.stdout}`);
    await kubectl(target, ['delete', 'networkpolicy', 'db', '-n', NS]);
    const moved = await drift();
    assert.equal(moved.code, 1, moved.stderr);
    assert.deepEqual(JSON.parse(moved.stdout).target.diff.policies.removed, [`NetworkPolicy ${NS}/db`]);
    assert.equal(JSON.parse(moved.stdout).local.state, 'same');
    const second = await sync('reader');
    assert.equal(second.code, 0, second.stderr);
    assert.deepEqual(reportOf(second).changes, [`deleted NetworkPolicy ${NS}/db`]);
  });

  test("policies of Cilium's own kinds come as they are, each with its fidelity, and packets agree with what is predicted", async () => {
    await apply(...ofCilium());
    const result = await sync('reader');
    const report = reportOf(result);
    for (const title of [
      'CiliumCIDRGroup.cilium.io tgt-live-partners',
      `CiliumNetworkPolicy.cilium.io ${NS}/names`,
      'CiliumClusterwideNetworkPolicy.cilium.io tgt-live-wide',
    ]) {
      assert.ok(report.changes.includes(`created ${title}`), `${title}: ${report.changes}`);
    }
    const of = (policy: string) => report.policies?.find((f) => f.policy === policy);
    const names = of(`CiliumNetworkPolicy.cilium.io ${NS}/names`);
    assert.deepEqual([names?.fidelity, names?.verbatim], ['exact', true]);
    const wide = of('CiliumClusterwideNetworkPolicy.cilium.io tgt-live-wide');
    assert.deepEqual([wide?.fidelity, wide?.verbatim], ['exact', true]);
    assert.match(wide?.notes.join() ?? '', /confined here to the mirrored namespaces \(tgt-live\)/);
    // The node image has no Envoy: a rule about HTTP would keep the pod from starting, so it is left out, and said.
    const http = of(`CiliumNetworkPolicy.cilium.io ${NS}/http`);
    assert.deepEqual([http?.fidelity, http?.verbatim], ['narrower', true]);
    assert.match(http?.notes.join() ?? '', /no Envoy here\): HTTP GET; "--accept-wider tgt-live\/http"/);
    const { differences = [], counts } = report.verify ?? {};
    assert.deepEqual(
      differences.map((d) => `${d.from} ${d.to} ${d.port} ${d.expected} ${d.measured}`),
      [`${NS}/Deployment/web ${NS}/Deployment/db 8080 allowed denied`],
    );
    const titles = report.findings.map((f) => f.title).join('\n');
    assert.match(titles, /^1 of \d+ probed connections differ from the target, 1 of them as predicted$/m);
    assert.ok((counts?.TCP.probed ?? 0) >= 8, JSON.stringify(counts));
    const again = await run([
      'plan',
      '--context',
      'reader',
      '--cluster',
      local.id,
      '--image',
      'none',
      '--namespace',
      NS,
    ]);
    assert.deepEqual((JSON.parse(again.stdout) as Plan).objects, []);
  });

  test('an account without rights on policies is told so; nothing is pruned, nothing called equal', async () => {
    const result = await sync('narrow');
    assert.equal(result.code, 1, result.stderr);
    assert.match(result.stderr, /networkpolicies.*(403|forbidden)/i);
    const report = reportOf(result);
    // The namespace's mark names the target, and by another context it has another name.
    assert.ok(
      report.changes.every((change) => change.endsWith(`Namespace ${NS}`)),
      String(report.changes),
    );
    assert.ok(report.findings.some((f) => f.layer === 'policies' && f.state === 'unknown'));
  });

  test('the target is never written to, even when it is named as the local cluster', async () => {
    const result = await run(['sync', '--context', 'reader', '--cluster', target.id, '--image', 'none', '--yes']);
    assert.equal(result.code, 2);
    assert.match(result.stderr, /is the target/);
  });
});
