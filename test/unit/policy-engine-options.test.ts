import assert from 'node:assert/strict';
import { test } from 'node:test';
import { modelOf } from '../../src/policy/endpoints.ts';
import { evaluate } from '../../src/policy/evaluate.ts';
import { identityLabels } from '../../src/policy/identity.ts';
import type { Verdict } from '../../src/policy/model.ts';
import { engineOf } from '../../src/snapshot/engine-rules.ts';
import { snapshotOfObjects } from '../../src/snapshot/manifests.ts';
import type { Engine, Snapshot } from '../../src/snapshot/model.ts';
import { objectsIn } from '../../src/snapshot/placed.ts';
import { formatSnapshot, parseSnapshot } from '../../src/snapshot/write.ts';
import { parseYaml } from '../../src/snapshot/yaml.ts';

/** What an engine's options, and labels of nodes and service accounts, make of policies. */

const WORLD = `
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Namespace, metadata: {name: shop}}
- {apiVersion: v1, kind: Node, metadata: {name: n1, labels: {role: edge, secret.example/subscription: s3cr3t}}, status: {addresses: [{type: InternalIP, address: 172.18.0.2}]}}
- {apiVersion: v1, kind: Node, metadata: {name: n2}, status: {addresses: [{type: InternalIP, address: 172.18.0.3}]}}
- {apiVersion: v1, kind: ServiceAccount, metadata: {name: robot, namespace: shop, labels: {team: a, other: s3cr3t}}}
- {apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop, labels: {app: web, pod-template-hash: aa}}, spec: {nodeName: n1, serviceAccountName: robot, containers: [{name: c}]}, status: {podIP: 10.244.0.5}}
- {apiVersion: v1, kind: Pod, metadata: {name: db, namespace: shop, labels: {app: db}}, spec: {nodeName: n2, containers: [{name: c}]}, status: {podIP: 10.244.0.6}}
`;

function world(policies: string, engine: Partial<Engine> = {}): Snapshot {
  const objects = [WORLD, policies].flatMap((text, i) =>
    parseYaml(text, `f${i}.yaml`).flatMap((d) => objectsIn(d, `f${i}.yaml`)),
  );
  const snapshot = snapshotOfObjects(objects, 'x');
  return { ...snapshot, engine: { ...snapshot.engine, evidence: [], ...engine } };
}

function ask(snapshot: Snapshot, from: string, to: string): Verdict {
  const model = modelOf(snapshot);
  const end = (name: string) => {
    const pod = model.pods.find((p) => p.name === name);
    return pod ?? { type: 'address' as const, id: `ip:${name}`, ip: name };
  };
  return evaluate(model, { from: end(from), to: end(to), protocol: 'TCP', port: 80 });
}

const policy = (spec: string) =>
  `{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: shop}, spec: ${spec}}`;

test('identities: what Cilium leaves out by default, and what its option says', () => {
  const byDefault = identityLabels();
  const taken = ['app', 'app.kubernetes.io/name', 'team.example/x', 'job-name'];
  const not = [
    'pod-template-hash',
    'kubernetes.io/arch',
    'topology.kubernetes.io/zone',
    'k8s.io/x',
    'node.beta.kubernetes.io/x',
  ];
  for (const key of taken) assert.equal(byDefault(key), true, key);
  for (const key of not) assert.equal(byDefault(key), false, key);
  assert.equal(identityLabels('!job-name')('job-name'), false);
  assert.equal(identityLabels('k8s:!job-name')('app'), true);
  assert.equal(identityLabels('k8s:app')('team'), false, 'a list of what alone is taken in');
  assert.equal(identityLabels('k8s:app')('app'), true);
  assert.equal(identityLabels('pod-template-hash.*')('pod-template-hash'), false, 'not longer than what leaves it out');
  assert.equal(identityLabels('topology.kubernetes.io/zone')('topology.kubernetes.io/zone'), true);
  assert.equal(
    identityLabels('[')('app'),
    false,
    'what can not be read takes nothing in, and leaves no other label in',
  );
});

