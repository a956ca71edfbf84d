import * as vscode from 'vscode';
import { quietRun } from '../host/run.ts';
import { DEFAULT_SETTINGS } from '../settings.ts';
import type { Place } from './place.ts';
import { BACK, choose, separator } from './quick-pick.ts';
import { storeChoices } from './settings.ts';

type Image = { readonly reference: string } | { readonly browse: true };

/** Asks for the base image and writes it to the workspace's settings. False when dismissed. */
export async function pickImage({ folder, project }: Place): Promise<boolean> {
  const { image, archive } = project.settings;
  const answer = await choose<Image>({
    title: vscode.l10n.t('Select the base image'),
    placeholder: vscode.l10n.t('Now {0}. Type another reference to use that.', archive ?? image),
    choices: async () => [
      {
        label: `$(package) ${DEFAULT_SETTINGS.image}`,
        description: vscode.l10n.t('Azure Linux, the default'),
        value: { reference: DEFAULT_SETTINGS.image },
      },
      {
        label: `$(circle-slash) ${vscode.l10n.t('none')}`,
        description: vscode.l10n.t('leave images alone, mirror policies only'),
        value: { reference: 'none' },
      },
      separator(''),
      { label: `$(archive) ${vscode.l10n.t('From an archive…')}`, value: { browse: true } },
    ],
    typed: (text) => ({ label: `$(package) ${text}`, value: { reference: text } }),
  });
  if (answer === undefined || answer === BACK) return false;
  if ('reference' in answer) {
    await storeChoices(folder, { image: answer.reference, archive: undefined });
    return true;
  }
  const [uri] =
    (await vscode.window.showOpenDialog({
      title: vscode.l10n.t('Image archive (docker save or OCI layout)'),
      openLabel: vscode.l10n.t('Use Archive'),
      defaultUri: folder.uri,
    })) ?? [];
  if (!uri) return false;
  await storeChoices(folder, { archive: vscode.workspace.asRelativePath(uri, false) });
  return true;
}

/** An image to load; without a reference, the base image of the settings. */
export interface ToLoad {
  readonly reference?: string;
}

/** Asks which image goes into the nodes: the base image, or one of Docker's own. Undefined when dismissed. */
export async function pickToLoad({ core, project }: Place): Promise<ToLoad | undefined> {
  const answer = await choose<ToLoad>({
    title: vscode.l10n.t('Load an image into the nodes'),
    placeholder: vscode.l10n.t('The base image, or one that you built.'),
    choices: async (signal) => [
      {
        label: `$(package) ${project.settings.archive ?? project.settings.image}`,
        description: vscode.l10n.t("the base image, under production's digest"),
        value: {},
      },
      separator(vscode.l10n.t('From Docker')),
      ...(await core.localImages(quietRun(signal), project)).map((reference) => ({
        label: `$(vm) ${reference}`,
        value: { reference },
      })),
    ],
    typed: (reference) => ({ label: `$(package) ${reference}`, value: { reference } }),
  });
  return answer === BACK ? undefined : answer;
}
