import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planObjects } from '../../src/plan/plan.ts';
import { scopeTarget } from '../../src/plan/scope.ts';
import { check, checkText } from '../../src/policy/check.ts';
import { whyIgnored } from '../../src/policy/engine.ts';
import { explain } from '../../src/policy/explain.ts';
import { matchesName } from '../../src/policy/fqdn.ts';
import { matrix, matrixText } from '../../src/policy/matrix.ts';
import type { DialectName, Policy, PolicyModel } from '../../src/policy/model.ts';
import { tiersOf } from '../../src/policy/tiers.ts';
import { junitXml } from '../../src/report/junit.ts';
import { policyFindings } from '../../src/report/policy-findings.ts';
import { snapshotOfObjects } from '../../src/snapshot/manifests.ts';
import type { EngineName, PolicyObject } from '../../src/snapshot/model.ts';
import { objectsIn } from '../../src/snapshot/placed.ts';
import { networkPolicies } from '../../src/snapshot/policy-object.ts';
import { selectedLabels } from '../../src/snapshot/workloads.ts';
import { formatSnapshot, parseSnapshot } from '../../src/snapshot/write.ts';
import { parseYaml } from '../../src/snapshot/yaml.ts';
import { ALL, localOf, snapshotOf } from './plan-world.ts';
import { modelFrom } from './policy-world.ts';

const read = (yaml: string) =>
  snapshotOfObjects(
    parseYaml(yaml, 'f.yaml').flatMap((document) => objectsIn(document, 'f.yaml')),
    'f.yaml',
  );

const PODS = `
kind: Node
metadata: {name: n1}
status: {addresses: [{address: 172.18.0.2}]}
---
kind: Node
metadata: {name: n2}
status: {addresses: [{address: 172.18.0.3}]}
---
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {nodeName: n1}
status: {podIPs: [{ip: 10.244.1.5}]}
---
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
spec: {nodeName: n2}
status: {podIPs: [{ip: 10.244.2.6}]}
`;

const cilium = (spec: string, name = 'c') =>
  `---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: ${name}, namespace: shop}\nspec: ${spec}\n`;
const calico = (spec: string, name = 'g') =>
  `---\napiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: {name: ${name}}\nspec: ${spec}\n`;
const kubernetes = (spec: string, name = 'k') =>
  `---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: ${name}, namespace: shop}\nspec: ${spec}\n`;

const model = (policies: string, engine: EngineName): PolicyModel => modelFrom(PODS + policies, { engine });
const ask = (m: PolicyModel, from: string, to: string, port = 443) => explain(m, from, to, 'TCP', port);
const reasons = (m: PolicyModel, from: string, to: string) => {
  const [only] = ask(m, from, to).cases;
  return [...(only?.egress.because ?? []), ...(only?.ingress.because ?? [])].map((r) => r.text).join('\n');
};

test('a name outside of the cluster is a peer: allowed where its pattern is, perhaps allowed where nobody knows', () => {
  const m = model(cilium('{endpointSelector: {}, egress: [{toFQDNs: [{matchPattern: "*.example.com"}]}]}'), 'cilium');
  assert.equal(ask(m, 'shop/web', 'dns:api.example.com').verdict, 'allowed');
  assert.equal(ask(m, 'shop/web', 'dns:a.b.example.com').verdict, 'denied');
  assert.equal(ask(m, 'shop/web', 'ip:8.8.8.8').verdict, 'denied');
  assert.match(
    reasons(m, 'shop/web', 'ip:8.8.8.8'),
    /may also be allowed by CiliumNetworkPolicy\.cilium\.io shop\/c, spec\.egress\[0\]: the DNS names of ip:8\.8\.8\.8/,
  );
  assert.throws(() => ask(m, 'shop/web', 'dns:a b'), /"a b" is not a DNS name/);
});

