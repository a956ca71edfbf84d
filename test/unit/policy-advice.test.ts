import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse, stringify } from 'yaml';
import { quietRun } from '../../src/host/run.ts';
import { type Change, changesTo as changesOf } from '../../src/policy/advice.ts';
import { compile } from '../../src/policy/compile.ts';
import { modelOf, resolvePeer } from '../../src/policy/endpoints.ts';
import { evaluate } from '../../src/policy/evaluate.ts';
import { explain, explainText } from '../../src/policy/explain.ts';
import type { Connection, Policy, PolicyModel } from '../../src/policy/model.ts';
import { readTarget } from '../../src/snapshot/files.ts';
import { snapshotOfObjects } from '../../src/snapshot/manifests.ts';
import type { EngineName, PolicyObject, Snapshot, Workload } from '../../src/snapshot/model.ts';
import { objectsIn } from '../../src/snapshot/placed.ts';
import { formatSnapshot, parseSnapshot } from '../../src/snapshot/write.ts';
import { parseYaml } from '../../src/snapshot/yaml.ts';
import { ADDRESSES, models, PORTS } from './policy-models.ts';
import { modelFrom, workload, worldOf } from './policy-world.ts';
import fc from './random.ts';

const changesTo = (model: PolicyModel, connection: Connection, allowed: boolean) =>
  changesOf(compile(model), connection, allowed);

const PODS = `
kind: Namespace
metadata: {name: shop, labels: {team: a}}
---
kind: Namespace
metadata: {name: ops, labels: {team: b}}
---
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
status: {podIPs: [{ip: 10.244.1.5}]}
---
kind: Pod
metadata: {name: probe, namespace: ops, labels: {app: probe}}
status: {podIPs: [{ip: 10.244.1.6}]}
---
`;

function connectionIn(model: PolicyModel, from: string, to: string, port: number): Connection {
  const [source] = resolvePeer(model, from);
  const [destination] = resolvePeer(model, to);
  assert.ok(source && destination);
  return { from: source, to: destination, protocol: 'TCP', port };
}

/** What a person does with the snippet of a change: it goes to the top of the list that the text names. */
function edited(snapshot: Snapshot, text: string, yaml: string): Snapshot {
  if (text.startsWith('add this policy')) {
    return { ...snapshot, policies: [...snapshot.policies, parse(yaml) as PolicyObject] };
  }
  const list = /^add to spec\.(\w+) of/.exec(text)?.[1] ?? '';
  assert.notEqual(list, '', text);
  const [policy, ...others] = snapshot.policies;
  assert.ok(policy);
  const spec = policy.spec as Record<string, unknown[] | undefined>;
  const changed = { ...spec, [list]: [...(parse(yaml) as unknown[]), ...(spec[list] ?? [])] };
  return { ...snapshot, policies: [{ ...policy, spec: changed }, ...others] };
}

const SELECT: Readonly<Record<string, [apiVersion: string, engine: EngineName, deny: string, allow: string]>> = {
  NetworkPolicy: ['networking.k8s.io/v1', 'kindnet', '{podSelector: {}}', ''],
  CiliumNetworkPolicy: [
    'cilium.io/v2',
    'cilium',
    '{endpointSelector: {}, ingress: [{}]}',
    '{endpointSelector: {}, ingress: [{fromEntities: [all]}]}',
  ],
  CiliumClusterwideNetworkPolicy: [
    'cilium.io/v2',
    'cilium',
    '{endpointSelector: {matchLabels: {app: web}}, ingress: [{}]}',
    '{endpointSelector: {matchLabels: {app: web}}, ingress: [{fromEntities: [all]}]}',
  ],
  'NetworkPolicy ': [
    'projectcalico.org/v3',
    'calico',
    '{types: [Ingress], ingress: [{action: Deny}]}',
    '{types: [Ingress], ingress: [{action: Allow}]}',
  ],
  GlobalNetworkPolicy: [
    'projectcalico.org/v3',
    'calico',
    "{selector: app == 'web', types: [Ingress]}",
    "{selector: app == 'web', types: [Ingress], ingress: [{action: Allow}]}",
  ],
  AdminNetworkPolicy: [
    'policy.networking.k8s.io/v1alpha1',
    'kube-network-policies',
    '{priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}',
    '{priority: 1, subject: {namespaces: {}}, ingress: [{action: Allow, from: [{namespaces: {}}]}]}',
  ],
  ClusterNetworkPolicy: [
    'policy.networking.k8s.io/v1alpha2',
    'kube-network-policies',
    '{priority: 1, tier: Baseline, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}',
    '{priority: 1, tier: Baseline, subject: {namespaces: {}}, ingress: [{action: Accept, from: [{namespaces: {}}]}]}',
  ],
};

