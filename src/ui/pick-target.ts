import { basename, relative } from 'node:path';
import * as vscode from 'vscode';
import { failureOf } from './errors.ts';
import type { Place } from './place.ts';
import { BACK, type Choice, choose, separator } from './quick-pick.ts';
import { storeChoices } from './settings.ts';

export type Target =
  | { readonly context: string }
  | { readonly snapshot: string }
  | { readonly browse: 'folder' | 'file' };

/** Asks for the target and writes it to the workspace's settings. False when dismissed. */
export async function pickTarget(place: Place): Promise<boolean> {
  const target = await choose<Target>({
    title: vscode.l10n.t('Select the target'),
    placeholder: vscode.l10n.t('What should the local cluster be like? A target is only ever read.'),
    choices: async () => [...(await snapshots()), ...files(), ...(await contexts(place))],
  });
  if (target === undefined || target === BACK) return false;
  const path = 'browse' in target ? await browse(place, target.browse) : undefined;
  if ('browse' in target && path === undefined) return false;
  if ('context' in target) {
    await storeChoices(place.folder, { 'target.context': target.context, 'target.snapshot': undefined });
  } else {
    await storeChoices(place.folder, { 'target.snapshot': 'snapshot' in target ? target.snapshot : path });
  }
  return true;
}

/** Expected connections have such names as well. */
const NOT_SNAPSHOTS = '{**/node_modules/**,**/*.clparity.yaml,**/*.clparity.yml}';

/** The snapshots that the workspace holds. */
export async function snapshots(): Promise<Choice<Target>[]> {
  const found = await vscode.workspace.findFiles('**/*clparity*.{yaml,yml}', NOT_SNAPSHOTS, 20);
  if (found.length === 0) return [];
  const choices = found.map((uri) => {
    const path = vscode.workspace.asRelativePath(uri, false);
    return { label: `$(file) ${basename(path)}`, description: path, value: { snapshot: path } };
  });
  return [separator(vscode.l10n.t('Snapshots in this workspace')), ...choices];
}

function files(): Choice<Target>[] {
  return [
    separator(vscode.l10n.t('Files, no cluster contacted')),
    { label: `$(folder) ${vscode.l10n.t('A folder of manifests…')}`, value: { browse: 'folder' } },
    { label: `$(file-code) ${vscode.l10n.t('A manifest or snapshot file…')}`, value: { browse: 'file' } },
  ];
}

/** Always something: who looks for a cluster here and sees none is told why. */
async function contexts({ core, project }: Place): Promise<Choice<Target>[]> {
  const heading = separator(vscode.l10n.t('Contexts of your kubeconfig, read-only'));
  const instead = (label: string, detail: string) => [heading, { label: `$(info) ${label}`, detail, alwaysShow: true }];
  try {
    const found = await core.listContexts(project.host);
    if (found.length === 0)
      return instead(
        vscode.l10n.t('Your kubeconfig has no contexts'),
        vscode.l10n.t('Sign in to a cluster first, or choose files.'),
      );
    const choices = found.map(({ name, current, server }) => ({
      label: `$(globe) ${name}`,
      description: [server, current ? vscode.l10n.t('current') : undefined].filter(Boolean).join(' · '),
      value: { context: name },
    }));
    return [heading, ...choices];
  } catch (error) {
    // Files need no kubeconfig: a broken one mustn't keep anybody from choosing them.
    const { message, action } = failureOf(error);
    return instead(message, action ?? '');
  }
}

/** A path relative to the folder where it lies inside, so that the setting can be shared. */
async function browse(place: Place, what: 'folder' | 'file'): Promise<string | undefined> {
  const [uri] =
    (await vscode.window.showOpenDialog({
      title: what === 'folder' ? vscode.l10n.t('Folder of manifests') : vscode.l10n.t('Manifest or snapshot file'),
      openLabel: vscode.l10n.t('Use as Target'),
      defaultUri: place.folder.uri,
      canSelectFolders: what === 'folder',
      canSelectFiles: what === 'file',
      ...(what === 'file' ? { filters: { [vscode.l10n.t('YAML or JSON')]: ['yaml', 'yml', 'json'] } } : {}),
    })) ?? [];
  // VS Code gives the folder itself by its whole path.
  return (
    uri && (relative(place.folder.uri.fsPath, uri.fsPath) === '' ? '.' : vscode.workspace.asRelativePath(uri, false))
  );
}