test('where a name leads is not known: no CIDR but that of everything can be said to hold it', () => {
  const to = (block: string) =>
    kubernetes(`{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: ${block}}]}]}`);
  const isAllowed = (block: string) => ask(model(to(block), 'cilium'), 'shop/web', 'dns:example.com').verdict;
  assert.equal(isAllowed('{cidr: 192.0.2.0/24}'), 'denied');
  assert.equal(isAllowed('{cidr: 0.0.0.0/0, except: [192.0.2.0/24]}'), 'denied');
  assert.equal(isAllowed('{cidr: 0.0.0.0/0}'), 'allowed');
  assert.equal(isAllowed('{cidr: 0.0.0.0/0, except: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16]}'), 'allowed');
  assert.match(
    reasons(model(to('{cidr: 192.0.2.0/24}'), 'cilium'), 'shop/web', 'dns:example.com'),
    /may also be allowed by NetworkPolicy shop\/k, spec\.egress\[0\]: the address of dns:example\.com is not known/,
  );
});

test('a check that passes says what may make it otherwise', () => {
  const m = model(cilium('{endpointSelector: {}, egress: [{toFQDNs: [{matchName: a.example}]}]}'), 'cilium');
  const asked = {
    from: 'shop/web',
    to: 'ip:8.8.8.8',
    protocol: 'TCP',
    port: 443,
    allowed: false,
    where: 'x:1',
  } as const;
  const report = check(m, [asked]);
  assert.equal(report.passed, 1);
  const doubt = /may also be allowed by .*the DNS names of ip:8\.8\.8\.8 are not known/;
  assert.match(checkText(report), new RegExp(`^ok .*\\n {2}\\? egress: ${doubt.source}`));
  assert.match(junitXml(report, 'x'), new RegExp(`<system-out>egress: ${doubt.source}`));
});

for (const [dialect, pattern, name, expected] of [
  ['admin', 'a.example', 'A.Example.', true],
  ['admin', '*.example', 'a.b.example', true],
  ['admin', '*.example', 'example', false],
  ['admin', 'a.example', 'aXexample', false],
  ['cilium', '*.example', 'a.example', true],
  ['cilium', '*.example', 'a.b.example', false],
  ['cilium', '**.example', 'a.b.example', true],
  ['cilium', '**.example', 'example', false],
  ['cilium', '*', 'anything.at.all', true],
  ['cilium', 'a*c.example', 'abc.example', true],
] as const satisfies [DialectName, string, string, boolean][]) {
  test(`${dialect}: ${pattern} ${expected ? 'means' : "doesn't mean"} ${name}`, () =>
    assert.equal(matchesName(dialect, pattern, name), expected));
}

