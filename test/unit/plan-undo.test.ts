import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { forgetApply, lastApply, newestApply, recorded } from '../../src/apply/history.ts';
import { ParityError } from '../../src/host/errors.ts';
import type { LocalState, ObjectPlan, Plan } from '../../src/plan/model.ts';
import { FIELD_MANAGER } from '../../src/plan/ownership.ts';
import { partOf } from '../../src/plan/part.ts';
import { planObjects, planRemoval } from '../../src/plan/plan.ts';
import { planUndo } from '../../src/plan/undo.ts';
import { applied, ingressFrom, live, localOf, policy, scoped, snapshotOf } from './plan-world.ts';

const shown = ({ objects }: Pick<ObjectPlan, 'objects'>) => objects.map(({ action, name }) => `${action} ${name}`);
const first = scoped(
  snapshotOf({ shop: { team: 'a' }, pay: {} }, [ingressFrom('shop', 'web', {}), policy('shop', 'deny')]),
);
const second = scoped(snapshotOf({ shop: { team: 'b' } }, [ingressFrom('shop', 'web'), policy('shop', 'more')]));
const empty = localOf([live('Namespace', { name: 'dev', labels: { team: 'dev' } })]);

/** The state after a target was mirrored, and the plan that did it. */
function mirror(target: ReturnType<typeof scoped>, local: LocalState): { plan: ObjectPlan; after: LocalState } {
  const plan = planObjects(target, local);
  return { plan, after: applied(plan, local) };
}

const plain = ({ namespaces, policies }: LocalState) =>
  [...namespaces, ...policies].map(({ kind, metadata, spec }) => ({
    kind,
    name: metadata.name,
    namespace: metadata.namespace,
    labels: metadata.labels ?? {},
    annotations: metadata.annotations ?? {},
    spec,
  }));
const sorted = (state: LocalState) => plain(state).toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));

describe('undo', () => {
  test('a first apply is taken back, policies that allow after those that isolate', () => {
    const { plan, after } = mirror(first, empty);
    const undo = planUndo(plan.objects, after);
    assert.deepEqual(shown(undo), ['delete deny', 'delete web', 'delete shop', 'delete pay']);
    assert.deepEqual(sorted(applied(undo, after)), sorted(empty));
  });

  test('a second apply leaves what the first one made: created, changed, labelled and deleted alike', () => {
    const before = mirror(first, empty).after;
    const { plan, after } = mirror(second, before);
    assert.deepEqual(shown(plan), ['update shop', 'update web', 'create more', 'delete deny', 'delete pay']);
    const undo = planUndo(plan.objects, after);
    assert.deepEqual(sorted(applied(undo, after)), sorted(before));
    assert.deepEqual(shown(planUndo(plan.objects, before)), [], 'nothing is left to take back');
  });

  test("a removal is taken back, and a developer's own namespace gets our labels again", () => {
    const target = scoped(snapshotOf({ dev: { team: 'dev', tier: '1' } }, [policy('dev', 'deny')]));
    const before = mirror(target, empty).after;
    const removal = planRemoval(before);
    const gone = applied(removal, before);
    assert.deepEqual(sorted(applied(planUndo(removal.objects, gone), gone)), sorted(before));
  });

  test('an apply that was cut short is taken back as far as it got', () => {
    const { plan } = mirror(first, empty);
    const half = applied({ ...plan, objects: plan.objects.slice(0, 3) }, empty);
    assert.deepEqual(shown(planUndo(plan.objects, half)), ['delete web', 'delete shop', 'delete pay']);
  });

  test('what somebody changed or deleted since is named, and nothing is undone', () => {
    const { plan, after } = mirror(first, empty);
    const edited: LocalState = {
      ...after,
      policies: after.policies.map((p) => (p.metadata.name === 'web' ? { ...p, spec: { podSelector: {} } } : p)),
    };
    assert.throws(() => planUndo(plan.objects, edited), {
      kind: 'refused',
      message: "The last apply can't be undone: NetworkPolicy shop/web was changed since",
    });
    const { plan: later, after: last } = mirror(second, after);
    const without = { ...last, policies: last.policies.filter(({ metadata }) => metadata.name !== 'web') };
    assert.throws(() => planUndo(later.objects, without), /NetworkPolicy shop\/web is gone since/);
  });

  test('a namespace that is in use by now stays, without our labels', () => {
    const { plan, after } = mirror(first, empty);
    const used = { ...after, occupants: new Map([['shop', ['Pod mine']]]) };
    const undo = planUndo(plan.objects, used);
    assert.deepEqual(shown(undo), ['delete deny', 'delete web', 'release shop', 'delete pay']);
    assert.match(undo.warnings.join(), /shop was made by us but stays, since it holds Pod mine/);
    assert.equal(
      after.namespaces.find(({ metadata }) => metadata.name === 'shop')?.metadata.managedFields?.[0]?.manager,
      FIELD_MANAGER,
    );
  });
});

