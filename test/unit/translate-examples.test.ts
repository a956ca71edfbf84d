import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mirrored } from '../../src/plan/mirrored.ts';
import type { LocalWorld } from '../../src/policy/local-world.ts';
import type { EngineName } from '../../src/snapshot/model.ts';
import { scoped } from './plan-world.ts';
import { worldOf } from './policy-world.ts';

const KIND: LocalWorld = {
  engine: { name: 'kindnet', evidence: [] },
  podRanges: ['10.244.0.0/16'],
  nodes: new Map([['local', ['172.19.0.2']]]),
};

const PODS = `
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, image: x, ports: [{containerPort: 80, name: http}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
spec: {containers: [{name: c, image: x}]}
---
apiVersion: v1
kind: Pod
metadata: {name: tool, namespace: ops, labels: {app: tool}}
spec: {containers: [{name: c, image: x}]}
---
apiVersion: v1
kind: Namespace
metadata: {name: ops, labels: {team: ops}}
`;

interface Spec {
  podSelector: unknown;
  ingress?: unknown;
  egress?: unknown;
}

/** What becomes of a policy here: the specs by name, and the fidelity. */
function mirror(yaml: string, engine: EngineName, acceptWider: string[] = [], local = KIND) {
  const snapshot = { ...worldOf(`${PODS}---\n${yaml}`), engine: { name: engine, evidence: [] } };
  const ranges = { ...snapshot.ranges, pods: ['10.1.0.0/16'] };
  const { objects, fidelity } = mirrored(scoped({ ...snapshot, ranges }), local, { acceptWider });
  return {
    specs: Object.fromEntries(objects.map((o) => [`${o.metadata.namespace}/${o.metadata.name}`, o.spec as Spec])),
    fidelity: fidelity.map((f) => f.fidelity),
    whole: fidelity,
  };
}

const network = (spec: string) =>
  `{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: shop}, spec: ${spec}}`;
const cilium = (spec: string) =>
  `{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: shop}, spec: ${spec}}`;
const calico = (spec: string, kind = 'GlobalNetworkPolicy', namespace = '') =>
  `{apiVersion: projectcalico.org/v3, kind: ${kind}, metadata: {name: p${namespace}}, spec: ${spec}}`;
const admin = (spec: string) =>
  `{apiVersion: policy.networking.k8s.io/v1alpha2, kind: ClusterNetworkPolicy, metadata: {name: p}, spec: ${spec}}`;

test('a NetworkPolicy that means the same here stays word for word', () => {
  const spec =
    '{podSelector: {}, ingress: [{from: [{podSelector: {}}, {ipBlock: {cidr: 8.8.0.0/16}}]}], policyTypes: []}';
  const { specs, fidelity, whole } = mirror(network(spec), 'calico');
  assert.deepEqual(specs, {
    'shop/p': {
      podSelector: {},
      ingress: [{ from: [{ podSelector: {} }, { ipBlock: { cidr: '8.8.0.0/16' } }] }],
      policyTypes: [],
    },
  });
  assert.deepEqual(fidelity, ['exact']);
  assert.equal(whole[0]?.verbatim, true);
});

test("Cilium's CIDRs match no pod and no node: those of this cluster are left out", () => {
  const { specs, fidelity } = mirror(
    network('{podSelector: {}, egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}]}], policyTypes: [Egress]}'),
    'cilium',
  );
  assert.deepEqual(specs['shop/p']?.egress, [
    { to: [{ ipBlock: { cidr: '0.0.0.0/0', except: ['10.244.0.0/16', '172.19.0.2/32'] } }] },
  ]);
  assert.deepEqual(fidelity, ['exact']);
});

test('where CIDRs matched pods there and do not here, selectors say it', () => {
  const local = { ...KIND, engine: { name: 'cilium' as const, evidence: [] } };
  const { specs } = mirror(
    network('{podSelector: {}, egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}]}], policyTypes: [Egress]}'),
    'npm',
    [],
    local,
  );
  assert.deepEqual(specs['shop/p']?.egress, [{ to: [{ namespaceSelector: {} }, { ipBlock: { cidr: '0.0.0.0/0' } }] }]);
});

test("a block that is production's pod range means pods", () => {
  const { specs, fidelity } = mirror(
    network('{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.1.0.0/16}}]}]}'),
    'calico',
  );
  assert.deepEqual(specs['shop/p']?.ingress, [{ from: [{ namespaceSelector: {} }] }]);
  assert.deepEqual(fidelity, ['exact']);
});

