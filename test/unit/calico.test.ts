import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CALICO } from '../../src/policy/dialect/calico.ts';
import { calicoTiers } from '../../src/policy/dialect/calico-tiers.ts';
import type { PolicyObject } from '../../src/snapshot/model.ts';
import { CONTEXT, clusterOf, objectsOf, policiesOf } from './calico-world.ts';
import fc from './random.ts';

/** Asserts what a cluster answers; `+` before what is allowed, `-` before what isn't. */
function check(yaml: string, ...expected: string[]): void {
  const may = clusterOf(yaml);
  for (const line of expected) {
    assert.equal(may(line.slice(2)), line.startsWith('+'), `${line} under\n${yaml}`);
  }
}

/** A NetworkPolicy on shop's db with ingress rules, in flow style. */
const onDb = (ingress: string, rest = ''): string => `
kind: NetworkPolicy
metadata: { name: db, namespace: shop }
spec: { selector: "app == 'db'", ingress: ${ingress}${rest} }
`;

/** A GlobalNetworkPolicy on shop's db with ingress rules. */
const globalOnDb = (ingress: string, rest = ''): string => `
kind: GlobalNetworkPolicy
metadata: { name: db }
spec: { selector: "app == 'db'", ingress: ${ingress}${rest} }
`;

/** A NetworkPolicy on shop's web with egress rules. */
const fromWeb = (egress: string, rest = ''): string => `
kind: NetworkPolicy
metadata: { name: web, namespace: shop }
spec: { selector: "app == 'web'", egress: ${egress}${rest} }
`;

const SETS = `
kind: GlobalNetworkSet
metadata: { name: world, labels: { zone: out } }
spec: { nets: [203.0.113.0/24, 198.51.100.7] }
---
kind: NetworkSet
metadata: { name: shop, namespace: shop, labels: { zone: out } }
spec: { nets: [192.0.2.0/24] }
---
kind: HostEndpoint
metadata: { name: bastion, labels: { zone: out } }
spec: { node: n, interfaceName: eth0, expectedIPs: [192.168.7.7] }
---`;

test('a rule without a peer is for everything, also outside', () => {
  check(
    onDb('[{ action: Allow, protocol: TCP, destination: { ports: [80] } }]'),
    '+ job > db 80',
    '+ 203.0.113.9 > db 80',
    '- job > db 81',
  );
});

test('a selector of a NetworkPolicy stays in its namespace, one of a GlobalNetworkPolicy does not', () => {
  const rule = `[{ action: Allow, source: { selector: "app == 'web'" } }]`;
  check(onDb(rule), '+ web > db 1', '- probe > db 1', '- 203.0.113.9 > db 1', '+ job > web 1');
  check(globalOnDb(rule), '+ web > db 1', '+ probe > db 1', '- job > db 1');
});

test('namespaces are selected by labels, by name, all or none', () => {
  const by = (selector: string) => onDb(`[{ action: Allow, source: { namespaceSelector: "${selector}" } }]`);
  check(by("team == 'ops'"), '+ job > db 1', '- web > db 1');
  check(by("projectcalico.org/name == 'ops'"), '+ job > db 1', '- web > db 1');
  check(by("kubernetes.io/metadata.name in {'shop'}"), '- job > db 1', '+ web > db 1');
  check(by('all()'), '+ job > db 1', '+ web > db 1', '- 203.0.113.9 > db 1');
  check(`${SETS}${by('all()')}`, '+ job > db 1', '+ 192.0.2.1 > db 1', '- 203.0.113.9 > db 1');
  check(
    `${SETS}${by('global()')}`,
    '- job > db 1',
    '- 192.0.2.1 > db 1',
    '+ 203.0.113.9 > db 1',
    '+ 192.168.7.7 > db 1',
  );
  // What has no namespace lacks its labels, and so passes.
  check(`${SETS}${by("team != 'ops'")}`, '- job > db 1', '+ web > db 1', '+ 203.0.113.9 > db 1');
});

test('sets are selected by their labels like pods', () => {
  const rule = `[{ action: Allow, source: { selector: "zone == 'out'" } }]`;
  check(`${SETS}${onDb(rule)}`, '+ 192.0.2.1 > db 1', '- 203.0.113.9 > db 1', '- web > db 1');
  check(
    `${SETS}${globalOnDb(rule)}`,
    '+ 192.0.2.1 > db 1',
    '+ 203.0.113.9 > db 1',
    '+ 198.51.100.7 > db 1',
    '- 198.51.100.8 > db 1',
  );
  const inOps = `[{ action: Allow, source: { selector: "zone == 'out'", namespaceSelector: "team == 'sales'" } }]`;
  check(`${SETS}${globalOnDb(inOps)}`, '+ 192.0.2.1 > db 1', '- 203.0.113.9 > db 1');
});