describe('part of a plan', () => {
  const whole: Plan = {
    ...planObjects(first, empty),
    cluster: 'kind:dev',
    target: 'prod',
    images: [{ reference: 'base:3', digest: 'sha256:1', nodes: ['a'] }],
  };

  test('everything, or one thing less', () => {
    assert.deepEqual(
      partOf(whole, () => true),
      whole,
    );
    const { images, objects } = partOf(whole, (change) => !('nodes' in change));
    assert.deepEqual([images.length, objects.length], [0, 4]);
    assert.deepEqual(shown(partOf(whole, (c) => 'nodes' in c || c.name !== 'deny')), [
      'create pay',
      'create shop',
      'create web',
    ]);
  });

  test('nothing goes into a namespace that is not made', () => {
    assert.deepEqual(shown(partOf(whole, (c) => 'nodes' in c || c.name !== 'shop')), ['create pay']);
  });

  test('a namespace stays while a policy in it does', () => {
    const { after } = mirror(first, empty);
    const removal: Plan = { ...whole, ...planRemoval(after) };
    assert.deepEqual(shown(partOf(removal, (c) => 'nodes' in c || c.name !== 'web')), ['delete deny', 'delete pay']);
  });
});

describe('the record of an apply', () => {
  const { plan } = mirror(first, empty);
  const of = (cluster: string) => ({ cluster, target: 'prod', objects: plan.objects });

  test('is one a cluster, stays when a later apply fails, and says nothing of an apply without changes', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'clparity-undo-'));
    try {
      assert.equal(await lastApply(folder, 'kind:dev'), undefined);
      assert.equal(await recorded(folder, of('kind:dev'), async () => 1), 1);
      assert.deepEqual((await lastApply(folder, 'kind:dev'))?.objects, plan.objects);
      assert.equal(await lastApply(folder, 'kind:other'), undefined);
      await assert.rejects(
        recorded(folder, { ...of('kind:dev'), target: 'later' }, () => Promise.reject(new Error('broken'))),
        /broken/,
      );
      await recorded(folder, { ...of('kind:dev'), target: 'later', objects: [] }, async () => 1);
      assert.equal((await lastApply(folder, 'kind:dev'))?.target, 'prod');
      await assert.rejects(recorded(folder, of('kind:other'), () => Promise.reject(new Error('broken'))));
      assert.equal(await lastApply(folder, 'kind:other'), undefined);
      const gone = { action: 'remove', reference: 'base:3', digest: 'sha256:1', nodes: ['a'] } as const;
      await recorded(folder, { ...of('kind:dev'), images: [gone] }, async () => 1);
      assert.deepEqual((await lastApply(folder, 'kind:dev'))?.unloaded, ['base:3'], 'what an undo does not bring back');
      await forgetApply(folder, 'kind:dev');
      assert.equal(await lastApply(folder, 'kind:dev'), undefined);
      assert.deepEqual((await readdir(join(folder, '.clparity'))).toSorted(), ['.gitignore', 'applied']);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  test('the newest of all clusters is found, by its prefix too, and none where that is not clear', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'clparity-undo-'));
    t.mock.timers.enable({ apis: ['Date'] });
    const newest = async (prefix = '') => (await newestApply(folder, prefix))?.cluster;
    const apply = async (place: string, ms = 1000) => {
      t.mock.timers.tick(ms);
      await recorded(folder, of(place), async () => 1);
    };
    try {
      assert.equal(await newest(), undefined);
      for (const place of ['kind:a', 'remote:x/y', 'kind:b/dev1-*', 'kind:a']) await apply(place);
      assert.deepEqual(
        [await newest(), await newest('dev1-'), await newest('dev2-')],
        ['kind:a', 'kind:b/dev1-*', undefined],
      );
      await apply('kind:c', 0);
      assert.equal(await newest(), undefined, 'of the same moment');
      await apply('kind:c');
      assert.equal(await newest(), 'kind:c');
      await writeFile(join(folder, '.clparity', 'applied', 'kind%3Aa.json'), '{');
      assert.equal(await newest(), undefined, 'a damaged one may be newer');
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  test('a disk that fails in the middle hides not what became of the apply', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'clparity-undo-'));
    const records = join(folder, '.clparity', 'applied');
    try {
      await recorded(folder, of('kind:dev'), async () => 1);
      const failing = async () => {
        await rm(records, { recursive: true });
        await writeFile(records, '');
        throw new ParityError('refused', 'It belongs to Argo. 2 changes were rolled back.', { action: 'Ask.' });
      };
      await assert.rejects(recorded(folder, of('kind:dev'), failing), {
        kind: 'refused',
        message: /^It belongs to Argo\. 2 changes were rolled back\. Its record, .* stays: .*applied/,
        action: 'Ask.',
      });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
