import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Drift } from '../../src/drift/model.ts';
import { ParityError } from '../../src/host/errors.ts';
import type { ImageLock, NodeImage } from '../../src/image/model.ts';
import { overview } from '../../src/overview.ts';
import { chosenPair } from '../../src/plan/place.ts';
import {
  imageFindings,
  leftOutFindings,
  makeReport,
  nodeFindings,
  targetFindings,
  verifyFindings,
} from '../../src/report/findings.ts';
import { headlineHtml, reportPage } from '../../src/report/html.ts';
import { renderMarkdown } from '../../src/report/markdown.ts';
import type { Report } from '../../src/report/model.ts';
import { keptPairs } from '../../src/report/pairs.ts';
import { foreignFindings, policyFindings } from '../../src/report/policy-findings.ts';
import {
  keptReports,
  lastDrift,
  lastLocal,
  lastReport,
  lastTarget,
  reportIfAny,
  saveDrift,
  saveReport,
} from '../../src/report/store.ts';
import { reportSummary, standingOf } from '../../src/report/summary.ts';
import { renderText } from '../../src/report/text.ts';
import { DEFAULT_SETTINGS, type Settings } from '../../src/settings.ts';
import type { Snapshot } from '../../src/snapshot/model.ts';
import type { KubeObject } from '../../src/target/rest.ts';
import type { VerifyResult } from '../../src/verify/model.ts';
import { snapshotOf } from './plan-world.ts';

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

test('what is only named counts nowhere: verdict, headline and summary agree', () => {
  const named = (['target', 'Dockerfiles'] as const).map((layer) => ({
    layer,
    ...{ state: 'unknown' as const, title: `${layer}?`, evidence: [] },
  }));
  const parts = {
    target: 'prod',
    cluster: 'kind:dev',
    createdAt: '2026-01-01T00:00:00Z',
    changes: [],
    verify: verified,
  };
  const equal = makeReport({ ...parts, findings: named });
  assert.equal(equal.equal, true);
  assert.equal(reportSummary(equal).open, 0);
  const open = { layer: 'policies', state: 'unknown', title: 'p?', evidence: [] } as const;
  const report = makeReport({ ...parts, findings: [...named, open] });
  assert.deepEqual(reportSummary(report), { ...reportSummary(equal), equal: false, open: 1, first: 'p?' });
  assert.match(renderText(report, false), /Not equal: 1 unknown\.$/);
});

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

