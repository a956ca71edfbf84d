import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { ParityError } from '../../src/host/errors.ts';
import { ADMIN } from '../../src/policy/dialect/admin.ts';
import { canonicalPolicy } from '../../src/policy/dialect/canonical.ts';
import { resolvePeer } from '../../src/policy/endpoints.ts';
import { evaluate } from '../../src/policy/evaluate.ts';
import type { Policy, PolicyModel } from '../../src/policy/model.ts';
import type { EngineName, PolicyObject } from '../../src/snapshot/model.ts';
import { modelFrom, podIn } from './policy-world.ts';
import fc from './random.ts';

const GROUP = 'policy.networking.k8s.io';
const CONTEXT = { services: [], namespaces: new Map() };

function object(kind: string, spec: unknown, name = kind.startsWith('Baseline') ? 'default' : 'p'): PolicyObject {
  const apiVersion = `${GROUP}/${kind === 'ClusterNetworkPolicy' ? 'v1alpha2' : 'v1alpha1'}`;
  const location = { file: 'p.yaml', line: 1, lines: { 'spec.ingress[0]': 7, 'spec.egress[0]': 9 } };
  return { apiVersion, kind, metadata: { name }, spec, location };
}

function policy(kind: string, spec: string): Policy {
  const [only, other] = ADMIN.parse([object(kind, parse(spec, { version: '1.1' }))], CONTEXT);
  assert.ok(only && !other);
  return only;
}

const ALL = 'subject: {namespaces: {}}';

test('kinds: their tier, their turn, nobody isolated', () => {
  const of = ({ tier, order, isolates, namespace }: Policy) => [tier, order, isolates, namespace];
  assert.deepEqual(of(policy('AdminNetworkPolicy', `{priority: 7, ${ALL}}`)), ['admin', 7, [], undefined]);
  assert.deepEqual(of(policy('BaselineAdminNetworkPolicy', `{${ALL}}`)), ['baseline', undefined, [], undefined]);
  assert.deepEqual(of(policy('ClusterNetworkPolicy', `{tier: Admin, priority: 0, ${ALL}}`)), [
    'admin',
    0,
    [],
    undefined,
  ]);
  assert.equal(policy('ClusterNetworkPolicy', `{tier: Baseline, priority: 1000, ${ALL}}`).tier, 'baseline');
});

test('subjects: namespaces, or pods of namespaces', () => {
  const a = { op: 'label', of: 'namespace', key: 'a', test: 'in', values: ['b'] };
  const c = { op: 'label', of: 'pod', key: 'c', test: 'in', values: ['d'] };
  const subject = (text: string) => policy('AdminNetworkPolicy', `{priority: 1, subject: ${text}}`).subject;
  assert.deepEqual(subject('{namespaces: {matchLabels: {a: b}}}'), a);
  const pods = '{pods: {namespaceSelector: {matchLabels: {a: b}}, podSelector: {matchLabels: {c: d}}}}';
  assert.deepEqual(subject(pods), { op: 'all', of: [a, c] });
});

test('rules: actions, peers and ports of both versions, and their lines', () => {
  const old = policy(
    'AdminNetworkPolicy',
    `{priority: 1, ${ALL}, egress: [{name: x, action: Pass, to: [{networks: [10.0.0.0/8, "::/0"]}, {nodes: {}}],
      ports: [{portNumber: {port: 80}}, {portRange: {protocol: UDP, start: 5, end: 9}}]}]}`,
  );
  assert.deepEqual(old.rules, [
    {
      direction: 'egress',
      action: 'pass',
      peers: [
        { type: 'cidr', cidr: '10.0.0.0/8', except: [] },
        { type: 'cidr', cidr: '::/0', except: [] },
        { type: 'nodes', match: { op: 'all', of: [] } },
      ],
      ports: [
        { protocol: 'TCP', port: 80 },
        { protocol: 'UDP', port: 5, endPort: 9 },
      ],
      source: {
        object: 'AdminNetworkPolicy.policy.networking.k8s.io p',
        path: 'spec.egress[0]',
        file: 'p.yaml',
        line: 9,
      },
    },
  ]);
  const [next] = policy(
    'ClusterNetworkPolicy',
    `{tier: Admin, priority: 1, ${ALL}, ingress: [{action: Accept, from: [{pods: {podSelector: {}}}],
      protocols: [{tcp: {destinationPort: {number: 80}}}, {sctp: {destinationPort: {range: {start: 5, end: 9}}}},
        {destinationNamedPort: http}]}]}`,
  ).rules;
  assert.deepEqual(
    [next?.action, next?.ports],
    [
      'allow',
      [
        { protocol: 'TCP', port: 80 },
        { protocol: 'SCTP', port: 5, endPort: 9 },
        { protocol: 'TCP', port: 'http' },
        { protocol: 'UDP', port: 'http' },
        { protocol: 'SCTP', port: 'http' },
      ],
    ],
  );
  const [names] = policy(
    'ClusterNetworkPolicy',
    `{tier: Admin, priority: 1, ${ALL}, egress: [{action: Accept, to: [{domainNames: ["*.a.example"]}]}]}`,
  ).rules;
  assert.deepEqual([names?.peers, names?.ports], [[{ type: 'fqdn', pattern: '*.a.example' }], undefined]);
});

