import assert from 'node:assert/strict';
import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { drift } from '../../src/changes.ts';
import { noteOthers } from '../../src/drift/local.ts';
import type { Drift } from '../../src/drift/model.ts';
import { asReported } from '../../src/drift/reported.ts';
import { localDrift, targetDrift } from '../../src/drift/sides.ts';
import { driftMarkdown, driftText } from '../../src/drift/text.ts';
import { watchDrift } from '../../src/drift/watch.ts';
import { localHost } from '../../src/host/local.ts';
import { quietRun } from '../../src/host/run.ts';
import { signatureOf } from '../../src/plan/ownership.ts';
import { makeReport } from '../../src/report/findings.ts';
import { lastDrift, saveReport } from '../../src/report/store.ts';
import { DEFAULT_SETTINGS } from '../../src/settings.ts';
import { readTarget } from '../../src/snapshot/files.ts';
import type { PolicyObject } from '../../src/snapshot/model.ts';
import { ingressFrom, policy, snapshotOf } from './plan-world.ts';

const scope = DEFAULT_SETTINGS;
const workload = (name: string) => ({
  ...{ namespace: 'shop', kind: 'Pod', name, labels: { app: name }, serviceAccount: 'default', hostNetwork: false },
  ...{ ports: [], images: [{ container: 'c', image: `${name}:1` }], pods: [] },
});
const before = snapshotOf({ shop: { team: 'a' } }, [policy('shop', 'deny')], {
  workloads: [workload('web'), workload('db')],
});

describe('drift', () => {
  test('nothing has moved where everything is as it was, in system namespaces too', () => {
    assert.deepEqual(targetDrift(before, before, scope), { state: 'same' });
    const system = {
      ...before,
      policies: [...before.policies, { ...policy('kube-system', 'x'), apiVersion: 'v1', kind: 'NetworkPolicy' }],
    };
    assert.deepEqual(targetDrift(before, system, scope), { state: 'same' });
  });

  test('a policy that lets more through shows as the connections that it opens', () => {
    const open = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', ...ingressFrom('shop', 'open', {}) };
    const denied = {
      ...before,
      policies: before.policies.map((p) => ({ ...p, spec: { podSelector: {}, policyTypes: ['Ingress'] } })),
    };
    const { diff } = targetDrift(
      denied,
      { ...denied, policies: [...denied.policies, { ...open, spec: { podSelector: {}, ingress: [{}] } }] },
      scope,
    );
    assert.deepEqual(diff?.policies.added, ['NetworkPolicy shop/open']);
    assert.ok(diff?.connections.every(({ state }) => state === 'added'));
    assert.ok((diff?.connections.length ?? 0) > 0);
  });

  test('at the target a new image counts, here what the developer runs does not', () => {
    const now = { ...before, workloads: [...before.workloads, workload('mine')] };
    assert.deepEqual(targetDrift(before, now, scope).diff?.workloads.added, ['shop/Pod/mine']);
    assert.deepEqual(localDrift(before, now, scope), { state: 'same' });
    const namespace = { ...before, namespaces: [...before.namespaces, { name: 'mine', labels: {} }] };
    assert.deepEqual(localDrift(before, namespace, scope), { state: 'same' });
  });

  test('here a policy that is gone and a label that was changed count', () => {
    const bare = localDrift(before, { ...before, policies: [] }, scope);
    assert.deepEqual(bare.diff?.policies.removed, ['NetworkPolicy shop/deny']);
    assert.ok((bare.diff?.connections.length ?? 0) > 0);
    const relabelled = localDrift(before, { ...before, namespaces: [{ name: 'shop', labels: { team: 'b' } }] }, scope);
    assert.deepEqual(relabelled.diff?.namespaces.changed, ['shop']);
  });

  test('in a shared cluster what other mirrors do does not count, and what becomes of the own one does', () => {
    const wide = (prefix: string): PolicyObject => ({
      apiVersion: 'cilium.io/v2',
      kind: 'CiliumClusterwideNetworkPolicy',
      metadata: { name: `${prefix}wide`, labels: { [signatureOf(prefix).mirror]: 'prod' } },
      spec: { endpointSelector: {} },
    });
    const here = snapshotOf({ 'dev1-shop': {}, 'dev2-shop': {} }, [policy('dev1-shop', 'p'), policy('dev2-shop', 'p')]);
    const both = { ...here, policies: [...here.policies, wide('dev1-'), wide('dev2-')] };
    const left = (prefix: string) => ({
      ...both,
      namespaces: both.namespaces.filter(({ name }) => name.startsWith(prefix)),
      policies: both.policies.filter(({ metadata }) => `${metadata.namespace}${metadata.name}`.includes(prefix)),
    });
    const own = { ...scope, namespacePrefix: 'dev1-' };
    assert.deepEqual(localDrift(both, left('dev1-'), own), { state: 'same' });
    assert.equal(localDrift(both, left('dev2-'), own).diff?.policies.removed.length, 2);
    const some = { ...own, namespaces: ['shop'] };
    assert.equal(localDrift(both, left('dev2-'), some).diff?.policies.removed.length, 2, 'by the name at the target');
  });
});

