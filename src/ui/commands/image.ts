import * as vscode from 'vscode';
import type { ImageLock, NodeImage } from '../../image/model.ts';
import { command, nothingToAsk } from '../command.ts';
import { pickToLoad, type ToLoad } from '../pick-image.ts';
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
    await vscode.commands.executeCommand('clparity.load', BASE);
  }
}

/** What is loaded without a question. */
const BASE = 'base';

export const load = command<ToLoad, readonly NodeImage[]>({
  title: () => vscode.l10n.t('Load'),
  needs: { cluster: true },
  ask: async (place, argument) => (argument === BASE ? {} : pickToLoad(place)),
  work: ({ core, run, project }, { reference }) => core.load(run, project, reference),
  async show(nodes, { project }) {
    const loaded = nodes.filter(({ state }) => state === 'loaded').length;
    const cluster = project.settings.cluster ?? '';
    const names = nodes[0]?.names ?? [];
    const name = names.find((one) => !one.includes('@')) ?? names[0] ?? '';
    const text =
      loaded === 0
        ? vscode.l10n.t('Every node of {0} already has {1}; nothing was sent.', cluster, name)
        : plural(
            loaded,
            vscode.l10n.t('Loaded {0} into 1 node of {1}.', name, cluster),
            vscode.l10n.t('Loaded {0} into {1} nodes of {2}.', name, loaded, cluster),
          );
    void vscode.window.showInformationMessage(text);
  },
});