const many = (count: number, item: string) => Array.from({ length: count }, () => item).join(', ');
const FROM = 'from: [{namespaces: {}}]';

for (const [kind, spec, message] of [
  ['AdminNetworkPolicy', `{${ALL}}`, /spec\.priority is missing/],
  ['AdminNetworkPolicy', `{priority: 1001, ${ALL}}`, /spec\.priority must be 0 to 1000, not 1001/],
  ['AdminNetworkPolicy', '{priority: 1}', /spec\.subject must be a map|spec\.subject is missing/],
  ['AdminNetworkPolicy', '{priority: 1, subject: {}}', /spec\.subject must have exactly one of namespaces, pods/],
  ['AdminNetworkPolicy', '{priority: 1, subject: {namespaces: {}, pods: {}}}', /exactly one of/],
  ['AdminNetworkPolicy', '{priority: 1, subject: {pods: {namespaceSelector: {}}}}', /podSelector is missing/],
  ['AdminNetworkPolicy', `{priority: 1, ${ALL}, ingress: [{action: Accept, ${FROM}}]}`, /Allow, Deny, Pass/],
  ['AdminNetworkPolicy', `{priority: 1, ${ALL}, ingress: [{action: Allow, from: []}]}`, /from must hold at least one/],
  ['AdminNetworkPolicy', `{priority: 1, ${ALL}, ingress: [{action: Allow}]}`, /from must hold at least one/],
  ['AdminNetworkPolicy', `{priority: 1, ${ALL}, ingress: [{action: Allow, from: [{}]}]}`, /exactly one of namespaces/],
  [
    'AdminNetworkPolicy',
    `{priority: 1, ${ALL}, ingress: [{action: Allow, from: [{networks: [::/0]}]}]}`,
    /is no field/,
  ],
  ['AdminNetworkPolicy', `{priority: 1, ${ALL}, ingress: [{action: Allow, ${FROM}, ports: []}]}`, /at least one item/],
  [
    'AdminNetworkPolicy',
    `{priority: 1, ${ALL}, ingress: [{action: Allow, ${FROM}, ports: [{portNumber: {port: 0}}]}]}`,
    /1 to 65535/,
  ],
  ['AdminNetworkPolicy', `{priority: 1, ${ALL}, tier: Admin}`, /tier is no field/],
  ['AdminNetworkPolicy', `{priority: 1, ${ALL}, ingress: [${many(101, `{action: Deny, ${FROM}}`)}]}`, /more than 100/],
  ['BaselineAdminNetworkPolicy', `{${ALL}, ingress: [{action: Pass, ${FROM}}]}`, /must be one of Allow, Deny$/],
  ['BaselineAdminNetworkPolicy', `{priority: 1, ${ALL}}`, /priority is no field/],
  ['ClusterNetworkPolicy', `{priority: 1, ${ALL}}`, /spec\.tier must be one of Admin, Baseline/],
  [
    'ClusterNetworkPolicy',
    `{tier: Admin, priority: 1, ${ALL}, ingress: [{action: Allow, ${FROM}}]}`,
    /Accept, Deny, Pass/,
  ],
  [
    'ClusterNetworkPolicy',
    `{tier: Admin, priority: 1, ${ALL}, ingress: [${many(26, `{action: Deny, ${FROM}}`)}]}`,
    /more than 25/,
  ],
  [
    'ClusterNetworkPolicy',
    `{tier: Admin, priority: 1, ${ALL}, ingress: [{action: Deny, ${FROM}, protocols: [{tcp: {}}]}]}`,
    /exactly one of destinationPort/,
  ],
  [
    'ClusterNetworkPolicy',
    `{tier: Admin, priority: 1, ${ALL}, ingress: [{action: Deny, ${FROM}, protocols: [{udp: {destinationPort: {range: {start: 9, end: 9}}}}]}]}`,
    /end above its start/,
  ],
  [
    'ClusterNetworkPolicy',
    `{tier: Admin, priority: 1, ${ALL}, egress: [{action: Deny, to: [{networks: [10.0.0.0/33]}]}]}`,
    /must be a CIDR/,
  ],
  [
    'ClusterNetworkPolicy',
    `{tier: Admin, priority: 1, ${ALL}, egress: [{action: Deny, to: [{networks: [10.0.0.0/8, 10.0.0.0/8]}]}]}`,
    /anything twice/,
  ],
  [
    'ClusterNetworkPolicy',
    `{tier: Admin, priority: 1, ${ALL}, egress: [{action: Accept, to: [{domainNames: ["a.*.example"]}]}]}`,
    /must be a DNS name/,
  ],
  [
    'ClusterNetworkPolicy',
    `{tier: Admin, priority: 1, ${ALL}, egress: [{action: Accept, to: [{nodes: {}}], protocols: [{destinationNamedPort: http}]}]}`,
    /must not name a port/,
  ],
] as const) {
  test(`refused: ${kind} ${spec.slice(0, 120)}`, () =>
    assert.throws(
      () => policy(kind, spec),
      (error) => error instanceof ParityError && error.kind === 'input' && message.test(error.message),
    ));
}

