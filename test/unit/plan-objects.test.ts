import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WriteClient } from '../../src/apply/client.ts';
import { recheck } from '../../src/apply/write.ts';
import type { LocalState, ObjectPlan } from '../../src/plan/model.ts';
import { asItIs } from '../../src/plan/not-applied.ts';
import { FIELD_MANAGER, mirrorName } from '../../src/plan/ownership.ts';
import { planObjects, planRemoval } from '../../src/plan/plan.ts';
import { canonicalSpec } from '../../src/policy/dialect/canonical.ts';
import { policyFindings } from '../../src/report/policy-findings.ts';
import type { Snapshot } from '../../src/snapshot/model.ts';
import { applied, ingressFrom, live, localOf, NAME_LABEL, policy, scoped, snapshotOf } from './plan-world.ts';
import fc from './random.ts';

const shown = ({ objects }: ObjectPlan) =>
  objects.map(({ action, kind, namespace, name }) => `${action} ${kind} ${namespace ? `${namespace}/` : ''}${name}`);
const namespace = (name: string, labels = {}, annotations = {}, manager = 'kubectl') =>
  live('Namespace', { name, labels: { [NAME_LABEL]: name, ...labels }, annotations }, manager);
const EMPTY = localOf([namespace('default')]);

test('namespaces first, then what allows, then what isolates; again means no changes', () => {
  const target = scoped(
    snapshotOf({ shop: { team: 'a' } }, [
      policy('shop', 'deny', { podSelector: {}, policyTypes: ['Ingress', 'Egress'] }),
      policy('shop', 'deny-too', { podSelector: {}, ingress: [] }),
      ingressFrom('shop', 'web', { podSelector: {} }),
    ]),
  );
  const plan = planObjects(target, EMPTY);
  assert.deepEqual(shown(plan), [
    'create Namespace shop',
    'create NetworkPolicy shop/web',
    'create NetworkPolicy shop/deny',
    'create NetworkPolicy shop/deny-too',
  ]);
  const again = planObjects(target, applied(plan, EMPTY));
  assert.deepEqual([again.objects, again.conflicts, again.unchanged], [[], [], 4]);
});

test('what the target no longer has is pruned last, and its namespace when nothing else lives there', () => {
  const first = applied(
    planObjects(scoped(snapshotOf({ a: {}, b: {} }, [policy('a', 'x'), policy('b', 'y')])), EMPTY),
    EMPTY,
  );
  const less = scoped(snapshotOf({ a: {} }, [policy('a', 'z')]));
  assert.deepEqual(shown(planObjects(less, first)), [
    'create NetworkPolicy a/z',
    'delete NetworkPolicy a/x',
    'delete NetworkPolicy b/y',
    'delete Namespace b',
  ]);
  const used = planObjects(less, { ...first, occupants: new Map([['b', ['Pod web']]]) });
  assert.ok(shown(used).includes('release Namespace b'));
  assert.match(used.warnings.join(), /Namespace b was made by us but stays, since it holds Pod web/);
});

test('a narrowed scope prunes inside it only', () => {
  const snapshot = snapshotOf({ a: {}, b: {} }, [policy('a', 'x'), policy('b', 'y')]);
  const first = applied(planObjects(scoped(snapshot), EMPTY), EMPTY);
  const gone = snapshotOf({ a: {}, b: {} }, []);
  assert.deepEqual(shown(planObjects(scoped(gone, { namespaces: ['a'] }), first)), ['delete NetworkPolicy a/x']);
  assert.deepEqual(shown(planObjects(scoped(gone), first)), ['delete NetworkPolicy a/x', 'delete NetworkPolicy b/y']);
});

test('a peer of a narrowed scope keeps the labels that it was given for others', () => {
  const uses = (key: string) => ({ namespaceSelector: { matchLabels: { [key]: '1' } } });
  const snapshot = snapshotOf({ a: {}, b: {}, 'kube-system': { x: '1', y: '1' } }, [
    ingressFrom('a', 'x', uses('x')),
    ingressFrom('b', 'y', uses('y')),
  ]);
  const local = localOf([namespace('kube-system')]);
  const first = applied(planObjects(scoped(snapshot), local), local);
  assert.deepEqual(shown(planObjects(scoped(snapshot, { namespaces: ['a'] }), first)), []);
});

