import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ParityError } from '../../src/host/errors.ts';
import type { ImageLock, NodeImage } from '../../src/image/model.ts';
import {
  imageFindings,
  makeReport,
  nodeFindings,
  policyFindings,
  targetFindings,
  verifyFindings,
} from '../../src/report/findings.ts';
import { renderMarkdown } from '../../src/report/markdown.ts';
import type { Report } from '../../src/report/model.ts';
import { keptReports, lastReport, reportOf, saveReport } from '../../src/report/store.ts';
import { renderText } from '../../src/report/text.ts';
import type { Snapshot } from '../../src/snapshot/model.ts';
import type { VerifyResult } from '../../src/verify/model.ts';

const verified: VerifyResult = {
  enforcement: { enforced: true, evidence: ['a default deny stopped TCP 80'] },
  differences: [],
  byScope: [],
  counts: { TCP: { probed: 10, agreed: 10 }, UDP: { probed: 2, agreed: 2 }, SCTP: { probed: 0, agreed: 0 } },
  standIns: ['shop/Deployment/web'],
  ownPods: [],
  notProbed: [],
  left: [],
};

const lock: ImageLock = {
  reference: 'registry.example/base:3.0',
  repository: 'registry.example/base',
  tag: '3.0',
  digest: `sha256:${'a'.repeat(64)}`,
  platform: 'linux/amd64',
  manifestDigest: `sha256:${'b'.repeat(64)}`,
  configDigest: `sha256:${'c'.repeat(64)}`,
  diffIds: ['sha256:1', 'sha256:2'],
  size: 1,
  resolvedAt: '2026-01-01T00:00:00Z',
  manifest: '{}',
  index: '{}',
  origin: 'registry',
};

function report(over: Partial<Report> = {}): Report {
  const base = {
    target: 'prod',
    cluster: 'kind:dev',
    createdAt: '2026-01-01T00:00:00.000Z',
    changes: [],
    verify: verified,
  };
  return makeReport({ ...base, findings: verifyFindings(verified), ...over });
}

test('equal only when nothing differs and nothing of ours is unknown', () => {
  assert.equal(report().equal, true);
  for (const state of ['differs', 'unknown'] as const) {
    const findings = [...verifyFindings(verified), { layer: 'policies' as const, state, title: 't', evidence: [] }];
    assert.equal(report({ findings }).equal, false, state);
  }
  const cannot = { layer: 'node OS' as const, state: 'cannot' as const, title: 't', evidence: [] };
  assert.equal(report({ findings: [...verifyFindings(verified), cannot] }).equal, true);
});

test('a cluster that enforces nothing is never equal, and it is said in capitals', () => {
  const open = { ...verified, enforcement: { enforced: false, evidence: ['everything passed'] } };
  const value = report({ findings: verifyFindings(open), verify: open });
  assert.equal(value.equal, false);
  assert.match(renderMarkdown(value), /NOTHING ENFORCES/);
  assert.ok(renderText(value, true).includes('\u001b[31m! enforcement'));
});

test('what a narrowed scope makes different is named, and never called everything', () => {
  const left = { from: 'a/Pod/x', to: 'b/Pod/y', protocol: 'TCP' as const, port: 80, because: [] };
  const byScope = [{ ...left, expected: 'denied' as const, measured: 'allowed' as const }];
  const value = report({ findings: verifyFindings({ ...verified, byScope }) });
  assert.equal(value.equal, true);
  assert.match(renderText(value, false), /a\/Pod\/x to b\/Pod\/y TCP 80: denied at the target, allowed here/);
  assert.match(renderMarkdown(value), /Equal in what was chosen/);
  assert.doesNotMatch(renderMarkdown(value), /everything/);
});

test('no probe at all is unknown, not equal', () => {
  const none = {
    ...verified,
    counts: { TCP: { probed: 0, agreed: 0 }, UDP: { probed: 0, agreed: 0 }, SCTP: { probed: 0, agreed: 0 } },
  };
  assert.equal(report({ findings: verifyFindings(none) }).equal, false);
});

test("the image is equal only under production's digest with the same layers on every node", () => {
  const name = `${lock.repository}@${lock.digest}`;
  const good: NodeImage = { node: 'n', state: 'loaded', names: [name], diffIds: lock.diffIds };
  const state = (nodes: string[], images: NodeImage[]) => imageFindings(lock, nodes, images, 'facts')[0]?.state;
  assert.equal(state(['n'], [good]), 'equal');
  assert.equal(state(['n', 'm'], [good]), 'differs');
  assert.equal(state(['n'], [{ ...good, names: [lock.reference] }]), 'differs');
  assert.equal(state(['n'], [{ ...good, diffIds: ['sha256:1'] }]), 'differs');
});

