import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mirrored } from '../../src/plan/mirrored.ts';
import { enforcedKinds, missingProxies } from '../../src/plan/own-kinds.ts';
import type { LocalWorld } from '../../src/policy/local-world.ts';
import type { EngineName, PolicyObject, Snapshot } from '../../src/snapshot/model.ts';
import { localWorldOf as local, PODS } from './local-world.ts';
import { scoped } from './plan-world.ts';
import { worldOf } from './policy-world.ts';

const CILIUM = local('cilium', ['cilium.io/v2']);

interface Options {
  readonly engine: EngineName;
  readonly here: LocalWorld;
  readonly acceptWider?: readonly string[];
  readonly scope?: Parameters<typeof scoped>[1];
  readonly more?: Partial<Snapshot>;
}

function mirror(yaml: string, { engine, here, acceptWider = [], scope = {}, more = {} }: Options) {
  const snapshot = { ...worldOf(`${PODS}---\n${yaml}`), engine: { name: engine, evidence: [] } };
  const ranges = { ...snapshot.ranges, pods: ['10.1.0.0/16'], services: ['10.0.0.0/16'] };
  const { objects, fidelity } = mirrored(scoped({ ...snapshot, ranges, ...more }, scope), here, { acceptWider });
  const title = ({ kind, metadata: { namespace = '', name } }: PolicyObject) => `${kind} ${namespace}/${name}`;
  const specs = new Map(objects.map((o) => [title(o), o.spec as Record<string, unknown>]));
  const spec = (name: string) => specs.get(name);
  /** The rules of a list of a spec. */
  const rules = <R>(name: string, list: string) => (spec(name)?.[list] ?? []) as R[];
  return { objects, titles: [...specs.keys()], spec, rules, fidelity };
}

const cilium = (spec: string, kind = 'CiliumNetworkPolicy', at = ', namespace: shop') =>
  `{apiVersion: cilium.io/v2, kind: ${kind}, metadata: {name: p${at}}, spec: ${spec}}`;
const calico = (spec: string, { version = 'projectcalico.org/v3', kind = 'GlobalNetworkPolicy', at = '' } = {}) =>
  `{apiVersion: ${version}, kind: ${kind}, metadata: {name: p${at}}, spec: ${spec}}`;
const admin = (spec: string) =>
  `{apiVersion: policy.networking.k8s.io/v1alpha2, kind: ClusterNetworkPolicy, metadata: {name: p}, spec: ${spec}}`;

test("a policy of Cilium's stays as it is where Cilium is, names in DNS, service accounts and HTTP included", () => {
  const spec = `{endpointSelector: {matchLabels: {app: web}}, egress: [{toFQDNs: [{matchName: a.example}]}, {toEndpoints: [{matchLabels: {"k8s:io.kubernetes.pod.namespace": kube-system}}], toPorts: [{ports: [{port: "53", protocol: ANY}], rules: {dns: [{matchPattern: "*.example"}]}}]}], ingress: [{fromEndpoints: [{matchLabels: {"io.cilium.k8s.policy.serviceaccount": web}}], toPorts: [{ports: [{port: "80", protocol: TCP}], rules: {http: [{method: GET}]}}]}]}`;
  const { objects, fidelity } = mirror(cilium(spec), { engine: 'cilium', here: CILIUM });
  const [only] = objects;
  assert.deepEqual(only?.spec, worldOf(`${PODS}---\n${cilium(spec)}`).policies[0]?.spec);
  assert.deepEqual([objects.length, fidelity[0]?.fidelity, fidelity[0]?.verbatim], [1, 'exact', true]);
  assert.deepEqual(fidelity[0]?.objects, ['CiliumNetworkPolicy.cilium.io shop/p']);
});

test('without the kind, or without the engine, it is translated', () => {
  const yaml = cilium('{endpointSelector: {}, ingress: [{fromEntities: [cluster]}]}');
  for (const here of [local('kindnet', []), local('cilium', []), local('calico', ['projectcalico.org/v3'])]) {
    assert.deepEqual(mirror(yaml, { engine: 'cilium', here }).titles, ['NetworkPolicy shop/cilium-p']);
  }
});