test("one mirror per cluster: another target's policies go, and it is said", () => {
  const other = snapshotOf({ b: {} }, [policy('b', 'y')], { source: { kind: 'context', name: 'staging' } });
  const first = applied(planObjects(scoped(other), EMPTY), EMPTY);
  const plan = planObjects(scoped(snapshotOf({ a: {} }, [policy('a', 'x')]), { namespaces: ['a'] }), first);
  assert.deepEqual(shown(plan), [
    'create Namespace a',
    'create NetworkPolicy a/x',
    'delete NetworkPolicy b/y',
    'delete Namespace b',
  ]);
  assert.match(plan.warnings.join(), /mirrored staging.*replaces it by prod/);
});

for (const [resource, reason, pruned] of [
  ['networkpolicies.networking.k8s.io', 'forbidden', false],
  ['ciliumnetworkpolicies.cilium.io', 'forbidden', false],
  ['cilium.io/v2', 'failed', false],
  ['API groups', 'failed', false],
  ['ciliumnetworkpolicies.cilium.io', 'absent', true],
  ['nodes', 'forbidden', true],
] as const)
  test(`with ${resource} ${reason}, a policy that is not there any more is ${pruned ? '' : 'not '}pruned`, () => {
    const first = applied(planObjects(scoped(snapshotOf({ a: {} }, [policy('a', 'x')])), EMPTY), EMPTY);
    const gaps: Snapshot['gaps'] = [{ resource, reason, message: '403' }];
    const plan = planObjects(scoped(snapshotOf({ a: {} }, [], { gaps })), first);
    assert.deepEqual(shown(plan), pruned ? ['delete NetworkPolicy a/x'] : []);
    assert.equal(/Nothing is pruned/.test(plan.warnings.join()), !pruned);
  });

test('a foreign policy of the same name is a conflict with its owner, equal or not', () => {
  const target = scoped(snapshotOf({ shop: {} }, [policy('shop', 'web')]));
  const spec = canonicalSpec({ podSelector: {} });
  const helm = { 'meta.helm.sh/release-name': 'shop' };
  const owned = (metadata: object, manager?: string) =>
    planObjects(
      target,
      localOf([
        namespace('shop'),
        live('NetworkPolicy', { name: 'web', namespace: 'shop', ...metadata }, manager, spec),
      ]),
    );
  for (const [metadata, owner] of [
    [{}, 'kubectl'],
    [{ annotations: helm }, 'Helm release shop'],
    [{ labels: { 'kustomize.toolkit.fluxcd.io/name': 'apps' } }, 'Flux kustomization apps'],
    [{ annotations: { 'argocd.argoproj.io/tracking-id': 'shop:x' } }, 'Argo CD application shop'],
    // Our labels copied by hand do not make it ours.
    [{ labels: { 'clparity.dev/mirror': 'prod', 'app.kubernetes.io/managed-by': 'clparity' } }, 'kubectl'],
  ] as const) {
    const plan = owned(metadata);
    assert.deepEqual(shown(plan), []);
    assert.equal(plan.conflicts[0]?.owner, owner);
    assert.equal(plan.conflicts[0]?.name, 'web');
  }
});

