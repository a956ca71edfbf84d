import assert from 'node:assert/strict';
import { join } from 'node:path';
import * as vscode from 'vscode';
import { DEFAULT_SETTINGS } from '../../../src/settings.ts';
import { readSettings, settingsOf, storeChoices } from '../../../src/ui/settings.ts';

function folder(): vscode.WorkspaceFolder {
  const [first] = vscode.workspace.workspaceFolders ?? [];
  assert.ok(first, 'a folder is open');
  return first;
}

async function write(key: string, value: unknown): Promise<void> {
  await vscode.workspace.getConfiguration('clparity').update(key, value, vscode.ConfigurationTarget.Workspace);
}

describe('settings', () => {
  const touched = ['target.context', 'target.snapshot', 'cluster', 'image', 'archive', 'namespaces'];
  const more = [
    'namespaceMap',
    'namespacePrefix',
    'acceptWider',
    'enableDns',
    'engine',
    'keepStandIns',
    'probeTimeout',
    'excludeNamespaces',
  ];
  afterEach(async () => {
    for (const key of [...touched, ...more]) await write(key, undefined);
  });

  it("defaults are the core's own", () => {
    assert.deepEqual(readSettings(vscode.workspace.getConfiguration('clparity')), DEFAULT_SETTINGS);
  });

  it('every one of them reaches the core', async () => {
    await write('target.context', 'prod');
    await write('cluster', 'kind:dev');
    await write('image', 'none');
    await write('namespaces', ['shop-*']);
    await write('excludeNamespaces', ['kube-*']);
    await write('namespaceMap', { 'shop-prod': 'shop' });
    await write('namespacePrefix', 'dev1-');
    await write('acceptWider', ['shop/web']);
    await write('enableDns', true);
    await write('engine', 'cilium');
    await write('keepStandIns', true);
    await write('probeTimeout', 500);
    assert.deepEqual(settingsOf(folder()), {
      host: 'local',
      context: 'prod',
      cluster: 'kind:dev',
      // Only a person's own settings may add to them: a folder that comes from elsewhere can't.
      remoteClusters: [],
      image: 'none',
      images: 'base',
      namespaces: ['shop-*'],
      excludeNamespaces: ['kube-*'],
      namespaceMap: { 'shop-prod': 'shop' },
      namespacePrefix: 'dev1-',
      acceptWider: ['shop/web'],
      enableDns: true,
      engine: 'cilium',
      keep: true,
      probeTimeoutMs: 500,
    });
  });

  it("takes an archive's path from the folder and leaves the target's name as it is", async () => {
    await write('target.snapshot', 'clparity.snapshot.yaml');
    await write('archive', 'images/base.tar');
    const { snapshot, archive } = settingsOf(folder());
    assert.equal(snapshot, 'clparity.snapshot.yaml');
    assert.equal(archive, join(folder().uri.fsPath, 'images', 'base.tar'));
  });

  it('a chosen context takes the place of a snapshot, also of one in the user settings', async () => {
    const config = vscode.workspace.getConfiguration('clparity');
    await config.update('target.snapshot', 'mine.yaml', vscode.ConfigurationTarget.Global);
    try {
      await storeChoices(folder(), { 'target.context': 'prod', 'target.snapshot': undefined });
      const { context, snapshot } = settingsOf(folder());
      assert.deepEqual({ context, snapshot }, { context: 'prod', snapshot: undefined });
    } finally {
      await config.update('target.snapshot', undefined, vscode.ConfigurationTarget.Global);
    }
  });
});
