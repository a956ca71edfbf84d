import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LocalState } from '../../src/plan/model.ts';
import { isOurs, signatureOf } from '../../src/plan/ownership.ts';
import { placeOf } from '../../src/plan/place.ts';
import { planObjects, planRemoval } from '../../src/plan/plan.ts';
import { renamer } from '../../src/plan/rename.ts';
import { renamed } from '../../src/policy/dialect/rename.ts';
import type { KubeObject } from '../../src/target/rest.ts';
import { applied, ingressFrom, live, localOf, NAME_LABEL, policy, scoped, snapshotOf } from './plan-world.ts';

const name = (value: string) => ({ matchLabels: { [NAME_LABEL]: value } });
/** Rules that name namespaces, one by a label of its own, and the cluster's DNS by a label that a mirror has to add. */
const TARGET = snapshotOf({ shop: { team: 'shop' }, ops: { team: 'ops' }, 'kube-system': { role: 'dns' } }, [
  ingressFrom(
    'shop',
    'web',
    { namespaceSelector: name('ops') },
    { namespaceSelector: { matchLabels: { role: 'dns' } } },
  ),
  policy('ops', 'deny'),
]);
const SYSTEM = live('Namespace', { name: 'kube-system', labels: { [NAME_LABEL]: 'kube-system' } }, 'kube-apiserver');

const mine = (prefix: string, snapshot = TARGET) => scoped(snapshot, { namespacePrefix: prefix });
/** The same cluster as a mirror of another prefix sees it. */
const seenBy = (prefix: string, { namespaces, policies }: LocalState) =>
  localOf([...namespaces, ...policies], {}, prefix);
const mirror = (prefix: string, local: LocalState) => {
  const own = seenBy(prefix, local);
  return applied(planObjects(mine(prefix), own), own);
};
const titles = ({ namespaces, policies }: LocalState) =>
  [...namespaces, ...policies].map(({ metadata: { namespace = '', name } }) => `${namespace}/${name}`).toSorted();
const labelsOf = (local: LocalState, wanted: string) =>
  local.namespaces.find(({ metadata }) => metadata.name === wanted)?.metadata.labels;

test('every mirrored namespace has the prefix, on top of the map; what is left out keeps its name', () => {
  const target = scoped(TARGET, { namespacePrefix: 'dev1-', namespaceMap: { shop: 'store' } });
  assert.deepEqual(
    target.namespaces.map((n) => [n.name, n.labels[NAME_LABEL]]),
    [
      ['kube-system', 'kube-system'],
      ['dev1-ops', 'dev1-ops'],
      ['dev1-store', 'dev1-store'],
    ],
  );
  assert.deepEqual(target.localNames.get('shop'), 'dev1-store');
  assert.deepEqual([target.peers, target.prefix], [['kube-system'], 'dev1-']);
  assert.match(JSON.stringify(target.policies), /"kubernetes.io\/metadata.name":"dev1-ops"/);
  assert.deepEqual(scoped(TARGET, { namespacePrefix: 'dev1-', namespaces: ['sh*'] }).pruneIn, [
    'dev1-sh*',
    'dev1-shop',
  ]);
});

test('a name that no namespace has gets the prefix too, so that it means nobody else', () => {
  const odd = snapshotOf({ shop: {} }, [
    ingressFrom('shop', 'web', { namespaceSelector: name('gone') }, { namespaceSelector: name('kube-system') }),
  ]);
  const text = JSON.stringify(mine('dev1-', odd).policies);
  assert.match(text, /"dev1-gone"/);
  assert.match(text, /:"kube-system"/, 'the DNS of the cluster is for all');
});