for (const [kind, [apiVersion, engine, deny, allow]] of Object.entries(SELECT)) {
  for (const [spec, wish] of [
    [deny, true],
    [allow, false],
  ] as const) {
    if (spec === '') continue;
    test(`${apiVersion} ${kind}: the snippet, put where it says, makes it ${wish ? 'allowed' : 'denied'}`, () => {
      const namespace = /^(Cilium)?NetworkPolicy/.test(kind) ? ', namespace: shop' : '';
      const policy = `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: p${namespace}}\nspec: ${spec}\n`;
      const snapshot = worldOf(PODS + policy, { engine });
      const model = modelOf(snapshot);
      const connection = connectionIn(model, 'ops/probe', 'shop/web', 8080);
      assert.equal(evaluate(model, connection).allowed, !wish);
      const changes = changesTo(model, connection, wish);
      const [change] = changes ?? [];
      assert.ok(change?.yaml && changes?.length === 1, JSON.stringify(changes));
      const after = modelOf(edited(snapshot, change.text, change.yaml));
      assert.equal(evaluate(after, connection).allowed, wish, change.yaml);
      // As narrow as it says: neither another port nor the other way changes.
      const other = { ...connection, port: 8081 };
      assert.equal(evaluate(after, other).allowed, evaluate(model, other).allowed);
    });
  }
}

for (const engine of ['kindnet', 'cilium', 'calico'] as const) {
  test(`where no policy selects, a new one denies (${engine})`, () => {
    const snapshot = worldOf(PODS.replace(/---\n$/, ''), { engine });
    const model = modelOf(snapshot);
    const connection = connectionIn(model, 'ops/probe', 'shop/web', 8080);
    const [change] = changesTo(model, connection, false) ?? [];
    assert.ok(change?.yaml);
    const after = modelOf(edited(snapshot, change.text, change.yaml));
    assert.equal(evaluate(after, connection).allowed, false);
    const other = evaluate(after, { ...connection, port: 8081 }).allowed;
    assert.equal(other, engine !== 'kindnet', 'only Kubernetes’ own has to isolate the pod');
    assert.equal(/denies all ingress/.test(change.text), engine === 'kindnet');
  });
}

test('a new policy in Calico leaves the word to the others of its tier', () => {
  const policy = `apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: passes}
spec: {selector: all(), types: [Ingress], ingress: [{action: Pass, protocol: TCP}, {action: Deny, protocol: SCTP}]}
`;
  const snapshot = worldOf(PODS + policy, { engine: 'calico' });
  const model = modelOf(snapshot);
  const connection = connectionIn(model, 'ops/probe', 'shop/web', 8080);
  const [change] = changesTo(model, connection, false) ?? [];
  assert.ok(change?.yaml);
  const after = modelOf(edited(snapshot, change.text, change.yaml));
  assert.equal(evaluate(after, connection).allowed, false);
  for (const other of [
    { ...connection, port: 8081 },
    { ...connection, protocol: 'SCTP' as const },
  ]) {
    assert.equal(evaluate(after, other).allowed, evaluate(model, other).allowed, `${other.protocol} ${other.port}`);
  }
});

test('a rule that lacks but the port is named, with its line, and so is a label that would do', () => {
  const policy = `kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  ingress:
    - from: [{namespaceSelector: {}, podSelector: {matchLabels: {app: probe}}}]
      ports: [{port: 80}]
    - from: [{namespaceSelector: {matchLabels: {team: b}}, podSelector: {matchLabels: {scrape: "yes"}}}]
      ports: [{port: 9090}]
`;
  const model = modelOf(worldOf(PODS + policy));
  const [port] = changesTo(model, connectionIn(model, 'ops/probe', 'shop/web', 443), true) ?? [];
  assert.match(port?.text ?? '', /^add port TCP 443 to the rule .* NetworkPolicy shop\/web, spec\.ingress\[0\]$/);
  assert.equal(port?.source?.path, 'spec.ingress[0]');
  assert.equal(port?.yaml, '- protocol: TCP\n  port: 443\n');
  const narrow = policy.replace('app: probe', 'app: other');
  const lacking = modelOf(worldOf(PODS + narrow));
  const [label] = changesTo(lacking, connectionIn(lacking, 'ops/probe', 'shop/web', 9090), true) ?? [];
  assert.equal(
    label?.or,
    'label ops/Pod/probe with scrape: "yes": then NetworkPolicy shop/web, spec.ingress[1] allows it',
  );
  const text = explainText(explain(model, 'ops/probe', 'shop/web', 'TCP', 443));
  assert.match(text, /to allow it:\n {4}- add port TCP 443 .*\(world\.yaml:\d+\)\n {8}- protocol: TCP/);
});

