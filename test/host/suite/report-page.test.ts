import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import type { Report } from '../../../src/report/model.ts';
import { openPolicyLine } from '../../../src/ui/policy-line.ts';

const report: Report = {
  schema: 'clparity/report/v1',
  equal: true,
  target: 'manifests',
  cluster: 'kind:dev',
  createdAt: '2026-01-01T00:00:00.000Z',
  findings: [{ layer: 'enforcement', state: 'equal', title: 'Policies are enforced', evidence: [] }],
  changes: [],
};

describe("the report's page", () => {
  let folder: vscode.WorkspaceFolder;
  const file = (...path: string[]) => vscode.Uri.joinPath(folder.uri, ...path);
  const write = (uri: vscode.Uri, text: string) => vscode.workspace.fs.writeFile(uri, new TextEncoder().encode(text));
  const read = async (uri: vscode.Uri) => new TextDecoder().decode(await vscode.workspace.fs.readFile(uri));

  before(async () => {
    const [first] = vscode.workspace.workspaceFolders ?? [];
    assert.ok(first);
    folder = first;
    await write(file('.clparity', 'report.json'), JSON.stringify(report));
    await write(file('manifests', 'policy.yaml'), 'kind: NetworkPolicy\nmetadata:\n  name: web\n');
  });
  after(async () => {
    await vscode.workspace.fs.delete(file('.clparity'), { recursive: true });
    await vscode.workspace.fs.delete(file('manifests'), { recursive: true });
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
  });

  const pages = () =>
    vscode.window.tabGroups.all
      .flatMap(({ tabs }) => tabs)
      .filter(({ input }) => input instanceof vscode.TabInputWebview && input.viewType.endsWith('clparity.report'));

  it('opens once, however soon it is asked for again', async () => {
    const show = () => vscode.commands.executeCommand('clparity.report');
    await Promise.all([show(), show()]);
    await show();
    // The window tells of its tabs a little later.
    for (let i = 0; i < 100 && pages().length === 0; i++) await new Promise((resolve) => setTimeout(resolve, 100));
    assert.deepEqual(
      pages().map(({ label }) => label),
      ['Parity Report'],
    );
  });

  it('is exported as HTML, Markdown and JSON', async () => {
    const exported = async (format: string) => {
      const to = file(`report.${format}`);
      assert.equal(await vscode.commands.executeCommand('clparity.exportReport', { format, file: to }), to);
      return read(to);
    };
    assert.match(await exported('html'), /^<!DOCTYPE html>.*Policies are enforced/s);
    assert.match(await exported('markdown'), /^# Parity report: kind:dev against manifests/);
    assert.deepEqual(JSON.parse(await exported('json')), report);
  });

  it("leads to the line of the target's files, and to no other file", async () => {
    const location = { file: 'policy.yaml', line: 1, lines: {} };
    const policy = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name: 'web' }, location };
    const named = { folder, name: 'manifests', target: { policies: [policy] } };
    await openPolicyLine(named, 'policy.yaml', 3);
    const editor = vscode.window.activeTextEditor;
    assert.equal(editor?.document.uri.toString(), file('manifests', 'policy.yaml').toString());
    assert.equal(editor?.selection.active.line, 2);
    await assert.rejects(openPolicyLine(named, '../README.md'), /README\.md is no longer where/);
    await assert.rejects(openPolicyLine({ ...named, name: 'elsewhere' }, 'policy.yaml'), { kind: 'input' });
  });
});