test('notSelector takes from what is selected, alone in a GlobalNetworkPolicy from the whole world', () => {
  const rule = `[{ action: Allow, source: { notSelector: "app == 'web'" } }]`;
  check(onDb(rule), '- web > db 1', '- job > db 1', '- 203.0.113.9 > db 1');
  check(globalOnDb(rule), '- web > db 1', '- probe > db 1', '+ job > db 1', '+ 203.0.113.9 > db 1');
  const both = `[{ action: Allow, source: { selector: has(app), notSelector: "app == 'web'" } }]`;
  check(globalOnDb(both), '- web > db 1', '+ job > db 1', '- 203.0.113.9 > db 1');
});

test('nets and notNets', () => {
  check(
    onDb('[{ action: Allow, source: { nets: [203.0.113.0/24, 10.1.0.3/32] } }]'),
    '+ 203.0.113.9 > db 1',
    '+ job > db 1',
    '- web > db 1',
  );
  const without = onDb('[{ action: Allow, source: { notNets: [203.0.113.0/24, 10.1.0.3/32] } }]');
  check(
    without,
    '- 203.0.113.9 > db 1',
    '- job > db 1',
    '+ web > db 1',
    '+ 203.0.114.9 > db 1',
    '- 2001:db8::1 > db 1',
  );
  check(onDb('[{ action: Allow, source: { notNets: [0.0.0.0/0] } }]'), '- 203.0.113.9 > db 1', '- 2001:db8::1 > db 1');
  const mixed = `[{ action: Allow, source: { nets: [10.1.0.0/16, 203.0.113.0/24], selector: "app == 'web'" } }]`;
  check(globalOnDb(mixed), '+ web > db 1', '+ probe > db 1', '- job > db 1', '- 203.0.113.9 > db 1');
  check(onDb('[{ action: Allow, ipVersion: 6 }]'), '+ 2001:db8::1 > db 1', '- 203.0.113.9 > db 1');
});

test('service accounts by name and by label', () => {
  check(
    globalOnDb('[{ action: Allow, source: { serviceAccounts: { names: [runner] } } }]'),
    '+ job > db 1',
    '- probe > db 1',
  );
  const inOwn = onDb('[{ action: Allow, source: { serviceAccounts: { names: [runner, default] } } }]');
  check(inOwn, '- job > db 1', '+ web > db 1');
  check(onDb('[{ action: Allow, source: { serviceAccounts: {} } }]'), '+ 203.0.113.9 > db 1');
  const [policy] = policiesOf(onDb(`[{ action: Allow, source: { serviceAccounts: { selector: "role == 'x'" } } }]`));
  assert.match(policy?.caveats?.join() ?? '', /spec\.ingress\[0\]\.source\.serviceAccounts asks for labels.*\(role\)/);
  const subject = `, serviceAccountSelector: "projectcalico.org/name == 'runner'"`;
  check(globalOnDb('[]', subject).replace("app == 'db'", 'all()'), '- web > job 1', '+ web > probe 1', '+ web > db 1');
});

test('ports: numbers, ranges, names, those left out, and any of a protocol', () => {
  const tcp = (destination: string) => onDb(`[{ action: Allow, protocol: TCP, destination: { ${destination} } }]`);
  check(
    tcp('ports: [80, "90:92", http, "7"]'),
    '+ web > db 80',
    '+ web > db 91',
    '- web > db 93',
    '+ web > db 8080',
    '+ web > db 7',
  );
  check(tcp('notPorts: [80, "90:92"]'), '- web > db 80', '- web > db 92', '+ web > db 93', '- web > db 93/UDP');
  check(tcp('ports: ["1:100"], notPorts: [http, 50]'), '+ web > db 49', '- web > db 50', '- web > db 101');
  check(onDb('[{ action: Allow, protocol: 17 }]'), '+ web > db 5/UDP', '- web > db 5');
  check(onDb('[{ action: Allow, notProtocol: TCP }]'), '+ web > db 5/UDP', '+ web > db 5/SCTP', '- web > db 5');
  check(onDb('[{ action: Allow, notProtocol: ICMP }]'), '+ web > db 5/UDP', '+ web > db 5');
});

