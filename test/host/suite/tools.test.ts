import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import type { Core } from '../../../src/ui/core-api.ts';
import { expectations } from '../../../src/ui/expectations.ts';
import { registerTools } from '../../../src/ui/tools.ts';
import { createUi } from '../../../src/ui/ui.ts';

const TARGET = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: closed, namespace: shop }
spec: { podSelector: {}, policyTypes: [Ingress] }
---
apiVersion: v1
kind: Pod
metadata: { name: web, namespace: shop }
---
apiVersion: v1
kind: Pod
metadata: { name: db, namespace: shop }
`;
const EXPECTED = `- { from: shop/web, to: shop/db, port: 80, allowed: false }
- { from: shop/web, to: shop/db, port: 81, allowed: true }
- { from: shop/nobody, to: shop/db, port: 80, allowed: true }
`;

describe('tools, and tests in the files', () => {
  let folder: vscode.WorkspaceFolder;
  const file = (name: string) => vscode.Uri.joinPath(folder.uri, name);
  const settings = () => vscode.workspace.getConfiguration('clparity');
  const token = () => new vscode.CancellationTokenSource().token;
  const call = async (name: string, input: object) => {
    const options = { input, toolInvocationToken: undefined };
    const { content } = await vscode.lm.invokeTool(name, options, token());
    return content.map((part) => (part instanceof vscode.LanguageModelTextPart ? part.value : '')).join('');
  };

  before(async () => {
    const [first] = vscode.workspace.workspaceFolders ?? [];
    assert.ok(first);
    folder = first;
    await vscode.workspace.fs.writeFile(file('target.yaml'), new TextEncoder().encode(TARGET));
    await vscode.workspace.fs.writeFile(file('shop.clparity.yaml'), new TextEncoder().encode(EXPECTED));
    await settings().update('target.snapshot', 'target.yaml', vscode.ConfigurationTarget.Workspace);
    await vscode.extensions.getExtension('container-linux-parity.container-linux-parity')?.activate();
  });
  after(async () => {
    for (const key of ['target.snapshot', 'cluster', 'image']) {
      await settings().update(key, undefined, vscode.ConfigurationTarget.Workspace);
    }
    for (const name of ['target.yaml', 'shop.clparity.yaml']) await vscode.workspace.fs.delete(file(name));
  });

  it('every contributed tool is there, described, and named by verb and noun', () => {
    const ours = vscode.lm.tools.filter(({ name }) => name.startsWith('clparity_'));
    assert.deepEqual(ours.map(({ name }) => name).sort(), [
      'clparity_explain_connection',
      'clparity_get_report',
      'clparity_plan_changes',
    ]);
    for (const { description } of ours) assert.match(description, /changes nothing|contacts nothing|applies nothing/);
  });

  it('explains a connection of a target of files, asking nobody', async () => {
    const text = await call('clparity_explain_connection', { from: 'shop/web', to: 'shop/db', port: 80 });
    assert.match(text, /DENIED.*NetworkPolicy shop\/closed/s);
  });

  it('tells a model what to do next where it asks for what is not there', async () => {
    const wrong = call('clparity_explain_connection', { from: 'shop/wbe', to: 'shop/db', port: 80 });
    await assert.rejects(wrong, /There is no shop\/wbe.*Did you mean .*shop\/web/s);
    await assert.rejects(call('clparity_get_report', {}), /no report.*Container Linux Parity: Sync/s);
  });

  it('a plan is made for a model to read, and says what it would contact first', async function () {
    const cluster = process.env.CLPARITY_TEST_CLUSTER;
    if (!cluster) return this.skip();
    this.timeout(120_000);
    await settings().update('cluster', `kind:${cluster}`, vscode.ConfigurationTarget.Workspace);
    await settings().update('image', 'none', vscode.ConfigurationTarget.Workspace);
    const asked = registered('clparity_plan_changes').prepareInvocation?.({ input: {} }, token());
    const { confirmationMessages } = (await asked) ?? {};
    assert.match(String(confirmationMessages?.message), /Reads .*target\.yaml, kind:.*Changes nothing/);
    const text = await call('clparity_plan_changes', {});
    assert.match(text, /\+ Namespace shop/);
    assert.match(text, /\+ NetworkPolicy shop\/closed/);
  });

  it('what is read from this disk alone asks nobody', async () => {
    for (const name of ['clparity_explain_connection', 'clparity_get_report']) {
      const prepared = await registered(name).prepareInvocation?.({ input: {} }, token());
      assert.ok(prepared?.invocationMessage, name);
      assert.equal(prepared?.confirmationMessages, undefined, name);
    }
  });

  it('expected connections are tests of their file, run one by one or all together', async () => {
    await recorded(async ({ controller, profile, seen }) => {
      await controller.resolveHandler?.(undefined);
      const [[, suite] = assert.fail('no file')] = [...controller.items];
      const items = [...suite.children].map(([, item]) => item);
      assert.equal(suite.label, 'shop.clparity.yaml');
      assert.equal(items[0]?.label, 'TCP 80 denied: shop/web to shop/db');
      await profile('Offline')(new vscode.TestRunRequest(items.slice(1, 2)), token());
      assert.deepEqual(seen.splice(0), ['failed 1', 'end']);
      await profile('Offline')(new vscode.TestRunRequest(), token());
      assert.deepEqual(seen.splice(0), ['passed 0', 'failed 1', 'errored 2', 'end']);
    });
  });

  it('and live, with real packets', async function () {
    const cluster = process.env.CLPARITY_TEST_CLUSTER;
    if (!cluster) return this.skip();
    this.timeout(240_000);
    await settings().update('cluster', `kind:${cluster}`, vscode.ConfigurationTarget.Workspace);
    await recorded(async ({ controller, profile, seen }) => {
      await controller.resolveHandler?.(undefined);
      const [[, suite] = assert.fail('no file')] = [...controller.items];
      const items = [...suite.children].map(([, item]) => item);
      await profile('Live')(new vscode.TestRunRequest(items.slice(0, 2)), token());
      // Nothing was mirrored: what the target denies passes here, and so does what was wrongly thought to be allowed there.
      assert.deepEqual(seen, ['failed 0', 'passed 1', 'end']);
    });
  });

  interface Recorded {
    readonly controller: vscode.TestController;
    readonly profile: (name: string) => vscode.TestRunProfile['runHandler'];
    /** What became of each test, by its line. */
    readonly seen: string[];
  }

  /** A controller beside the extension's own, whose runs are written down. */
  async function recorded(work: (recorded: Recorded) => Promise<void>): Promise<void> {
    const { createTestController } = vscode.tests;
    const profiles = new Map<string, vscode.TestRunProfile['runHandler']>();
    const seen: string[] = [];
    let made: vscode.TestController | undefined;
    const recording = (_id: string, label: string): vscode.TestController => {
      const controller = createTestController('clparity-recorded', label);
      const note = (what: string) => (item: vscode.TestItem) => seen.push(`${what} ${item.range?.start.line}`);
      const testRun = { started() {}, appendOutput() {}, end: () => seen.push('end'), skipped: note('skipped') };
      Object.assign(controller, {
        createTestRun: () => ({ ...testRun, passed: note('passed'), failed: note('failed'), errored: note('errored') }),
        createRunProfile: (name: string, _kind: unknown, run: vscode.TestRunProfile['runHandler']) =>
          profiles.set(name, run),
      });
      made = controller;
      return controller;
    };
    Object.assign(vscode.tests, { createTestController: recording });
    const extension = vscode.extensions.getExtension('container-linux-parity.container-linux-parity');
    assert.ok(extension);
    const ui = createUi({ subscriptions: [], extension });
    const core: Core = await import(vscode.Uri.joinPath(extension.extensionUri, 'dist', 'core.js').fsPath);
    const mine = expectations(ui, async () => core);
    try {
      assert.ok(made);
      const profile = (name: string) => profiles.get(name) ?? assert.fail(`no profile ${name}`);
      await work({ controller: made, profile, seen });
    } finally {
      Object.assign(vscode.tests, { createTestController });
      mine.dispose();
      ui.documents.dispose();
      ui.reports.dispose();
    }
  }

  /** A tool as the extension registers it: VS Code shows what it prepares to the user, and hands it to nobody else. */
  function registered(name: string): vscode.LanguageModelTool<object> {
    const { registerTool } = vscode.lm;
    const tools = new Map<string, vscode.LanguageModelTool<object>>();
    Object.assign(vscode.lm, {
      registerTool: (id: string, tool: vscode.LanguageModelTool<object>) => {
        tools.set(id, tool);
        return new vscode.Disposable(() => {});
      },
    });
    const extension = vscode.extensions.getExtension('container-linux-parity.container-linux-parity');
    assert.ok(extension);
    const ui = createUi({ subscriptions: [], extension });
    try {
      registerTools(ui);
    } finally {
      Object.assign(vscode.lm, { registerTool });
      ui.documents.dispose();
      ui.reports.dispose();
    }
    return tools.get(name) ?? assert.fail(`no tool ${name}`);
  }
});
