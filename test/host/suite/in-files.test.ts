import assert from 'node:assert/strict';
import * as vscode from 'vscode';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const OTHER = `sha256:${'b'.repeat(64)}`;

const WORKLOADS = `apiVersion: v1
kind: Pod
metadata: { name: web, namespace: shop, labels: { app: web } }
spec: { containers: [{ name: web, image: web, ports: [{ containerPort: 80 }] }] }
---
apiVersion: v1
kind: Pod
metadata: { name: db, namespace: shop, labels: { app: db } }
`;
const policy = (app: string) => `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: guard
  namespace: shop
spec:
  podSelector: { matchLabels: { app: ${app} } }
  policyTypes: [Egress, Ingress]
  ingress:
    - from: [{ podSelector: { matchLabels: { app: db } } }]
      ports: [{ port: 80 }]
`;
const EXPECTED = `- { from: shop/db, to: shop/web, port: 80, allowed: true }
- { from: shop/web, to: shop/db, port: 80, allowed: true }
- { from: shop/web, to: shop/nobody, port: 80, allowed: true }
`;

describe('in the files', function () {
  this.timeout(180_000);
  let folder: vscode.WorkspaceFolder;
  const file = (...path: string[]) => vscode.Uri.joinPath(folder.uri, ...path);
  const write = (uri: vscode.Uri, text: string) => vscode.workspace.fs.writeFile(uri, new TextEncoder().encode(text));
  const settings = () => vscode.workspace.getConfiguration('clparity');

  before(async () => {
    const [first] = vscode.workspace.workspaceFolders ?? [];
    assert.ok(first);
    folder = first;
    await write(file('prod', 'workloads.yaml'), WORKLOADS);
    await write(file('prod', 'policy.yaml'), policy('web'));
    await write(file('all.clparity.yaml'), EXPECTED);
    const known = {
      schema: 'clparity/images/v1',
      platform: 'linux/amd64',
      production: [{ repository: 'registry.example/base', digest: DIGEST, use: 'the base image' }],
      published: {
        'registry.example/base:3.0 linux/amd64': { digest: DIGEST, created: '2026-02-01T00:00:00Z' },
        'registry.example/base:2.0 linux/amd64': { digest: OTHER, created: '2025-01-01T00:00:00Z' },
        [`registry.example/base@${DIGEST} linux/amd64`]: { digest: DIGEST, created: '2026-02-01T00:00:00Z' },
      },
    };
    await write(file('.clparity', 'images.json'), JSON.stringify(known));
    await write(
      file('Dockerfile'),
      'FROM registry.example/base:2.0\nFROM registry.example/base:3.0\nFROM elsewhere:1\n',
    );
    await settings().update('target.snapshot', 'prod', vscode.ConfigurationTarget.Workspace);
  });
  after(async () => {
    await settings().update('target.snapshot', undefined, vscode.ConfigurationTarget.Workspace);
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
    for (const path of ['prod', '.clparity', 'Dockerfile', 'all.clparity.yaml']) {
      await vscode.workspace.fs.delete(file(path), { recursive: true });
    }
  });

  /** Waits until something holds of what the editor shows of a file. */
  async function until<T>(what: string, ask: () => Thenable<T> | T, holds: (value: T) => boolean): Promise<T> {
    for (const end = Date.now() + 30_000; ; ) {
      const value = await ask();
      if (holds(value)) return value;
      if (Date.now() > end) assert.fail(`waited in vain for ${what}: ${JSON.stringify(value)}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  const problems = (uri: vscode.Uri) =>
    vscode.languages
      .getDiagnostics(uri)
      .filter(({ source }) => source === 'Container Linux Parity')
      .map(({ code, range, message }) => `${range.start.line + 1} ${code}: ${message}`);
  const lenses = async (uri: vscode.Uri) =>
    (await vscode.commands.executeCommand<vscode.CodeLens[]>('vscode.executeCodeLensProvider', uri)).map(
      ({ command }) => command?.title ?? '',
    );
  const hover = async (uri: vscode.Uri, line: number, character: number) => {
    const at = new vscode.Position(line, character);
    const found = await vscode.commands.executeCommand<vscode.Hover[]>('vscode.executeHoverProvider', uri, at);
    const text = found.flatMap(({ contents }) => contents.map((c) => (typeof c === 'string' ? c : c.value))).join('\n');
    return text.replaceAll('&nbsp;', ' ').replaceAll('\\', '');
  };

  it('a policy says whom it selects, who may reach them, and what it would break, while it is written', async () => {
    const uri = file('prod', 'policy.yaml');
    const editor = await vscode.window.showTextDocument(uri);
    const said = await until(
      'the notes',
      () => problems(uri),
      (list) => list.length > 0,
    );
    assert.deepEqual(said, [
      "1 blocks-dns: blocks DNS for shop/Pod/web: no rule allows UDP 53 to kube-system's k8s-app=kube-dns",
    ]);
    assert.deepEqual(await lenses(uri), ['selects 1 pod: shop/Pod/web']);
    assert.match(await hover(uri, 1, 8), /May reach it.*shop\/Pod\/db: TCP 80.*It may reach.*nobody/s);
    assert.equal(await hover(uri, 9, 8), '', 'rules are no place for it');
    await editor.edit((edit) =>
      edit.replace(editor.document.lineAt(6).range, '  podSelector: { matchLabels: { app: wbe } }'),
    );
    await until(
      'the edit',
      () => problems(uri),
      (list) => list.some((p) => /^1 selects-nothing: .*selects no pod/.test(p)),
    );
    assert.deepEqual(await lenses(uri), ['selects no pod at the target']);
    await editor.edit((edit) =>
      edit.replace(editor.document.lineAt(6).range, '  podSelector: { matchLables: { app: web } }'),
    );
    await until(
      'the mistake',
      () => problems(uri),
      (list) => list.some((p) => /^7 invalid: .*matchLables/.test(p)),
    );
    await vscode.commands.executeCommand('workbench.action.files.revert');
  });

  it('other YAML is left alone', async () => {
    const uri = file('prod', 'workloads.yaml');
    await vscode.window.showTextDocument(uri);
    assert.deepEqual(await lenses(uri), []);
    assert.deepEqual(problems(uri), []);
  });

  it("a FROM is held against production's digest, and pinned by a quick fix", async () => {
    const uri = file('Dockerfile');
    const { document } = await vscode.window.showTextDocument(uri);
    const shown = await until(
      'the lenses',
      () => lenses(uri),
      (list) => list.length > 0,
    );
    assert.equal(document.languageId, 'dockerfile');
    assert.deepEqual(shown, [
      'older than production: sha256:aaaaaaaaaaaa (the base image)',
      'same digest as production: sha256:aaaaaaaaaaaa (the base image)',
      'production is not seen to use this repository',
    ]);
    assert.match(await hover(uri, 0, 8), new RegExp(`2025-01-01.*2026-02-01.*${DIGEST}`, 's'));
    const noted = await until(
      'the notes',
      () => problems(uri),
      (list) => list.length > 0,
    );
    assert.deepEqual(
      noted.map((p) => p.split(':')[0]),
      ['1 from-older', '2 from-same'],
    );
    for (const line of [0, 1]) {
      const [fix] = await vscode.commands.executeCommand<vscode.CodeAction[]>(
        'vscode.executeCodeActionProvider',
        uri,
        document.lineAt(line).range,
        vscode.CodeActionKind.QuickFix.value,
      );
      assert.equal(fix?.title, "Pin production's digest sha256:aaaaaaaaaaaa");
      assert.ok(fix.edit && (await vscode.workspace.applyEdit(fix.edit)));
    }
    assert.deepEqual(document.getText().split('\n').slice(0, 2), [
      `FROM registry.example/base@${DIGEST}`,
      `FROM registry.example/base:3.0@${DIGEST}`,
    ]);
    await until(
      'the notes to go',
      () => problems(uri),
      (list) => list.length === 0,
    );
    await vscode.commands.executeCommand('workbench.action.files.revert');
  });
});