test('a baseline policy is called default, and a name is at most 100 characters', () => {
  const spec = parse(`{${ALL}}`);
  assert.throws(
    () => ADMIN.parse([object('BaselineAdminNetworkPolicy', spec, 'x')], CONTEXT),
    /metadata\.name must be default/,
  );
  const long = `{priority: 1, ${ALL}, ingress: [{name: ${'a'.repeat(101)}, action: Deny, ${FROM}}]}`;
  assert.throws(() => policy('AdminNetworkPolicy', long), /p\.yaml:7: .*spec\.ingress\[0\]\.name must not be longer/);
});

test('what the CRDs of v1alpha1 fill in makes no difference: a protocol is TCP', () => {
  const written = object('AdminNetworkPolicy', {
    egress: [{ ports: [{ portRange: { start: 1, end: 2 } }, { portNumber: { port: 3, protocol: 'UDP' } }] }],
  });
  const stored = {
    egress: [
      { ports: [{ portRange: { end: 2, protocol: 'TCP', start: 1 } }, { portNumber: { port: 3, protocol: 'UDP' } }] },
    ],
  };
  assert.equal(JSON.stringify(canonicalPolicy(written).spec), JSON.stringify(stored));
});

test('names in a rule that does not allow are a caveat; objects of other groups are none of ours', () => {
  const deny = `{tier: Admin, priority: 1, ${ALL}, egress: [{action: Deny, to: [{domainNames: [a.example]}]}]}`;
  assert.match(policy('ClusterNetworkPolicy', deny).caveats?.join() ?? '', /spec\.egress\[0\]: domainNames/);
  const antrea = { ...object('ClusterNetworkPolicy', {}), apiVersion: 'crd.antrea.io/v1beta1' };
  assert.deepEqual(ADMIN.parse([antrea], CONTEXT), []);
});