test('nothing is claimed of a policy in whose place something else is, or that was not chosen', () => {
  const target = scoped(snapshotOf({ shop: {} }, [policy('shop', 'web'), policy('shop', 'db')]));
  const there = (spec: object) =>
    localOf([namespace('shop'), live('NetworkPolicy', { name: 'web', namespace: 'shop' }, 'kubectl', spec)]);
  const local = there({ podSelector: {}, ingress: [{}] });
  const fidelity = ['web', 'db'].map((name) => ({
    ...{ policy: `NetworkPolicy shop/${name}`, fidelity: 'exact' as const, objects: [`NetworkPolicy shop/${name}`] },
    ...{ verbatim: true, differences: [], differing: 0, notes: [] },
  }));
  const plan = planObjects(target, local, { objects: target.policies, fidelity });
  const counted = (of: ObjectPlan) => of.fidelity.map((f) => [f.fidelity, f.objects.length]);
  assert.deepEqual(counted(plan), [
    ['not applied', 0],
    ['exact', 1],
  ]);
  assert.deepEqual(counted(asItIs(plan)), [
    ['not applied', 0],
    ['not applied', 0],
  ]);
  // Somebody else's that says the same is left alone, and does what ours would.
  const alike = planObjects(target, there(target.policies[0]?.spec as object), { objects: target.policies, fidelity });
  assert.deepEqual(counted(alike), [
    ['exact', 1],
    ['exact', 1],
  ]);
  assert.match(alike.conflicts[0]?.message ?? '', /shop\/web is here already, says the same and belongs to kubectl/);
  const [found] = policyFindings({ ...alike, objects: [] }, { otherPolicies: [], leftOut: [] }).slice(1);
  assert.deepEqual([found?.state, /belongs to kubectl and was left alone/.test(found?.title ?? '')], ['equal', true]);
  const [, , , ...lines] = policyFindings(asItIs(plan), { otherPolicies: [], leftOut: [] });
  assert.match(lines.map(({ title }) => title).join(), /shop\/web is not applied here.*shop\/db is not applied here/);
});

test('a policy of ours that someone edited is left alone, with the editor named', () => {
  const target = scoped(snapshotOf({ shop: {} }, [ingressFrom('shop', 'web', { podSelector: {} })]));
  const first = applied(planObjects(target, EMPTY), EMPTY);
  const [ours] = first.policies;
  assert.ok(ours);
  const edited = {
    ...ours,
    metadata: {
      ...ours.metadata,
      managedFields: [
        ...(ours.metadata.managedFields ?? []),
        { manager: 'kubectl-edit', operation: 'Update', fieldsV1: { 'f:spec': { 'f:ingress': {} } } },
      ],
    },
    spec: { ...(ours.spec as object), ingress: [{}] },
  };
  const plan = planObjects(target, { ...first, policies: [edited] });
  assert.deepEqual(shown(plan), []);
  assert.equal(plan.conflicts[0]?.owner, 'kubectl-edit');
  assert.match(plan.conflicts[0]?.message ?? '', /changed spec\.ingress.*kubectl delete networkpolicy -n shop web/);
  const removal = planRemoval({ ...first, policies: [edited] });
  assert.match(removal.warnings.join(), /^NetworkPolicy shop\/web is removed with what kubectl-edit changed in it$/);
  assert.deepEqual(planRemoval(first).warnings, []);
});

test('an existing namespace gets the labels that it lacks, and only those that may be copied', () => {
  const local = localOf([namespace('shop', { team: 'b', tier: '1' })]);
  const labels = {
    team: 'a',
    tier: '1',
    zone: 'x',
    'pod-security.kubernetes.io/enforce': 'restricted',
    'argocd.argoproj.io/instance': 'x',
    'kustomize.toolkit.fluxcd.io/name': 'x',
    'app.kubernetes.io/instance': 'x',
    'app.kubernetes.io/managed-by': 'Helm',
    'helm.sh/chart': 'x',
  };
  const target = scoped(snapshotOf({ shop: labels }));
  const plan = planObjects(target, local);
  assert.deepEqual(plan.objects[0]?.after?.metadata, {
    name: 'shop',
    labels: { zone: 'x' },
    annotations: { 'clparity.dev/labels': 'zone', 'clparity.dev/mirror': 'prod' },
  });
  assert.deepEqual(
    plan.conflicts.map(({ owner, message }) => [owner, message]),
    [
      [
        'kubectl',
        'Namespace shop has the label team=b, set by kubectl; at the target it is team=a. To mirror that, take it away: kubectl label namespace shop team-',
      ],
    ],
  );
  const after = applied(plan, local);
  assert.deepEqual(shown(planObjects(target, after)), []);
  const removal = planRemoval(after);
  assert.deepEqual(shown(removal), ['release Namespace shop']);
  assert.deepEqual(applied(removal, after).namespaces[0]?.metadata.labels, local.namespaces[0]?.metadata.labels);
});

