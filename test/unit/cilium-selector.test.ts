import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Peer, Selector } from '../../src/policy/model.ts';
import { holds } from '../../src/policy/select.ts';
import { policy, rule } from './cilium-world.ts';

/** Pods that selectors are tried on, by namespace and name. */
const PODS = {
  'shop/web': { labels: { app: 'web', tier: 'front', 'kubernetes.io/os': 'linux' }, serviceAccount: 'web' },
  'shop/db': { labels: { app: 'db' }, serviceAccount: 'default' },
  'bank/web': { labels: { app: 'web', 'app.kubernetes.io/name': 'x' }, serviceAccount: 'default' },
  'kube-system/dns': { labels: { 'k8s-app': 'kube-dns' }, serviceAccount: 'dns' },
} as const;
const ALL = Object.keys(PODS);
const SHOP = ['shop/web', 'shop/db'];

/** Which of them a selector holds for; the namespace of each is labelled `name` and, for bank, `safe: yes`. */
function selected(selector: Selector): string[] {
  return Object.entries(PODS).flatMap(([id, { labels, serviceAccount }]) => {
    const namespace = id.split('/')[0] ?? '';
    const ofNamespace = { name: namespace, ...(namespace === 'bank' ? { safe: 'yes' } : {}) };
    const known = { pod: labels, namespace: ofNamespace, serviceAccount: undefined, node: undefined };
    return holds(selector, { labels: known, namespace, serviceAccount }) === true ? [id] : [];
  });
}

/** What fromEndpoints with one selector selects; anything but pods is an error. */
function from(selector: string, kind?: string): string[] {
  const [peer] = rule(`ingress: [{fromEndpoints: [${selector}]}]`, kind).peers ?? [];
  assert.equal(peer?.type, 'pods');
  return selected(peer.match);
}

const CLUSTERWIDE = 'ClusterwideNetworkPolicy';

for (const [selector, own, anywhere] of [
  ['{}', SHOP, ALL],
  ['{matchLabels: {app: web}}', ['shop/web'], ['shop/web', 'bank/web']],
  ['{matchLabels: {k8s:app: web}}', ['shop/web'], ['shop/web', 'bank/web']],
  ['{matchLabels: {any:app: web}}', ['shop/web'], ['shop/web', 'bank/web']],
  ['{matchLabels: {container:app: web}}', [], []],
  ['{matchExpressions: [{key: container:app, operator: DoesNotExist}]}', SHOP, ALL],
  ['{matchLabels: {k8s:io.kubernetes.pod.namespace: bank}}', ['bank/web'], ['bank/web']],
  ['{matchLabels: {io.kubernetes.pod.namespace: bank, app: db}}', [], []],
  ['{matchExpressions: [{key: k8s:io.kubernetes.pod.namespace, operator: Exists}]}', ALL, ALL],
  ['{matchExpressions: [{key: io.kubernetes.pod.namespace, operator: In, values: [shop, bank]}]}', ALL.slice(0, 3)],
  ['{matchExpressions: [{key: io.kubernetes.pod.namespace, operator: NotIn, values: [shop]}]}', ALL.slice(2)],
  ['{matchLabels: {io.cilium.k8s.namespace.labels.safe: "yes"}}', ['bank/web'], ['bank/web']],
  ['{matchLabels: {k8s:io.cilium.k8s.namespace.labels.name: kube-system}}', ['kube-system/dns']],
  ['{matchLabels: {io.cilium.k8s.policy.serviceaccount: web}}', ['shop/web'], ['shop/web']],
  ['{matchExpressions: [{key: io.cilium.k8s.policy.serviceaccount, operator: NotIn, values: [web]}]}', ['shop/db']],
  ['{matchLabels: {io.cilium.k8s.policy.cluster: default}}', SHOP, ALL],
  ['{matchExpressions: [{key: io.cilium.k8s.policy.cluster, operator: NotIn, values: [default]}]}', [], []],
  ['{matchExpressions: [{key: io.cilium.k8s.policy.cluster, operator: NotIn, values: [far]}]}', SHOP, ALL],
  ['{matchExpressions: [{key: app, operator: NotIn, values: [web]}]}', ['shop/db'], ['shop/db', 'kube-system/dns']],
  ['{matchExpressions: [{key: tier, operator: Exists}]}', ['shop/web'], ['shop/web']],
  ['{matchLabels: {kubernetes.io/os: linux}}', [], []],
  ['{matchLabels: {app.kubernetes.io/name: x}}', [], ['bank/web']],
] as const) {
  test(`fromEndpoints ${selector}`, () => {
    assert.deepEqual(from(selector), own);
    if (anywhere) assert.deepEqual(from(selector, CLUSTERWIDE), anywhere);
  });
}

