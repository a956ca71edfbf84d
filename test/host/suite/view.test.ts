import assert from 'node:assert/strict';
import { join } from 'node:path';
import * as vscode from 'vscode';
import type { Drift } from '../../../src/drift/model.ts';
import type { Overview } from '../../../src/overview.ts';
import type { Report } from '../../../src/report/model.ts';
import { saveDrift, saveReport } from '../../../src/report/store.ts';
import type { Snapshot } from '../../../src/snapshot/model.ts';
import type { Core } from '../../../src/ui/core-api.ts';
import { createKnown, type Known } from '../../../src/ui/known.ts';
import { statusOf } from '../../../src/ui/status.ts';
import type { TreeNode } from '../../../src/ui/tree/node.ts';
import { branchNodes } from '../../../src/ui/tree/nodes.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const policy = (namespace: string, name: string) => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { namespace, name },
  spec: { podSelector: {} },
});
const workload = (namespace: string, name: string): Snapshot['workloads'][number] => ({
  ...{ namespace, kind: 'Deployment', name, labels: {}, serviceAccount: 'default', hostNetwork: false },
  ...{ ports: [], images: [], pods: [] },
});
const target: Snapshot = {
  schema: 'clparity/v1',
  source: { kind: 'context', name: 'prod', kubernetesVersion: 'v1.34.1' },
  engine: { name: 'cilium', version: '1.18', evidence: [] },
  ranges: { pods: [], services: [], nodes: [] },
  nodes: [],
  namespaces: [{ name: 'shop', labels: {} }],
  workloads: [workload('shop', 'web'), workload('shop', 'db'), workload('pay', 'api')],
  services: [],
  policies: [policy('shop', 'web'), policy('shop', 'deny'), policy('pay', 'deny')],
  otherPolicies: [],
  gaps: [{ resource: 'nodes', reason: 'forbidden', message: 'nodes: reading is forbidden (403)' }],
};
const exact = (name: string) => ({
  ...{ policy: `NetworkPolicy ${name}`, fidelity: 'exact' as const, objects: [name], verbatim: true },
  ...{ differences: [], differing: 0, notes: [] },
});
const report: Report = {
  schema: 'clparity/report/v1',
  equal: false,
  target: 'prod',
  cluster: 'kind:dev',
  createdAt: '2026-01-01T00:00:00.000Z',
  findings: [
    { layer: 'base image', state: 'equal', title: `base:3.0 ${DIGEST} is on every node`, evidence: [] },
    { layer: 'connections', state: 'differs', title: '1 of 12 probed connections differ', evidence: [] },
  ],
  changes: [],
  policies: [exact('shop/web'), { ...exact('shop/deny'), fidelity: 'wider', differing: 3 }],
  image: {
    reference: 'registry.example:5000/azurelinux/base/core:3.0',
    digest: DIGEST,
    os: 'Azure Linux',
    endOfLife: '2020-05-01',
  },
  verify: {
    enforcement: { enforced: true, evidence: [] },
    differences: [
      {
        ...{ from: 'shop/Deployment/web', to: 'shop/Deployment/db', protocol: 'TCP' as const, port: 5432 },
        ...{ expected: 'denied' as const, measured: 'allowed' as const, because: [] },
      },
    ],
    byScope: [],
    counts: { TCP: { probed: 12, agreed: 11 }, UDP: { probed: 0, agreed: 0 }, SCTP: { probed: 0, agreed: 0 } },
    standIns: ['shop/Deployment/web', 'shop/Deployment/db'],
    ownPods: [],
    notProbed: [],
    left: [],
  },
};
const moved: Drift = {
  schema: 'clparity/drift/v1',
  checkedAt: '2026-01-01T01:00:00.000Z',
  target: {
    state: 'moved',
    diff: {
      ...{ equal: false, before: 'prod', after: 'prod' },
      connections: [
        {
          from: 'shop/Deployment/web',
          to: 'shop/Deployment/db',
          protocol: 'TCP',
          before: ['5432'],
          after: [],
          state: 'removed',
        },
        ...(['SCTP', 'TCP', 'UDP'] as const).map((protocol) => ({
          ...{ from: 'shop/Deployment/web', to: 'pay/Deployment/api', protocol },
          ...{ before: [], after: ['1-65535'], state: 'added' as const },
        })),
      ],
      workloads: { added: [], removed: [], changed: [] },
      policies: { added: ['NetworkPolicy shop/new'], removed: [], changed: [] },
      namespaces: { added: [], removed: [], changed: [] },
      images: { added: [], removed: [], changed: [] },
    },
  },
  local: { state: 'unknown', reason: 'kind:dev is not running' },
};

