import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { ParityError } from '../../src/host/errors.ts';
import { quietRun } from '../../src/host/run.ts';
import { readTarget } from '../../src/snapshot/files.ts';
import type { Snapshot } from '../../src/snapshot/model.ts';
import { formatSnapshot } from '../../src/snapshot/write.ts';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'clparity-files-'));
});
after(() => rm(folder, { recursive: true, force: true }));

let count = 0;
/** Writes files into a folder of their own and reads that folder as a target. */
async function read(files: Record<string, string | Buffer>): Promise<Snapshot> {
  const root = join(folder, String(count++));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), content);
  }
  return readTarget(root, quietRun());
}

async function refused(content: string, expected: RegExp): Promise<void> {
  await assert.rejects(read({ 'a.yaml': content }), (error: unknown) => {
    assert.ok(error instanceof ParityError && error.kind === 'input', String(error));
    assert.match(error.message, expected);
    return true;
  });
}

const policy = (spec: string) =>
  `apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: p\n  namespace: x\nspec:\n${spec}`;

test('a name that no API server takes is refused where it stands', async () => {
  const long = 'a'.repeat(254);
  await refused(
    policy('  podSelector: {}\n').replace('name: p', `name: ${long}`),
    /a\.yaml:4: .*metadata\.name is too long: 254 characters/,
  );
  await refused(policy('  podSelector: {}\n').replace('name: p', 'name: ../../etc'), /metadata\.name must be a name/);
  await refused(
    policy('  podSelector: {}\n').replace('namespace: x', 'namespace: ../x'),
    /metadata\.namespace must be/,
  );
  await refused(
    'apiVersion: v1\nkind: Namespace\nmetadata:\n  name: a.b\n',
    /a\.yaml:4: Namespace a\.b: metadata\.name must be/,
  );
  const cilium =
    'apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata:\n  name: A\nspec:\n  endpointSelector: {}\n';
  await refused(cilium, /a\.yaml:4: .*metadata\.name must be/);
});

test('a policy is read in every version of its kind, and refused in one that is none', async () => {
  const versioned = (version: string) =>
    `apiVersion: policy.networking.k8s.io/${version}\nkind: ClusterNetworkPolicy\nmetadata:\n  name: p\nspec:\n  tier: Admin\n  priority: 1\n  subject: {namespaces: {}}\n`;
  for (const version of ['v1alpha2', 'v1beta1']) {
    const { policies } = await read({ 'a.yaml': versioned(version) });
    assert.deepEqual(
      policies.map((p) => p.apiVersion),
      [`policy.networking.k8s.io/${version}`],
    );
  }
  await refused(versioned('v9'), /a\.yaml:1: .*apiVersion is policy\.networking\.k8s\.io\/v9, which is no version/);
});

test('the pods of a StatefulSet are told apart where a policy names one', async () => {
  const set = (spec: string) =>
    `apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db, namespace: x}\nspec: {${spec}, template: {metadata: {labels: {app: db}}, spec: {containers: []}}}\n`;
  const naming = (label: string) => policy(`  podSelector: {matchLabels: {${label}}}\n`);
  const found = async (spec: string, label: string) =>
    (await read({ 'a.yaml': set(spec), 'p.yaml': naming(label) })).workloads.map((w) => [w.labels, w.pods]);
  const byName = 'statefulset.kubernetes.io/pod-name';
  assert.deepEqual(await found('replicas: 2, ordinals: {start: 3}', `${byName}: db-4`), [
    [{ app: 'db', [byName]: 'db-3' }, [{ name: 'db-3', ips: [] }]],
    [{ app: 'db', [byName]: 'db-4' }, [{ name: 'db-4', ips: [] }]],
  ]);
  assert.deepEqual(await found('serviceName: db', 'apps.kubernetes.io/pod-index: "0"'), [
    [{ app: 'db', 'apps.kubernetes.io/pod-index': '0' }, [{ name: 'db-0', ips: [] }]],
  ]);
  assert.deepEqual(await found('replicas: 2', 'app: db'), [[{ app: 'db' }, []]]);
  assert.deepEqual(await found('replicas: 2000000000', `${byName}: db-4`), [[{ app: 'db' }, []]]);
});

