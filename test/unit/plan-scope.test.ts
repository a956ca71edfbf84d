import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ParityError } from '../../src/host/errors.ts';
import type { Workload } from '../../src/snapshot/model.ts';
import { ingressFrom, NAME_LABEL, policy, scoped, snapshotOf } from './plan-world.ts';

const names = (items: readonly { name: string }[]) => items.map(({ name }) => name);
const isInput = (pattern: RegExp) => (error: unknown) =>
  error instanceof ParityError && error.kind === 'input' && pattern.test(error.message);

function workload(namespace: string, name: string): Workload {
  const none = { labels: {}, serviceAccount: 'default', hostNetwork: false, ports: [], images: [], pods: [] };
  return { namespace, kind: 'Deployment', name, ...none };
}

test('all of a target is mirrored but for system namespaces, and what is left out is said', () => {
  const target = scoped(
    snapshotOf({ shop: {}, 'kube-system': {}, managed: { 'control-plane': 'x' } }, [
      policy('shop', 'a'),
      policy('kube-system', 'b'),
      policy('managed', 'c'),
    ]),
  );
  assert.deepEqual(names(target.namespaces), ['shop']);
  assert.deepEqual(names(target.policies.map(({ metadata }) => metadata)), ['a']);
  assert.deepEqual(target.leftOut, [
    '1 policy of namespace kube-system: left out by the settings',
    '1 policy of namespace managed: left out by the settings',
  ]);
  assert.deepEqual(target.pruneIn, ['*']);
});

test('a namespace chosen by its name is in, whatever excludes it; a glob does not bring it in', () => {
  const snapshot = snapshotOf({ shop: {}, managed: { 'control-plane': 'x' }, 'kube-system': {} });
  assert.deepEqual(names(scoped(snapshot, { namespaces: ['managed', 'kube-system'] }).namespaces), [
    'kube-system',
    'managed',
  ]);
  assert.deepEqual(names(scoped(snapshot, { namespaces: ['*'] }).namespaces), ['shop']);
});

test('names that match nothing are an input error that says what there is', () => {
  assert.throws(() => scoped(snapshotOf({ shop: {} }), { namespaces: ['shp'] }), isInput(/No namespace.*shp/));
});

test('a namespace can be chosen or excluded, not both; a system namespace is excluded by nobody', () => {
  const both = { namespaces: ['shop'], excludeNamespaces: ['shop'] };
  assert.throws(() => scoped(snapshotOf({ shop: {} }), both), isInput(/shop is both chosen and excluded/));
  const system = { namespaces: ['kube-system'], excludeNamespaces: ['kube-system'] };
  assert.doesNotThrow(() => scoped(snapshotOf({ 'kube-system': {} }), system));
});

test('globs match whole names, and a dot is a dot', () => {
  const snapshot = snapshotOf({ 'shop-a': {}, 'shop-b': {}, 'my-shop-a': {}, 'shop.a': {} });
  assert.deepEqual(names(scoped(snapshot, { namespaces: ['shop-?'] }).namespaces), ['shop-a', 'shop-b']);
  assert.deepEqual(names(scoped(snapshot, { namespaces: ['shop.*'] }).namespaces), ['shop.a']);
});

test('namespaces that rules mention stay as peers; an empty selector mentions none', () => {
  const snapshot = snapshotOf(
    { shop: {}, pay: { team: 'pay', tier: '1' }, other: { team: 'x' }, 'kube-system': { dns: 'yes', big: 'no' } },
    [
      ingressFrom('shop', 'a', { namespaceSelector: { matchLabels: { team: 'pay' } } }),
      ingressFrom(
        'shop',
        'b',
        { namespaceSelector: {} },
        { namespaceSelector: { matchExpressions: [], matchLabels: {} } },
      ),
      policy('shop', 'c', {
        podSelector: {},
        egress: [{ to: [{ namespaceSelector: { matchLabels: { dns: 'yes' } } }] }],
      }),
      policy('pay', 'd'),
    ],
    {
      workloads: [
        workload('shop', 'web'),
        workload('pay', 'api'),
        workload('kube-system', 'dns'),
        workload('other', 'x'),
      ],
    },
  );
  const target = scoped(snapshot, { namespaces: ['shop'] });
  assert.deepEqual(target.namespaces, [
    // A system namespace: only the keys that selectors look at.
    { name: 'kube-system', labels: { dns: 'yes', [NAME_LABEL]: 'kube-system' } },
    { name: 'pay', labels: { team: 'pay', tier: '1', [NAME_LABEL]: 'pay' } },
    { name: 'shop', labels: { [NAME_LABEL]: 'shop' } },
  ]);
  assert.deepEqual(target.peers, ['kube-system', 'pay']);
  assert.deepEqual(names(target.policies.map(({ metadata }) => metadata)), ['a', 'b', 'c']);
  assert.deepEqual(names(target.workloads), ['web', 'api']);
  assert.deepEqual(target.leftOut, [
    '1 policy of namespace pay: not in the chosen namespaces; the namespace itself stays, since rules mention it',
  ]);
});