test("a NetworkPolicy that selects by a label outside of Cilium's identities selects nothing there", () => {
  const selects = policy('{podSelector: {matchLabels: {pod-template-hash: aa}}, policyTypes: [Ingress]}');
  assert.equal(ask(world(selects, { name: 'cilium' }), 'db', 'web').allowed, true);
  assert.equal(ask(world(selects, { name: 'kindnet' }), 'db', 'web').allowed, false);
  assert.equal(
    ask(world(selects, { name: 'cilium', options: { labels: 'pod-template-hash=?$ app' } }), 'db', 'web').allowed,
    true,
  );
  const lacks = policy(
    '{podSelector: {matchExpressions: [{key: pod-template-hash, operator: DoesNotExist}]}, policyTypes: [Ingress]}',
  );
  assert.equal(ask(world(lacks, { name: 'cilium' }), 'db', 'web').allowed, false, 'it is absent on every pod');
});

test('policy-cidr-match-mode: CIDRs of all policies match pods, nodes, both or neither', () => {
  const block = policy(
    '{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}',
  );
  const own = `{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: shop}, spec: {endpointSelector: {matchLabels: {app: web}}, egress: [{toCIDR: [0.0.0.0/0]}]}}`;
  for (const text of [block, own]) {
    const reaches = (mode: string | undefined, to: string) =>
      ask(
        world(text, { name: 'cilium', options: mode === undefined ? {} : { 'policy-cidr-match-mode': mode } }),
        'web',
        to,
      ).allowed;
    assert.deepEqual([reaches(undefined, 'db'), reaches(undefined, '172.18.0.3')], [false, false]);
    assert.deepEqual([reaches('nodes', 'db'), reaches('nodes', '172.18.0.3')], [false, true]);
    assert.deepEqual([reaches('pods', 'db'), reaches('pods', '172.18.0.3')], [true, false]);
    assert.deepEqual([reaches('pods nodes', 'db'), reaches('pods nodes', '172.18.0.3')], [true, true]);
    assert.equal(reaches(undefined, '8.8.8.8'), true);
  }
});

const toNodes = `{apiVersion: policy.networking.k8s.io/v1alpha2, kind: ClusterNetworkPolicy, metadata: {name: p}, spec: {tier: Admin, priority: 1, subject: {namespaces: {}}, egress: [{action: Accept, to: [{nodes: {matchLabels: {role: edge}}}]}, {action: Deny, to: [{networks: [0.0.0.0/0]}]}]}}`;

test('nodes are known by the labels that policies ask for', () => {
  const snapshot = world(toNodes, { name: 'kube-network-policies' });
  assert.deepEqual(
    snapshot.nodes.map((n) => n.policyLabels),
    [{ role: 'edge' }, {}],
  );
  assert.equal(ask(snapshot, 'web', '172.18.0.2').allowed, true);
  const other = ask(snapshot, 'web', '172.18.0.3');
  assert.equal(other.allowed, false);
  assert.ok(!other.egress.because.some((r) => r.text.startsWith('may')), 'nothing is left open');
});

test("what Cilium's options leave off or make it refuse is named", () => {
  const why = (options: Engine['options']) =>
    ask(
      world(toNodes, { name: 'cilium', version: 'v1.20.2', ...(options && { options }) }),
      'web',
      '172.18.0.3',
    ).egress.because.at(-1)?.text ?? '';
  assert.match(why({}), /only with its option enable-k8s-cluster-network-policy, which is off/);
  assert.match(
    why({ 'enable-k8s-cluster-network-policy': 'true' }),
    /refuses it: nodes as peers need its option enable-node-selector-labels/,
  );
  const all = { 'enable-k8s-cluster-network-policy': 'true', 'enable-node-selector-labels': 'true' };
  assert.doesNotMatch(why(all), /decides nothing/);
  const from = `{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: shop}, spec: {endpointSelector: {}, ingress: [{fromNodes: [{matchLabels: {role: edge}}]}]}}`;
  const inert = (options: Engine['options']) =>
    modelOf(world(from, { name: 'cilium', ...(options && { options }) })).policies[0];
  assert.match(inert({})?.inert ?? '', /Cilium refuses it: .*enable-node-selector-labels/);
  assert.equal(inert({ 'enable-node-selector-labels': 'true' })?.caveats, undefined);
  assert.match(inert(undefined)?.caveats?.[0] ?? '', /enable-node-selector-labels/);
  const here = world(from, { name: 'cilium', options: { 'enable-node-selector-labels': 'true' } });
  assert.deepEqual(
    ['172.18.0.2', '172.18.0.3'].map((ip) => ask(here, ip, 'db').allowed),
    [true, true],
    'n2 is the own node',
  );
  assert.equal(ask(here, '172.18.0.3', 'web').allowed, false, 'n2 has no such label');
});

