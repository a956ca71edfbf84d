import assert from 'node:assert/strict';
import { test } from 'node:test';
import { counted } from '../../src/host/counted.ts';
import { formsText } from '../../src/plan/fidelity-text.ts';
import { targetFindings, verifyFindings } from '../../src/report/findings.ts';
import { itemsText } from '../../src/report/grid.ts';
import { policyFindings } from '../../src/report/policy-findings.ts';
import { renderText } from '../../src/report/text.ts';
import { countsText, snapshotCounts } from '../../src/snapshot/counts.ts';
import { policy, snapshotOf } from './plan-world.ts';
import { sampleReport } from './report-sample.ts';

/** Nouns in the plural, as they stand behind a one. */
const PLURAL_OF_ONE =
  /\b1 (?:probed |network )?(?:policies|namespaces|workloads|services|nodes|connections|changes|groups|pairs)\b/;

test('one of a kind is said in the singular, in reports and of a snapshot', () => {
  assert.deepEqual([counted(1, 'policy', 'policies'), counted(0, 'policy', 'policies')], ['1 policy', '0 policies']);
  const one = snapshotOf({ shop: {} }, [policy('shop', 'web')]);
  assert.match(countsText(snapshotCounts(one)), /^1 policy, 1 namespace, 0 workloads, 0 services, \d nodes?$/);
  const { verify, ...report } = sampleReport([], { measured: 'allowed', because: [] }, 1);
  assert.ok(verify);
  const fidelity = [
    { policy: 'p', fidelity: 'exact', objects: ['p'], verbatim: true, notes: [] },
  ] as unknown as Parameters<typeof policyFindings>[0]['fidelity'];
  const target = { otherPolicies: [], leftOut: [] };
  const object = { action: 'create', apiVersion: 'v1', kind: 'Namespace', name: 'shop' };
  const objects = [object] as unknown as Parameters<typeof policyFindings>[0]['objects'];
  const plan = { conflicts: [], unchanged: 1, fidelity };
  const findings = [
    ...targetFindings(one),
    ...verifyFindings(verify),
    ...verifyFindings({ ...verify, differences: [] }),
    ...policyFindings({ ...plan, objects: [] }, target),
    ...policyFindings({ ...plan, objects }, target),
  ];
  const lines = findings.flatMap(({ title, evidence }) => [title, ...evidence]).join('\n');
  assert.doesNotMatch(lines, PLURAL_OF_ONE);
  for (const text of [
    '1 namespace, 0 workloads, 1 network policy',
    'The 1 probed connection differs from the target',
    'The 1 probed connection behaves as at the target',
    '1 namespace or policy is as at the target',
    '1 namespace or policy is not as at the target',
    '1 of 1 policy allows exactly what it does at the target',
  ]) {
    assert.ok(lines.includes(text), `${text}\nin\n${lines}`);
  }
  assert.match(renderText({ ...report, verify }, false), /\n1 change:\n/);
  assert.match(formsText(fidelity) ?? '', /^Policies: 1 as it is, 0 translated/);
  assert.deepEqual(
    [itemsText(1, true), itemsText(1, false), itemsText(2, false)],
    ['1 namespace', '1 group of pods', '2 groups of pods'],
  );
});