test('a clusterwide policy speaks for the mirrored namespaces alone, and says so', () => {
  const yaml = cilium(
    '{endpointSelector: {}, ingressDeny: [{fromEntities: [world]}]}',
    'CiliumClusterwideNetworkPolicy',
    '',
  );
  const { spec, fidelity } = mirror(yaml, { engine: 'cilium', here: CILIUM });
  assert.deepEqual(spec('CiliumClusterwideNetworkPolicy /p')?.endpointSelector, {
    matchExpressions: [{ key: 'k8s:io.kubernetes.pod.namespace', operator: 'In', values: ['ops', 'shop'] }],
  });
  assert.equal(fidelity[0]?.fidelity, 'exact');
  assert.match(fidelity[0]?.notes.join() ?? '', /confined here to the mirrored namespaces \(ops, shop\)/);
  const narrow = mirror(yaml, { engine: 'cilium', here: CILIUM, scope: { namespaces: ['shop'] } });
  assert.match(JSON.stringify(narrow.spec('CiliumClusterwideNetworkPolicy /p')), /"values":\["shop"\]/);
});

test('a narrowed scope keeps the namespaces that rules of any dialect mention', () => {
  const scope = { namespaces: ['shop'] };
  const yaml = cilium(
    '{endpointSelector: {}, ingress: [{fromEndpoints: [{matchLabels: {"k8s:io.kubernetes.pod.namespace": ops}}]}]}',
  );
  assert.deepEqual(scoped(worldOf(`${PODS}---\n${yaml}`, { engine: 'cilium' }), scope).peers, ['ops']);
  const own = cilium('{endpointSelector: {}, ingress: [{fromEndpoints: [{}]}]}');
  assert.deepEqual(scoped(worldOf(`${PODS}---\n${own}`, { engine: 'cilium' }), scope).peers, []);
});

test('the namespace map holds in every dialect', () => {
  const scope = { namespaceMap: { ops: 'mine' } };
  const own = mirror(
    cilium(
      '{endpointSelector: {}, ingress: [{fromEndpoints: [{matchLabels: {"k8s:io.kubernetes.pod.namespace": ops}}]}]}',
    ),
    { engine: 'cilium', here: CILIUM, scope },
  );
  assert.match(JSON.stringify(own.spec('CiliumNetworkPolicy shop/p')), /"k8s:io.kubernetes.pod.namespace":"mine"/);
  assert.equal(own.fidelity[0]?.fidelity, 'exact');
  const text = `{types: [Ingress], ingress: [{action: Allow, source: {namespaceSelector: "projectcalico.org/name in {'ops', \\"shop\\"} || kubernetes.io/metadata.name == 'ops'"}}]}`;
  const calicos = mirror(calico(text), { engine: 'calico', here: local('calico', ['projectcalico.org/v3']), scope });
  const [rule] = calicos.rules<{ source: { namespaceSelector: string } }>('GlobalNetworkPolicy /p', 'ingress');
  assert.equal(
    rule?.source.namespaceSelector,
    "projectcalico.org/name in {'mine', 'shop'} || kubernetes.io/metadata.name == 'mine'",
  );
  assert.equal(calicos.fidelity[0]?.fidelity, 'exact', JSON.stringify(calicos.fidelity));
});