test('ICMP, numbers of other protocols and what ports do not tell', () => {
  const [icmp] = policiesOf(
    onDb('[{ action: Allow, protocol: ICMP, icmp: { type: 8 } }, { action: Deny, protocol: 99 }]'),
  );
  assert.deepEqual(
    icmp?.rules.map((r) => r.ports),
    [[], []],
  );
  assert.match(icmp?.caveats?.join('\n') ?? '', /ingress\[0\] is about ICMP, .*\n.*ingress\[1\] is about protocol 99/);
  const http = '{ methods: [GET], paths: [{ exact: /a }, { prefix: /b }] }';
  const [narrow] = policiesOf(
    onDb(`[{ action: Allow, http: ${http} }, { action: Deny, protocol: TCP, source: { ports: [1, "2:3"] } }]`),
  );
  assert.deepEqual(
    narrow?.rules.map((r) => r.narrowedBy),
    [['HTTP GET on /a, /b*'], ['source port 1, 2-3']],
  );
  assert.deepEqual(narrow?.caveats, ['spec.ingress[1] denies only by source port 1, 2-3: it is taken not to match']);
});

test('both sides of a rule count', () => {
  const rule = `[{ action: Deny, source: { selector: "app == 'web'" }, destination: { selector: "app == 'db'" } }, { action: Allow }]`;
  const everywhere = globalOnDb(rule).replace(`"app == 'db'", ingress`, 'all(), ingress');
  check(everywhere, '- web > db 1', '- probe > db 1', '+ job > db 1', '+ probe > job 1');
  const self = fromWeb(`[{ action: Allow, source: { selector: "app == 'db'" } }]`).replace(`"app == 'web'"`, 'all()');
  check(self, '- web > job 1', '+ db > job 1');
});

test('services: their pods and ports as a destination, their pods as a source', () => {
  const egress = fromWeb('[{ action: Allow, destination: { services: { name: db } } }]');
  check(egress, '+ web > db 5432', '- web > db 80', '+ web > db 53/UDP', '- web > job 5432');
  const tcp = fromWeb('[{ action: Allow, protocol: TCP, destination: { services: { name: db } } }]');
  check(tcp, '+ web > db 5432', '- web > db 53/UDP');
  const ingress = onDb('[{ action: Allow, source: { services: { name: db, namespace: shop } } }]').replace(
    `"app == 'db'"`,
    'all()',
  );
  check(ingress, '+ db > web 9', '- job > web 9');
  for (const name of ['outside', 'gone']) {
    const [policy] = policiesOf(fromWeb(`[{ action: Allow, destination: { services: { name: ${name} } } }]`));
    assert.deepEqual(policy?.rules[0]?.peers, []);
    assert.match(policy?.caveats?.join() ?? '', new RegExp(`the service shop/${name} .* taken to be none`));
  }
});

test('types follow from the rules, but for what is stored without them', () => {
  const types = (yaml: string) => policiesOf(yaml)[0]?.isolates;
  assert.deepEqual(types(onDb('[]')), ['ingress']);
  assert.deepEqual(types(fromWeb('[{ action: Allow }]')), ['egress']);
  assert.deepEqual(types(onDb('[{ action: Allow }]', ', egress: [{ action: Allow }]')), ['ingress', 'egress']);
  assert.deepEqual(types(onDb('[]', ', types: [Egress]')), ['egress']);
  assert.deepEqual(types(`apiVersion: crd.projectcalico.org/v1${onDb('[{ action: Allow }]')}`), ['ingress', 'egress']);
  const [ignored] = policiesOf(onDb('[{ action: Deny }]', ', types: [Egress]'));
  assert.deepEqual(ignored?.rules, []);
  assert.deepEqual(ignored?.caveats, ["spec.ingress isn't enforced: spec.types leaves it out"]);
});

