import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import { environmentError } from '../../../src/host/errors.ts';
import { selectHost } from '../../../src/ui/commands/setup.ts';
import type { Core } from '../../../src/ui/core-api.ts';
import { createUi, type Ui } from '../../../src/ui/ui.ts';

describe('Select Host', () => {
  const { createQuickPick, showErrorMessage } = vscode.window;
  const config = () => vscode.workspace.getConfiguration('clparity');
  const set = (host: string | undefined) => config().update('host', host, vscode.ConfigurationTarget.Workspace);
  const opened: string[] = [];
  let lines: readonly vscode.QuickPickItem[] = [];
  let ui: Ui;

  /** Takes the line of a label as soon as it is there; without one, dismisses the question once it has lines. */
  function answer(label: string | undefined): void {
    const accepted = new vscode.EventEmitter<void>();
    const hidden = new vscode.EventEmitter<void>();
    const pick = {
      value: '',
      selectedItems: [] as vscode.QuickPickItem[],
      onDidAccept: accepted.event,
      onDidHide: hidden.event,
      onDidTriggerButton: new vscode.EventEmitter().event,
      onDidChangeValue: new vscode.EventEmitter().event,
      show() {},
      hide: () => hidden.fire(),
      dispose() {},
      set items(items: readonly vscode.QuickPickItem[]) {
        lines = items;
        if (items.length === 0) return;
        this.selectedItems = items.filter((item) => label !== undefined && item.label.endsWith(label));
        setTimeout(() => (label === undefined ? hidden.fire() : accepted.fire()));
      },
    };
    Object.assign(vscode.window, { createQuickPick: () => pick });
  }

  /** Whose distros are these; an error where they can't be listed. */
  const coreWith = (distros: readonly { name: string; version: number }[] | Error) =>
    ({
      localHost: () => ({ name: 'local' }),
      openHost: async (name: string) => {
        opened.push(name);
        return { name };
      },
      listDistros: async () => {
        if (distros instanceof Error) throw distros;
        return distros;
      },
    }) as unknown as Core;

  before(() => {
    const extension = vscode.extensions.getExtension('container-linux-parity.container-linux-parity');
    assert.ok(extension);
    ui = createUi({ subscriptions: [], extension });
    Object.assign(vscode.window, { showErrorMessage: async () => undefined });
  });
  beforeEach(() => {
    opened.length = 0;
  });
  after(async () => {
    Object.assign(vscode.window, { createQuickPick, showErrorMessage });
    await set(undefined);
    ui.documents.dispose();
  });

  it('writes the distro that was chosen, without opening the host that is set before', async () => {
    await set('wsl:Gone');
    answer('Ubuntu');
    const distros = [
      { name: 'Ubuntu', version: 2 },
      { name: 'Old', version: 1 },
    ];
    assert.equal(await selectHost(ui, async () => coreWith(distros))(), true);
    assert.equal(config().get('host'), 'wsl:Ubuntu');
    assert.ok(!opened.includes('wsl:Gone') && opened.includes('wsl:Ubuntu'), opened.join());
    assert.match(lines.find(({ label }) => label.endsWith('Old'))?.description ?? '', /WSL 1/);
  });

  it('says why no distro can be listed, and changes nothing when dismissed', async () => {
    await set('local');
    answer(undefined);
    const none = environmentError('wsl.exe was not found');
    assert.equal(await selectHost(ui, async () => coreWith(none))(), undefined);
    assert.equal(config().get('host'), 'local');
    assert.ok(lines.some(({ detail }) => detail === 'wsl.exe was not found'));
  });
});