test('a rule goes into the policy that selects the fewest pods; where it selects others, they are counted', () => {
  const wide = `kind: CiliumClusterwideNetworkPolicy
apiVersion: cilium.io/v2
metadata: {name: wide}
spec:
  endpointSelector: {}
  egress: [{toEndpoints: [{matchLabels: {app: web}}], toPorts: [{ports: [{port: "80"}]}]}, {toEntities: [host]}]
`;
  const narrow = `---
kind: CiliumNetworkPolicy
apiVersion: cilium.io/v2
metadata: {name: narrow, namespace: ops}
spec: {endpointSelector: {}, egress: [{toEntities: [host]}]}
`;
  const more = '---\nkind: Pod\nmetadata: {name: api, namespace: shop, labels: {app: api}}\n';
  const advice = (...policies: readonly string[]) => {
    const model = modelFrom(PODS + policies.join(''), { engine: 'cilium' });
    return changesTo(model, connectionIn(model, 'ops/probe', 'shop/web', 443), true) ?? [];
  };
  assert.match(advice(wide, narrow)[0]?.text ?? '', /^add to spec.egress of CiliumNetworkPolicy\S* ops\/narrow/);
  assert.equal(advice(wide, narrow)[0]?.also, undefined);
  const said = (count: string) => `this opens it for ${count} that the policy selects`;
  assert.match(advice(wide)[0]?.text ?? '', /^add port TCP 443 to the rule .* wide, spec\.egress\[0\]$/);
  assert.equal(advice(wide)[0]?.also, undefined, 'web reaches itself');
  assert.equal(advice(wide, more)[0]?.also, said('1 more pod'));
  assert.equal(advice(wide, more, more.replace('api', 'two'))[0]?.also, said('2 more pods'));
  const model = modelFrom(PODS + wide + more, { engine: 'cilium' });
  assert.match(
    explainText(explain(model, 'ops/probe', 'shop/web', 'TCP', 443)),
    /\n {6}this opens it for 1 more pod that /,
  );
});

test('nothing is promised that no policy can do', () => {
  const model = modelOf(worldOf(PODS.replace(/---\n$/, ''), { engine: 'none' }));
  assert.equal(changesTo(model, connectionIn(model, 'ops/probe', 'shop/web', 80), false), undefined);
  assert.match(explainText(explain(model, 'ops/probe', 'shop/web', 'TCP', 80)), /to deny it: no policy can$/);
});

/** The random models call every policy a NetworkPolicy: here each is of a kind of its dialect. */
function named(model: PolicyModel): PolicyModel {
  const kinds: Readonly<Record<Policy['dialect'], [inNamespace: string, ofCluster: string]>> = {
    kubernetes: ['NetworkPolicy', 'NetworkPolicy'],
    cilium: ['CiliumNetworkPolicy.cilium.io', 'CiliumClusterwideNetworkPolicy.cilium.io'],
    calico: ['NetworkPolicy.projectcalico.org', 'GlobalNetworkPolicy.projectcalico.org'],
    admin: ['AdminNetworkPolicy.policy.networking.k8s.io', 'AdminNetworkPolicy.policy.networking.k8s.io'],
  };
  const policies = model.policies.map((policy) => {
    const { dialect, name } = policy;
    const namespace = dialect === 'kubernetes' ? (policy.namespace ?? 'red') : policy.namespace;
    const object = `${kinds[dialect][namespace === undefined ? 1 : 0]} ${namespace ?? ''}/${name}`;
    return { ...policy, namespace: dialect === 'admin' ? undefined : namespace, source: { object } };
  });
  return { ...model, policies };
}

test('for any model: asking never fails, and what is already so needs no change', () => {
  fc.assert(
    fc.property(models.map(named), fc.nat(), fc.nat(), fc.constantFrom(...PORTS), (model, i, j, port) => {
      const ends = [...model.pods, ...ADDRESSES];
      const [from, to] = [ends[i % ends.length], ends[j % ends.length]];
      if (!from || !to) return;
      const connection: Connection = { from, to, protocol: 'TCP', port };
      const { allowed } = evaluate(model, connection);
      if (allowed) assert.deepEqual(changesTo(model, connection, true), []);
      const changes = changesTo(model, connection, !allowed);
      assert.ok(changes === undefined || changes.length > 0, stringify(changes));
    }),
    { numRuns: 300 },
  );
});

