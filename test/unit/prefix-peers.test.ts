import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mirrored } from '../../src/plan/mirrored.ts';
import { modelOf } from '../../src/policy/endpoints.ts';
import { evaluator } from '../../src/policy/evaluate.ts';
import { appliedModel } from '../../src/policy/fidelity.ts';
import type { PodEndpoint } from '../../src/policy/model.ts';
import type { EngineName } from '../../src/snapshot/model.ts';
import { localWorldOf, PODS } from './local-world.ts';
import { scoped } from './plan-world.ts';
import { worldOf } from './policy-world.ts';

interface Case {
  readonly what: string;
  readonly engine: EngineName;
  readonly yaml: string;
  /** Groups and versions that local clusters serve; translated where none. */
  readonly here: readonly (readonly [EngineName, readonly string[]])[];
}

const np = (peer: string) =>
  `{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: shop}, spec: {podSelector: {}, ingress: [{from: [${peer}]}]}}`;
const cilium = (rule: string, kind = 'CiliumNetworkPolicy', at = ', namespace: shop') =>
  `{apiVersion: cilium.io/v2, kind: ${kind}, metadata: {name: p${at}}, spec: {endpointSelector: {}, ingress: [${rule}]}}`;
const calico = (source: string, kind = 'NetworkPolicy', at = ', namespace: shop') =>
  `{apiVersion: projectcalico.org/v3, kind: ${kind}, metadata: {name: p${at}}, spec: {types: [Ingress], ingress: [{action: Allow, source: ${source}}]}}`;
const admin = (peer: string) =>
  ['Accept', 'Deny']
    .map(
      (action, i) =>
        `{apiVersion: policy.networking.k8s.io/v1alpha2, kind: ClusterNetworkPolicy, metadata: {name: p${i}}, spec: {tier: Admin, priority: ${i + 1}, subject: {namespaces: {}}, ingress: [{name: r, action: ${action}, from: [${i === 0 ? peer : '{namespaces: {}}'}]}]}}`,
    )
    .join('\n---\n');

const ANYWHERE: Case['here'] = [
  ['kindnet', []],
  ['cilium', ['cilium.io/v2']],
  ['calico', ['projectcalico.org/v3']],
];
const ADMIN: Case['here'] = [
  ['kube-network-policies', ['policy.networking.k8s.io/v1alpha2']],
  ['cilium', ['cilium.io/v2', 'policy.networking.k8s.io/v1alpha2']],
  ['kindnet', []],
];
const EXISTS = '{matchExpressions: [{key: "k8s:io.kubernetes.pod.namespace", operator: Exists}]}';
const NOT_X =
  '{matchExpressions: [{key: "k8s:io.cilium.k8s.namespace.labels.team", operator: NotIn, values: [x]}, {key: app, operator: Exists}]}';

const CASES: readonly Case[] = [
  ...[
    '{namespaceSelector: {}}',
    '{namespaceSelector: {matchLabels: {team: ops}}}',
    '{namespaceSelector: {matchExpressions: [{key: team, operator: NotIn, values: [x]}]}}',
    '{namespaceSelector: {matchExpressions: [{key: x, operator: DoesNotExist}]}}',
    '{namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: NotIn, values: [x]}]}, podSelector: {matchLabels: {app: tool}}}',
  ].map((peer): Case => ({ what: peer, engine: 'kindnet', yaml: np(peer), here: ANYWHERE })),
  ...[`{fromEndpoints: [${EXISTS}]}`, `{fromEndpoints: [${NOT_X}]}`, '{fromEntities: [cluster]}'].map(
    (rule): Case => ({ what: rule, engine: 'cilium', yaml: cilium(rule), here: ANYWHERE }),
  ),
  ...['{fromEndpoints: [{}]}', '{fromEndpoints: [{matchLabels: {app: tool}}]}'].map(
    (rule): Case => ({
      what: `clusterwide ${rule}`,
      engine: 'cilium',
      yaml: cilium(rule, 'CiliumClusterwideNetworkPolicy', ''),
      here: ANYWHERE,
    }),
  ),
  ...['{namespaceSelector: "all()"}', `{namespaceSelector: "team == 'ops'"}`, '{namespaceSelector: "!has(x)"}'].map(
    (source): Case => ({ what: source, engine: 'calico', yaml: calico(source), here: ANYWHERE }),
  ),
  ...[`{selector: "app == 'tool'"}`, '{namespaceSelector: "all()"}'].map(
    (source): Case => ({
      what: `global ${source}`,
      engine: 'calico',
      yaml: calico(source, 'GlobalNetworkPolicy', ''),
      here: ANYWHERE,
    }),
  ),
  { what: 'the range of all pods', engine: 'calico', yaml: calico('{nets: ["10.1.0.0/16"]}'), here: ANYWHERE },
  { what: 'a block of all pods', engine: 'calico', yaml: np('{ipBlock: {cidr: 10.1.0.0/16}}'), here: ANYWHERE },
  {
    // Translated, a service account is said by the labels of the pods that have it, in their own namespaces.
    what: 'service accounts, globally',
    engine: 'calico',
    yaml: calico('{serviceAccounts: {names: [default]}}', 'GlobalNetworkPolicy', ''),
    here: [['calico', ['projectcalico.org/v3']]],
  },
  ...['{namespaces: {}}', '{pods: {namespaceSelector: {matchLabels: {team: ops}}, podSelector: {}}}'].map(
    (peer): Case => ({ what: peer, engine: 'kube-network-policies', yaml: admin(peer), here: ADMIN }),
  ),
];