test('removal takes policies and our namespaces, but not one that is in use', () => {
  const target = scoped(snapshotOf({ a: {}, b: { t: '1' } }, [policy('a', 'x'), ingressFrom('b', 'y', {})]));
  const first = applied(planObjects(target, EMPTY), EMPTY);
  const foreign = live('NetworkPolicy', { name: 'theirs', namespace: 'a' }, 'kubectl', {});
  const plan = planRemoval({
    ...first,
    policies: [...first.policies, foreign],
    occupants: new Map([['b', ['Pod web']]]),
  });
  assert.deepEqual(shown(plan), [
    'delete NetworkPolicy a/x',
    'delete NetworkPolicy b/y',
    'delete Namespace a',
    'release Namespace b',
  ]);
  assert.match(plan.warnings.join(), /Namespace b.*Pod web/);
});

test('warnings name rules without a namespace, and foreign policies next to ours', () => {
  const target = scoped(
    snapshotOf({ shop: {} }, [
      ingressFrom('shop', 'web', { podSelector: {} }, { namespaceSelector: { matchLabels: { t: 'x' } } }),
    ]),
  );
  const foreign = live('NetworkPolicy', { name: 'mine', namespace: 'shop' }, 'kubectl', {});
  const { warnings } = planObjects(target, localOf([namespace('shop'), foreign]));
  assert.match(warnings[0] ?? '', /shop\/web: spec\.ingress\[0\]\.from\[1\] selects no namespace/);
  assert.match(warnings[1] ?? '', /shop\/mine is not at the target and belongs to kubectl/);
  assert.equal(warnings.length, 2);
  const open = scoped(snapshotOf({ shop: {}, open: {} }, [policy('shop', 'web')]));
  const isolating = live('NetworkPolicy', { name: 'mine', namespace: 'open' }, 'kubectl', {});
  const aside = live('NetworkPolicy', { name: 'mine', namespace: 'elsewhere' }, 'kubectl', {});
  const others = planObjects(open, localOf([namespace('shop'), namespace('open'), isolating, aside])).warnings;
  assert.match(others.join(), /^NetworkPolicy open\/mine is not at the target[^,]*: it stays, and may change[^,]*$/);
});

test('a namespace that is being deleted is a conflict, and nothing is put into it', () => {
  const leaving = namespace('shop');
  const gone = { ...leaving, metadata: { ...leaving.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } };
  const plan = planObjects(scoped(snapshotOf({ shop: {} }, [policy('shop', 'web')])), localOf([gone]));
  assert.deepEqual(shown(plan), []);
  assert.match(plan.conflicts[0]?.message ?? '', /being deleted/);
});

test('what stands where the plan made something is named by its owner, and one of ours by another run', async () => {
  const id = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', namespace: 'shop', name: 'web' };
  const change = { action: 'create', ...id } as const;
  const refusal = (manager: string) => {
    const there = live('NetworkPolicy', { namespace: 'shop', name: 'web' }, manager, {});
    const client: Pick<WriteClient, 'get'> = { get: async () => there };
    return recheck(client as WriteClient, change, new AbortController().signal);
  };
  await assert.rejects(refusal(FIELD_MANAGER), { kind: 'refused', message: /belongs to another clparity run$/ });
  await assert.rejects(refusal('kubectl'), { kind: 'refused', message: /belongs to kubectl$/ });
});

test('other policy kinds are listed, never dropped', () => {
  const otherPolicies = [{ group: 'cilium.io', kind: 'CiliumNetworkPolicy', count: 3 }];
  assert.deepEqual(planObjects(scoped(snapshotOf({}, [], { otherPolicies })), EMPTY).notMirrored, [
    'CiliumNetworkPolicy.cilium.io: not mirrored yet: 3 objects',
  ]);
});