test('policies take turns by order, rules by place, with NetworkPolicies of Kubernetes at 1000', () => {
  const rules = '[{ action: Log }, { action: Deny, source: { selector: "app == \'web\'" } }, { action: Allow }]';
  check(onDb(rules), '- web > db 1', '+ job > db 1');
  const kubernetes = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: k8s, namespace: shop }
spec: { podSelector: {}, ingress: [{}] }
---`;
  const deny = (order: string) => onDb('[{ action: Deny }]', order);
  check(`${kubernetes}${deny(', order: 999.5')}`, '- web > db 1');
  check(`${kubernetes}${deny(', order: 1001')}`, '+ web > db 1');
  check(`${kubernetes}${deny('')}`, '+ web > db 1');
});

const TIERS = `
kind: Tier
metadata: { name: first }
spec: { order: 10 }
---
kind: Tier
metadata: { name: second }
spec: { order: 20, defaultAction: Pass }
---
kind: Tier
metadata: { name: also-first }
spec: { order: 10 }
---
kind: Tier
metadata: { name: last }
---
kind: Tier
metadata: { name: admin }
spec: { order: 30, defaultAction: Deny }
---
kind: Tier
metadata: { name: kube-admin }
spec: { order: 1000, defaultAction: Pass }
---`;

test('tiers in order, with what they do at their end', () => {
  const tiers = calicoTiers(objectsOf(TIERS.replace(/---$/, '')));
  const shown = tiers.map((t) => [t.name, t.order, t.rules, t.otherwise]);
  assert.deepEqual(shown, [
    ['also-first', 10, 'ordered', 'deny'],
    ['first', 10, 'ordered', 'deny'],
    ['second', 20, 'ordered', 'pass'],
    ['admin (Calico)', 30, 'ordered', 'deny'],
    ['admin', 1000, 'ordered', 'pass'],
    ['default', 1_000_000, 'ordered', 'deny'],
    ['last', Number.POSITIVE_INFINITY, 'ordered', 'deny'],
  ]);
  const web = `source: { selector: "app == 'web'" }`;
  const open = `${onDb('[{ action: Allow }]')}---`;
  check(`${TIERS}${open}${globalOnDb(`[{ action: Pass, ${web} }]`, ', tier: first')}`, '+ web > db 1', '- job > db 1');
  check(`${TIERS}${open}${globalOnDb(`[{ action: Deny, ${web} }]`, ', tier: second')}`, '- web > db 1', '+ job > db 1');
  check(`${TIERS}${globalOnDb(`[{ action: Allow, ${web} }]`, ', tier: second')}`, '+ web > db 1', '+ job > db 1');
  const message = /spec\.tier names the tier gone, but no Tier of that name is there/;
  assert.throws(() => policiesOf(globalOnDb('[]', ', tier: gone')), { message, kind: 'input' });
  const wrong = objectsOf('{ kind: Tier, metadata: { name: default }, spec: { order: 5 } }');
  assert.throws(() => calicoTiers(wrong), { message: /spec\.order must be 1000000 for this tier/, kind: 'input' });
});

test('staged policies and those for hosts are listed and count for nothing', () => {
  check(onDb('[{ action: Deny }]').replace('kind: ', 'kind: Staged'), '+ web > db 1');
  const [staged] = policiesOf(onDb('[{ action: Deny }]', ', stagedAction: Set').replace('kind: ', 'kind: Staged'));
  assert.match(staged?.inert ?? '', /^staged: /);
  const [kubernetes] = policiesOf(`
kind: StagedKubernetesNetworkPolicy
metadata: { name: a, namespace: shop }
spec: { stagedAction: Delete, podSelector: {}, ingress: [{ from: [{ podSelector: {} }] }] }`);
  assert.equal(kubernetes?.dialect, 'calico');
  assert.match(kubernetes?.inert ?? '', /^staged: .*deletion/);
  for (const flag of ['doNotTrack', 'preDNAT']) {
    check(globalOnDb('[{ action: Deny }]', `, ${flag}: true, applyOnForward: true`), '+ web > db 1');
    const [policy] = policiesOf(globalOnDb('[]', `, ${flag}: true, applyOnForward: true`));
    assert.match(policy?.inert ?? '', new RegExp(`^${flag}: `));
  }
  check(globalOnDb('[{ action: Deny }]', ', applyOnForward: true'), '- web > db 1');
  const [hosts] = policiesOf(`${SETS}${globalOnDb('[]').replace("app == 'db'", 'has(zone)')}`);
  assert.match(hosts?.caveats?.join() ?? '', /host endpoints bastion/);
});

test('each policy once, however many forms of it are there', () => {
  const twice = `${onDb('[]')}---\napiVersion: crd.projectcalico.org/v1${onDb('[]').replace('name: db', 'name: default.db')}`;
  assert.deepEqual(
    policiesOf(twice).map((p) => p.name),
    ['db'],
  );
  const stored = `apiVersion: crd.projectcalico.org/v1${onDb('[]').replace('name: db', 'name: default.db')}`;
  assert.deepEqual(
    policiesOf(stored).map((p) => p.name),
    ['db'],
  );
  const filledIn = twice.replace(/^spec: \{/m, 'spec: { tier: default, types: [Ingress],');
  assert.deepEqual(
    [policiesOf(filledIn).length, policiesOf(twice.split('---').toReversed().join('---')).length],
    [1, 1],
  );
  assert.throws(
    () => policiesOf(`${onDb('[{ action: Allow }]')}---\n${stored}`),
    /NetworkPolicy\.crd\S+ shop\/default\.db is the stored form of .* shop\/db, and they differ/,
  );
  const copy = onDb('[]').replace('name: db', 'name: knp.default.db');
  const original = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: db, namespace: shop }
spec: { podSelector: {} }
---`;
  assert.deepEqual(policiesOf(`${original}${copy}`), []);
  assert.equal(policiesOf(copy).length, 1);
  assert.deepEqual(policiesOf(original.replace('---', '')), []);
});