test('a report stands no more where another target was mirrored in its place, and does elsewhere', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'clparity-drift-'));
  const pair = (target: string, cluster: string) => ({ target, cluster });
  const keep = (of: { target: string; cluster: string }) =>
    saveReport(folder, makeReport({ ...of, createdAt: '', findings: [], changes: [] }), before, before);
  const here = { ...before, policies: [] };
  try {
    for (const one of [pair('prod', 'kind:a'), pair('prod', 'kind:b'), pair('staging', 'kind:a')]) await keep(one);
    await keep(pair('damaged', 'kind:a'));
    const reports = join(folder, '.clparity', 'reports');
    const damaged = (await readdir(reports)).find((name) => name.startsWith('damaged')) ?? '';
    await writeFile(join(reports, damaged, 'report.json'), '{');
    const warnings: string[] = [];
    const run = quietRun(undefined, (_level, text) => warnings.push(text));
    await noteOthers(run, { folder, settings: DEFAULT_SETTINGS }, pair('staging', 'kind:a'), here);
    const states = async (of: { target: string; cluster: string }) => (await lastDrift(folder, of))?.local.state;
    assert.deepEqual(
      [
        await states(pair('prod', 'kind:a')),
        await states(pair('prod', 'kind:b')),
        await states(pair('staging', 'kind:a')),
      ],
      ['moved', undefined, undefined],
    );
    assert.match(warnings.join('\n'), /^\S+\/damaged\S+ can't be read: .*Delete it[^\n]*$/);
  } finally {
    await rm(folder, { recursive: true });
  }
});