test('any value either parses or is an input error', () => {
  const keys = [
    'subject',
    'ingress',
    'egress',
    'priority',
    'tier',
    'action',
    'from',
    'to',
    'ports',
    'protocols',
    'pods',
  ];
  const more = [
    'namespaces',
    'podSelector',
    'networks',
    'domainNames',
    'portNumber',
    'tcp',
    'destinationPort',
    'range',
  ];
  const leaf = fc.constantFrom(
    'Admin',
    'Deny',
    'Accept',
    '10.0.0.0/8',
    'a.b',
    '',
    0,
    1,
    70000,
    -1,
    1.5,
    null,
    true,
    {},
    [],
  );
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 6, depthSize: 'small' },
      leaf,
      fc.array(tie('value'), { maxLength: 2 }),
      fc.dictionary(fc.constantFrom(...keys, ...more), tie('value'), { maxKeys: 5 }),
    ),
  }));
  const kinds = fc.constantFrom('AdminNetworkPolicy', 'BaselineAdminNetworkPolicy', 'ClusterNetworkPolicy');
  fc.assert(
    fc.property(kinds, value, (kind, spec) => {
      try {
        ADMIN.parse([object(kind, spec)], CONTEXT);
      } catch (error) {
        assert.ok(error instanceof ParityError && error.kind === 'input', String(error));
      }
    }),
    { numRuns: 500 },
  );
});

// What the evaluator makes of them.

const PODS = ['a', 'b', 'c']
  .map((name) => `kind: Pod\nmetadata: {name: ${name}, namespace: x, labels: {app: ${name}}}\n`)
  .join('---\n');

const from = (app: string) => `from: [{pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: ${app}}}}}]`;

function world(engine: EngineName, ...specs: (readonly [kind: string, spec: string])[]): PolicyModel {
  const all = specs.map(([kind, spec], i) => {
    const name = kind.startsWith('Baseline') ? 'default' : `p${i}`;
    const type = kind === 'NetworkPolicy' ? '' : `apiVersion: ${GROUP}/v1alpha1\n`;
    const namespace = kind === 'NetworkPolicy' ? ', namespace: x' : '';
    return `---\n${type}kind: ${kind}\nmetadata: {name: ${name}${namespace}}\nspec: ${spec}\n`;
  });
  return modelFrom(PODS + all.join(''), { engine });
}

function into(model: PolicyModel, source: string, port = 80) {
  const [pod] = resolvePeer(model, `x/${source}`);
  const [a] = resolvePeer(model, 'x/a');
  assert.ok(pod && a);
  return evaluate(model, { from: pod, to: a, protocol: 'TCP', port });
}

const DENY_ALL = ['NetworkPolicy', '{podSelector: {}}'] as const;
const admin = (rules: string, priority = 1) =>
  ['AdminNetworkPolicy', `{priority: ${priority}, ${ALL}, ingress: [${rules}]}`] as const;

test('an admin rule comes before a NetworkPolicy, allowing or denying; pass and silence leave it the word', () => {
  const rules = `{action: Allow, ${from('b')}}, {action: Pass, ${from('c')}}`;
  const model = world('kube-network-policies', DENY_ALL, admin(rules));
  assert.equal(into(model, 'b').allowed, true);
  assert.match(into(model, 'b').ingress.because[0]?.text ?? '', /allowed by AdminNetworkPolicy.*spec\.ingress\[0\]/);
  assert.equal(into(model, 'c').allowed, false);
  assert.deepEqual(
    into(model, 'c').ingress.because.map((r) => r.text.replace(/, spec.*/, '')),
    [
      'passed on to the next tier by AdminNetworkPolicy.policy.networking.k8s.io p1',
      'NetworkPolicy x/p0 selects x/a for ingress and nothing allows TCP 80 from x/c',
    ],
  );
  const denied = world(
    'kube-network-policies',
    ['NetworkPolicy', '{podSelector: {}, ingress: [{}]}'],
    admin(`{action: Deny, ${from('b')}}`),
  );
  assert.equal(into(denied, 'b').allowed, false);
  assert.match(into(denied, 'b').ingress.because[0]?.text ?? '', /denied by AdminNetworkPolicy.*spec\.ingress\[0\]$/);
  assert.equal(into(denied, 'c').allowed, true);
});