test('rules remember their place', () => {
  const [policy] = policiesOf(onDb('[{ action: Allow }]'));
  const object = 'NetworkPolicy.projectcalico.org shop/db';
  assert.deepEqual(policy?.source, { object, file: 'calico.yaml', line: 2 });
  assert.deepEqual(policy?.rules[0]?.source, { object, path: 'spec.ingress[0]', file: 'calico.yaml', line: 4 });
});

const REFUSED: [string, RegExp][] = [
  [
    onDb('[{ actoin: Allow }]'),
    /^calico\.yaml:4: NetworkPolicy\.projectcalico\.org shop\/db: spec\.ingress\[0\]\.actoin is no field/,
  ],
  [onDb('[{ action: allow }]'), /action must be one of Allow, Deny, Log, Pass/],
  [onDb('[{ action: Allow, source: { selector: "app = 3" } }]'), /source\.selector has "=".* at column 5/],
  [onDb('[{ action: Allow, destination: { ports: [80] } }]'), /destination\.ports needs a rule with protocol TCP/],
  [onDb('[{ action: Allow, protocol: ICMP, source: { notPorts: [80] } }]'), /source\.notPorts needs a rule with/],
  [onDb('[{ action: Allow, protocol: TCP, destination: { ports: [0] } }]'), /ports\[0\] must be 1 to 65535/],
  [onDb('[{ action: Allow, protocol: TCP, destination: { ports: ["9:8"] } }]'), /must not end below its start: 8 < 9/],
  [onDb('[{ action: Allow, protocol: TCP, destination: { ports: ["a b"] } }]'), /must be a port, a range/],
  [onDb('[{ action: Allow, protocol: tcp }]'), /protocol must be one of TCP/],
  [onDb('[{ action: Allow, protocol: 256 }]'), /protocol must be one of TCP/],
  [onDb('[{ action: Allow, icmp: { type: 8 } }]'), /icmp needs a rule with protocol ICMP/],
  [onDb('[{ action: Allow, protocol: ICMP, icmp: { code: 8 } }]'), /icmp\.code needs a type/],
  [onDb('[{ action: Deny, http: { methods: [GET] } }]'), /http has its place only in a rule with action Allow/],
  [fromWeb('[{ action: Allow, http: { methods: [GET] } }]'), /http has no place in an egress rule/],
  [onDb('[{ action: Allow, http: { paths: [{}] } }]'), /paths\[0\] needs either exact or prefix/],
  [onDb('[{ action: Allow, source: { nets: [10.0.0.0/33] } }]'), /nets\[0\] must be an address or a CIDR/],
  [onDb('[{ action: Allow, ipVersion: 5 }]'), /ipVersion must be 4 or 6/],
  [onDb('[{ action: Allow, destination: { services: { name: db } } }]'), /services has no place on that side/],
  [
    onDb('[{ action: Allow, source: { services: { name: db }, nets: [10.0.0.1] } }]'),
    /source\.nets must not stand next/,
  ],
  [globalOnDb('[{ action: Allow, source: { services: { name: db } } }]'), /services\.namespace is missing/],
  [onDb('[{ action: Allow, source: { domains: [a.b] } }]'), /domains has its place only in the destination/],
  [onDb('[]', ', namespaceSelector: all()'), /spec\.namespaceSelector is no field/],
  [onDb('[]', ', types: [Ingress, Ingress]'), /spec\.types must not hold a type twice/],
  [onDb('[]', ', order: first'), /spec\.order must be a number/],
  [onDb('[]', ', performanceHints: [x]'), /performanceHints\[0\] must be one of/],
  [globalOnDb('[]', ', doNotTrack: true'), /applyOnForward must be true/],
  [
    globalOnDb('[]', ', preDNAT: true, applyOnForward: true, egress: [{ action: Allow }]'),
    /must not be true in a policy with egress/,
  ],
  [onDb('[]').replace(', namespace: shop', ''), /metadata\.namespace is missing/],
  ['{ kind: GlobalNetworkSet, metadata: { name: a }, spec: { nets: [x] } }', /spec\.nets\[0\] must be an address/],
  ['{ kind: GlobalNetworkSet, metadata: { name: a }, spec: { net: [] } }', /spec\.net is no field/],
];