test('target policies that could not be read make the policies unknown', () => {
  const snapshot = {
    source: { kind: 'context', name: 'prod' },
    engine: { name: 'unknown', evidence: [] },
    namespaces: [],
    workloads: [],
    policies: [],
    gaps: [{ resource: 'networkpolicies.networking.k8s.io', reason: 'forbidden', message: '403' }],
  } as unknown as Snapshot;
  const [, gap] = targetFindings(snapshot);
  assert.equal(gap?.layer, 'policies');
  assert.equal(
    makeReport({ target: '', cluster: '', createdAt: '', changes: [], findings: targetFindings(snapshot) }).equal,
    false,
  );
});

test('conflicts and kinds that are not mirrored are differences, what the user left out is not', () => {
  const plan = { objects: [], conflicts: [], unchanged: 3, fidelity: [] };
  const whole = { otherPolicies: [], leftOut: ['kube-system: left out'] };
  assert.deepEqual(
    policyFindings(plan, whole).map((f) => f.state),
    ['equal', 'skipped'],
  );
  const id = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', namespace: 'a', name: 'b' };
  const conflict = { ...id, owner: 'helm', message: 'm' };
  const refused = policyFindings({ ...plan, conflicts: [conflict] }, whole);
  assert.ok(refused.some((f) => f.state === 'differs' && f.title.includes('helm')));
  const other = { otherPolicies: [{ group: 'cilium.io', kind: 'CiliumNetworkPolicy', count: 3 }], leftOut: [] };
  assert.ok(policyFindings(plan, other).some((f) => f.state === 'differs' && f.title.includes('3 objects')));
});

test('node architectures that this cluster lacks are named', () => {
  const findings = nodeFindings(
    [{ name: 'a', architecture: 'arm64', addresses: [] }],
    [{ name: 'b', architecture: 'amd64', addresses: [] }],
  );
  assert.match(findings.map((f) => f.title).join('\n'), /arm64/);
});

test('text from a target cannot become markup', () => {
  const evil = '| a](http://x) <script>\n# b';
  const value = report({ findings: [{ layer: 'target', state: 'equal', title: evil, evidence: [evil] }] });
  const markdown = renderMarkdown(value);
  assert.ok(!markdown.includes('<script>'));
  assert.ok(!/^# b/m.test(markdown));
  assert.ok(!/[^\\]\]\(http/.test(markdown));
});

test('differences name connection, rule and line', () => {
  const because = [
    { text: 'denied by default-deny', source: { object: 'NetworkPolicy a/d', file: 'p.yaml', line: 7 } },
  ];
  const differences = [
    {
      from: 'a/Pod/x',
      to: 'a/Pod/y',
      protocol: 'TCP' as const,
      port: 80,
      expected: 'denied' as const,
      measured: 'allowed' as const,
      because,
    },
  ];
  const value = report({
    verify: { ...verified, differences },
    findings: verifyFindings({ ...verified, differences }),
  });
  assert.equal(value.equal, false);
  for (const text of [renderMarkdown(value), renderText(value, false)]) {
    assert.match(text, /a\/Pod\/x/);
    assert.match(text, /p\.yaml:7/);
  }
});

test('the text says when the report was made', () => {
  assert.match(renderText(report(), false), /^Made 2026-01-01T00:00:00\.000Z$/m);
});

test('the last report of each target and cluster is kept, and one of an older layout is still read', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'clparity-'));
  try {
    const of = (target: string, cluster: string, day: number) => ({
      ...report(),
      target,
      cluster,
      createdAt: `2026-01-0${day}T00:00:00.000Z`,
    });
    const [a, b, newer] = [of('aks/x', 'kind:a', 1), of('aks/x', 'kind:b', 2), of('aks/x', 'kind:a', 3)];
    for (const one of [a, b, newer]) await saveReport(folder, one);
    assert.deepEqual(await keptReports(folder), [newer, b]);
    assert.deepEqual(await reportOf(folder, { cluster: 'kind:b' }), b);
    assert.deepEqual(await reportOf(folder, {}), newer);
    await assert.rejects(
      reportOf(folder, { target: 'other' }),
      (error) => error instanceof ParityError && /aks\/x with kind:b/.test(error.action ?? ''),
    );
    await rm(join(folder, '.clparity', 'reports'), { recursive: true });
    assert.deepEqual(await keptReports(folder), [newer]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('the last report is kept in the folder, ignored by git, and a foreign file is refused', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'clparity-'));
  try {
    await assert.rejects(lastReport(folder), /no report/);
    const file = await saveReport(folder, report());
    assert.deepEqual(await lastReport(folder), report());
    assert.equal(await readFile(join(folder, '.clparity', '.gitignore'), 'utf8'), '*\n');
    await writeFile(file, '{"schema":"other"}');
    await assert.rejects(lastReport(folder), /not a report of this version/);
    await writeFile(file, '{');
    await assert.rejects(lastReport(folder), /can't be read/);
  } finally {
    await rm(folder, { recursive: true });
  }
});