/** A project whose last report is about a folder of manifests and a cluster that nobody can reach. */
async function withProject(
  work: (folder: string, project: Parameters<typeof drift>[1]) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'clparity-drift-'));
  const host = { ...localHost(), env: { DOCKER_HOST: 'unix:///nowhere/docker.sock' } };
  const settings = { ...DEFAULT_SETTINGS, snapshot: 'shop', cluster: 'kind:none' };
  try {
    await cp('test/fixtures/shop', join(folder, 'shop'), { recursive: true });
    const target = await readTarget('shop', quietRun(), folder);
    const report = makeReport({
      target: 'shop',
      cluster: 'kind:none',
      createdAt: '2026-01-01T00:00:00Z',
      findings: [],
      changes: [],
    });
    await saveReport(folder, report, target, before);
    await work(folder, { host, folder, settings });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const OPEN =
  'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: open, namespace: shop-web}\nspec: {podSelector: {}, ingress: [{}]}\n';

describe('drift of a project', () => {
  test('a side that cannot be reached is unknown, and says why; the other is compared all the same', async () => {
    await withProject(async (folder, project) => {
      const same = await drift(quietRun(), project);
      assert.equal(same.target.state, 'same');
      assert.equal(same.local.state, 'unknown');
      assert.match(same.local.reason ?? '', /nowhere/);
      await writeFile(join(folder, 'shop', 'open.yaml'), OPEN);
      const moved = await drift(quietRun(), project);
      assert.deepEqual(moved.target.diff?.policies.added, ['NetworkPolicy shop-web/open']);
      assert.ok((moved.target.diff?.connections.length ?? 0) > 0);
      assert.deepEqual(await lastDrift(folder), moved);
      assert.match(
        driftText(moved),
        /! The target since its snapshot:\n.*connections.*\n[\s\S]*\? The local cluster since the apply: unknown/,
      );
      assert.match(driftMarkdown(moved), /^# The target since its snapshot$[\s\S]*^## shop against shop$/m);
    });
  });

  test('a report about another target is not compared with this one', async () => {
    await withProject(async (folder, project) => {
      await cp(join(folder, 'shop'), join(folder, 'other'), { recursive: true });
      const other = drift(quietRun(), { ...project, settings: { ...project.settings, snapshot: 'other' } });
      await assert.rejects(other, { message: /no report of target other/, action: /It has shop with kind:none/ });
    });
  });

  test('what is not chosen is what the last report is about', async () => {
    await withProject(async (_folder, project) => {
      const { snapshot: _snapshot, cluster: _cluster, ...settings } = project.settings;
      const found = await drift(quietRun(), { ...project, settings });
      assert.equal(found.target.state, 'same');
      assert.match(found.local.reason ?? '', /nowhere/);
    });
  });

  test('the file that a snapshot was read from is looked at, not the cluster that it was taken of', async () => {
    await withProject(async (folder, { settings, ...project }) => {
      const taken = { ...before, source: { kind: 'context', name: 'prod' } } as const;
      const report = { target: 'prod', cluster: 'remote:arn:aws:eks/x/dev1-*', readFrom: 'prod.yaml', createdAt: '' };
      await saveReport(folder, makeReport({ ...report, findings: [], changes: [] }), taken, before);
      const { snapshot: _snapshot, cluster: _cluster, ...open } = settings;
      const chosen = await asReported({ ...project, folder, settings: { ...open, namespacePrefix: 'dev1-' } });
      assert.deepEqual(
        [chosen.settings.snapshot, chosen.settings.context, chosen.settings.cluster],
        ['prod.yaml', undefined, 'remote:arn:aws:eks/x'],
      );
    });
  });

  test('watched, it tells again when a file changes, and ends when it is told to', async () => {
    await withProject(async (folder, project) => {
      const end = new AbortController();
      const seen: Drift[] = [];
      let told = Promise.withResolvers<void>();
      const onDrift = (found: Drift) => {
        seen.push(found);
        told.resolve();
      };
      const watching = watchDrift(quietRun(end.signal), project, onDrift, { settle: 10, between: 10 });
      await told.promise;
      assert.equal(seen[0]?.target.state, 'same');
      told = Promise.withResolvers();
      await sleep(100);
      assert.equal(seen.length, 1, 'nothing is looked at while nothing changes');
      await writeFile(join(folder, 'shop', 'open.yaml'), OPEN);
      while (seen.at(-1)?.target.state !== 'moved') {
        await told.promise;
        told = Promise.withResolvers();
      }
      end.abort();
      await watching;
    });
  });

  test('watching ends with the failure where a comparison fails, and watches nothing any more', {
    timeout: 20_000,
  }, async () => {
    await withProject(async (folder, project) => {
      const told = Promise.withResolvers<void>();
      const pace = { settle: 10, between: 10 };
      const watching = watchDrift(quietRun(), project, () => told.resolve(), pace);
      await told.promise;
      await rm(join(folder, '.clparity'), { recursive: true });
      await writeFile(join(folder, 'shop', 'open.yaml'), OPEN);
      await assert.rejects(watching, /There is no report of target shop/);
    });
  });
});