test('without Envoy HTTP rules are left out, or kept as ports where that is accepted; look-ups stay', () => {
  const here = local('cilium', ['cilium.io/v2'], { envoy: 'no Envoy here' });
  const yaml = cilium(
    '{endpointSelector: {}, ingress: [{toPorts: [{ports: [{port: "80", protocol: TCP}], rules: {http: [{method: GET}]}}]}], egress: [{toPorts: [{ports: [{port: "53", protocol: UDP}], rules: {dns: [{matchName: a.example}]}}]}]}',
  );
  const narrow = mirror(yaml, { engine: 'cilium', here });
  assert.deepEqual(narrow.spec('CiliumNetworkPolicy shop/p')?.ingress, [{}]);
  assert.match(JSON.stringify(narrow.spec('CiliumNetworkPolicy shop/p')?.egress), /"dns":\[/);
  assert.deepEqual([narrow.fidelity[0]?.fidelity, narrow.fidelity[0]?.verbatim], ['narrower', true]);
  assert.match(narrow.fidelity[0]?.notes.join() ?? '', /\(no Envoy here\): HTTP GET; "--accept-wider shop\/p"/);
  const wide = mirror(yaml, { engine: 'cilium', here, acceptWider: ['shop/p'] });
  assert.deepEqual(wide.spec('CiliumNetworkPolicy shop/p')?.ingress, [
    { toPorts: [{ ports: [{ port: '80', protocol: 'TCP' }] }] },
  ]);
  assert.deepEqual(wide.fidelity[0]?.fidelity, 'wider');
});

test('CIDR groups go along, and blocks of the target’s own ranges do not', () => {
  const group =
    '{apiVersion: cilium.io/v2, kind: CiliumCIDRGroup, metadata: {name: partners}, spec: {externalCIDRs: [203.0.113.0/24, 10.1.2.0/24]}}';
  const other = group.replace('partners', 'others');
  const yaml = cilium(
    '{endpointSelector: {}, egress: [{toCIDRSet: [{cidrGroupRef: partners}]}, {toCIDR: [10.1.0.0/24]}]}',
  );
  const { objects, spec, rules, fidelity } = mirror(`${yaml}\n---\n${group}\n---\n${other}`, {
    engine: 'cilium',
    here: CILIUM,
  });
  assert.deepEqual(
    objects.map((o) => o.kind),
    ['CiliumCIDRGroup', 'CiliumNetworkPolicy'],
  );
  assert.deepEqual(spec('CiliumCIDRGroup /partners')?.externalCIDRs, ['203.0.113.0/24']);
  assert.deepEqual(rules<object>('CiliumNetworkPolicy shop/p', 'egress')[1], { toCIDR: [] });
  assert.equal(fidelity[0]?.fidelity, 'exact', JSON.stringify(fidelity));
});

test("AKS' LocalDNS is the cluster's DNS here", () => {
  const { rules } = mirror(
    cilium(
      '{endpointSelector: {}, egress: [{toCIDR: [169.254.10.0/24], toPorts: [{ports: [{port: "53", protocol: UDP}]}]}]}',
    ),
    { engine: 'cilium', here: CILIUM },
  );
  const [first, second] = rules<{ toCIDR?: string[]; toEndpoints?: object[] }>('CiliumNetworkPolicy shop/p', 'egress');
  assert.deepEqual(first?.toCIDR, ['169.254.10.0/24']);
  assert.deepEqual(second?.toEndpoints, [
    { matchLabels: { 'k8s:io.kubernetes.pod.namespace': 'kube-system', 'k8s:k8s-app': 'kube-dns' } },
  ]);
});

test('Services are known by their pods, for here they may be missing: then ports would be open to everyone', () => {
  const yaml = cilium(
    '{endpointSelector: {}, egress: [{toServices: [{k8sService: {serviceName: db, namespace: shop}}], toPorts: [{ports: [{port: "5432", protocol: TCP}]}]}]}',
  );
  const ports = [{ port: 5432, targetPort: 5432, protocol: 'TCP' as const }];
  const db = { namespace: 'shop', name: 'db', labels: {}, clusterIPs: [], selector: { app: 'db' }, ports };
  const { titles, fidelity } = mirror(yaml, { engine: 'cilium', here: CILIUM, more: { services: [db] } });
  assert.deepEqual(titles, ['NetworkPolicy shop/cilium-p']);
  assert.ok(!['wider', 'both'].includes(fidelity[0]?.fidelity ?? ''), JSON.stringify(fidelity));
  assert.match(fidelity[0]?.notes.join() ?? '', /needs the target's Services: this cluster has no Service shop\/db$/);
});

test('a rule for Services stays as it is where the cluster has them, and is translated where they lead elsewhere', () => {
  const ports = [{ port: 5432, targetPort: 5432, protocol: 'TCP' as const }];
  const db = {
    namespace: 'shop',
    name: 'db',
    labels: { tier: 'data' },
    clusterIPs: [],
    selector: { app: 'db' },
    ports,
  };
  const rules = '[{ports: [{port: "5432", protocol: TCP}]}]';
  const byName = cilium(
    `{endpointSelector: {}, egress: [{toServices: [{k8sService: {serviceName: db, namespace: shop}}], toPorts: ${rules}}]}`,
  );
  const byLabels = cilium(
    `{endpointSelector: {}, egress: [{toServices: [{k8sServiceSelector: {selector: {matchLabels: {tier: data}}}}], toPorts: ${rules}}]}`,
  );
  const ofCalico = calico(
    '{selector: all(), types: [Egress], egress: [{action: Allow, protocol: TCP, destination: {services: {name: db, namespace: shop}}}]}',
    { kind: 'NetworkPolicy', at: ', namespace: shop' },
  );
  for (const [yaml, engine, world] of [
    [byName, 'cilium', CILIUM],
    [byLabels, 'cilium', CILIUM],
    [ofCalico, 'calico', local('calico', ['projectcalico.org/v3'])],
  ] as const) {
    const under = (services: (typeof db)[]) =>
      mirror(yaml, { engine, here: { ...world, services }, more: { services: [db] } }).fidelity[0];
    const kept = under([db]);
    assert.deepEqual([kept?.verbatim, kept?.fidelity, kept?.notes], [true, 'exact', []], JSON.stringify(kept));
    const elsewhere = under([{ ...db, selector: { app: 'web' } }]);
    assert.equal(elsewhere?.verbatim, false, JSON.stringify(elsewhere));
    assert.match(elsewhere?.notes.join() ?? '', /Service shop\/db leads to other pods in this cluster$/);
  }
});

test("Calico's are written in the form that is served: names, types and tiers as it wants them, tiers and sets first", () => {
  const yaml = [
    calico(
      `{tier: sec, order: 1, selector: "app == 'web'", ingress: [{action: Deny, source: {selector: "kind == 'bad'"}}, {action: Pass}]}`,
    ),
    calico(`{selector: "app == 'db'", egress: [{action: Allow}]}`, { kind: 'NetworkPolicy', at: ', namespace: shop' }),
    '{apiVersion: projectcalico.org/v3, kind: Tier, metadata: {name: sec}, spec: {order: 100}}',
    '{apiVersion: projectcalico.org/v3, kind: GlobalNetworkSet, metadata: {name: bad, labels: {kind: bad}}, spec: {nets: [203.0.113.0/24]}}',
  ].join('\n---\n');
  const { objects, spec, fidelity } = mirror(yaml, {
    engine: 'calico',
    here: local('calico', ['crd.projectcalico.org/v1']),
  });
  assert.deepEqual(new Set(objects.map((o) => o.apiVersion)), new Set(['crd.projectcalico.org/v1']));
  assert.deepEqual(
    objects
      .map((o) => o.kind)
      .slice(0, 2)
      .sort(),
    ['GlobalNetworkSet', 'Tier'],
  );
  const own = spec('NetworkPolicy shop/default.p');
  assert.deepEqual([own?.tier, own?.types], ['default', ['Egress']]);
  assert.equal(spec('GlobalNetworkPolicy /p')?.namespaceSelector, "projectcalico.org/name in {'ops', 'shop'}");
  assert.deepEqual(
    fidelity.map((f) => [f.fidelity, f.verbatim]),
    [
      ['exact', true],
      ['exact', true],
    ],
    JSON.stringify(fidelity),
  );
});

test("what is stored without types governs both directions, and is written so by Calico's API", () => {
  const yaml = calico('{selector: all(), ingress: [{action: Allow}]}', {
    version: 'crd.projectcalico.org/v1',
    kind: 'NetworkPolicy',
    at: ', namespace: shop',
  }).replace('name: p', 'name: default.p');
  const { spec, fidelity } = mirror(yaml, { engine: 'calico', here: local('calico', ['projectcalico.org/v3']) });
  assert.deepEqual(spec('NetworkPolicy shop/p')?.types, ['Ingress', 'Egress']);
  assert.equal(fidelity[0]?.fidelity, 'exact');
});

test("nets that mean production's pods mean those of this cluster; some of its pods are said by selectors instead", () => {
  const nets = (list: string) =>
    calico(`{selector: "app == 'db'", types: [Ingress], ingress: [{action: Allow, source: {nets: [${list}]}}]}`);
  const here = local('calico', ['projectcalico.org/v3']);
  const whole = mirror(nets('10.1.0.0/16, 203.0.113.0/24'), { engine: 'calico', here });
  const [rule] = whole.rules<{ source: { nets: string[] } }>('GlobalNetworkPolicy /p', 'ingress');
  assert.deepEqual(rule?.source.nets, ['10.244.0.0/16', '203.0.113.0/24']);
  assert.equal(whole.fidelity[0]?.fidelity, 'exact');
  const part = mirror(nets('10.1.2.0/24'), { engine: 'calico', here });
  assert.deepEqual(
    part.titles.filter((t) => t.startsWith('GlobalNetworkPolicy')),
    [],
  );
});

test('admin policies are confined, under Cilium as well, whose releases keep the values of expressions', () => {
  const spec =
    '{tier: Admin, priority: 5, subject: {namespaces: {matchLabels: {team: shop}}}, ingress: [{action: Deny, from: [{namespaces: {matchLabels: {team: ops}}}]}]}';
  const knp = mirror(admin(spec), {
    engine: 'kube-network-policies',
    here: local('kube-network-policies', ['policy.networking.k8s.io/v1alpha2']),
  });
  assert.deepEqual(knp.spec('ClusterNetworkPolicy /p')?.subject, {
    namespaces: {
      matchLabels: { team: 'shop' },
      matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'In', values: ['ops', 'shop'] }],
    },
  });
  assert.equal(knp.fidelity[0]?.fidelity, 'exact');
  const newer = mirror(admin(spec).replace('v1alpha2', 'v1beta1'), {
    engine: 'kube-network-policies',
    here: local('kube-network-policies', ['policy.networking.k8s.io/v1alpha2']),
  });
  assert.deepEqual(newer.objects, knp.objects, 'in the version that is served here');
  const here = local('cilium', ['cilium.io/v2', 'policy.networking.k8s.io/v1alpha2']);
  const one = mirror(admin(spec), { engine: 'cilium', here });
  assert.deepEqual(one.titles, ['ClusterNetworkPolicy /p']);
  assert.deepEqual(
    one.fidelity.map((f) => f.fidelity),
    ['exact'],
  );
  const listed = spec.replace(
    '{matchLabels: {team: ops}}',
    '{matchExpressions: [{key: team, operator: In, values: [ops]}]}',
  );
  const values = mirror(admin(listed), { engine: 'cilium', here });
  assert.deepEqual([values.titles, values.fidelity.map((f) => f.fidelity)], [['ClusterNetworkPolicy /p'], ['exact']]);
  const nodes =
    '{tier: Admin, priority: 5, subject: {namespaces: {}}, egress: [{action: Deny, to: [{nodes: {matchLabels: {a: b}}}]}]}';
  assert.ok(mirror(admin(nodes), { engine: 'cilium', here }).titles.every((t) => t.startsWith('NetworkPolicy')));
});

