import * as vscode from 'vscode';
import type { ImageLock, NodeImage } from '../../image/model.ts';
import { command, nothingToAsk } from '../command.ts';
import { plural } from '../text.ts';

export const pull = command<true, ImageLock>({
  title: () => vscode.l10n.t('Pull'),
  needs: {},
  ask: nothingToAsk,
  work: ({ core, run, project }) => core.pull(run, project),
  async show({ repository, digest }) {
    void offerLoad(vscode.l10n.t('Pulled and pinned {0}@{1}.', repository, digest));
  },
});

async function offerLoad(text: string): Promise<void> {
  const load = vscode.l10n.t('Load into Nodes');
  if ((await vscode.window.showInformationMessage(text, load)) === load) {
    await vscode.commands.executeCommand('clparity.load');
  }
}

export const load = command<true, readonly NodeImage[]>({
  title: () => vscode.l10n.t('Load'),
  needs: { cluster: true },
  ask: nothingToAsk,
  work: ({ core, run, project }) => core.load(run, project),
  async show(nodes, { project }) {
    const loaded = nodes.filter(({ state }) => state === 'loaded').length;
    const text =
      loaded === 0
        ? vscode.l10n.t('Every node of {0} already has the base image.', project.settings.cluster ?? '')
        : plural(
            loaded,
            vscode.l10n.t('Loaded the base image into 1 node of {0}.', project.settings.cluster ?? ''),
            vscode.l10n.t('Loaded the base image into {0} nodes of {1}.', loaded, project.settings.cluster ?? ''),
          );
    void vscode.window.showInformationMessage(text);
  },
});
