import * as vscode from 'vscode';
import { failureOf } from './errors.ts';
import type { Place } from './place.ts';
import { BACK, type Choice, choose, separator } from './quick-pick.ts';
import { storeChoices } from './settings.ts';

/** As the setting calls this machine. */
const LOCAL = 'local';

/** Asks where the kubeconfig, Docker and the local cluster are, and writes it to the workspace's settings. False when dismissed. */
export async function pickHost(place: Place): Promise<boolean> {
  const host = await choose<string>({
    title: vscode.l10n.t('Select the host'),
    placeholder: vscode.l10n.t('Where are the kubeconfig, Docker and the local cluster?'),
    choices: async (signal) => [
      { label: `$(device-desktop) ${vscode.l10n.t('This machine')}`, description: LOCAL, value: LOCAL },
      separator(vscode.l10n.t('WSL distros')),
      ...(await distros(place, signal)),
    ],
  });
  if (host === undefined || host === BACK) return false;
  await storeChoices(place.folder, { host });
  return true;
}

/** Always something: who looks for a distro and sees none is told why. */
async function distros({ core }: Place, signal: AbortSignal): Promise<Choice<string>[]> {
  try {
    const found = await core.listDistros({ signal });
    if (found.length === 0) return [{ label: `$(info) ${vscode.l10n.t('wsl.exe lists none')}`, alwaysShow: true }];
    return found.map(({ name, version }) => {
      const host = `wsl:${name}`;
      return {
        label: `$(terminal-linux) ${name}`,
        description: version === 1 ? vscode.l10n.t('WSL 1, which has no Docker of its own') : host,
        value: host,
      };
    });
  } catch (error) {
    const { message } = failureOf(error);
    return [{ label: `$(info) ${vscode.l10n.t('None can be listed')}`, detail: message, alwaysShow: true }];
  }
}
