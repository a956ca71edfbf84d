import assert from 'node:assert/strict';
import { test } from 'node:test';
import { modelOf } from '../../src/policy/endpoints.ts';
import { matrix, matrixText } from '../../src/policy/matrix.ts';
import { formatPorts, intersection, union } from '../../src/policy/ports.ts';
import { gridOf } from '../../src/report/grid.ts';
import { matrixPage } from '../../src/report/page.ts';
import { snapshotOfObjects } from '../../src/snapshot/manifests.ts';
import type { Workload } from '../../src/snapshot/model.ts';
import { objectsIn } from '../../src/snapshot/placed.ts';
import { formatSnapshot, parseSnapshot } from '../../src/snapshot/write.ts';
import { parseYaml } from '../../src/snapshot/yaml.ts';
import { type World, workload, worldOf } from './policy-world.ts';

const policy = (spec: string, name = 'p') =>
  `---\nkind: NetworkPolicy\nmetadata: {name: ${name}, namespace: shop}\nspec: ${spec}\n`;

function matrixOf(yaml: string, workloads: Workload[], options: { pods?: boolean } = {}, world: World = {}) {
  return matrix(modelOf(worldOf(yaml, { ...world, workloads })), options);
}

const pods = (...ips: string[]) => ips.map((ip, i) => ({ name: `pod-${i}`, ips: [ip] }));
const lines = ({ connections }: ReturnType<typeof matrix>) =>
  connections.map((c) => `${c.from} ${c.to} ${c.protocol} ${c.ports.join(',')}`);
const groupIds = ({ groups }: ReturnType<typeof matrix>) => groups.map((g) => g.id);

test('port sets are exact: touching ranges join, others stay apart', () => {
  assert.deepEqual(
    formatPorts(
      union([
        [443, 445],
        [80, 80],
        [81, 90],
        [444, 500],
        [92, 92],
      ]),
    ),
    ['80-90', '92', '443-500'],
  );
  assert.deepEqual(
    intersection(
      [
        [1, 10],
        [20, 30],
      ],
      [[5, 25]],
    ),
    [
      [5, 10],
      [20, 25],
    ],
  );
  assert.deepEqual(intersection([[1, 10]], [[11, 20]]), []);
});

test('ports come from both sides, named ports from the destination', () => {
  const web = workload('Deployment', 'shop', 'web', { ports: [{ name: 'http', port: 8080, protocol: 'TCP' }] });
  const api = workload('Deployment', 'shop', 'api');
  const yaml =
    policy('{podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: http}, {port: 80, endPort: 90}]}]}') +
    policy(
      '{podSelector: {matchLabels: {app: api}}, policyTypes: [Egress], egress: [{ports: [{port: 85, endPort: 9000}]}]}',
      'q',
    );
  assert.deepEqual(lines(matrixOf(yaml, [web, api])), [
    'shop/Deployment/api shop/Deployment/web TCP 85-90,8080',
    'shop/Deployment/web shop/Deployment/api TCP 1-65535',
    'shop/Deployment/web shop/Deployment/api UDP 1-65535',
    'shop/Deployment/web shop/Deployment/api SCTP 1-65535',
  ]);
});

test('a group is what no policy can tell apart', () => {
  const a = workload('Deployment', 'shop', 'a', { labels: { app: 'x', 'pod-template-hash': '1' } });
  const b = workload('StatefulSet', 'shop', 'b', { labels: { app: 'x', 'controller-revision-hash': '2' } });
  assert.deepEqual(groupIds(matrixOf('', [a, b])), ['shop/Deployment/a']);
  const [group] = matrixOf('', [a, b]).groups;
  assert.deepEqual(group, {
    id: 'shop/Deployment/a',
    namespace: 'shop',
    labels: { app: 'x' },
    pods: ['shop/a', 'shop/b'],
    count: 2,
    workloads: ['Deployment/a', 'StatefulSet/b'],
    serviceAccount: 'default',
    hostNetwork: false,
    ports: [],
  });
  const split = (more: Partial<Workload>) => groupIds(matrixOf('', [a, { ...b, ...more }])).length;
  assert.equal(split({ namespace: 'other' }), 2);
  assert.equal(split({ labels: { app: 'y' } }), 2);
  assert.equal(split({ serviceAccount: 'robot' }), 2);
  assert.equal(split({ hostNetwork: true }), 2);
  assert.equal(split({ ports: [{ name: 'http', port: 80, protocol: 'TCP' }] }), 2);
  assert.equal(split({ ports: [{ port: 80, protocol: 'TCP' }] }), 1, 'no policy sees a port without a name');
});

test('a stamped label counts where a selector names it, as subject or as peer', () => {
  const two = ['1', '2'].map((hash) => workload('Deployment', 'shop', 'a', { labels: { 'pod-template-hash': hash } }));
  assert.deepEqual(groupIds(matrixOf(policy('{}'), two)), ['shop/Deployment/a']);
  for (const spec of [
    '{podSelector: {matchLabels: {pod-template-hash: "1"}}}',
    '{ingress: [{from: [{podSelector: {matchExpressions: [{key: pod-template-hash, operator: Exists}]}}]}]}',
  ]) {
    assert.deepEqual(groupIds(matrixOf(policy(spec), two)), ['shop/Deployment/a', 'shop/Deployment/a#2']);
  }
});