const HOST: Peer = { type: 'entity', entity: 'host', byLabel: true };
const WEB: Peer = { type: 'pods', match: { op: 'label', of: 'pod', key: 'app', test: 'in', values: ['web'] } };

for (const [selector, peer] of [
  ['{matchLabels: {reserved:host: ""}}', HOST],
  ['{matchLabels: {reserved:host: x}}', { type: 'entity', entity: 'none' }],
  ['{matchLabels: {reserved:martian: ""}}', { type: 'entity', entity: 'none' }],
  ['{matchExpressions: [{key: reserved:host, operator: Exists}]}', HOST],
  ['{matchExpressions: [{key: reserved:host, operator: DoesNotExist}]}', { type: 'not', of: HOST }],
  ['{matchLabels: {reserved:host: "", app: web}}', { type: 'every', of: [WEB, HOST] }],
  [
    '{matchExpressions: [{key: reserved:host, operator: DoesNotExist}, {key: app, operator: NotIn, values: [web]}]}',
    {
      type: 'every',
      of: [
        { type: 'not', of: HOST },
        { type: 'not', of: WEB },
      ],
    },
  ],
] as const) {
  test(`fromEndpoints ${selector} is taken without a namespace`, () => {
    assert.deepEqual(rule(`ingress: [{fromEndpoints: [${selector}]}]`).peers, [peer]);
  });
}

for (const [spec, kind, pods] of [
  ['endpointSelector: {}', undefined, SHOP],
  ['endpointSelector: {}', CLUSTERWIDE, ALL],
  ['endpointSelector: {matchLabels: {app: web}}', undefined, ['shop/web']],
  ['endpointSelector: {matchLabels: {app: web}}', CLUSTERWIDE, ['shop/web', 'bank/web']],
  ['endpointSelector: {matchLabels: {k8s:io.kubernetes.pod.namespace: bank}}', undefined, SHOP],
  ['endpointSelector: {matchLabels: {io.kubernetes.pod.namespace: bank}}', undefined, []],
  [
    'endpointSelector: {matchExpressions: [{key: k8s:io.kubernetes.pod.namespace, operator: In, values: [bank]}]}',
    undefined,
    [],
  ],
  ['endpointSelector: {matchLabels: {io.kubernetes.pod.namespace: bank}}', CLUSTERWIDE, ['bank/web']],
  ['endpointSelector: {matchExpressions: [{key: reserved:health, operator: DoesNotExist}]}', CLUSTERWIDE, ALL],
] as const) {
  test(`${spec} of a ${kind ?? 'NetworkPolicy'}`, () => {
    const parsed = policy(`${spec}, ingress: [{}]`, kind);
    assert.deepEqual(selected(parsed.subject), pods);
    assert.equal(parsed.inert, undefined);
  });
}

test('a policy for what is no pod is listed and decides nothing', () => {
  for (const spec of ['endpointSelector: {matchLabels: {reserved:ingress: ""}}', 'nodeSelector: {}']) {
    const parsed = policy(`${spec}, ingress: [{}]`, CLUSTERWIDE);
    assert.deepEqual(selected(parsed.subject), []);
    assert.match(parsed.inert ?? '', /speaks for/);
  }
});

test('what Cilium would match or not match by its version or options is a caveat', () => {
  for (const [selector, caveat] of [
    ['{matchLabels: {kubernetes.io/os: linux}}', /leaves out of identities/],
    ['{matchLabels: {cni:x: z}}', /source cni/],
    ['{matchLabels: {reserved:martian: ""}}', /reserved:martian/],
    ['{matchLabels: {io.cilium.k8s.policy.cluster: far}}', /taken to be this one/],
    ['{matchExpressions: [{key: io.kubernetes.pod.namespace, operator: NotIn, values: [a]}]}', /no pod, the world too/],
  ] as const) {
    assert.match(policy(`ingress: [{fromEndpoints: [${selector}]}]`).caveats?.join() ?? '', caveat);
  }
  assert.equal(policy('ingress: [{fromEndpoints: [{matchLabels: {app: web}}]}]').caveats, undefined);
});

test('fromNodes are other nodes with these labels', () => {
  const labels = '{matchLabels: {kubernetes.io/os: linux}}';
  const parsed = policy(`ingress: [{fromNodes: [${labels}]}]`);
  const match = { op: 'label', of: 'node', key: 'kubernetes.io/os', test: 'in', values: ['linux'] };
  const remote = { type: 'entity', entity: 'remote-node' };
  assert.deepEqual(parsed.rules[0]?.peers, [{ type: 'every', of: [{ type: 'nodes', match }, remote] }]);
  assert.match(parsed.caveats?.join() ?? '', /enable-node-selector-labels/);
});