test("names in the cluster's DNS get the prefix in every dialect; names of the world keep theirs", () => {
  const rename = renamer({ namespaceMap: {}, namespacePrefix: 'dev1-' }, (name) => name === 'kube-system');
  const namesOf = (apiVersion: string, kind: string, spec: object) =>
    JSON.stringify(renamed({ apiVersion, kind, metadata: { name: 'x' }, spec }, rename)).match(
      /"[^"]*\.(svc|com)[^"]*"/g,
    );
  const kept = ['example.com', 'svc.example.com', '*.*.svc.cluster.local', 'api.kube-system.svc.cluster.local'];
  const given = ['db.ops.svc.cluster.local', 'db-0.db.ops.svc', '*.ops.svc.cluster.local.'];
  const expected = ['db.dev1-ops.svc.cluster.local', 'db-0.db.dev1-ops.svc', '*.dev1-ops.svc.cluster.local.'];
  const [names, local] = [[...kept, ...given], [...kept, ...expected].map((name) => `"${name}"`)];
  const patterns = names.map((matchPattern) => ({ matchPattern }));
  const dns = [{ ports: [{ port: '53' }], rules: { dns: patterns } }];
  const rule = { egress: [{ toFQDNs: patterns }, { toPorts: dns }, { toPorts: [{ serverNames: names }] }] };
  assert.deepEqual(namesOf('cilium.io/v2', 'CiliumClusterwideNetworkPolicy', rule), [...local, ...local, ...local]);
  const domains = { egress: [{ action: 'Allow', destination: { domains: names } }] };
  assert.deepEqual(namesOf('projectcalico.org/v3', 'GlobalNetworkPolicy', domains), local);
  assert.deepEqual(namesOf('projectcalico.org/v3', 'GlobalNetworkSet', { allowedEgressDomains: names }), local);
  const admin = { egress: [{ action: 'Accept', to: [{ domainNames: names }] }] };
  assert.deepEqual(namesOf('policy.networking.k8s.io/v1alpha2', 'ClusterNetworkPolicy', admin), local);
});