const byAccount = `{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: p, namespace: shop}, spec: {selector: "app == 'db'", ingress: [{action: Allow, source: {serviceAccounts: {selector: "team == 'a'"}}}]}}`;

test('service accounts are known by the labels that policies ask for', () => {
  const snapshot = world(byAccount, { name: 'calico' });
  assert.deepEqual(snapshot.serviceAccounts, [{ namespace: 'shop', name: 'robot', policyLabels: { team: 'a' } }]);
  assert.equal(ask(snapshot, 'web', 'db').allowed, true);
  assert.equal(modelOf(snapshot).policies[0]?.caveats, undefined);
  const { serviceAccounts: _, ...before } = snapshot;
  assert.equal(ask(before, 'web', 'db').allowed, false);
  assert.match(
    ask(before, 'web', 'db')
      .ingress.because.map((r) => r.text)
      .join(),
    /may also be allowed/,
  );
});

test('a snapshot keeps them in one order and without what nobody asks for; one of before is read as not knowing', () => {
  for (const text of [toNodes, byAccount]) {
    const snapshot = world(text, { name: 'cilium', options: { labels: '!x', 'policy-cidr-match-mode': 'nodes' } });
    const written = formatSnapshot(snapshot);
    assert.doesNotMatch(written, /s3cr3t/);
    assert.equal(formatSnapshot(parseSnapshot(written, 'snap.yaml')), written);
    const before = written
      .replace(/^ *policyLabels:.*\n( {6}role.*\n)?/gm, '')
      .replace(/^serviceAccounts:\n( .*\n|- .*\n)*/m, '')
      .replace(/^ {2}options:\n( {4}.*\n)*/m, '');
    const old = parseSnapshot(before, 'old.yaml');
    assert.deepEqual(
      [old.serviceAccounts, old.engine.options, old.nodes[0]?.policyLabels],
      [undefined, undefined, undefined],
    );
  }
});

test("Cilium's options come from its ConfigMap, those that change what policies mean and are set", () => {
  const agents = [
    { namespace: 'kube-system', name: 'cilium', app: 'cilium', image: 'cilium:v1.20.2', ready: undefined },
  ];
  const facts = { agents, allAgentsKnown: true, nodes: [], policies: 0, unread: [] };
  const options = (ciliumConfig: Readonly<Record<string, string>>) => engineOf({ ...facts, ciliumConfig }).options;
  const config = {
    'policy-cidr-match-mode': 'nodes',
    'enable-node-selector-labels': 'false',
    labels: '',
    'cluster-name': 'default',
    debug: 'true',
  };
  assert.deepEqual(options(config), { 'policy-cidr-match-mode': 'nodes' });
  assert.deepEqual(options({ debug: 'false' }), {});
  assert.equal(options({}), undefined);
});

test('a rule that denies keeps the own node out under Cilium, a default denial never does', () => {
  const cilium = (rules: string) =>
    `{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: shop}, spec: {endpointSelector: {matchLabels: {app: web}}, ${rules}}}`;
  const own = (text: string, ip = '172.18.0.2') => ask(world(text, { name: 'cilium' }), ip, 'web').allowed;
  assert.equal(own(cilium('ingress: [{}]')), true);
  assert.equal(own(cilium('ingressDeny: [{fromEntities: [remote-node]}]')), true);
  assert.equal(own(cilium('ingressDeny: [{fromEntities: [host]}]')), false);
  assert.equal(own(cilium('ingressDeny: [{fromEntities: [all], toPorts: [{ports: [{port: "81"}]}]}]')), true);
  assert.equal(own(cilium('ingress: [{}]'), '172.18.0.3'), false, 'the other node');
});

test('Cilium knows one port a name: the last that the pod declares, whatever the protocol', () => {
  const pod = `---
apiVersion: v1
kind: Pod
metadata: {name: two, namespace: shop}
spec:
  nodeName: n1
  containers: [{name: c, ports: [{name: x, containerPort: 80}, {name: x, containerPort: 53, protocol: UDP}]}]
status: {podIP: 10.244.0.7}
---
`;
  const named = pod + policy('{podSelector: {}, policyTypes: [Ingress], ingress: [{ports: [{port: x}]}]}');
  assert.equal(ask(world(named, { name: 'kindnet' }), 'web', 'two').allowed, true);
  assert.equal(ask(world(named, { name: 'cilium' }), 'web', 'two').allowed, false);
});