test('what no packet was sent for is never called equal, and what was left out is named', async () => {
  const mirrored = { target: 'prod', cluster: 'kind:dev', createdAt: '2026-01-01T00:00:00Z', changes: [] };
  const value = makeReport({ ...mirrored, findings: leftOutFindings('mirror', true) });
  assert.deepEqual([value.equal, standingOf(reportSummary(value))], [false, 'unproven']);
  assert.ok(renderText(value, true).includes('\u001b[33mAs at the target as far as was compared; not proven'));
  const page = await reportPage(value, undefined, AbortSignal.timeout(60_000));
  for (const text of [renderMarkdown(value), renderText(value, false), page, headlineHtml(value)]) {
    assert.match(text, /not proven: no packet was sent/);
    assert.doesNotMatch(text, /\bEqual\b/);
  }
  assert.match(renderText(value, false), /^- connections: No packet was sent: "clparity mirror" proves nothing/m);
  const wrong = makeReport({ ...mirrored, findings: foreignFindings(['mine']) });
  assert.equal(standingOf(reportSummary(wrong)), 'differs');
  const synced = report({ findings: [...verifyFindings(verified), ...leftOutFindings('sync', true)] });
  assert.deepEqual([synced.equal, standingOf(reportSummary(synced))], [true, 'equal']);
  assert.match(renderText(synced, false), /^- base image: The base image was left out: --image none$/m);
  assert.match(renderMarkdown(synced), /\*\*Equal in what was chosen/);
  assert.deepEqual(leftOutFindings('sync', false), []);
  assert.match(
    leftOutFindings('verify', true)
      .map(({ title }) => title)
      .join(),
    /^The base image was not compared/,
  );
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

test('a policy of others that has a say here is a difference of the policies', () => {
  const foreign = foreignFindings(['NetworkPolicy shop/mine is not at the target']);
  const value = report({ findings: [...verifyFindings(verified), ...foreign] });
  assert.equal(value.equal, false);
  assert.match(renderText(value, false), /^! policies: NetworkPolicy shop\/mine is not at the target$/m);
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

test('what only another name of the target would change is as at the target', () => {
  const marked = (mirror: string, spec = {}) => ({
    ...{ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', spec },
    metadata: { name: 'b', namespace: 'a', labels: { 'clparity.dev/mirror': mirror } },
  });
  const ref = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', namespace: 'a', name: 'b' };
  const findings = (after: KubeObject) =>
    policyFindings(
      {
        ...{ conflicts: [], unchanged: 3, fidelity: [] },
        objects: [{ ...ref, action: 'update', before: marked('prod'), after }],
      },
      { otherPolicies: [], leftOut: [] },
    ).map(({ state, title }) => `${state} ${title}`);
  assert.deepEqual(findings(marked('prod-1')), ['equal 4 namespaces and policies are as at the target']);
  assert.match(findings(marked('prod-1', { ingress: [] })).join(), /^differs 1 namespace or policy is not/);
  // A key of others that ends alike is no mark.
  const after = marked('prod-1');
  const labels = { ...after.metadata.labels, 'example.com/mirror': 'x' };
  assert.match(findings({ ...after, metadata: { ...after.metadata, labels } }).join(), /^differs 1 /);
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

test('the last report of each target and cluster is kept', async () => {
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
    // As an earlier version kept them.
    await writeFile(join(folder, '.clparity', 'reports', 'x-kind-a-0123.json'), JSON.stringify(a));
    assert.deepEqual(await keptReports(folder), { values: [newer, b], damaged: [] });
    assert.deepEqual(await lastReport(folder, { cluster: 'kind:b' }), b);
    assert.deepEqual(await lastReport(folder), newer);
    assert.deepEqual(await lastReport(folder, { target: 'aks/x', cluster: 'kind' }), newer, 'by its provider');
    await assert.rejects(
      lastReport(folder, { target: 'other' }),
      (error) => error instanceof ParityError && /aks\/x with kind:b/.test(error.action ?? ''),
    );
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('what belongs to a report is kept for each pair, and one pair is never taken for another', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'clparity-'));
  const of = (target: string, cluster: string, more: Partial<Report> = {}) => ({
    ...report(),
    target,
    cluster,
    ...more,
  });
  const seen = (name: string) => snapshotOf({ [name]: {} });
  const first = { target: 'prod', cluster: 'kind:a' };
  const moved: Drift = {
    schema: 'clparity/drift/v1',
    checkedAt: '2026-01-01T00:00:00.000Z',
    target: { state: 'same' },
    local: { state: 'unknown', reason: 'gone' },
  };
  try {
    await saveReport(folder, of('prod', 'kind:a'), seen('there'), seen('here'));
    await saveDrift(folder, first, moved);
    await saveReport(folder, of('prod', 'kind:a/dev1-*'), seen('there'), seen('dev1'));
    await saveReport(folder, of('staging', 'kind:a', { readFrom: './staging.json' }), seen('stage'));
    const nameIn = (snapshot?: { namespaces: readonly { name: string }[] }) => snapshot?.namespaces[0]?.name;
    assert.equal(nameIn(await lastLocal(folder, first)), 'here');
    assert.equal(nameIn(await lastLocal(folder, { target: 'prod', cluster: 'kind:a/dev1-*' })), 'dev1');
    assert.equal(nameIn(await lastTarget(folder)), 'stage', 'the very last');
    assert.equal(nameIn(await lastTarget(folder, { target: './staging.json', cluster: 'kind:a' })), 'stage', 'by path');
    assert.deepEqual(await lastDrift(folder, first), moved);
    assert.equal(await lastDrift(folder), undefined, 'nobody looked at this one');
    assert.equal(await reportIfAny(folder, { target: 'prod', cluster: 'kind:b' }), undefined);
    await saveReport(folder, of('prod', 'kind:a'));
    assert.deepEqual([await lastTarget(folder, first), await lastDrift(folder, first)], [undefined, undefined]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('the settings that choose a kept pair choose it again', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'clparity-'));
  const kinds = { prod: 'context', 'shop/': 'files', 'captured of prod': 'context' } as const;
  try {
    for (const [target, kind] of Object.entries(kinds)) {
      const readFrom = target.startsWith('captured') ? { readFrom: 'prod.clparity.yaml' } : {};
      const snapshot = { ...snapshotOf({}), source: { kind, name: target } };
      for (const cluster of ['kind:a', 'remote:x/y', 'remote:x/y/dev1-*']) {
        await saveReport(folder, { ...report(), target, cluster, ...readFrom }, snapshot);
      }
    }
    const { values: pairs } = await keptPairs(folder);
    assert.equal(pairs.length, 9);
    for (const { report: kept, choice } of pairs) {
      const { target, cluster } = await lastReport(folder, chosenPair(choice));
      assert.deepEqual([target, cluster], [kept.target, kept.cluster]);
    }
    assert.deepEqual(
      pairs.find(({ report: { target, cluster } }) => target === 'shop/' && cluster.endsWith('*'))?.choice,
      { snapshot: 'shop/', cluster: 'remote:x/y', namespacePrefix: 'dev1-' },
    );
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('settings choose the pair whose report is shown; without one, that is said', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'clparity-'));
  const look = (more: Partial<Settings>) => overview({ folder, settings: { ...DEFAULT_SETTINGS, ...more } });
  try {
    assert.deepEqual(await look({ context: 'prod' }).then((o) => [o.report, o.uncompared]), [undefined, undefined]);
    for (const cluster of ['kind:a', 'kind:b']) await saveReport(folder, { ...report(), target: 'prod', cluster });
    assert.equal((await look({})).report?.cluster, 'kind:b');
    assert.equal((await look({ context: 'prod', cluster: 'kind:a' })).report?.cluster, 'kind:a');
    const none = await look({ context: 'prod', cluster: 'kind:a', namespacePrefix: 'dev1-' });
    assert.deepEqual([none.report, none.uncompared], [undefined, { target: 'prod', cluster: 'kind:a/dev1-*' }]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('the last report is kept in the folder, ignored by git, and a foreign file is refused', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'clparity-'));
  try {
    await assert.rejects(lastReport(folder), /no report/);
    // A disk that can't be written to, or something else of that name.
    await writeFile(join(folder, '.clparity'), '');
    await assert.rejects(
      saveReport(folder, report()),
      (error) => error instanceof ParityError && error.kind === 'environment' && !!error.action?.includes(folder),
    );
    await rm(join(folder, '.clparity'));
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
