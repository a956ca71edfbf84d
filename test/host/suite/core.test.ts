import assert from 'node:assert/strict';
import * as vscode from 'vscode';

const POLICIES = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: web-only, namespace: shop }
spec:
  podSelector: { matchLabels: { app: db } }
  policyTypes: [Ingress]
  ingress:
    - from: [{ podSelector: { matchLabels: { app: web } } }]
      ports: [{ port: 5432 }]
---
apiVersion: v1
kind: Pod
metadata: { name: web, namespace: shop, labels: { app: web } }
---
apiVersion: v1
kind: Pod
metadata: { name: job, namespace: shop, labels: { app: job } }
---
apiVersion: v1
kind: Pod
metadata: { name: db, namespace: shop, labels: { app: db } }
spec: { containers: [{ name: db, image: db, ports: [{ containerPort: 5432 }] }] }
`;

/** Commands on the real core, with a target of files: no cluster and no Docker is needed. */
describe('with the real core', () => {
  let file: (name: string) => vscode.Uri;

  before(async () => {
    const [folder] = vscode.workspace.workspaceFolders ?? [];
    assert.ok(folder);
    file = (name) => vscode.Uri.joinPath(folder.uri, name);
    await vscode.workspace.fs.writeFile(file('policies.yaml'), new TextEncoder().encode(POLICIES));
    const config = vscode.workspace.getConfiguration('clparity');
    await config.update('target.snapshot', 'policies.yaml', vscode.ConfigurationTarget.Workspace);
  });
  after(async () => {
    const config = vscode.workspace.getConfiguration('clparity');
    await config.update('target.snapshot', undefined, vscode.ConfigurationTarget.Workspace);
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
  });

  it('capture writes a snapshot in which the target has the name that it has in the settings', async () => {
    const uri = file('captured.yaml');
    const result = await vscode.commands.executeCommand<{ summary: string }>('clparity.capture', uri);
    assert.equal(result.summary, 'Captured policies.yaml: 1 namespaces, 3 workloads, 1 policies.');
    const text = new TextDecoder().decode(await vscode.workspace.fs.readFile(uri));
    assert.match(text, /^schema: clparity\/v1/m);
    assert.match(text, /web-only/);
    assert.doesNotMatch(text, new RegExp(file('').fsPath));
    assert.equal(vscode.window.activeTextEditor?.document.uri.toString(), uri.toString());
  });

  it('explain says which rule decides, and where it stands', async () => {
    for (const [from, verdict] of [
      ['web', /: ALLOWED/],
      ['job', /: DENIED/],
    ] as const) {
      const question = { from: `shop/${from}`, to: 'shop/db', protocol: 'TCP', port: '5432' };
      const { text } = await vscode.commands.executeCommand<{ text: string }>('clparity.explain', question);
      assert.match(text, verdict);
      assert.match(text, /web-only/);
    }
  });

  it('matrix opens as a document of groups and connections', async () => {
    await vscode.commands.executeCommand('clparity.matrix');
    const { groups, connections } = JSON.parse(vscode.window.activeTextEditor?.document.getText() ?? '');
    assert.equal(groups.length, 3);
    assert.ok(connections.length > 0);
  });
});