test("CIDRs of Cilium's policies match neither pods nor nodes, also where nobody knows the engine; Calico's match both", () => {
  const toAll = '{endpointSelector: {}, egress: [{toCIDR: [0.0.0.0/0]}]}';
  for (const engine of ['cilium', 'unknown'] as const) {
    const m = model(cilium(toAll), engine);
    assert.equal(ask(m, 'shop/web', 'ip:8.8.8.8').verdict, 'allowed', engine);
    assert.equal(ask(m, 'shop/web', 'shop/db').verdict, 'denied', engine);
    assert.equal(ask(m, 'shop/web', 'ip:172.18.0.3').verdict, 'denied', engine);
    assert.match(reasons(m, 'shop/web', 'shop/db'), /its CIDR 0\.0\.0\.0\/0 covers shop\/db, but Cilium's CIDRs never/);
  }
  const m = model(calico('{types: [Egress], egress: [{action: Allow, destination: {nets: [0.0.0.0/0]}}]}'), 'calico');
  for (const to of ['ip:8.8.8.8', 'shop/db', 'ip:172.18.0.3']) assert.equal(ask(m, 'shop/web', to).verdict, 'allowed');
});

test('entities: the own node, other nodes, the API server that may be anywhere', () => {
  const to = (entity: string) => model(cilium(`{endpointSelector: {}, egress: [{toEntities: [${entity}]}]}`), 'cilium');
  const verdicts = (entity: string) =>
    ['ip:172.18.0.2', 'ip:172.18.0.3', 'shop/db', 'ip:8.8.8.8'].map((p) => ask(to(entity), 'shop/web', p).verdict[0]);
  assert.deepEqual(verdicts('host'), ['a', 'd', 'd', 'd']);
  assert.deepEqual(verdicts('remote-node'), ['d', 'a', 'd', 'd']);
  assert.deepEqual(verdicts('cluster'), ['a', 'a', 'a', 'd']);
  assert.deepEqual(verdicts('world'), ['d', 'd', 'd', 'a']);
  assert.deepEqual(verdicts('all'), ['a', 'a', 'a', 'a']);
  assert.deepEqual(verdicts('kube-apiserver'), ['d', 'd', 'd', 'd']);
  const reason = reasons(to('kube-apiserver'), 'shop/web', 'ip:172.18.0.2');
  assert.match(reason, /may also be allowed by .*: whether ip:172\.18\.0\.2 is the API server is not known/);
});

test('the API server is where its pod runs, where there is one', () => {
  const server = `---
kind: Pod
metadata: {name: api, namespace: kube-system, labels: {component: kube-apiserver}}
spec: {nodeName: n2, hostNetwork: true}
status: {podIPs: [{ip: 172.18.0.3}]}
`;
  const m = model(server + cilium('{endpointSelector: {}, egress: [{toEntities: [kube-apiserver]}]}'), 'cilium');
  assert.equal(ask(m, 'shop/web', 'ip:172.18.0.3').verdict, 'allowed');
  assert.equal(ask(m, 'shop/web', 'ip:172.18.0.2').verdict, 'denied');
  assert.doesNotMatch(reasons(m, 'shop/web', 'ip:172.18.0.2'), /may also/);
});

test('a deny beats an allow in a union, and is named; in an ordered tier the order decides', () => {
  const both = cilium('{endpointSelector: {}, ingress: [{fromEntities: [all]}], ingressDeny: [{fromEndpoints: [{}]}]}');
  const union = model(both + kubernetes('{podSelector: {}, ingress: [{}]}'), 'cilium');
  assert.equal(ask(union, 'shop/web', 'shop/db').verdict, 'denied');
  assert.match(
    reasons(union, 'shop/web', 'shop/db'),
    /denied by CiliumNetworkPolicy\.cilium\.io shop\/c, spec\.ingressDeny\[0\]/,
  );
  // A Kubernetes NetworkPolicy has order 1000 there.
  const ordered = (order: number) => {
    const deny = calico(`{order: ${order}, ingress: [{action: Deny}]}`);
    return ask(model(deny + kubernetes('{podSelector: {}, ingress: [{}]}'), 'calico'), 'shop/web', 'shop/db').verdict;
  };
  assert.deepEqual([ordered(999), ordered(1001)], ['denied', 'allowed']);
});

test("a tier of one's own has a default, and a reason says so", () => {
  const tier = (action: string) =>
    `---\napiVersion: projectcalico.org/v3\nkind: Tier\nmetadata: {name: security}\nspec: {order: 5, defaultAction: ${action}}\n`;
  const inTier = calico(
    "{tier: security, selector: app == 'db', ingress: [{action: Allow, source: {selector: app == 'x'}}]}",
    'security.g',
  );
  assert.equal(ask(model(tier('Deny') + inTier, 'calico'), 'shop/web', 'shop/db').verdict, 'denied');
  assert.match(
    reasons(model(tier('Deny') + inTier, 'calico'), 'shop/web', 'shop/db'),
    /the default of tier security denies it/,
  );
  assert.equal(ask(model(tier('Pass') + inTier, 'calico'), 'shop/web', 'shop/db').verdict, 'allowed');
});

test('what an engine ignores is named with why: in explain, in the matrix', () => {
  const m = model(cilium('{endpointSelector: {}, ingress: [{}]}'), 'calico');
  assert.equal(ask(m, 'shop/web', 'shop/db').verdict, 'allowed');
  assert.match(
    reasons(m, 'shop/web', 'shop/db'),
    /shop\/c selects shop\/db as well, but decides nothing: Calico doesn't enforce/,
  );
  const value = matrix(m);
  assert.deepEqual(value.ignored, [
    "CiliumNetworkPolicy.cilium.io shop/c: Calico doesn't enforce CiliumNetworkPolicy.cilium.io",
  ]);
  assert.match(matrixText(value), /^decides nothing: CiliumNetworkPolicy/m);
  const staged = `---\napiVersion: projectcalico.org/v3\nkind: StagedGlobalNetworkPolicy\nmetadata: {name: s}\nspec: {ingress: [{action: Deny}]}\n`;
  assert.equal(ask(model(staged, 'calico'), 'shop/web', 'shop/db').verdict, 'allowed');
  assert.equal(matrix(model(staged, 'calico')).ignored.length, 1);
});

test('Cilium reads ClusterNetworkPolicy since 1.20, and the older admin kinds never', () => {
  const policy = {
    dialect: 'admin',
    rules: [] as const,
    source: { object: 'ClusterNetworkPolicy.policy.networking.k8s.io x' },
  } as unknown as Policy;
  const why = (version: string | undefined, p = policy) =>
    whyIgnored(p, { name: 'cilium', evidence: [], ...(version !== undefined && { version }) });
  assert.equal(why('v1.20.2'), undefined);
  assert.equal(why(undefined), undefined);
  assert.match(why('v1.19.4') ?? '', /1\.20 does/);
  assert.match(
    why('1.20.0', { ...policy, source: { object: 'AdminNetworkPolicy.x y' } }) ?? '',
    /only ClusterNetworkPolicy/,
  );
});

test('tiers: default goes by order under Calico, and where only its policies show an engine', () => {
  const rules = (engine: EngineName, ...dialects: DialectName[]) =>
    tiersOf(
      engine,
      dialects.map((dialect) => ({ dialect }) as Policy),
      [],
    ).map((t) => `${t.name} ${t.rules}`)[1];
  assert.equal(rules('calico'), 'default ordered');
  assert.equal(rules('cilium', 'calico'), 'default union');
  assert.equal(rules('unknown', 'kubernetes'), 'default union');
  assert.equal(rules('unknown', 'calico', 'kubernetes'), 'default ordered');
  assert.equal(rules('unknown', 'calico', 'cilium'), 'default union');
});

test('the engine of files is told by policies that one engine alone reads, unless something shows another', () => {
  assert.deepEqual(read(cilium('{endpointSelector: {}}')).engine, {
    name: 'cilium',
    evidence: ['no cluster was asked; taken for cilium by 1 object of cilium.io, which nothing else reads'],
  });
  assert.equal(read(calico('{}')).engine.name, 'calico');
  const [unknown, ...why] = read(calico('{}') + cilium('{endpointSelector: {}}')).engine.evidence;
  assert.equal(unknown, 'no cluster was asked, so what enforces policies is not known');
  assert.deepEqual(why, [
    '1 object of cilium.io, which only cilium reads',
    '1 object of projectcalico.org, which only calico reads',
  ]);
  assert.equal(read(calico('{}') + cilium('{endpointSelector: {}}')).engine.name, 'unknown');
  assert.equal(read(kubernetes('{podSelector: {}}')).engine.name, 'unknown');
  const agent =
    '---\napiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: calico-node, namespace: kube-system}\nspec: {template: {spec: {containers: []}}}\n';
  assert.equal(read(agent + cilium('{endpointSelector: {}}')).engine.name, 'calico');
});

test('a policy of any dialect survives being written and read, with the lines of its parts', () => {
  const specs =
    '---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: two, namespace: shop, annotations: {a: hunter2}}\nspecs:\n- endpointSelector: {}\n  ingress:\n  - {}\n- endpointSelector: {}\n  egress: []\nstatus: {x: hunter2}\n';
  const snapshot = read(
    cilium('{endpointSelector: {}, ingress: [{fromEntities: [all]}]}') + calico('{order: 1}') + specs,
  );
  assert.equal(snapshot.policies.find((p) => p.metadata.name === 'two')?.location?.lines['specs[1].egress'], 20);
  const written = formatSnapshot(snapshot);
  assert.ok(!written.includes('hunter2'));
  const again = parseSnapshot(written, 's.yaml');
  const bare = (list: readonly PolicyObject[]) => list.map(({ location: _, ...policy }) => policy);
  assert.deepEqual(bare(again.policies), bare(snapshot.policies));
  assert.equal(formatSnapshot(again), written);
  const line = again.policies.find((p) => p.metadata.name === 'two')?.location?.lines['specs[0].ingress[0]'] ?? 0;
  assert.match(written.split('\n')[line - 1] ?? '', /- \{\}/);
  assert.match(
    written,
    /- apiVersion: projectcalico\.org\/v3\n {4}kind: GlobalNetworkPolicy\n {4}metadata:\n {6}name: g\n/,
  );
});

test('a snapshot of before says no kind, and holds NetworkPolicies; an unknown kind is refused', () => {
  const written = formatSnapshot(read(kubernetes('{podSelector: {}}')));
  const older = written.replace(
    '- apiVersion: networking.k8s.io/v1\n    kind: NetworkPolicy\n    metadata',
    '- metadata',
  );
  assert.notEqual(older, written);
  assert.deepEqual(
    networkPolicies(parseSnapshot(older, 's').policies).map((p) => p.metadata.name),
    ['k'],
  );
  const odd = written.replace('kind: NetworkPolicy', 'kind: NetPolicy').replace('networking.k8s.io/v1', 'cilium.io/v2');
  assert.throws(
    () => parseSnapshot(odd, 's'),
    /^ParityError: s:\d+: policies\[0\]\.kind is no policy that is known here/,
  );
});

test('a stamped label that a selector of any dialect names is kept on pods', () => {
  const keys = (yaml: string) => [...selectedLabels(read(yaml).policies)];
  assert.deepEqual(keys(calico("{selector: has(pod-template-hash) && app == 'job-names'}")), ['pod-template-hash']);
  assert.deepEqual(keys(cilium('{endpointSelector: {matchLabels: {"k8s:controller-revision-hash": x}}}')), [
    'controller-revision-hash',
  ]);
  assert.deepEqual(keys(kubernetes('{podSelector: {}}')), []);
});

test('a mirror keeps the policies of all dialects, and names the kinds that it leaves out', () => {
  const policies = read(cilium('{endpointSelector: {}}') + calico('{}') + kubernetes('{podSelector: {}}')).policies;
  const otherPolicies = [{ group: 'security.istio.io', kind: 'PeerAuthentication', count: 2 }];
  const snapshot = { ...snapshotOf({ shop: {} }), policies, otherPolicies };
  const target = scopeTarget(snapshot, ALL);
  assert.deepEqual(target.policies.map((p) => p.kind).toSorted(), [
    'CiliumNetworkPolicy',
    'GlobalNetworkPolicy',
    'NetworkPolicy',
  ]);
  assert.equal(target.whole.policies.length, 3);
  const plan = planObjects(target, localOf([]));
  const lines = [
    'PeerAuthentication.security.istio.io: not mirrored (a service mesh enforces them, not the network): 2 objects',
  ];
  assert.deepEqual(plan.notMirrored, lines);
  const findings = policyFindings({ objects: [], conflicts: [], unchanged: 2, fidelity: [] }, target);
  assert.deepEqual(
    findings.filter((f) => f.state === 'differs').map((f) => f.title),
    lines,
  );
});