/** The tree as indented lines: "label: description". */
function drawn(nodes: readonly TreeNode[], depth = 0): string[] {
  return nodes.flatMap(({ item, children }) => [
    `${'  '.repeat(depth)}${item.label}: ${String(item.description ?? '').replace(/ago/, 'AGO')}`,
    ...drawn(
      children.map((make) => make()),
      depth + 1,
    ),
  ]);
}

describe('the view', () => {
  let folder: vscode.WorkspaceFolder;
  let known: Known;
  const file = (name: string) => vscode.Uri.joinPath(folder.uri, '.clparity', name);
  const write = (name: string, value: unknown) =>
    vscode.workspace.fs.writeFile(file(name), new TextEncoder().encode(JSON.stringify(value)));

  before(() => {
    const [first] = vscode.workspace.workspaceFolders ?? [];
    assert.ok(first);
    folder = first;
    const extension = vscode.extensions.getExtension('container-linux-parity.container-linux-parity');
    assert.ok(extension);
    const core: Core = require(join(extension.extensionPath, 'dist', 'core.js'));
    known = createKnown(async () => core);
  });
  after(async () => {
    known.dispose();
    await vscode.workspace.fs.delete(vscode.Uri.joinPath(folder.uri, '.clparity'), { recursive: true });
  });

  it('is empty, for the welcome to show, where nothing was chosen and nothing has run', async () => {
    assert.equal(await known.hasReport(folder), false);
    assert.deepEqual(branchNodes(await known.branch(folder)), []);
  });

  it('shows what the last run left, and reads it anew when a file changes', async () => {
    const changed = new Promise((resolve) => known.onDidChange(resolve));
    await saveReport(folder.uri.fsPath, report, target);
    await saveDrift(folder.uri.fsPath, report, moved);
    await changed;
    known.invalidate();
    const lines = drawn(branchNodes(await known.branch(folder)));
    const shape = lines.map((line) =>
      line.replace(/as of \d+ days AGO/, 'as of days').replace(/looked at \d+ days AGO/, 'looked at days'),
    );
    assert.deepEqual(shape, [
      '1 difference: as of days',
      'Target: prod · v1.34.1 · cilium 1.18',
      '  nodes: reading is forbidden (403): ',
      'Local cluster: kind:dev',
      'Base image: azurelinux/base/core:3.0 · aaaaaaaaaaaa · END OF LIFE since 2020-05-01',
      'Policies: 3: 1 differ, 1 unknown',
      '  pay: 1: 1 unknown',
      '    deny: not compared',
      '  shop: 2: 1 differ',
      '    web: exact',
      '    deny: wider',
      'Workloads: 3: 2 differ, 1 unknown',
      '  pay: 1: 1 unknown',
      '    api: Deployment · not probed',
      '  shop: 2: 2 differ',
      '    web: Deployment · 1 connection differs',
      '    db: Deployment · 1 connection differs',
      'Drift: moved, looked at days',
      '  Target: 3 changes',
      '    TCP 5432 → denied: shop/Deployment/web to shop/Deployment/db',
      '    denied → all ports: shop/Deployment/web to pay/Deployment/api',
      '    policy added: NetworkPolicy shop/new',
      '  Local cluster: kind:dev is not running',
    ]);
  });

  it('tells a screen reader the state, and no two lines are the same to VS Code', async () => {
    const all: TreeNode[] = [];
    const visit = (nodes: readonly TreeNode[]) => {
      for (const one of nodes) {
        all.push(one);
        visit(one.children.map((make) => make()));
      }
    };
    visit(branchNodes(await known.branch(folder)));
    assert.equal(new Set(all.map(({ item }) => item.id)).size, all.length);
    for (const { item } of all) assert.ok(item.accessibilityInformation?.label, String(item.label));
    const image = all.find(({ item }) => item.contextValue === 'image');
    assert.match(image?.item.accessibilityInformation?.label ?? '', /END OF LIFE since 2020-05-01, differs$/);
    assert.equal(image?.data.digest, `registry.example:5000/azurelinux/base/core@${DIGEST}`);
  });

  it('says so in a line where a file cannot be read', async () => {
    await write('report.json', { schema: 'other' });
    known.invalidate();
    await assert.rejects(known.branch(folder), /is not a report of this version/);
    await write('report.json', report);
    known.invalidate();
  });

  it('stays quick with 5,000 workloads and 2,000 policies: children are made when unfolded', async () => {
    const many: Snapshot = {
      ...target,
      workloads: Array.from({ length: 5_000 }, (_, i) => workload(`ns${i % 50}`, `w${i}`)),
      policies: Array.from({ length: 2_000 }, (_, i) => policy(`ns${i % 50}`, `p${i}`)),
    };
    await saveReport(folder.uri.fsPath, report, many);
    known.invalidate();
    const began = performance.now();
    const branch = await known.branch(folder);
    const read = performance.now() - began;
    const nodes = branchNodes(branch);
    const policies = nodes.find(({ item }) => item.contextValue === 'policies');
    assert.equal(policies?.children.length, 50);
    assert.equal(policies?.children[0]?.().children.length, 40);
    const drawing = performance.now() - began - read;
    console.log(`      read ${read.toFixed(0)} ms, lines ${drawing.toFixed(1)} ms`);
    await saveReport(folder.uri.fsPath, report, target);
    known.invalidate();
  });

  it("follows the target and the cluster that are chosen, and shows no other pair's report for them", async () => {
    const settings = vscode.workspace.getConfiguration('clparity', folder.uri);
    const choose = async (cluster: string | undefined, prefix?: string) => {
      await settings.update('cluster', cluster);
      await settings.update('namespacePrefix', prefix);
      known.invalidate();
      const branch = await known.branch(folder);
      return [
        statusOf(branch.overview, 0)?.text,
        ...drawn(branchNodes(branch)).filter((line) => /^\w.*: kind/.test(line)),
      ];
    };
    const createdAt = '2026-01-02T00:00:00.000Z';
    const equal = { ...report, equal: true, findings: [], cluster: 'kind:b/dev1-*', createdAt };
    try {
      await saveReport(folder.uri.fsPath, equal, target);
      assert.deepEqual(await choose('kind:dev'), [
        '$(warning) prod → kind:dev: 1 difference',
        'Local cluster: kind:dev',
      ]);
      assert.deepEqual(await choose('kind:b', 'dev1-'), [
        '$(pass) prod → kind:b/dev1-*: equal',
        'Local cluster: kind:b/dev1-*',
      ]);
      assert.match(`${(await choose('kind:b'))[0]}`, /kind:b: not compared yet/);
      // The newest pair is the first that is offered.
      let isOver = false;
      const picking = Promise.resolve(vscode.commands.executeCommand('clparity.selectPair', { folder }));
      void picking.finally(() => {
        isOver = true;
      });
      while (!isOver) {
        await new Promise((resolve) => setTimeout(resolve, 200));
        await vscode.commands.executeCommand('workbench.action.acceptSelectedQuickOpenItem');
      }
      assert.equal(await picking, true);
      const now = vscode.workspace.getConfiguration('clparity', folder.uri);
      assert.deepEqual(
        ['target.context', 'cluster', 'namespacePrefix'].map((key) => now.get(key)),
        ['prod', 'kind:b', 'dev1-'],
      );
    } finally {
      await settings.update('target.context', undefined);
      await choose(undefined);
      await saveReport(folder.uri.fsPath, report, target);
    }
  });
});

