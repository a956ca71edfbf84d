import assert from 'node:assert/strict';
import { test } from 'node:test';
import { modelOf } from '../../src/policy/endpoints.ts';
import { evaluate } from '../../src/policy/evaluate.ts';
import { fidelityOf } from '../../src/policy/fidelity.ts';
import type { LocalWorld } from '../../src/policy/local-world.ts';
import type { Verdict } from '../../src/policy/model.ts';
import { translate } from '../../src/policy/translate.ts';
import type { Engine, EngineName } from '../../src/snapshot/model.ts';
import { worldOf } from './policy-world.ts';

/** Where engines differ in whose turn it is, and in what they make of a policy by their version and options. */

const PODS = `
{kind: Pod, metadata: {name: web, namespace: shop, labels: {app: web}}, spec: {nodeName: n1}}
---
{kind: Pod, metadata: {name: api, namespace: shop, labels: {app: api}}, spec: {nodeName: n1}}
---
{kind: Pod, metadata: {name: tool, namespace: ops, labels: {app: tool}}, spec: {nodeName: n2}}
---
{kind: Namespace, metadata: {name: shop, labels: {team: a}}}
---
{kind: Namespace, metadata: {name: ops, labels: {team: b}}}
---
{kind: Node, metadata: {name: n2}, status: {addresses: [{address: 172.18.0.3}]}}
`;

type Version = Partial<Engine> & { readonly name: EngineName };
const CILIUM: Version = {
  name: 'cilium',
  version: 'v1.20.2',
  options: { 'enable-k8s-cluster-network-policy': 'true' },
};

function model(engine: Version, ...policies: readonly string[]) {
  return modelOf({ ...worldOf([PODS, ...policies].join('\n---\n')), engine: { evidence: [], ...engine } });
}

function ask(of: ReturnType<typeof model>, from: string, to: string, port = 80): Verdict {
  const end = (name: string) =>
    of.pods.find((p) => p.name === name) ?? { type: 'address' as const, id: `ip:${name}`, ip: name };
  return evaluate(of, { from: end(from), to: end(to), protocol: 'TCP', port });
}

const network = (spec: string, name = 'np') =>
  `{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: ${name}, namespace: shop}, spec: ${spec}}`;
const cluster = (name: string, tier: string, rules: string, priority = 7) =>
  `{apiVersion: policy.networking.k8s.io/v1alpha2, kind: ClusterNetworkPolicy, metadata: {name: ${name}}, spec: {tier: ${tier}, priority: ${priority}, subject: {namespaces: {}}, ingress: [${rules}]}}`;
const from = (app: string) => `from: [{pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: ${app}}}}}]`;
const rule = (action: string, app: string) => `{action: ${action}, ${from(app)}}`;

test('Cilium lets a baseline rule allow what a NetworkPolicy isolates, the specification does not', () => {
  const policies = [network('{podSelector: {}}'), cluster('base', 'Baseline', rule('Accept', 'api'))];
  const under = (engine: Version, name: string) => ask(model(engine, ...policies), name, 'web');
  assert.equal(under({ name: 'kube-network-policies' }, 'api').allowed, false);
  assert.equal(under(CILIUM, 'api').allowed, true);
  assert.match(under(CILIUM, 'api').ingress.because[0]?.text ?? '', /^allowed by ClusterNetworkPolicy.* base/);
  assert.equal(under(CILIUM, 'tool').allowed, false, 'what no tier decides stays denied');
  assert.match(
    under(CILIUM, 'tool').ingress.because[0]?.text ?? '',
    /NetworkPolicy shop\/np selects .* nothing allows/,
  );
  const passing = [network('{podSelector: {}}'), cluster('base', 'Baseline', rule('Pass', 'api'))];
  assert.equal(ask(model(CILIUM, ...passing), 'api', 'web').allowed, false, 'a pass leads to the denial');
});