test('empty values keep their meaning in the stored form', () => {
  const ingress = ['Ingress'];
  for (const [spec, stored] of [
    [{}, { podSelector: {}, policyTypes: ingress }],
    [
      { podSelector: {}, ingress: [] },
      { podSelector: {}, policyTypes: ingress },
    ],
    [
      { podSelector: {}, ingress: [{}] },
      { podSelector: {}, policyTypes: ingress, ingress: [{}] },
    ],
    [
      { ingress: [{ from: [], ports: [{}] }] },
      { podSelector: {}, policyTypes: ingress, ingress: [{ ports: [{ protocol: 'TCP' }] }] },
    ],
    [{ egress: [] }, { podSelector: {}, policyTypes: ingress }],
    [{ egress: [{}] }, { podSelector: {}, policyTypes: ['Ingress', 'Egress'], egress: [{}] }],
    [
      { policyTypes: ['Egress'], egress: [{}] },
      { podSelector: {}, policyTypes: ['Egress'], egress: [{}] },
    ],
    [
      { ingress: [{ from: [{ namespaceSelector: {}, podSelector: { matchLabels: {} } }] }] },
      { podSelector: {}, policyTypes: ingress, ingress: [{ from: [{ namespaceSelector: {}, podSelector: {} }] }] },
    ],
  ] as const) {
    assert.deepEqual(canonicalSpec(spec), stored);
  }
});

test('target names become label values, told apart', () => {
  assert.equal(mirrorName('prod'), 'prod');
  for (const name of ['./snapshots/prod.yaml', 'admin@aks/prod', 'x'.repeat(80), '///', 'ü']) {
    assert.match(mirrorName(name), /^[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?$/);
  }
  assert.notEqual(mirrorName('a/b'), mirrorName('a:b'));
});

const labels = fc.dictionary(fc.constantFrom('team', 'tier', 'zone', 'constructor'), fc.constantFrom('1', '2'));
const selector = fc.oneof(
  fc.constant({}),
  labels.map((matchLabels) => ({ matchLabels })),
);
const rules = fc.array(
  fc.record(
    {
      from: fc.array(fc.record({ namespaceSelector: selector, podSelector: selector }, { requiredKeys: [] }), {
        maxLength: 2,
      }),
    },
    { requiredKeys: [] },
  ),
  { maxLength: 2 },
);
const policies = fc.uniqueArray(
  fc.record({
    metadata: fc.record({ namespace: fc.constantFrom('a', 'b', 'c'), name: fc.constantFrom('x', 'y') }),
    spec: fc.record({ podSelector: selector, ingress: rules }, { requiredKeys: [] }),
  }),
  { selector: ({ metadata }) => `${metadata.namespace}/${metadata.name}`, maxLength: 5 },
);
const targets = fc
  .record({
    namespaces: fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd'), labels),
    policies,
    name: fc.constantFrom('p', 'q'),
  })
  .map(({ namespaces, policies: all, name }) => snapshotOf(namespaces, all, { source: { kind: 'context', name } }));
const locals = fc
  .dictionary(fc.constantFrom('a', 'b', 'e'), labels)
  .map((all) => localOf(Object.entries(all).map(([name, own]) => namespace(name, own))));

test('property: a plan applied leaves nothing to do, whatever was mirrored before', () => {
  fc.assert(
    fc.property(locals, fc.array(targets, { minLength: 1, maxLength: 3 }), (start, sequence) => {
      let local: LocalState = start;
      for (const target of sequence) {
        local = applied(planObjects(scoped(target), local), local);
        assert.deepEqual(planObjects(scoped(target), local).objects, []);
      }
    }),
  );
});

test('property: removal leaves the cluster as it was', () => {
  const visible = ({ namespaces, policies: all }: LocalState) =>
    [...namespaces, ...all].map(({ kind, metadata: { name, labels: l, annotations } }) => ({
      kind,
      name,
      l,
      annotations,
    }));
  fc.assert(
    fc.property(locals, fc.array(targets, { minLength: 1, maxLength: 3 }), (start, sequence) => {
      let local: LocalState = start;
      for (const target of sequence) local = applied(planObjects(scoped(target), local), local);
      assert.deepEqual(visible(applied(planRemoval(local), local)), visible(start));
    }),
  );
});