test('a namespace is mentioned by its name label though no manifest declares that label', () => {
  const byName = ingressFrom('shop', 'a', { namespaceSelector: { matchLabels: { [NAME_LABEL]: 'pay' } } });
  const target = scoped(snapshotOf({ shop: {}, pay: {} }, [byName]), { namespaces: ['shop'] });
  assert.deepEqual(target.peers, ['pay']);
});

test('a namespace that only a policy mentions is there, too', () => {
  assert.deepEqual(scoped(snapshotOf({}, [policy('shop', 'a')])).namespaces, [
    { name: 'shop', labels: { [NAME_LABEL]: 'shop' } },
  ]);
});

test('a mapped namespace has its local name everywhere, in selectors too; empty values stay', () => {
  const location = { file: 'x.yaml', line: 3, lines: {} };
  const spec = {
    podSelector: {},
    ingress: [
      {},
      { from: [] },
      {
        from: [
          { namespaceSelector: { matchLabels: { [NAME_LABEL]: 'shop', team: 'shop' } } },
          { namespaceSelector: {} },
          {
            namespaceSelector: {
              matchExpressions: [
                { key: NAME_LABEL, operator: 'NotIn' as const, values: ['shop', 'pay'] },
                { key: 'team', operator: 'In' as const, values: ['shop'] },
              ],
            },
          },
          { podSelector: { matchLabels: { [NAME_LABEL]: 'shop' } } },
        ],
      },
    ],
    egress: [],
  };
  const snapshot = snapshotOf({ shop: { team: 'shop' }, pay: {} }, [{ ...policy('shop', 'a', spec), location }], {
    workloads: [workload('shop', 'web')],
    services: [{ namespace: 'shop', name: 'web', clusterIPs: [], selector: {}, ports: [] }],
  });
  const target = scoped(snapshot, { namespaces: ['shop'], namespaceMap: { shop: 'dev' } });
  assert.deepEqual(
    target.namespaces,
    [
      { name: 'pay', labels: { [NAME_LABEL]: 'pay' } },
      { name: 'dev', labels: { team: 'shop', [NAME_LABEL]: 'dev' } },
    ].filter(({ name }) => target.namespaces.some((n) => n.name === name)),
  );
  assert.equal(target.workloads[0]?.namespace, 'dev');
  assert.equal(target.services[0]?.namespace, 'dev');
  assert.ok(target.pruneIn.includes('dev'));
  const [mapped] = target.policies;
  assert.equal(mapped?.metadata.namespace, 'dev');
  assert.equal(mapped?.location, location);
  const expected = structuredClone(spec) as typeof spec;
  assert.deepEqual(mapped?.spec, {
    ...expected,
    ingress: [
      {},
      { from: [] },
      {
        from: [
          { namespaceSelector: { matchLabels: { [NAME_LABEL]: 'dev', team: 'shop' } } },
          { namespaceSelector: {} },
          {
            namespaceSelector: {
              matchExpressions: [
                { key: NAME_LABEL, operator: 'NotIn', values: ['dev', 'pay'] },
                { key: 'team', operator: 'In', values: ['shop'] },
              ],
            },
          },
          { podSelector: { matchLabels: { [NAME_LABEL]: 'shop' } } },
        ],
      },
    ],
  });
});

test('a map that merges namespaces, or what selectors call by name, is refused', () => {
  const two = snapshotOf({ shop: {}, dev: {} });
  assert.throws(
    () => scoped(two, { namespaceMap: { shpo: 'dev2' } }),
    isInput(/names shpo, which the target doesn't have/),
  );
  assert.throws(
    () => scoped(two, { namespaceMap: { shop: 'Dev_1' } }),
    isInput(/"Dev_1", which can't be a namespace's name/),
  );
  assert.throws(() => scoped(two, { namespaceMap: { shop: 'dev' } }), isInput(/dev and shop would both be dev/));
  const named = snapshotOf({ shop: {} }, [
    ingressFrom('shop', 'a', { namespaceSelector: { matchLabels: { [NAME_LABEL]: 'dev' } } }),
  ]);
  assert.throws(() => scoped(named, { namespaceMap: { shop: 'dev' } }), isInput(/would both be dev/));
  assert.doesNotThrow(() => scoped(two, { namespaceMap: { shop: 'dev', dev: 'shop' } }));
});

test('nothing can be mapped into a system namespace', () => {
  assert.throws(
    () => scoped(snapshotOf({ shop: {} }), { namespaceMap: { shop: 'kube-system' } }),
    isInput(/shop into kube-system/),
  );
});