test('what no API server takes is an input error that names its place', () => {
  for (const [yaml, message] of REFUSED) assert.throws(() => policiesOf(yaml), { message, kind: 'input' }, yaml);
});

const kinds = [...new Set(CALICO.kinds.map((k) => k.kind))];
const words = ['Allow', 'Ingress', 'TCP', 'all()', "app == 'x'", '10.0.0.0/8', '::/0', 'http', '1:2', 80, true, null];

/** Mostly one of these values, or a list of them, else anything. */
function mostly(...values: unknown[]): fc.Arbitrary<unknown> {
  const likely = fc.constantFrom<unknown>(...values);
  const unlikely = fc.oneof(fc.constantFrom<unknown>(...words), fc.jsonValue({ maxDepth: 2 }));
  return fc.oneof({ weight: 60, arbitrary: likely }, { weight: 1, arbitrary: unlikely });
}

function some(model: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<unknown> {
  return fc.oneof(
    { weight: 60, arbitrary: fc.record(model, { requiredKeys: [] }) },
    { weight: 1, arbitrary: mostly(null) },
  );
}

const selector = mostly('', 'all()', "app in {'x', 'y'}", '!has(z)');
const entity = some({
  selector,
  notSelector: selector,
  namespaceSelector: mostly('', 'all()', 'global()', "team != 'x'"),
  nets: mostly([], ['10.0.0.0/8', '10.1.0.1'], ['::/0']),
  notNets: mostly(undefined, ['10.0.0.0/8']),
  ports: mostly(undefined, [80, 'http', '1:2']),
  serviceAccounts: mostly(undefined, { names: ['a'], selector: 'has(b)' }),
});
const rule = fc.record(
  {
    action: mostly('Allow', 'Deny', 'Pass', 'Log'),
    protocol: mostly('TCP', 6, '17'),
    ipVersion: mostly(4, 6),
    notProtocol: mostly('UDP', 1),
    source: entity,
    destination: entity,
    metadata: mostly({ annotations: { a: 'b' } }),
  },
  { requiredKeys: ['action', 'protocol'] },
);
const rules = fc.oneof(
  { weight: 60, arbitrary: fc.array(rule, { maxLength: 2 }) },
  { weight: 1, arbitrary: mostly(null) },
);
const spec = some({
  ingress: rules,
  egress: rules,
  selector,
  order: mostly(1, 2.5, null),
  tier: mostly('default', ''),
  types: mostly(['Ingress'], ['Ingress', 'Egress'], []),
});

test('anything that YAML can hold is policies or an input error', () => {
  const version = fc.constantFrom('projectcalico.org/v3', 'crd.projectcalico.org/v1');
  let parsed = 0;
  fc.assert(
    fc.property(fc.constantFrom(...kinds), version, spec, (kind, apiVersion, value) => {
      const object: PolicyObject = { apiVersion, kind, metadata: { name: 'a', namespace: 'shop' }, spec: value };
      try {
        const policies = CALICO.parse([object], CONTEXT);
        parsed += policies.reduce((sum, policy) => sum + policy.rules.length, 0);
      } catch (error) {
        assert.equal(error instanceof Error && 'kind' in error && error.kind, 'input', String(error));
      }
    }),
    { numRuns: 3000 },
  );
  assert.ok(parsed > 200, `only ${parsed} rules were read`);
});