const CASES = join(import.meta.dirname, '../../../shared/cases/policies/k8s-e2e');
const skip = existsSync(CASES) ? false : 'the shared policy cases are not here (../shared/cases/policies)';

test("Kubernetes' own cases: what is to be added, added, allows what was denied", { skip }, async () => {
  const pods = await readTarget(join(CASES, 'resources.yaml'), quietRun());
  let turned = 0;
  for (const name of readdirSync(CASES).filter((c) => existsSync(join(CASES, c, 'policies.yaml')))) {
    const { policies } = await readTarget(join(CASES, name, 'policies.yaml'), quietRun());
    const snapshot: Snapshot = { ...pods, policies, engine: { name: 'kindnet', evidence: [] } };
    const model = modelOf(snapshot);
    for (const from of model.pods) {
      for (const to of model.pods) {
        const connection: Connection = { from, to, protocol: 'TCP', port: 80 };
        if (evaluate(model, connection).allowed) continue;
        const changes = changesTo(model, connection, true) ?? assert.fail(`${name}: nothing allows it`);
        if (!changes.every((c) => c.text.startsWith('add to'))) continue;
        assert.equal(evaluate(modelOf(withAll(snapshot, changes)), connection).allowed, true, name);
        turned += 1;
      }
    }
  }
  assert.ok(turned > 100, `${turned} turned`);
});

/** Every snippet put into the policy that its change names. */
function withAll(snapshot: Snapshot, changes: readonly Change[]): Snapshot {
  let now = snapshot;
  for (const { text, yaml = '', source } of changes) {
    const isMeant = ({ metadata }: PolicyObject) =>
      source?.object.endsWith(` ${metadata.namespace}/${metadata.name}`) === true;
    const sorted = [...now.policies.filter(isMeant), ...now.policies.filter((p) => !isMeant(p))];
    now = edited({ ...now, policies: sorted }, text, yaml);
  }
  return now;
}

test("a label that a workload's selector forbids is not proposed", () => {
  const POLICY = `
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec: {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {matchLabels: {app: front, tier: edge}}}], ports: [{port: 80}]}]}
`;
  const advice = (more: Partial<Workload>) => {
    const workloads = [workload('Deployment', 'shop', 'web'), workload('Deployment', 'shop', 'cart', more)];
    const model = modelOf(worldOf(POLICY, { workloads }));
    return explainText(explain(model, 'shop/cart', 'shop/web', 'TCP', 80));
  };
  const proposed = /or label shop\/Deployment\/cart with app: "front" and label .* with tier: "edge"/;
  assert.match(
    advice({ selector: { matchLabels: { name: 'cart' } }, labels: { app: 'cart', name: 'cart' } }),
    proposed,
  );
  assert.doesNotMatch(advice({ selector: { matchLabels: { app: 'cart' } } }), /or label/);
  const without = { matchExpressions: [{ key: 'tier', operator: 'DoesNotExist' as const }] };
  assert.doesNotMatch(advice({ selector: without }), /or label/);
  // Where nobody looked, any label that is there may be the selector's.
  assert.doesNotMatch(advice({}), /or label/);
  assert.match(advice({ labels: { app: 'front' } }), /or label shop\/Deployment\/cart with tier: "edge"/);
});

test("a controller's selector is read with its template, and where its pods run", () => {
  const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart, namespace: shop}
spec:
  selector: {matchLabels: {app: cart}}
  template: {metadata: {labels: {app: cart, x: z}}, spec: {containers: [{name: c}]}}
`;
  const pod = `---
apiVersion: v1
kind: Pod
metadata: {name: cart-1, namespace: shop, labels: {app: cart, x: z}, ownerReferences: [{kind: Deployment, name: cart, controller: true}]}
spec: {containers: [{name: c}]}
`;
  for (const yaml of [deployment, deployment + pod]) {
    const objects = parseYaml(yaml, 'f.yaml').flatMap((d) => objectsIn(d, 'f.yaml'));
    const { workloads } = parseSnapshot(formatSnapshot(snapshotOfObjects(objects, 'x')), 's.yaml');
    assert.deepEqual(
      workloads.map((w) => [w.pods.length, w.selector]),
      [[yaml === deployment ? 0 : 1, { matchLabels: { app: 'cart' } }]],
    );
  }
});