test('the sample shop: six namespaces, 15 workloads, 20 policies, all system namespaces only referenced', async () => {
  const shop = await readTarget('test/fixtures/shop', quietRun());
  assert.equal(shop.policies.length, 20);
  assert.equal(shop.workloads.length, 15);
  assert.deepEqual(
    shop.namespaces.map((ns) => ns.name),
    ['batch', 'kube-system', 'monitoring', 'payments', 'shop-api', 'shop-data', 'shop-web'],
  );
  assert.deepEqual(shop.namespaces[1]?.labels, { 'kubernetes.io/metadata.name': 'kube-system' });
  assert.deepEqual(shop.namespaces[3]?.labels, {
    'kubernetes.io/metadata.name': 'payments',
    pci: 'true',
    team: 'payments',
    tier: 'payments',
  });
  const storefront = shop.policies.find((p) => p.metadata.name === 'storefront');
  assert.equal(storefront?.location?.file, 'shop-web.yaml');
  assert.equal(shop.workloads.find((w) => w.kind === 'CronJob')?.labels.app, 'nightly-report');
  const text = JSON.stringify(shop);
  for (const secret of ['DATABASE_PASSWORD', 'LOG_LEVEL', 'yesterday']) assert.ok(!text.includes(secret), secret);
});

test('lines of a policy and its parts are those of the file, in block and flow style', async () => {
  const text = [
    '# comment',
    '---',
    'apiVersion: networking.k8s.io/v1',
    'kind: NetworkPolicy',
    'metadata: {name: p, annotations: {secret: s3cr3t}}',
    'spec:',
    '  podSelector: {}',
    '  ingress:',
    '    - from:',
    '        - podSelector: {}',
    '        - namespaceSelector:',
    '            matchLabels: {a: b}',
    '      ports:',
    '        - port: 80',
    '    -',
    '      ports: []',
    '  egress: [{}]',
  ].join('\n');
  const { policies } = await read({ 'sub/p.yml': text });
  assert.deepEqual(policies[0], {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'p', namespace: 'default' },
    spec: {
      podSelector: {},
      ingress: [
        { from: [{ podSelector: {} }, { namespaceSelector: { matchLabels: { a: 'b' } } }], ports: [{ port: 80 }] },
        { ports: [] },
      ],
      egress: [{}],
    },
    location: {
      file: 'sub/p.yml',
      line: 3,
      lines: {
        spec: 6,
        'spec.podSelector': 7,
        'spec.ingress': 8,
        'spec.ingress[0]': 9,
        'spec.ingress[0].from': 9,
        'spec.ingress[0].from[0]': 10,
        'spec.ingress[0].from[0].podSelector': 10,
        'spec.ingress[0].from[1]': 11,
        'spec.ingress[0].from[1].namespaceSelector': 11,
        'spec.ingress[0].from[1].namespaceSelector.matchLabels': 12,
        'spec.ingress[0].from[1].namespaceSelector.matchLabels.a': 12,
        'spec.ingress[0].ports': 13,
        'spec.ingress[0].ports[0]': 14,
        'spec.ingress[0].ports[0].port': 14,
        'spec.ingress[1]': 16,
        'spec.ingress[1].ports': 16,
        'spec.egress': 17,
        'spec.egress[0]': 17,
      },
    },
  });
});

test('a List printed by kubectl, as JSON, with the lines of each item', async () => {
  const list = {
    apiVersion: 'v1',
    kind: 'List',
    items: ['a', 'b'].map((name) => ({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name, namespace: 'x', managedFields: [{ manager: 'm' }], labels: { app: 'y' } },
      spec: { podSelector: {}, policyTypes: ['Ingress'] },
      status: {},
    })),
  };
  const { policies } = await read({ 'l.json': JSON.stringify(list, null, '\t') });
  assert.deepEqual(
    policies.map((p) => [p.metadata, p.location?.line]),
    [
      [{ name: 'a', namespace: 'x', labels: { app: 'y' } }, 5],
      [{ name: 'b', namespace: 'x', labels: { app: 'y' } }, 28],
    ],
  );
});