describe('the status bar', () => {
  const now = Date.parse('2026-01-01T10:00:00.000Z');
  const summary = { target: 'prod', cluster: 'kind:dev', createdAt: report.createdAt, equal: true, open: 0 };
  const of = (over: Partial<Overview>, hours = 24, at = now) =>
    statusOf({ report: summary, policies: [], workloads: [], ...over }, hours, at);

  it('shows equal, how many differ, drifted and stale, and when it will be', () => {
    assert.equal(of({})?.text, '$(pass) prod → kind:dev: equal');
    assert.equal(of({})?.staleAt, Date.parse('2026-01-02T00:00:00.000Z'));
    const differs = of({ report: { ...summary, equal: false, open: 3, first: 'it' } });
    assert.deepEqual([differs?.state, differs?.text], ['differs', '$(warning) prod → kind:dev: 3 differences']);
    assert.match(differs?.tooltip ?? '', /\nit$/);
    const mirrored = of({ report: { ...summary, equal: false } });
    assert.deepEqual([mirrored?.state, mirrored?.text], ['unproven', '$(question) prod → kind:dev: not proven']);
    assert.match(mirrored?.tooltip ?? '', /No packet was sent/);
    assert.equal(of({ drift: moved })?.text, '$(git-compare) prod → kind:dev: drifted');
    assert.deepEqual(of({}, 10)?.state, 'stale');
    assert.deepEqual([of({}, 0)?.state, of({}, 0)?.staleAt], ['equal', undefined]);
    assert.equal(statusOf({ policies: [], workloads: [] }, 24), undefined);
    const uncompared = { target: 'prod', cluster: 'kind:b' };
    const chosen = statusOf({ uncompared, policies: [], workloads: [] }, 24);
    assert.match(chosen?.text ?? '', /prod → kind:b: not compared yet/, "another pair's report is not taken for it");
  });
});