test('lower priorities first, rules in their order, and only on their ports', () => {
  const range = 'ports: [{portRange: {protocol: TCP, start: 80, end: 90}}]';
  const model = world(
    'kube-network-policies',
    admin(`{action: Deny, ${from('b')}}`, 9),
    admin(`{action: Allow, ${from('b')}, ${range}}`, 3),
  );
  assert.deepEqual(
    [79, 80, 90, 91].map((port) => into(model, 'b', port).allowed),
    [false, true, true, false],
  );
});

test('a baseline rule has the last word where no NetworkPolicy isolates', () => {
  const baseline = ['BaselineAdminNetworkPolicy', `{${ALL}, ingress: [{action: Deny, ${from('b')}}]}`] as const;
  assert.equal(into(world('kube-network-policies', baseline), 'b').allowed, false);
  assert.equal(into(world('kube-network-policies', baseline), 'c').allowed, true);
  assert.match(
    into(world('kube-network-policies', baseline), 'c').ingress.because[0]?.text ?? '',
    /none of their rules decides: it is allowed/,
  );
  const open = ['NetworkPolicy', '{podSelector: {}, ingress: [{}]}'] as const;
  assert.equal(into(world('kube-network-policies', baseline, open), 'b').allowed, true);
});

test('engines that do not know them leave them out, and say so', () => {
  const deny = admin(`{action: Deny, ${from('b')}}`);
  for (const engine of ['npm', 'cilium'] as const) {
    const verdict = into(world(engine, deny), 'b');
    assert.equal(verdict.allowed, true);
    assert.match(
      verdict.ingress.because.map((r) => r.text).join(),
      /selects x\/a as well, but decides nothing: .*doesn't enforce/,
    );
  }
  assert.equal(into(world('calico', deny), 'b').allowed, false);
});

test('Cilium takes `namespaces` that ask for no label to be there for everyone, pods and nodes and the world', () => {
  const policy = (peer: string) => `
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
---
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
spec: {containers: [{name: c, ports: [{name: http, containerPort: 80}]}]}
---
kind: Namespace
metadata: {name: shop, labels: {stage: live}}
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: p}
spec: {tier: Admin, priority: 1, subject: {namespaces: {}}, egress: [{action: Deny, to: [${peer}]}]}
`;
  const without = '{matchExpressions: [{key: stage, operator: DoesNotExist}]}';
  const reaches = (peer: string, engine: 'cilium' | 'kube-network-policies') => {
    const model = modelFrom(policy(peer), { engine });
    const from = podIn(model, 'shop/web');
    const world = { type: 'address', id: 'ip:8.8.8.8', ip: '8.8.8.8' } as const;
    const ends = [podIn(model, 'shop/api'), world];
    return ends.map((to) => evaluate(model, { from, to, protocol: 'TCP', port: 80 }).allowed);
  };
  assert.deepEqual(reaches(`{namespaces: ${without}}`, 'cilium'), [false, false]);
  assert.deepEqual(reaches(`{namespaces: ${without}}`, 'kube-network-policies'), [true, true]);
  assert.deepEqual(reaches(`{pods: {namespaceSelector: ${without}, podSelector: {}}}`, 'cilium'), [true, true]);
  assert.deepEqual(reaches('{namespaces: {}}', 'cilium'), [false, true]);
  const named = `{namespaces: ${without}}], protocols: [{destinationNamedPort: http}`;
  const both = `{namespaces: ${without}}], protocols: [{destinationNamedPort: http}, {tcp: {destinationPort: {number: 80}}}`;
  assert.deepEqual(reaches(named, 'cilium'), [true, true], 'a name is of pods that the selector means');
  assert.deepEqual(reaches(both, 'cilium'), [false, false]);
  const entering = policy('{namespaces: {}}').replace(
    /egress:.*/,
    `ingress: [{action: Deny, from: [{namespaces: ${without}}], protocols: [{destinationNamedPort: http}]}]}`,
  );
  const model = modelFrom(entering, { engine: 'cilium' });
  const [from, to] = [{ type: 'address', id: 'ip:8.8.8.8', ip: '8.8.8.8' } as const, podIn(model, 'shop/api')];
  const enters = (port: number) => evaluate(model, { from, to, protocol: 'TCP', port }).allowed;
  assert.deepEqual([enters(80), enters(81)], [false, true], 'entering, it is the name of a port of its own');
});