test('a prefix that no namespace can have is refused', () => {
  const isInput = (message: RegExp) => ({ kind: 'input', message });
  for (const prefix of ['dev1', 'Dev-', 'dev1--', '-', '1dev-', `${'x'.repeat(31)}-`]) {
    assert.throws(() => mine(prefix), isInput(/can't be a prefix/), prefix);
  }
  assert.throws(() => mine('dev1-', snapshotOf({ ['n'.repeat(60)]: {} })), isInput(/longer than 63/));
  assert.throws(() => mine('kube-', snapshotOf({ system: {} })), isInput(/puts system into kube-system/));
});

test('two prefixes are two mirrors: neither plans, prunes or removes what the other has', () => {
  const first = mirror('dev1-', localOf([SYSTEM]));
  const both = mirror('dev2-', first);
  assert.deepEqual(titles(both), [
    '/dev1-ops',
    '/dev1-shop',
    '/dev2-ops',
    '/dev2-shop',
    '/kube-system',
    'dev1-ops/deny',
    'dev1-shop/web',
    'dev2-ops/deny',
    'dev2-shop/web',
  ]);
  for (const prefix of ['dev1-', 'dev2-']) {
    const again = planObjects(mine(prefix), seenBy(prefix, both));
    assert.deepEqual([again.objects, again.conflicts, again.warnings], [[], [], []]);
  }
  // Another target under the same prefix replaces it, under another it doesn't.
  const other = { ...snapshotOf({ pay: {} }), source: { kind: 'context' as const, name: 'staging' } };
  const replaced = planObjects(mine('dev2-', other), seenBy('dev2-', both));
  assert.deepEqual(
    replaced.objects.filter(({ action }) => action === 'delete').map((o) => o.name),
    ['web', 'deny', 'dev2-ops', 'dev2-shop'].toSorted(
      (a, b) => order(replaced.objects, a) - order(replaced.objects, b),
    ),
  );
  assert.match(replaced.warnings.join(), /So far this cluster mirrored prod/);
  const left = applied(planRemoval(seenBy('dev1-', both)), seenBy('dev1-', both));
  assert.deepEqual(titles(left), ['/dev2-ops', '/dev2-shop', '/kube-system', 'dev2-ops/deny', 'dev2-shop/web']);
  assert.deepEqual(planObjects(mine('dev2-'), seenBy('dev2-', left)).objects, []);
});

const order = (objects: readonly { name: string }[], wanted: string) => objects.findIndex((o) => o.name === wanted);

test('a mirror without a prefix, and one of a prefix, leave each other alone as well', () => {
  const both = mirror('dev1-', mirror('', localOf([SYSTEM])));
  for (const prefix of ['', 'dev1-']) {
    assert.deepEqual(planObjects(mine(prefix), seenBy(prefix, both)).objects, []);
    const removed = planRemoval(seenBy(prefix, both)).objects.map((o) => o.name);
    assert.equal(removed.length, 5, removed.join());
    const stays = prefix === '' ? /under the prefix dev1- stays/ : /without a prefix stays/;
    assert.match(planRemoval(seenBy(prefix, both)).warnings.join(), stays);
  }
});

test('a label on a namespace of the cluster is held by all mirrors that want it', () => {
  const both = mirror('dev2-', mirror('dev1-', localOf([SYSTEM])));
  assert.equal(labelsOf(both, 'kube-system')?.role, 'dns');
  const one = applied(planRemoval(seenBy('dev1-', both)), seenBy('dev1-', both));
  assert.equal(labelsOf(one, 'kube-system')?.role, 'dns', 'the other one still needs it');
  const none = applied(planRemoval(seenBy('dev2-', one)), seenBy('dev2-', one));
  assert.equal(labelsOf(none, 'kube-system')?.role, undefined);
});

test('another value of such a label is a conflict that names the other mirror', () => {
  const both = mirror('dev1-', localOf([SYSTEM]));
  const other = snapshotOf({ shop: {}, 'kube-system': { role: 'core' } }, [
    ingressFrom('shop', 'web', { namespaceSelector: { matchLabels: { role: 'core' } } }),
  ]);
  const { conflicts } = planObjects(mine('dev2-', other), seenBy('dev2-', both));
  assert.match(
    conflicts.map((c) => c.message).join(),
    /role=dns, set by clparity\/dev1; at the target it is role=core/,
  );
});

test('a namespace that one mirror made and another needs is released, not deleted', () => {
  const target = snapshotOf({ shop: {}, 'gatekeeper-system': { role: 'gate' } }, [
    ingressFrom('shop', 'web', { namespaceSelector: { matchLabels: { role: 'gate' } } }),
  ]);
  const run = (prefix: string, local: LocalState) => {
    const own = seenBy(prefix, local);
    return applied(planObjects(mine(prefix, target), own), own);
  };
  const both = run('dev2-', run('dev1-', localOf([])));
  const { objects } = planRemoval(seenBy('dev1-', both));
  assert.deepEqual(
    objects.filter(({ kind }) => kind === 'Namespace').map((o) => [o.action, o.name]),
    [
      ['delete', 'dev1-shop'],
      ['release', 'gatekeeper-system'],
    ],
  );
});

test('a mark that was copied, and one of a longer prefix, prove nothing', () => {
  const signature = signatureOf('dev1-');
  const marked = (manager: string, key: string) =>
    live('NetworkPolicy', { name: 'x', namespace: 'dev1-shop', labels: { [key]: 'prod' } }, manager) as KubeObject;
  assert.ok(isOurs(marked('clparity/dev1', 'dev1.clparity.dev/mirror'), signature));
  assert.ok(!isOurs(marked('kubectl', 'dev1.clparity.dev/mirror'), signature));
  assert.ok(!isOurs(marked('clparity/dev1-a', 'dev1-a.clparity.dev/mirror'), signature));
  assert.ok(!isOurs(marked('clparity', 'clparity.dev/mirror'), signature));
});

test('plans and reports say under which prefix they are', () => {
  assert.equal(placeOf('kind:dev', { namespacePrefix: 'dev1-' }), 'kind:dev/dev1-*');
  assert.equal(placeOf('kind:dev', { namespacePrefix: '' }), 'kind:dev');
});