test("Cilium's selectors, entities and deny rules", () => {
  const allow = mirror(
    cilium(
      '{endpointSelector: {matchLabels: {app: web}}, ingress: [{fromEndpoints: [{matchLabels: {"k8s:app": db}}], toPorts: [{ports: [{port: "80", protocol: TCP}]}]}]}',
    ),
    'cilium',
  );
  assert.deepEqual(allow.specs, {
    'shop/cilium-p': {
      podSelector: { matchLabels: { app: 'web' } },
      policyTypes: ['Ingress'],
      ingress: [{ from: [{ podSelector: { matchLabels: { app: 'db' } } }], ports: [{ protocol: 'TCP', port: 80 }] }],
    },
  });
  assert.deepEqual(allow.fidelity, ['exact']);
  const deny = mirror(
    cilium(
      '{endpointSelector: {}, ingress: [{fromEntities: [cluster]}], ingressDeny: [{fromEndpoints: [{matchLabels: {app: db}}]}]}',
    ),
    'cilium',
  );
  assert.ok(
    deny.fidelity.every((f) => f === 'exact' || f === 'narrower'),
    JSON.stringify(deny.whole),
  );
  assert.doesNotMatch(JSON.stringify(deny.specs), /"podSelector":\{"matchLabels":\{"app":"db"/);
});

test('names in DNS: less is allowed, and more only where accepted by name', () => {
  const yaml = cilium(
    '{endpointSelector: {}, egress: [{toFQDNs: [{matchName: a.example}], toPorts: [{ports: [{port: "443", protocol: TCP}]}]}]}',
  );
  const narrow = mirror(yaml, 'cilium');
  assert.deepEqual(narrow.specs['shop/cilium-p']?.egress, []);
  assert.deepEqual(narrow.fidelity, ['narrower']);
  assert.equal(narrow.whole[0]?.differences[0]?.to, 'dns:a.example');
  const { specs, fidelity } = mirror(yaml, 'cilium', ['p']);
  assert.match(JSON.stringify(specs['shop/cilium-p']?.egress), /"cidr":"0.0.0.0\/0","except":\["10.244.0.0\/16"/);
  assert.deepEqual(fidelity, ['wider']);
});

test('a cluster-wide policy of Calico becomes one a namespace, and its deny takes from the allows after it', () => {
  const deny = `{order: 1, selector: "app == 'web'", types: [Ingress], ingress: [{action: Deny, source: {selector: "app == 'db'"}}, {action: Allow, source: {namespaceSelector: "all()"}}]}`;
  const { specs, fidelity } = mirror(calico(deny), 'calico');
  assert.deepEqual(Object.keys(specs), ['ops/calico-p', 'shop/calico-p']);
  const expressions = [{ key: 'app', operator: 'NotIn', values: ['db'] }];
  assert.deepEqual(specs['shop/calico-p']?.ingress, [
    { from: [{ namespaceSelector: {}, podSelector: { matchExpressions: expressions } }] },
  ]);
  assert.deepEqual(fidelity, ['exact']);
});

test('a staged policy becomes nothing, and that is exact', () => {
  const { specs, fidelity, whole } = mirror(calico('{types: [Ingress]}', 'StagedGlobalNetworkPolicy'), 'calico');
  assert.deepEqual(specs, {});
  assert.deepEqual(fidelity, ['exact']);
  assert.match(whole[0]?.notes.join() ?? '', /staged/);
});

test('what the platform denies is taken from what NetworkPolicies allow, and what it allows is added', () => {
  const yaml = `${network('{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}')}\n---\n${admin('{tier: Admin, priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {matchLabels: {team: ops}}}]}]}')}`;
  const { specs, fidelity } = mirror(yaml, 'kube-network-policies');
  assert.deepEqual(fidelity, ['exact', 'exact'], JSON.stringify(specs));
  const peer = { namespaceSelector: { matchExpressions: [{ key: 'team', operator: 'NotIn', values: ['ops'] }] } };
  assert.deepEqual(specs['shop/p']?.ingress, [{ from: [peer] }]);
});

test('what is allowed under a condition is left out, and allowed whole only where accepted by name', () => {
  const http = cilium(
    '{endpointSelector: {}, ingress: [{toPorts: [{ports: [{port: "80", protocol: TCP}], rules: {http: [{method: GET}]}}]}, {toPorts: [{ports: [{port: "81", protocol: TCP}]}]}]}',
  );
  const { specs, fidelity, whole } = mirror(http, 'cilium');
  assert.deepEqual(specs['shop/cilium-p']?.ingress, [{ ports: [{ protocol: 'TCP', port: 81 }] }]);
  assert.deepEqual(fidelity, ['narrower']);
  assert.match(whole[0]?.notes.join() ?? '', /left out, .*: HTTP GET; "--accept-wider shop\/p" would allow more/);
  const accepted = mirror(http, 'cilium', ['shop/p']);
  assert.match(JSON.stringify(accepted.specs['shop/cilium-p']?.ingress), /"port":80/);
  assert.deepEqual(accepted.fidelity, ['wider']);
  assert.match(accepted.whole[0]?.notes.join() ?? '', /not kept: HTTP GET/);
});

test('what is denied under a condition is denied whatever, unless accepted by name', () => {
  const deny = calico(
    `{order: 1, selector: "app == 'web'", types: [Ingress], ingress: [{action: Deny, protocol: TCP, source: {selector: "app == 'db'", ports: [99]}}, {action: Allow}]}`,
  );
  const { specs, fidelity, whole } = mirror(deny, 'calico');
  assert.doesNotMatch(JSON.stringify(specs['shop/calico-p']?.ingress), /"ingress":\[\{\}\]/);
  assert.deepEqual(fidelity, ['narrower'], JSON.stringify(whole));
  assert.match(whole[0]?.notes.join() ?? '', /source port 99; "--accept-wider p"/);
  // All is allowed then, which takes no policy.
  assert.deepEqual(mirror(deny, 'calico', ['p']).specs, {});
});

test('pods of which nobody knows whether a pass is for them are not let through by it', () => {
  const policy = calico(
    "{selector: all(), types: [Egress], egress: [{action: Pass, source: {nets: ['10.1.0.0/30']}}]}",
    'NetworkPolicy',
    ', namespace: shop',
  );
  const { specs } = mirror(policy, 'calico');
  for (const spec of Object.values(specs)) assert.deepEqual(spec.egress, [], JSON.stringify(specs));
  assert.ok(Object.keys(specs).length > 0);
});
