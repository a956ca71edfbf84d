import * as vscode from 'vscode';
import { command } from '../command.ts';
import { storeChoices } from '../settings.ts';

export const capture = command<vscode.Uri, { file: vscode.Uri; summary: string }>({
  title: () => vscode.l10n.t('Capture'),
  needs: { target: true },
  /** Called by another extension or a key binding, the file may come as an argument. */
  async ask({ folder }, argument) {
    if (argument instanceof vscode.Uri) return argument;
    return vscode.window.showSaveDialog({
      title: vscode.l10n.t('Save the snapshot'),
      saveLabel: vscode.l10n.t('Capture'),
      defaultUri: vscode.Uri.joinPath(folder.uri, 'clparity.snapshot.yaml'),
      filters: { YAML: ['yaml', 'yml'] },
    });
  },
  async work({ core, run, project }, file) {
    const snapshot = await core.capture(run, project);
    run.signal.throwIfAborted();
    await vscode.workspace.fs.writeFile(file, new TextEncoder().encode(core.formatSnapshot(snapshot, file.path)));
    const { source, namespaces, workloads, policies } = snapshot;
    const summary = vscode.l10n.t(
      'Captured {0}: {1} namespaces, {2} workloads, {3} policies.',
      source.name,
      namespaces.length,
      workloads.length,
      policies.length,
    );
    return { file, summary };
  },
  async show({ file, summary }, { folder }) {
    await vscode.window.showTextDocument(file);
    void offerAsTarget(file, summary, folder);
  },
});

async function offerAsTarget(file: vscode.Uri, summary: string, folder: vscode.WorkspaceFolder): Promise<void> {
  const use = vscode.l10n.t('Use as Target');
  if ((await vscode.window.showInformationMessage(summary, use)) !== use) return;
  await storeChoices(folder, { 'target.snapshot': vscode.workspace.asRelativePath(file, false) });
}