test('pods split where an ipBlock tells their addresses apart, unless the engine does not look', () => {
  const web = workload('Deployment', 'shop', 'web', { pods: pods('10.0.1.1', '10.0.2.1', '10.0.1.2') });
  const spec = policy('{ingress: [{from: [{ipBlock: {cidr: 10.0.1.0/24}}], ports: [{port: 80}]}]}');
  const split = matrixOf(spec, [web]);
  assert.deepEqual(
    split.groups.map((g) => g.pods.length),
    [2, 1],
  );
  assert.deepEqual(lines(split), [
    'shop/Deployment/web shop/Deployment/web TCP 80',
    'shop/Deployment/web shop/Deployment/web#2 TCP 80',
  ]);
  assert.deepEqual(groupIds(matrixOf(spec, [web], {}, { engine: 'cilium' })), ['shop/Deployment/web']);
  assert.deepEqual(lines(matrixOf(spec, [web], {}, { engine: 'cilium' })), []);
});

test('a pod to itself is left out; pods of one group among each other are not', () => {
  const one = workload('Deployment', 'shop', 'web', { pods: pods('10.0.1.1') });
  const two = workload('Deployment', 'shop', 'web', { pods: pods('10.0.1.1', '10.0.1.2') });
  assert.equal(matrixOf('', [one]).connections.length, 0);
  assert.equal(matrixOf('', [two]).connections.length, 3);
  assert.equal(matrixOf(policy('{}'), [two]).connections.length, 0, 'default deny keeps them apart');
});

test('with pods, each stands alone, and what its own node may do shows', () => {
  const node = { kind: 'DaemonSet', hostNetwork: true, pods: [{ name: 'agent', ips: ['172.18.0.2'], node: 'n1' }] };
  const all = [
    workload('Deployment', 'shop', 'web', {
      pods: [
        { name: 'web-1', ips: ['10.0.1.1'], node: 'n1' },
        { name: 'web-2', ips: ['10.0.2.1'], node: 'n2' },
      ],
    }),
    workload('DaemonSet', 'ops', 'agent', node),
  ];
  const into = (options: { pods?: boolean }) =>
    matrixOf(policy('{}'), all, options).connections.filter((c) => c.from.startsWith('ops') && c.protocol === 'TCP');
  assert.deepEqual(
    into({ pods: true }).map((c) => c.to),
    ['shop/web-1'],
  );
  assert.deepEqual(into({}), [], 'between groups only what holds wherever the pods run');
});

test('the order is the same whatever the order of the input', () => {
  const all = ['d', 'b', 'a', 'c'].map((name) => workload('Deployment', 'shop', name));
  const yaml = policy('{podSelector: {matchLabels: {app: a}}, ingress: [{from: [{podSelector: {}}]}]}');
  assert.deepEqual(matrixOf(yaml, all), matrixOf(yaml, [...all].reverse()));
});

test('engine none allows all', () => {
  const all = ['a', 'b'].map((name) => workload('Deployment', 'shop', name));
  const value = matrixOf(policy('{}'), all, {}, { engine: 'none' });
  assert.equal(value.engine, 'none');
  assert.equal(value.connections.length, 6);
  assert.equal(
    matrixText(value),
    [
      '2 groups of pods, engine none; 2 of 2 pairs may connect',
      'shop/Deployment/a -> shop/Deployment/b: all ports',
      'shop/Deployment/b -> shop/Deployment/a: all ports',
    ].join('\n'),
  );
});

/** As they are read from a folder. */
const manifests = (kind: string, spec: string) =>
  snapshotOfObjects(
    parseYaml(
      `apiVersion: ${kind.endsWith('ob') ? 'batch/v1' : 'apps/v1'}
kind: ${kind}
metadata: {name: web, namespace: shop}
spec: ${spec}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p, namespace: shop}
spec: {podSelector: {}, ingress: [{from: [{podSelector: {}}], ports: [{port: 80}]}]}
`,
      'f.yaml',
    ).flatMap((d) => objectsIn(d, 'f.yaml')),
    'x',
  );
const template = 'template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c}]}}';

for (const [kind, spec, several] of [
  ['Deployment', `{replicas: 3, ${template}}`, true],
  ['StatefulSet', `{replicas: 2, ${template}}`, true],
  ['DaemonSet', `{${template}}`, true],
  ['Job', `{parallelism: 2, ${template}}`, true],
  ['CronJob', `{jobTemplate: {spec: {parallelism: 2, ${template}}}}`, true],
  ['Deployment', `{${template}}`, false],
  ['Deployment', `{replicas: 0, ${template}}`, false],
  ['Job', `{completions: 5, ${template}}`, false],
] as const) {
  test(`pods of one workload that was never run: ${kind} ${spec.slice(0, spec.indexOf('template:'))}`, () => {
    const snapshot = parseSnapshot(formatSnapshot(manifests(kind, spec)), 's.yaml');
    const model = modelOf(snapshot);
    const itself = [`shop/${kind}/web shop/${kind}/web TCP 80`];
    assert.deepEqual(lines(matrix(model)), several ? itself : []);
    assert.deepEqual(lines(matrix(model, { pods: true })), several ? ['shop/web shop/web TCP 80'] : []);
    assert.equal(gridOf(matrix(model)).cells[0]?.[0]?.verdict, several ? 'some' : 'self');
    assert.match(matrixText(matrix(model)), several ? /^1 group of pods, .* 1 of 1 pair may connect/ : /0 of 0 pairs/);
    assert.match(
      matrixPage(model, 'x'),
      several ? /TCP 80 allowed: ingress: allowed by NetworkPolicy shop\/p/ : /one pod, itself/,
    );
  });
}