test('a typed list names the kind of its items', async () => {
  const { workloads } = await read({
    'pods.json': '{"apiVersion":"v1","kind":"PodList","items":[{"metadata":{"name":"solo"},"spec":{"containers":[]}}]}',
  });
  assert.deepEqual(
    workloads.map((w) => [w.namespace, w.kind, w.name, w.pods]),
    [['default', 'Pod', 'solo', [{ name: 'solo', ips: [] }]]],
  );
});

test('scalars are those of Kubernetes: y is a boolean, 1.10 a number, a date a string', async () => {
  const labels = (value: string) =>
    `apiVersion: v1\nkind: Namespace\nmetadata:\n  name: x\n  labels:\n    a: ${value}\n`;
  for (const value of ['y', 'on', 'No', 'true', '1.10', '0777', '1_000', '1e3', '0x1f', '12']) {
    await refused(
      labels(value),
      /a\.yaml:6: Namespace x: metadata\.labels\.a must be a string, not a (boolean|number): quote it/,
    );
  }
  for (const value of ['2020-01-01', '12:30:45', "'y'", '"1.10"', '1.2.3']) {
    const { namespaces } = await read({ 'a.yaml': labels(value) });
    assert.equal(namespaces[0]?.labels.a, value.replace(/['"]/g, ''));
  }
  await refused(labels('~'), /a\.yaml:6: Namespace x: metadata\.labels\.a is missing/);
  await refused(
    'apiVersion: v1\nkind: Namespace\nmetadata:\n  name: 123\n',
    /a\.yaml:4: Namespace: metadata\.name must be a string/,
  );
  await refused(
    'apiVersion: v1\nkind: Namespace\nmetadata:\n  name: x\n  labels:\n    y: a\n',
    /a\.yaml:6: the key y reads as a boolean/,
  );
  await refused(policy('  podSelector:\n    matchLabels:\n      80: a\n'), /a\.yaml:9: the key 80 reads as a number/);
});

test('duplicate keys, broken YAML, templates, aliases and depth are refused with their place', async () => {
  await refused('a: 1\na: 2\n', /a\.yaml:2: Map keys must be unique/);
  await refused('apiVersion: v1\nkind: [\n', /a\.yaml:\d/);
  await assert.rejects(read({ 'a.yaml': 'kind: x\na: {{ .Values.a }}\n' }), (error: unknown) => {
    assert.ok(error instanceof ParityError);
    assert.match(error.message, /a\.yaml:2/);
    assert.match(error.action ?? '', /helm template/);
    return true;
  });
  await refused('['.repeat(20_000), /a\.yaml/);
  const bomb = ['a: &a [x, x, x, x, x, x, x, x, x]'];
  for (const [to, from] of ['ba', 'cb', 'dc', 'ed', 'fe', 'gf']) bomb.push(`${to}: &${to} [${`*${from}, `.repeat(9)}]`);
  await refused(bomb.join('\n'), /alias/i);
  const { namespaces } = await read({
    'a.yaml': 'apiVersion: v1\nkind: Namespace\nmetadata:\n  name: &n x\n  labels: {a: *n}\n',
  });
  assert.equal(namespaces[0]?.labels.a, 'x');
});

test('a malformed policy is refused with file and line', async () => {
  await refused(
    policy('  podSelector: []\n'),
    /a\.yaml:7: NetworkPolicy x\/p: spec\.podSelector must be a map, not a list/,
  );
  await refused(
    'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p}\nspec: all\n',
    /a\.yaml:4: .*spec must be a map/,
  );
  await refused(
    'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p}\n',
    /a\.yaml:1: .*spec is missing/,
  );
  await refused(
    policy('  ingress:\n    - from:\n        podSelector: {}\n'),
    /a\.yaml:8: NetworkPolicy x\/p: spec\.ingress\[0\]\.from must be a list/,
  );
  await refused(
    policy('  ingress:\n    - form: []\n'),
    /a\.yaml:8: NetworkPolicy x\/p: spec\.ingress\[0\]\.form is no field/,
  );
  await refused(policy('  ingress:\n    -\n'), /spec\.ingress\[0\] is missing/);
  await refused(
    policy('  ingress:\n    - ports:\n        - {port: 80, protocol: tcp}\n'),
    /protocol must be one of TCP, UDP, SCTP/,
  );
  await refused(policy('  ingress:\n    - ports:\n        - port: 80.5\n'), /a\.yaml:9: .*port must be a whole number/);
  await refused(policy('  policyTypes: Ingress\n'), /policyTypes must be a list/);
});

test('null means absent, as for the API server; empty stays empty', async () => {
  const { policies } = await read({ 'a.yaml': policy('  podSelector: ~\n  ingress:\n  egress: []\n') });
  assert.deepEqual(policies[0]?.spec, { egress: [] });
});

test('two different objects of one name contradict each other; the same one twice is one', async () => {
  const text = policy('  podSelector: {}\n');
  assert.equal((await read({ 'a.yaml': text, 'b.yaml': text })).policies.length, 1);
  await assert.rejects(
    read({ 'a.yaml': text, 'b/c.yaml': policy('  podSelector: {matchLabels: {a: b}}\n') }),
    /b\/c\.yaml:1: NetworkPolicy x\/p is also in a\.yaml:1/,
  );
});

test('policies of every dialect are read, other policy kinds counted, stray YAML passed over', async () => {
  const cilium = 'apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: a}\nspec: {}\n';
  const calico =
    'apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: {name: a, namespace: x}\nspec: {}\n';
  const istio = 'apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a}\n';
  const snapshot = await read({
    'a.yaml': `${cilium}---\n${calico}---\n${istio}---\napiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {k: hunter2}\n`,
    'values.yaml': 'replicas: 2\n',
    '.github/w.yaml': 'on: [push]\non: twice\n',
    'notes.txt': 'no',
  });
  assert.deepEqual(snapshot.otherPolicies, [{ group: 'security.istio.io', kind: 'PeerAuthentication', count: 1 }]);
  assert.deepEqual(
    snapshot.policies.map((p) => [p.apiVersion, p.kind, p.metadata.namespace, p.spec]),
    [
      ['projectcalico.org/v3', 'GlobalNetworkPolicy', undefined, {}],
      ['cilium.io/v2', 'CiliumNetworkPolicy', 'default', {}],
    ],
  );
  assert.deepEqual(snapshot.workloads, []);
  assert.equal(snapshot.engine.name, 'unknown', 'two engines can not both be it');
  assert.ok(!JSON.stringify(snapshot).includes('hunter2'));
});

test('what PowerShell writes (UTF-16 with a byte order mark) is read', async () => {
  const text = `\ufeff${policy('  podSelector: {}\n')}`;
  assert.equal((await read({ 'a.yaml': Buffer.from(text, 'utf16le') })).policies.length, 1);
  assert.equal((await read({ 'a.yaml': text })).policies.length, 1);
});

test('nothing there, nothing in it, too large: each says so', async () => {
  await assert.rejects(readTarget(join(folder, 'nowhere'), quietRun()), /Can't read .*nowhere/);
  await assert.rejects(read({ 'a.txt': '' }), /no Kubernetes objects: no .yaml/);
  await assert.rejects(read({ 'a.yaml': 'replicas: 2\n' }), /no Kubernetes objects$/);
  const large = join(folder, 'large.yaml');
  await writeFile(large, '');
  await truncate(large, 64 * 1024 * 1024 + 1);
  await assert.rejects(readTarget(large, quietRun()), /65 MB; at most 64 MB/);
});

test('a link that leads nowhere is called that', async () => {
  const root = join(folder, 'linked');
  await mkdir(root);
  await symlink('gone.yaml', join(root, 'a.yaml'));
  await assert.rejects(readTarget(root, quietRun()), {
    kind: 'input',
    message: 'a.yaml is a broken link: there is no gone.yaml',
  });
});

test('a cancelled run reads nothing', async () => {
  await assert.rejects(readTarget('test/fixtures/shop', quietRun(AbortSignal.abort())), { name: 'AbortError' });
});

test('a snapshot beside the manifests that it was made of is no part of them; of several alone, one has to be named', async () => {
  const manifest = policy('  podSelector: {}');
  const snapshot = formatSnapshot(await read({ 'a.yaml': manifest }));
  const both = await read({ 'a.yaml': manifest, 'clparity.snapshot.yaml': snapshot });
  assert.equal(both.policies.length, 1);
  assert.equal((await read({ 'clparity.snapshot.yaml': snapshot })).policies.length, 1);
  await assert.rejects(read({ 'a.yaml': snapshot, 'b.yaml': snapshot }), /holds 2 snapshots: a\.yaml, b\.yaml/);
});

test('what no API server takes, and would be read as something else or not at all, is named by file and line', async () => {
  const object = (apiVersion: string, kind: string, rest = '', name = 'p') =>
    `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: ${name}, namespace: x}\n${rest}`;
  const pod = (port: string) => object('v1', 'Pod', `spec: {containers: [{name: c, image: i, ports: [${port}]}]}`);
  await refused('apiVersion: v1\nkind: List\nitems: 3\n', /a\.yaml:3: .*items must be a list, not a number/);
  for (const [version, kind, known] of [
    ['networking.k8s.io/v2', 'NetworkPolicy', 'networking.k8s.io/v1'],
    ['cilium.io/v3', 'CiliumNetworkPolicy', 'cilium.io/v2'],
    ['cilium.io/v2alpha1', 'CiliumNetworkPolicy', 'cilium.io/v2$'],
    ['projectcalico.org/v1', 'GlobalNetworkPolicy', 'projectcalico.org/v3'],
    ['policy.networking.k8s.io/v9', 'AdminNetworkPolicy', 'policy.networking.k8s.io/v1alpha1'],
    ['policy.networking.k8s.io/v1alpha2', 'AdminNetworkPolicy', 'policy.networking.k8s.io/v1alpha1$'],
  ] as const) {
    await refused(
      object(version, kind, 'spec: {}'),
      new RegExp(`a\\.yaml:1: ${kind} x/p: apiVersion is ${version}, .*${known}`),
    );
  }
  await refused(
    object('apps/v1', 'Deployment', 'spec: {replicas: 1}'),
    /a\.yaml:4: Deployment x\/p: spec\.template is missing/,
  );
  await refused(object('v1', 'Pod', 'spec: {}', 'W_b'), /a\.yaml:3: Pod x\/W_b: metadata\.name must be a name .*"W_b"/);
  await refused(object('v1', 'Namespace', '', 'a.b'), /a\.yaml:3: Namespace x\/a\.b: metadata\.name must be a name/);
  await refused(object('v1', 'Pod').replace('namespace: x', 'namespace: a.b'), /metadata\.namespace must be a name/);
  await refused(
    pod('{containerPort: 99999}'),
    /a\.yaml:4: Pod x\/p: spec\.containers\[0\]\.ports\[0\]\.containerPort must be 1/,
  );
  for (const name of ['HTTP', '"80"', 'a-name-of-16-long', 'a--b'])
    await refused(pod(`{containerPort: 80, name: ${name}}`), /ports\[0\]\.name must be at most 15/);
  await read({ 'a.yaml': object('v1', 'Pod', 'spec: {containers: [{name: c, image: i}]}', 'a.b-c9') });
});
