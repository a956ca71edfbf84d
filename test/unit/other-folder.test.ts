import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { recorded } from '../../src/apply/history.ts';
import { fromOtherFolder } from '../../src/apply/other-folder.ts';
import { signatureOf } from '../../src/plan/ownership.ts';
import { planObjects } from '../../src/plan/plan.ts';
import { makeReport } from '../../src/report/findings.ts';
import { saveReport } from '../../src/report/store.ts';
import { applied, localOf, policy, scoped, snapshotOf } from './plan-world.ts';

const signature = signatureOf('');
const cluster = 'kind:dev';
const files = (name: string) => ({ source: { kind: 'files' as const, name } });
const target = (name: string, policies: readonly string[]) =>
  snapshotOf(
    { shop: {} },
    policies.map((p) => policy('shop', p)),
    files(name),
  );
/** The cluster after a sync of such a target. */
const after = (name: string, policies: readonly string[], before = localOf([])) =>
  applied(planObjects(scoped(target(name, policies)), before), before);

test('what another folder mirrored under the same name is not cleared away in silence', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'clparity-'));
  try {
    const warningsOf = (name: string, policies: readonly string[], local = localOf([])) => {
      const { objects } = planObjects(scoped(target(name, policies)), local);
      return fromOtherFolder(folder, { cluster, objects }, files(name).source, signature);
    };
    const theirs = after('./k8s', ['theirs']);
    const [warning = '', ...more] = await warningsOf('./k8s', ['mine'], theirs);
    assert.match(warning, /what no run in .* has left in kind:dev: NetworkPolicy shop\/theirs\. If another project/);
    assert.ok(warning.includes(folder) && warning.includes('./k8s') && more.length === 0);
    assert.deepEqual(await warningsOf('./k8s', ['theirs', 'mine'], theirs), [], 'nothing goes');
    assert.deepEqual(
      await warningsOf('/srv/k8s', ['mine'], after('/srv/k8s', ['old'])),
      [],
      'a full path is one place',
    );
    assert.deepEqual(
      await warningsOf('./k8s', ['mine'], after('./other', ['old'])),
      [],
      'another name has its own words',
    );

    // What this folder's last run left there is its own to take away, and nothing that came later.
    const report = makeReport({ target: './k8s', cluster, createdAt: '2026-01-01', findings: [], changes: [] });
    const then = snapshotOf({ shop: {} }, [policy('shop', 'old')]);
    await saveReport(folder, report, target('./k8s', ['old']), then);
    const both = after('./k8s', ['old', 'theirs']);
    assert.match((await warningsOf('./k8s', ['mine'], both)).join(), /kind:dev: NetworkPolicy shop\/theirs\. If/);
    assert.deepEqual(await warningsOf('./k8s', ['mine'], after('./k8s', ['old'])), []);

    // As is what an apply made that ended before its report.
    const { objects } = planObjects(scoped(target('./k8s', ['old', 'theirs'])), after('./k8s', ['old']));
    await recorded(folder, { cluster, target: './k8s', objects }, async () => {});
    assert.deepEqual(await warningsOf('./k8s', ['mine'], both), []);
  } finally {
    await rm(folder, { recursive: true });
  }
});
