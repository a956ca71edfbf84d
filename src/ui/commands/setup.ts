import * as vscode from 'vscode';
import { command, type Handler, nothingToAsk, nothingToShow } from '../command.ts';
import type { Core } from '../core-api.ts';
import { showDiagnoses } from '../doctor-list.ts';
import { pickCluster } from '../pick-cluster.ts';
import { pickHost } from '../pick-host.ts';
import { pickImage } from '../pick-image.ts';
import { pickPair } from '../pick-pair.ts';
import { pickTarget } from '../pick-target.ts';
import type { Place } from '../place.ts';
import { storeChoices } from '../settings.ts';
import type { Ui } from '../ui.ts';

/** Commands that may mend a fault. */
const MENDING = new Set(['create', 'selectCluster', 'selectTarget', 'sync', 'verify', 'pull', 'load']);

type Diagnoses = Awaited<ReturnType<Core['doctor']>>;

export const doctor = command<true, Diagnoses>({
  title: () => vscode.l10n.t('Doctor'),
  needs: {},
  ask: nothingToAsk,
  work: ({ core, run, project }) => core.doctor(run, project),
  async show(diagnoses, _place, ui) {
    // Not waited for: the doctor is done, the list stays as long as it is wanted.
    void showDiagnoses(diagnoses, ui.inPaletteWords, MENDING);
  },
});

export const create = command<string, string>({
  title: () => vscode.l10n.t('Create Local Cluster'),
  needs: {},
  ask: () =>
    Promise.resolve(
      vscode.window.showInputBox({
        title: vscode.l10n.t('Create a kind cluster'),
        prompt: vscode.l10n.t("Name; its Kubernetes version follows the target's where that is known"),
        value: 'parity',
        validateInput: (name) =>
          /^[a-z0-9][a-z0-9.-]*$/.test(name)
            ? undefined
            : vscode.l10n.t('Lower-case letters, digits, dots and dashes, beginning with a letter or digit'),
      }),
    ),
  work: async ({ core, run, project }, name) => (await core.createCluster(run, project, { name })).id,
  async show(id, { folder }) {
    await storeChoices(folder, { cluster: id });
    void vscode.window.showInformationMessage(vscode.l10n.t('Created {0}; it is the local cluster now.', id));
  },
});

/** Commands that only ask, and write the answer to the settings. */
const choice = (title: () => string, pick: (place: Place) => Promise<boolean>, more: { choosesHost?: true } = {}) =>
  command<true, true>({
    title,
    needs: {},
    ...more,
    ask: async (place) => ((await pick(place)) ? true : undefined),
    work: nothingToAsk,
    show: nothingToShow,
  });

export const selectHost = choice(() => vscode.l10n.t('Select Host'), pickHost, { choosesHost: true });
export const selectTarget = choice(() => vscode.l10n.t('Select Target'), pickTarget);
export const selectPair = choice(() => vscode.l10n.t('Select Target and Cluster'), pickPair);
export const selectImage = choice(() => vscode.l10n.t('Select Base Image'), pickImage);
export const selectCluster = choice(
  () => vscode.l10n.t('Select Local Cluster'),
  async (place) => {
    const answer = await pickCluster(place);
    if (answer === 'create') await vscode.commands.executeCommand('clparity.create');
    return answer === 'chosen';
  },
);

/** Needs neither the core nor a folder. */
export const showLog =
  ({ log }: Ui): Handler =>
  async () =>
    log.show(true);
