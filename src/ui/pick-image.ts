import * as vscode from 'vscode';
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