test('a policy that another, translated one would have to trim is translated with it', () => {
  const yaml = `${cilium('{endpointSelector: {matchLabels: {app: db}}, ingress: [{fromEntities: [cluster]}]}')}
---
${admin('{tier: Admin, priority: 5, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {matchLabels: {team: ops}}}]}]}')}`;
  const { titles, fidelity } = mirror(yaml, { engine: 'cilium', here: CILIUM });
  assert.ok(
    titles.every((t) => t.startsWith('NetworkPolicy')),
    titles.join(),
  );
  const wider = fidelity.flatMap((f) => f.differences).filter((d) => d.change === 'wider' && d.betweenPods);
  assert.deepEqual(wider, []);
});

test('what a policy that stays as it is isolates is not opened by what a translated one leaves open', () => {
  const own = cilium(
    '{endpointSelector: {matchLabels: {app: web}}, ingress: [{fromEndpoints: [{matchLabels: {app: db}}]}]}',
  );
  const deny = `{apiVersion: policy.networking.k8s.io/v1alpha1, kind: AdminNetworkPolicy, metadata: {name: no-tools}, spec: {priority: 5, subject: {namespaces: {matchLabels: {team: shop}}}, ingress: [{action: Deny, from: [{pods: {namespaceSelector: {matchLabels: {team: ops}}, podSelector: {matchLabels: {app: tool}}}}]}]}}`;
  const { titles, spec, fidelity } = mirror(`${own}\n---\n${deny}`, { engine: 'unknown', here: CILIUM });
  assert.deepEqual(titles.toSorted(), ['CiliumNetworkPolicy shop/p', 'NetworkPolicy shop/admin-no-tools']);
  assert.deepEqual(spec('NetworkPolicy shop/admin-no-tools')?.podSelector, {
    matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['web'] }],
  });
  assert.deepEqual(
    fidelity.map((f) => f.fidelity),
    ['exact', 'exact'],
  );
});

