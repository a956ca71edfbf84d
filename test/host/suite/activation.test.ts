import assert from 'node:assert/strict';
import { ChildProcess } from 'node:child_process';
import { Socket } from 'node:net';
import * as vscode from 'vscode';

const ID = 'container-linux-parity.container-linux-parity';

interface Manifest {
  readonly activationEvents: readonly string[];
  readonly extensionKind: readonly string[];
  readonly contributes: {
    readonly commands: readonly { command: string; title: string; category: string; enablement?: string }[];
    readonly configuration: { readonly properties: Readonly<Record<string, unknown>> };
    readonly walkthroughs: readonly { steps: readonly { description: string }[] }[];
  };
  readonly capabilities: {
    readonly untrustedWorkspaces: { supported: unknown; restrictedConfigurations: readonly string[] };
    readonly virtualWorkspaces: { supported: unknown; description: string };
  };
}

function extension(): vscode.Extension<unknown> {
  const found = vscode.extensions.getExtension(ID);
  assert.ok(found, `${ID} is installed`);
  return found;
}

function manifest(): Manifest {
  return extension().packageJSON;
}

/** The bundles of ours that this host has loaded. */
function loadedBundles(): string[] {
  const dist = vscode.Uri.joinPath(extension().extensionUri, 'dist', '/').fsPath;
  return Object.keys(require.cache).filter((file) => file.startsWith(dist));
}

/** Calls of a method that come from our bundles, while `work` lasts. */
async function ourCalls(work: () => Thenable<unknown>): Promise<string[]> {
  const calls: string[] = [];
  const note = (what: string) => {
    const stack = new Error().stack ?? '';
    if (/dist\/(extension|ui|core)\.js/.test(stack)) calls.push(`${what}\n${stack}`);
  };
  const { connect } = Socket.prototype;
  const child: { spawn(...args: unknown[]): unknown } = ChildProcess.prototype as never;
  const { spawn } = child;
  Socket.prototype.connect = function (this: Socket, ...args: unknown[]) {
    note('connect');
    return Reflect.apply(connect, this, args);
  };
  child.spawn = function (...args) {
    note('spawn');
    return Reflect.apply(spawn, this, args);
  };
  try {
    await work();
  } finally {
    Socket.prototype.connect = connect;
    child.spawn = spawn;
  }
  return calls;
}

describe('activation', () => {
  it('waits for a command, contacts nothing and leaves the core unloaded', async () => {
    assert.equal(extension().isActive, false);
    assert.deepEqual(await ourCalls(() => extension().activate()), []);
    const bundles = loadedBundles().map((file) => file.replace(/.*[\\/]/, ''));
    assert.deepEqual(bundles, ['extension.js']);
  });

  it('registers every contributed command, and no other', async () => {
    const contributed = manifest().contributes.commands.map(({ command }) => command);
    const all = await vscode.commands.getCommands(true);
    // A view brings commands of its own, such as `clparity.parity.focus`.
    const ours = all.filter((id) => /^clparity\.\w+$/.test(id));
    assert.deepEqual(ours.sort(), contributed.sort());
  });

  it('loads the core with the first command', async () => {
    await vscode.commands.executeCommand('clparity.report');
    assert.ok(
      loadedBundles().some((file) => file.endsWith('core.js')),
      loadedBundles().join(),
    );
  });
});

/** They only show what is there. */
const HARMLESS = ['showLog', 'report', 'exportReport', 'showDrift', 'openPolicy', 'copyDigest'].map(
  (name) => `clparity.${name}`,
);

describe('manifest', () => {
  it('is translated in full', () => {
    const text = JSON.stringify(manifest().contributes);
    assert.doesNotMatch(text, /"%[\w.]+%"/);
  });

  it('puts every command in one category and asks for trust where programs run', () => {
    for (const { command, category, enablement } of manifest().contributes.commands) {
      assert.equal(category, 'Container Linux Parity');
      const harmless = HARMLESS.includes(command);
      assert.equal(enablement?.includes('isWorkspaceTrusted') ?? false, !harmless, command);
    }
  });

  it('says what trust restricts and that folders must be real', () => {
    const { activationEvents, extensionKind, capabilities, contributes } = manifest();
    assert.ok(!activationEvents.some((event) => event === '*' || event === 'onStartupFinished'));
    assert.deepEqual(extensionKind, ['workspace']);
    assert.equal(capabilities.untrustedWorkspaces.supported, 'limited');
    assert.deepEqual(
      capabilities.untrustedWorkspaces.restrictedConfigurations,
      Object.keys(contributes.configuration.properties),
    );
    assert.equal(capabilities.virtualWorkspaces.supported, false);
    assert.ok(capabilities.virtualWorkspaces.description);
  });

  it('links commands that exist from its walkthrough', () => {
    const { commands, walkthroughs } = manifest().contributes;
    const ids = commands.map(({ command }) => command);
    const linked = walkthroughs.flatMap(({ steps }) =>
      steps.map(({ description }) => /\(command:([\w.]+)\)/.exec(description)?.[1] ?? description),
    );
    assert.ok(linked.length > 0);
    for (const id of linked) assert.ok(ids.includes(id), id);
  });
});
