import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { applyPlan, settle } from '../../src/apply/apply.ts';
import { type WriteClient, writeClient } from '../../src/apply/client.ts';
import type { VouchedCluster } from '../../src/cluster/provider.ts';
import { ParityError } from '../../src/host/errors.ts';
import { quietRun, type Run } from '../../src/host/run.ts';
import { NAMESPACES, NETWORK_POLICIES, readLocalState } from '../../src/plan/local-state.ts';
import type { ObjectPlan, ScopedTarget } from '../../src/plan/model.ts';
import { planObjects, planRemoval } from '../../src/plan/plan.ts';
import { planUndo } from '../../src/plan/undo.ts';
import type { NetworkPolicy } from '../../src/snapshot/model.ts';
import { ingressFrom, NAME_LABEL, policy, scoped, snapshotOf } from '../unit/plan-world.ts';
import { kubectl, onCluster, openTestCluster } from './test-cluster.ts';

const signal = new AbortController().signal;
const shown = ({ objects }: ObjectPlan) => objects.map(({ action, name }) => `${action} ${name}`);
/** A spec that a test means as it is, typed or not. */
const raw = (spec: object) => spec as NetworkPolicy['spec'];

describe('mirror on a real API server', onCluster, () => {
  let cluster: VouchedCluster;
  let client: WriteClient;
  let asBefore: unknown;

  before(async () => {
    cluster = await openTestCluster();
    client = writeClient(cluster);
    await removeAll();
    // What another test file has deleted is not to go away in the middle of ours.
    while ((await client.list(NAMESPACES, signal)).some(({ metadata }) => metadata.deletionTimestamp)) await sleep(500);
    // A namespace of the developer's own, with labels of their own.
    await kubectl(cluster, ['apply', '-f', '-'], {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: 'mt-dev', labels: { team: 'dev', tier: '1' } },
    });
  });
  beforeEach(async () => {
    asBefore = await visible();
  });
  afterEach(async () => {
    await removeAll();
    assert.deepEqual(await visible(), asBefore, 'the cluster is not as before');
  });
  after(async () => {
    if (cluster) await kubectl(cluster, ['delete', 'namespace', 'mt-dev', '--ignore-not-found']);
    await client?.close();
  });

  /** Everything of namespaces and policies but what the server counts and keeps of managers. */
  async function visible(): Promise<unknown> {
    const all = [...(await client.list(NAMESPACES, signal)), ...(await client.list(NETWORK_POLICIES, signal))];
    return all.map(({ metadata, ...rest }) => {
      const { managedFields: _managers, resourceVersion: _version, ...kept } = metadata;
      return { ...rest, metadata: kept };
    });
  }

  async function planFor(target: ScopedTarget): Promise<ObjectPlan> {
    return planObjects(target, await readLocalState(client, signal));
  }

  async function apply(plan: Pick<ObjectPlan, 'objects'>, run: Run = quietRun()): Promise<string[]> {
    return [...(await applyPlan(client, plan, run)), ...(await settle(client, plan, run))];
  }

  async function mirror(target: ScopedTarget, run: Run = quietRun()): Promise<string[]> {
    return apply(await planFor(target), run);
  }

  async function removeAll(): Promise<ObjectPlan> {
    const plan = planRemoval(await readLocalState(client, signal));
    await apply(plan);
    return plan;
  }

  const specOf = async (namespace: string, name: string) =>
    (await client.get(NETWORK_POLICIES, name, namespace, signal))?.spec;
  const labelsOf = async (name: string) => (await client.get(NAMESPACES, name, undefined, signal))?.metadata.labels;

  test('what is mirrored needs no change the second time; what is gone is pruned', async () => {
    const web = ingressFrom('mt-shop', 'web', { namespaceSelector: { matchLabels: { team: 'dev' } } });
    const namespaces = { 'mt-shop': { team: 'shop' }, 'mt-pay': {} };
    const target = scoped(snapshotOf(namespaces, [web, policy('mt-shop', 'deny'), policy('mt-pay', 'deny')]));
    assert.deepEqual(await mirror(target), [
      'created Namespace mt-pay',
      'created Namespace mt-shop',
      'created NetworkPolicy mt-shop/web',
      'created NetworkPolicy mt-pay/deny',
      'created NetworkPolicy mt-shop/deny',
    ]);
    const again = await planFor(target);
    assert.deepEqual([again.objects, again.conflicts, again.unchanged], [[], [], 5]);
    const less = scoped(snapshotOf({ 'mt-shop': { team: 'other' } }, [web]));
    assert.deepEqual(await mirror(less), [
      'updated Namespace mt-shop',
      'deleted NetworkPolicy mt-pay/deny',
      'deleted NetworkPolicy mt-shop/deny',
      'deleted Namespace mt-pay',
    ]);
    assert.deepEqual((await planFor(less)).objects, []);
    assert.equal((await labelsOf('mt-shop'))?.team, 'other');
  });

  test('empty values mean here what they mean to kubectl, whatever was there before', async () => {
    const specs = [
      {},
      { podSelector: {}, egress: [{}] },
      { podSelector: {}, ingress: [] },
      { podSelector: {}, ingress: [{}] },
      { podSelector: {}, ingress: [{ from: [] }], egress: [] },
      { podSelector: {}, egress: [{ ports: [{ port: 53 }, { protocol: 'UDP', port: 'dns' }] }] },
      { podSelector: { matchLabels: {} }, policyTypes: [] },
      { podSelector: {}, policyTypes: ['Egress'] },
      { podSelector: {}, policyTypes: ['Egress', 'Ingress'], egress: [{ to: [{ podSelector: {} }] }] },
      {
        podSelector: {},
        ingress: [
          { from: [{ namespaceSelector: {}, podSelector: {} }, { ipBlock: { cidr: '10.0.0.0/8', except: [] } }] },
        ],
      },
      { podSelector: {}, ingress: [{}] },
    ].map(raw);
    for (const [i, spec] of specs.entries()) {
      const manifest = {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'NetworkPolicy',
        metadata: { name: 'oracle', namespace: 'mt-dev' },
        spec,
      };
      await kubectl(cluster, ['create', '--validate=false', '-f', '-'], manifest);
      const expected = await specOf('mt-dev', 'oracle');
      await kubectl(cluster, ['delete', 'networkpolicy', '-n', 'mt-dev', 'oracle']);
      const target = scoped(snapshotOf({ 'mt-empty': {} }, [policy('mt-empty', 'p', spec)]));
      await mirror(target);
      assert.deepEqual(await specOf('mt-empty', 'p'), expected, `spec ${i}: ${JSON.stringify(spec)}`);
      assert.deepEqual((await planFor(target)).objects, [], `spec ${i}: ${JSON.stringify(spec)}`);
    }
  });

  test('foreign policies and labels stay, with their owner named; missing labels are added and released', async () => {
    const foreign = { ...policy('mt-dev', 'web'), apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy' };
    await kubectl(cluster, ['apply', '-f', '-'], foreign);
    try {
      const before = await visible();
      const labels = { team: 'prod', tier: '1', zone: 'x', 'pod-security.kubernetes.io/enforce': 'restricted' };
      const target = scoped(snapshotOf({ 'mt-dev': labels }, [policy('mt-dev', 'web', { ingress: [{}] })]));
      const plan = await planFor(target);
      assert.deepEqual(shown(plan), ['update mt-dev']);
      assert.deepEqual(
        plan.conflicts.map(({ kind, name, owner }) => `${kind} ${name}: ${owner}`),
        ['Namespace mt-dev: kubectl-client-side-apply', 'NetworkPolicy web: kubectl-client-side-apply'],
      );
      await applyPlan(client, plan, quietRun());
      assert.deepEqual(await labelsOf('mt-dev'), { [NAME_LABEL]: 'mt-dev', team: 'dev', tier: '1', zone: 'x' });
      assert.deepEqual((await planFor(target)).objects, []);
      assert.deepEqual(shown(await removeAll()), ['release mt-dev']);
      assert.deepEqual(await visible(), before);
    } finally {
      await kubectl(cluster, ['delete', 'networkpolicy', '-n', 'mt-dev', 'web']);
    }
  });

  test('what someone edited is not overwritten, and the server names them as well', async () => {
    const target = scoped(snapshotOf({ 'mt-shop': {} }, [ingressFrom('mt-shop', 'web', { podSelector: {} })]));
    const [, create] = (await planFor(target)).objects;
    await mirror(target);
    await kubectl(cluster, [
      'patch',
      'networkpolicy',
      '-n',
      'mt-shop',
      'web',
      '--type=merge',
      '-p',
      '{"spec":{"ingress":[{}]}}',
    ]);
    const plan = await planFor(target);
    assert.deepEqual(plan.objects, []);
    assert.equal(plan.conflicts[0]?.owner, 'kubectl-patch');
    assert.ok(create?.after);
    await assert.rejects(
      client.apply(create.after, { signal }),
      (error) =>
        error instanceof ParityError &&
        error.kind === 'refused' &&
        /spec\.ingress belongs to kubectl-patch/.test(error.message),
    );
  });

  test('a namespace of ours that is in use by now stays', async () => {
    await mirror(scoped(snapshotOf({ 'mt-used': { a: '1' } }, [policy('mt-used', 'deny')])));
    await kubectl(cluster, ['create', 'configmap', '-n', 'mt-used', 'mine']);
    const plan = await removeAll();
    assert.deepEqual(shown(plan), ['delete deny', 'release mt-used']);
    assert.match(plan.warnings.join(), /Namespace mt-used.*ConfigMap mine/);
    assert.deepEqual(await labelsOf('mt-used'), { [NAME_LABEL]: 'mt-used' });
    await kubectl(cluster, ['delete', 'namespace', 'mt-used']);
  });

  test('a policy that the server refuses is found before anything is written', async () => {
    const bad = policy('mt-new', 'bad', { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: 'nonsense' } }] }] });
    const target = scoped(snapshotOf({ 'mt-new': {} }, [policy('mt-new', 'good'), bad]));
    await assert.rejects(
      mirror(target),
      /^ParityError: NetworkPolicy mt-new\/bad: .*nonsense.* Nothing was changed\.$/s,
    );
    assert.deepEqual(await visible(), asBefore);
  });

  test('a failure in the middle rolls everything back: created, updated and labelled', async () => {
    const old = scoped(snapshotOf({ 'mt-dev': {} }, [policy('mt-dev', 'a')]));
    await mirror(old);
    const hard = { 'count/networkpolicies.networking.k8s.io': '2' };
    await kubectl(cluster, ['apply', '-f', '-'], {
      apiVersion: 'v1',
      kind: 'ResourceQuota',
      metadata: { name: 'few', namespace: 'mt-dev' },
      spec: { hard },
    });
    try {
      while (!(await kubectl(cluster, ['get', 'quota', '-n', 'mt-dev', 'few', '-o', 'jsonpath={.status.used}'])))
        await sleep(200);
      const before = await visible();
      const target = scoped(
        snapshotOf({ 'mt-dev': { zone: 'x' }, 'mt-new': { a: '1' } }, [
          ...['a', 'b', 'c'].map((name) => policy('mt-dev', name, { podSelector: {}, ingress: [{}] })),
        ]),
      );
      await assert.rejects(
        mirror(target),
        /^ParityError: NetworkPolicy mt-dev\/c: .*exceeded quota.* 4 changes were rolled back\.$/s,
      );
      assert.deepEqual(withoutGeneration(await visible()), withoutGeneration(before));
      assert.deepEqual((await planFor(old)).objects, [], 'what was rolled back is ours as before');
    } finally {
      await kubectl(cluster, ['delete', 'quota', '-n', 'mt-dev', 'few']);
    }
  });

  test('a cancel in the middle rolls back, deletions included', async () => {
    const namespaces = { 'mt-a': { x: '1' }, 'mt-b': {} };
    const old = scoped(snapshotOf(namespaces, [policy('mt-a', 'one'), policy('mt-b', 'two')]));
    await mirror(old);
    const target = scoped(snapshotOf({ 'mt-a': { x: '2' } }, [policy('mt-a', 'new')]));
    // Deletions come last: stop at the first write, after some deletions, and when a namespace is on its way out.
    for (const [line, rolledBack] of [
      ['updated Namespace mt-a', '1 change was'],
      ['deleted NetworkPolicy mt-b/two', '4 changes were'],
      ['deleted Namespace mt-b', '5 changes were'],
    ]) {
      const stop = new AbortController();
      // One more write to come, so that the last deletion isn't the end.
      const plan = await planFor(target);
      const more = {
        ...plan,
        objects: [
          ...plan.objects,
          ...(await planRemoval(await readLocalState(client, signal))).objects.filter(({ name }) => name === 'mt-a'),
        ],
      };
      const run = quietRun(stop.signal, (_level, message) => {
        if (message === line) stop.abort();
      });
      await assert.rejects(
        applyPlan(client, more, run),
        (error) =>
          error instanceof ParityError &&
          error.kind === 'cancelled' &&
          error.message === `Cancelled. ${rolledBack} rolled back.`,
      );
      assert.deepEqual((await planFor(old)).objects, [], `after a cancel at "${line}"`);
      assert.equal((await client.get(NAMESPACES, 'mt-b', undefined, signal))?.metadata.deletionTimestamp, undefined);
    }
  });

  test('a cancel before the first write says that nothing was changed', async () => {
    const stop = new AbortController();
    const run = quietRun(stop.signal, (_level, message) => {
      if (message.startsWith('dry run: create NetworkPolicy')) stop.abort();
    });
    const target = scoped(snapshotOf({ 'mt-a': {} }, [policy('mt-a', 'one')]));
    await assert.rejects(mirror(target, run), /^ParityError: Cancelled\. Nothing was changed\.$/);
    assert.deepEqual(await visible(), asBefore);
  });

  test('a foreign object that appeared since the plan is not touched', async () => {
    const target = scoped(snapshotOf({ 'mt-a': {} }, [policy('mt-a', 'one')]));
    const plan = await planFor(target);
    await kubectl(cluster, ['create', 'namespace', 'mt-a']);
    try {
      await assert.rejects(
        applyPlan(client, plan, quietRun()),
        /^ParityError: Namespace mt-a is there by now and belongs to kubectl-create\. Nothing was changed\.$/,
      );
      // Between dry run and write: the policy comes when the first write is done.
      const late = await planFor(scoped(snapshotOf({ 'mt-a': { x: '1' } }, [policy('mt-a', 'one')])));
      const theirs = { ...policy('mt-a', 'one'), apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy' };
      let created: Promise<string> | undefined;
      const run: Run = {
        ...quietRun(),
        async step(title, work) {
          if (title === 'Change the local cluster') created = kubectl(cluster, ['create', '-f', '-'], theirs);
          await created;
          return work(() => {});
        },
      };
      await assert.rejects(
        applyPlan(client, late, run),
        /^ParityError: NetworkPolicy mt-a\/one is there by now and belongs to kubectl-create\. 1 change was rolled back\.$/,
      );
      assert.deepEqual(await labelsOf('mt-a'), { [NAME_LABEL]: 'mt-a' });
      assert.ok(await specOf('mt-a', 'one'));
    } finally {
      await kubectl(cluster, ['delete', 'namespace', 'mt-a']);
    }
  });

  test('an apply is taken back to the letter, unless somebody changed its objects since', async () => {
    const said = async () =>
      [...(await client.list(NAMESPACES, signal)), ...(await client.list(NETWORK_POLICIES, signal))]
        .filter(({ metadata }) => !metadata.deletionTimestamp)
        .map(({ kind, metadata: { name, namespace, labels, annotations }, spec }) =>
          kind === 'Namespace'
            ? { kind, name, labels, annotations }
            : { kind, name, namespace, labels, annotations, spec },
        );
    const web = ingressFrom('mt-shop', 'web', { namespaceSelector: {} });
    await mirror(scoped(snapshotOf({ 'mt-shop': { team: 'a' }, 'mt-pay': {} }, [web, policy('mt-shop', 'deny')])));
    const first = await said();
    const second = scoped(
      snapshotOf({ 'mt-shop': { team: 'b' }, 'mt-dev': { added: 'x' } }, [
        ingressFrom('mt-shop', 'web'),
        policy('mt-dev', 'deny'),
      ]),
    );
    const { objects } = await planFor(second);
    await apply({ objects });
    assert.notDeepEqual(await said(), first);
    await kubectl(cluster, ['label', '--overwrite', 'networkpolicy', '-n', 'mt-dev', 'deny', 'clparity.dev/mirror=x']);
    const changed = await readLocalState(client, signal);
    assert.throws(() => planUndo(objects, changed), /NetworkPolicy mt-dev\/deny was changed since/);
    await kubectl(cluster, ['delete', 'networkpolicy', '-n', 'mt-dev', 'deny']);
    await mirror(second);
    const undo = planUndo(objects, await readLocalState(client, signal));
    await apply(undo);
    assert.deepEqual(await said(), first);
    assert.deepEqual(planUndo(objects, await readLocalState(client, signal)).objects, []);
  });

  test('a mapped namespace is mirrored under its local name, and selected by it', async () => {
    const byName = { namespaceSelector: { matchLabels: { [NAME_LABEL]: 'mt-prod' } } };
    const target = scoped(snapshotOf({ 'mt-prod': {} }, [ingressFrom('mt-prod', 'web', byName)]), {
      namespaceMap: { 'mt-prod': 'mt-dev' },
    });
    await mirror(target);
    assert.deepEqual(await specOf('mt-dev', 'web'), {
      podSelector: {},
      policyTypes: ['Ingress'],
      ingress: [{ from: [{ namespaceSelector: { matchLabels: { [NAME_LABEL]: 'mt-dev' } } }] }],
    });
    assert.equal(await client.get(NAMESPACES, 'mt-prod', undefined, signal), undefined);
  });
});

/** A rollback is a write, too: the server counts it, and a policy that was deleted is a new object. */
function withoutGeneration(objects: unknown): unknown {
  return (objects as { metadata: { generation?: number } }[]).map(({ metadata, ...rest }) => {
    const { generation: _generation, ...kept } = metadata;
    return { ...rest, metadata: kept };
  });
}
