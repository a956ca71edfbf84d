import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import type { Plan } from '../../../src/plan/model.ts';
import type { Core } from '../../../src/ui/core-api.ts';
import { createDocuments, type Documents, PLAN_SCHEME } from '../../../src/ui/documents.ts';
import { changeCount, openPlan, sideNotes, summary } from '../../../src/ui/plan-preview.ts';

const plan: Plan = {
  cluster: 'kind:dev',
  target: 'prod',
  images: [{ reference: 'base:3.0', digest: 'sha256:0', nodes: ['a', 'b'] }],
  objects: [
    { action: 'create', apiVersion: 'v1', kind: 'Namespace', name: 'shop' },
    { action: 'update', apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', namespace: 'shop', name: 'web' },
    { action: 'delete', apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', namespace: 'shop', name: 'old' },
  ],
  conflicts: [],
  unchanged: 0,
  fidelity: [],
  notMirrored: [],
  warnings: [],
};

const planDocuments: Core['planDocuments'] = ({ objects }) =>
  objects.map(({ action, kind, namespace, name }) => ({
    label: `${kind} ${namespace ? `${namespace}/` : ''}${name}`,
    path: [namespace, kind, `${name}.yaml`].filter(Boolean).join('/'),
    before: action === 'create' ? '' : `name: ${name}\nold: true\n`,
    after: action === 'delete' ? '' : `name: ${name}\n`,
  }));
const core = { planDocuments } as Core;

function tabs(): readonly vscode.Tab[] {
  return vscode.window.tabGroups.all.flatMap((group) => group.tabs);
}

async function textOf(path: string, query: string): Promise<string> {
  const uri = vscode.Uri.from({ scheme: PLAN_SCHEME, path, query });
  return (await vscode.workspace.openTextDocument(uri)).getText();
}

describe('plan preview', () => {
  let documents: Documents;
  before(() => {
    documents = createDocuments();
  });
  after(async () => {
    documents.dispose();
    await vscode.window.tabGroups.close(tabs(), true);
  });

  it('names what will mean something else here, beside the warnings', () => {
    const cautions: Core['cautions'] = () => ['AdminNetworkPolicy x allows more here'];
    const notes = sideNotes({ ...core, cautions }, { ...plan, warnings: ['a warning'] }).map(({ label }) => label);
    assert.deepEqual(notes.slice(-2), ['$(warning) a warning', '$(warning) AdminNetworkPolicy x allows more here']);
  });

  it('opens one tab with every object, before and after', async () => {
    const title = await openPlan(core, documents, plan);
    assert.equal(title, 'Plan for kind:dev');
    assert.ok(
      tabs().some(({ label }) => label.startsWith('Plan for kind:dev')),
      tabs()
        .map(({ label }) => label)
        .join(),
    );
    assert.equal(await textOf('/shop/NetworkPolicy/web.yaml', 'before'), 'name: web\nold: true\n');
    assert.equal(await textOf('/shop/NetworkPolicy/web.yaml', 'after'), 'name: web\n');
    assert.equal(await textOf('/Namespace/shop.yaml', 'after'), 'name: shop\n');
    await assert.rejects(async () => textOf('/Namespace/shop.yaml', 'before'));
  });

  it('shows the newest text of a document', async () => {
    const uri = documents.put(PLAN_SCHEME, 'x.yaml', 'one');
    const document = await vscode.workspace.openTextDocument(uri);
    const changed = new Promise((resolve) => vscode.workspace.onDidChangeTextDocument(resolve));
    documents.put(PLAN_SCHEME, 'x.yaml', 'two');
    await changed;
    assert.equal(document.getText(), 'two');
  });

  it('opens nothing where no object changes', async () => {
    assert.equal(await openPlan(core, documents, { ...plan, objects: [] }), undefined);
  });

  it('counts in words', () => {
    assert.equal(changeCount(plan), '4 changes');
    assert.equal(changeCount({ ...plan, images: [], objects: plan.objects.slice(1, 2) }), '1 change');
    assert.equal(summary(plan), 'create 1, update 1, delete 1; load 1 image');
  });
});