test('admin policies of one priority: each engine has its way, and it is said that none is promised', () => {
  const first = cluster('a', 'Admin', `${rule('Accept', 'tool')}, ${rule('Deny', 'api')}`);
  const second = cluster('b', 'Admin', `${rule('Accept', 'api')}, ${rule('Deny', 'tool')}`);
  const verdicts = (engine: Version) => ['api', 'tool'].map((name) => ask(model(engine, first, second), name, 'web'));
  const allowed = (engine: Version) => verdicts(engine).map((v) => v.allowed);
  assert.deepEqual(allowed({ name: 'calico' }), [false, true], 'policy by policy, by name');
  assert.deepEqual(allowed(CILIUM), [true, true], 'rule by rule');
  for (const verdict of verdicts(CILIUM)) {
    assert.match(verdict.ingress.because.map((r) => r.text).join('\n'), /the same priority, and would have it denied/);
  }
  const opposed = [cluster('a', 'Admin', rule('Accept', 'api')), cluster('b', 'Admin', rule('Deny', 'api'))];
  assert.equal(ask(model(CILIUM, ...opposed), 'api', 'web').allowed, false, 'a deny first');
  const apart = ask(model(CILIUM, first, cluster('b', 'Admin', rule('Accept', 'api'), 8)), 'api', 'web');
  assert.doesNotMatch(apart.ingress.because.map((r) => r.text).join('\n'), /same priority/);
});

test('in a tie Calico goes by name, and calls a NetworkPolicy knp.default.NAME', () => {
  const calico = (name: string) =>
    `{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: ${name}, namespace: shop}, spec: {order: 1000, selector: all(), ingress: [{action: Deny}]}}`;
  const open = network('{podSelector: {}, ingress: [{}]}', 'b');
  const allowed = (name: string) => ask(model({ name: 'calico' }, calico(name), open), 'api', 'web').allowed;
  assert.deepEqual([allowed('c'), allowed('x')], [false, true]);
});

test('endPort counts for nothing under a Cilium that knows no port ranges', () => {
  const range = network('{podSelector: {}, ingress: [{ports: [{port: 80, endPort: 90}]}]}');
  const allowed = (version: string) =>
    [80, 85].map((port) => ask(model({ name: 'cilium', version }, range), 'api', 'web', port).allowed);
  assert.deepEqual(allowed('v1.16.16'), [true, false]);
  assert.deepEqual(allowed('v1.17.9'), [true, true]);
  const mirror = mirrored({ name: 'cilium', version: 'v1.16.16' }, { name: 'kindnet', evidence: [] }, range);
  assert.deepEqual(
    mirror.map((m) => [m.verbatim, m.fidelity]),
    [[false, 'exact']],
  );
});

test('a peer that asks for no label to be there means strangers, unless Cilium adds the name of its cluster', () => {
  const lacks = '{matchExpressions: [{key: team, operator: NotIn, values: [a]}]}';
  const text = network(`{podSelector: {}, ingress: [{from: [{namespaceSelector: ${lacks}}]}]}`);
  const allowed = (engine: Version, policy = text) =>
    ['api', 'tool', '8.8.8.8', '172.18.0.3'].map((peer) => ask(model(engine, policy), peer, 'web').allowed);
  const option = (value: string) => ({ options: { 'policy-default-local-cluster': value } });
  assert.deepEqual(allowed({ name: 'kindnet' }), [false, true, false, false]);
  assert.deepEqual(allowed({ name: 'cilium', version: 'v1.20.2' }), [false, true, false, false], 'on by default');
  assert.deepEqual(allowed({ name: 'cilium', version: 'v1.18.6' }), [false, true, true, true], 'off by default');
  assert.deepEqual(allowed({ name: 'cilium', version: 'v1.18.6', ...option('true') }), [false, true, false, false]);
  assert.deepEqual(allowed({ name: 'cilium', version: 'v1.20.2', ...option('false') }), [true, true, true, true]);
  const asking = network('{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}');
  assert.deepEqual(allowed({ name: 'cilium', version: 'v1.18.6' }, asking), [true, true, false, false]);
});

