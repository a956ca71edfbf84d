import * as vscode from 'vscode';
import type { Drift } from '../../drift/model.ts';
import type { Plan } from '../../plan/model.ts';
import { command, nothingToAsk } from '../command.ts';
import type { Core } from '../core-api.ts';
import { openRendered, RESULT_SCHEME } from '../documents.ts';
import { approveBeside, summary } from '../plan-preview.ts';
import { said } from '../said.ts';
import { sentences } from '../text.ts';
import type { Ui } from '../ui.ts';

export const undo = command<true, Plan>({
  title: () => vscode.l10n.t('Undo Last Apply'),
  needs: { cluster: true },
  ask: nothingToAsk,
  work: (job) => job.core.undo(job.run, job.project, approveBeside(job)),
  async show(plan) {
    const text =
      plan.objects.length === 0
        ? vscode.l10n.t('{0} already is as before the last apply.', plan.cluster)
        : sentences(vscode.l10n.t('Undone in {0}: {1}.', plan.cluster, summary(plan)), ...plan.warnings.map(said));
    void vscode.window.showInformationMessage(text);
  },
});

export const drift = command<true, Drift>({
  title: () => vscode.l10n.t('Drift'),
  needs: { target: true, cluster: true },
  ask: nothingToAsk,
  work: ({ core, run, project }) => core.drift(run, project),
  async show(found, { core }, ui) {
    if (core.hasMoved(found)) return openDrift(found, core, ui);
    const unknown = [found.target, found.local].flatMap(({ reason }) => reason ?? []);
    const text =
      unknown.length === 0
        ? vscode.l10n.t('Nothing has moved since the last report.')
        : vscode.l10n.t('Not all could be compared: {0}', unknown.join('; '));
    void vscode.window.showInformationMessage(text);
  },
});

/** What was found when it was last looked at; contacts nothing. */
export const showDrift = command<true, Drift>({
  title: () => vscode.l10n.t('Drift'),
  needs: {},
  harmless: true,
  ask: nothingToAsk,
  async work({ core, project }) {
    const found = await core.lastDrift(project.folder, core.chosenPair(project.settings));
    if (!found) await vscode.commands.executeCommand('clparity.drift');
    return found;
  },
  show: (found, { core }, ui) => openDrift(found, core, ui),
});

async function openDrift(found: Drift, core: Core, ui: Ui): Promise<void> {
  await openRendered(ui.documents.put(RESULT_SCHEME, 'Drift.md', core.driftMarkdown(found)));
}