test('what an engine enforces: CRDs alone prove nothing', () => {
  const kinds = ['cilium.io', 'projectcalico.org', 'policy.networking.k8s.io'].map((group) => ({
    resource: { group, version: 'v', plural: 'ks' },
    kind: 'K',
    isRead: true,
  }));
  const groups = (name: EngineName, config = {}, version = 'v3.29.3') =>
    enforcedKinds({ name, version, evidence: [] }, kinds, config).map((k) => k.resource.group);
  assert.deepEqual(groups('kindnet'), []);
  assert.deepEqual(groups('cilium'), ['cilium.io']);
  assert.deepEqual(groups('cilium', { 'enable-k8s-cluster-network-policy': 'true' }), [
    'cilium.io',
    'policy.networking.k8s.io',
  ]);
  assert.deepEqual(groups('calico'), ['projectcalico.org', 'policy.networking.k8s.io']);
  assert.deepEqual(groups('calico', {}, 'v3.28.1'), ['projectcalico.org']);
  const on = { 'enable-l7-proxy': 'true', 'mesh-auth-enabled': 'true' };
  assert.deepEqual(missingProxies(on, undefined, true), {});
  assert.match(missingProxies(on, undefined, false).envoy ?? '', /no Envoy/);
  const external = { ...on, 'external-envoy-proxy': 'true' };
  const ready = { metadata: { name: 'cilium-envoy' }, status: { numberReady: 1 } };
  assert.deepEqual(missingProxies(external, ready, false), {});
  assert.ok(missingProxies({ 'enable-l7-proxy': 'false' }, ready, true).dns);
});