test('enable-policy: always isolates pods that no policy selects, is named, and is mirrored', () => {
  const always: Version = { name: 'cilium', options: { 'enable-policy': 'always' } };
  const open = network('{podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {}}]}]}');
  const verdict = ask(model(always, open), 'api', 'web');
  assert.deepEqual([verdict.allowed, verdict.egress.allowed, verdict.ingress.allowed], [false, false, true]);
  assert.match(verdict.egress.because[0]?.text ?? '', /^Cilium's option enable-policy: always selects shop\/api/);
  const alone = ask(model(always), '172.18.0.3', 'tool');
  assert.equal(alone.allowed, false, 'not even the own node gets in where no policy speaks for the pod');
  const spoken = open.replace('namespace: shop', 'namespace: ops').replace('app: web', 'app: tool');
  assert.equal(ask(model(always, spoken), '172.18.0.3', 'tool').allowed, true);
  const mirror = mirrored(always, { name: 'kindnet', evidence: [] }, open);
  assert.ok(mirror.length > 0 && mirror.every((m) => m.fidelity === 'exact'), JSON.stringify(mirror));
});

/** The target's policies in a local cluster with an engine, as they are judged. */
function mirrored(engine: Version, local: Engine, ...policies: readonly string[]) {
  const snapshot = { ...worldOf([PODS, ...policies].join('\n---\n')), engine: { evidence: [], ...engine } };
  const target = modelOf(snapshot);
  const here: LocalWorld = { engine: local, podRanges: ['10.244.0.0/16'], nodes: new Map([['local', ['172.19.0.2']]]) };
  const input = { model: target, objects: snapshot.policies, local: here, services: [], acceptWider: [] };
  const translated = translate({ ...input, namespaces: ['shop', 'ops'] });
  return fidelityOf(target, translated, here);
}

test('a difference is held against the policies that decide it, not against all that select the pod', () => {
  const policies = [
    network('{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: api}}}]}]}', 'exact'),
    `{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: lost, namespace: shop}, spec: {endpointSelector: {}, ingress: [{fromEntities: [kube-apiserver]}, {fromEndpoints: [{matchLabels: {app: tool, "k8s:io.kubernetes.pod.namespace": ops}}], toPorts: [{ports: [{port: "80", protocol: TCP}], rules: {http: [{path: /}]}}]}]}}`,
  ];
  const [exact, lost] = mirrored(CILIUM, { name: 'kindnet', evidence: [] }, ...policies);
  assert.deepEqual([exact?.fidelity, exact?.differing], ['exact', 0]);
  assert.equal(lost?.fidelity, 'narrower');
});

test('policies of one priority that contradict each other are not called exact', () => {
  const tied = [cluster('a', 'Admin', rule('Accept', 'api')), cluster('b', 'Admin', rule('Deny', 'api'))];
  const all = mirrored(CILIUM, { name: 'kindnet', evidence: [] }, ...tied);
  assert.deepEqual(
    all.map((f) => f.fidelity),
    ['unknown', 'unknown'],
  );
  assert.match(all[0]?.notes.join() ?? '', /ClusterNetworkPolicy.* b has the same priority/);
});

test('toFQDNs without a DNS rule are noted where no other policy of the pods has one either', () => {
  const cnp = (name: string, subject: string, rule: string) =>
    `{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: ${name}, namespace: shop}, spec: {endpointSelector: ${subject}, egress: [${rule}]}}`;
  const names = cnp('names', '{}', '{toFQDNs: [{matchName: a.example}]}');
  const dns = (subject: string) =>
    cnp('dns', subject, '{toPorts: [{ports: [{port: "53"}], rules: {dns: [{matchPattern: "*"}]}}]}');
  const note = (...policies: readonly string[]) =>
    mirrored(CILIUM, { name: 'kindnet', evidence: [] }, names, ...policies)[0]?.notes.find((text) =>
      /DNS rule/.test(text),
    );
  assert.equal(note(), 'toFQDNs allow nothing to its pods: no policy that selects them has a DNS rule');
  assert.equal(note(dns('{}')), undefined);
  assert.equal(
    note(dns('{matchLabels: {app: web}}')),
    'toFQDNs allow nothing to shop/api: no policy that selects it has a DNS rule',
  );
});