/** Whether pods of the own mirror's `ops`, and of a team-mate's, reach the own `shop`; and what was applied. */
function reached({ engine, yaml }: Case, [name, kinds]: Case['here'][number], prefix: string) {
  const snapshot = { ...worldOf(`${PODS}---\n${yaml}`), engine: { name: engine, evidence: [] } };
  const ranges = { ...snapshot.ranges, pods: ['10.1.0.0/16'], services: ['10.0.0.0/16'] };
  const target = scoped({ ...snapshot, ranges }, { namespacePrefix: prefix });
  const here = localWorldOf(name, kinds);
  const { objects, fidelity } = mirrored(target, here, { acceptWider: [] });
  const model = appliedModel(modelOf(target), objects, here);
  const pod = (workload: string) => {
    const found = model.pods.find((p) => `${p.namespace}/${p.name}` === `${prefix}${workload}`);
    assert.ok(found, workload);
    return found;
  };
  const stranger: PodEndpoint = { ...pod('ops/tool'), id: 'dev2-ops/tool', namespace: 'dev2-ops', ips: ['10.244.0.9'] };
  const namespaces = new Map([...model.namespaces, ['dev2-ops', { team: 'ops' }]]);
  const judge = evaluator({ ...model, namespaces, pods: [...model.pods, stranger] });
  const may = (from: PodEndpoint) => judge({ from, to: pod('shop/web'), protocol: 'TCP', port: 80 }).allowed;
  return { own: may(pod('ops/tool')), strangers: may(stranger), objects, fidelity };
}

for (const testCase of CASES) {
  for (const here of testCase.here) {
    test(`${testCase.what} lets the own mirror in and nobody else's, on ${here[0]}`, () => {
      const found = reached(testCase, here, 'dev1-');
      const text = JSON.stringify(found.objects, null, 1);
      assert.deepEqual([found.own, found.strangers], [true, false], text);
      assert.deepEqual(
        found.fidelity.map((f) => f.fidelity),
        found.fidelity.map(() => 'exact'),
        JSON.stringify(found.fidelity),
      );
      assert.equal(reached(testCase, here, '').strangers, true, 'without a prefix they are among those that are meant');
      for (const { kind, metadata } of found.objects) {
        if (metadata.namespace === undefined) assert.match(metadata.name, /^dev1-/, kind);
      }
    });
  }
}

test('what names its namespaces stays as it is, and so does what denies', () => {
  const named = np('{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ops}}}');
  const { objects } = reached({ what: '', engine: 'kindnet', yaml: named, here: [] }, ['kindnet', []], 'dev1-');
  assert.match(
    JSON.stringify(objects),
    /"namespaceSelector":\{"matchLabels":\{"kubernetes.io\/metadata.name":"dev1-ops"\}\}/,
  );
  const denies = `{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: shop}, spec: {endpointSelector: {}, ingressDeny: [{fromEndpoints: [${EXISTS}]}]}}`;
  const denied = reached({ what: '', engine: 'cilium', yaml: denies, here: [] }, ['cilium', ['cilium.io/v2']], 'dev1-');
  assert.deepEqual([denied.own, denied.strangers], [false, false]);
});

test('tiers, sets and groups of the whole cluster have the prefix, and so have those that name them', () => {
  const tiered = `{apiVersion: projectcalico.org/v3, kind: Tier, metadata: {name: sec}, spec: {order: 5}}
---
{apiVersion: projectcalico.org/v3, kind: GlobalNetworkPolicy, metadata: {name: sec.p}, spec: {tier: sec, types: [Ingress], ingress: [{action: Pass}]}}`;
  const on = (engine: EngineName, yaml: string, kinds: readonly string[]) =>
    reached({ what: '', engine, yaml, here: [] }, [engine, kinds], 'dev1-').objects;
  const calicos = on('calico', tiered, ['projectcalico.org/v3']);
  assert.deepEqual(
    calicos.map(({ kind, metadata, spec }) => [kind, metadata.name, (spec as { tier?: string }).tier]),
    [
      ['Tier', 'dev1-sec', undefined],
      ['GlobalNetworkPolicy', 'dev1-sec.dev1-p', 'dev1-sec'],
    ],
  );
  const group = `{apiVersion: cilium.io/v2, kind: CiliumCIDRGroup, metadata: {name: g}, spec: {externalCIDRs: [192.0.2.0/24]}}
---
${cilium('{fromCIDRSet: [{cidrGroupRef: g}]}')}`;
  const ciliums = JSON.stringify(on('cilium', group, ['cilium.io/v2']));
  assert.match(ciliums, /"name":"dev1-g"/);
  assert.match(ciliums, /"cidrGroupRef":"dev1-g"/);
  const byLabel = group.replace('cidrGroupRef: g', 'cidrGroupSelector: {}');
  assert.deepEqual(
    on('cilium', byLabel, ['cilium.io/v2']).map((o) => o.kind),
    ['NetworkPolicy'],
    'whose groups are meant could not be told',
  );
});
