import { resolve } from 'node:path';
import * as vscode from 'vscode';
import { DEFAULT_SETTINGS, type Settings } from '../settings.ts';
import type { EngineName } from '../snapshot/model.ts';

/** The settings that a picker can write. */
export type ChoiceKey =
  | 'host'
  | 'target.context'
  | 'target.snapshot'
  | 'cluster'
  | 'namespacePrefix'
  | 'image'
  | 'archive';

const SECTION = 'clparity';

/** What the user chose in the settings, for one workspace folder. Empty text counts as not chosen. */
export function readSettings(config: Pick<vscode.WorkspaceConfiguration, 'get'>): Settings {
  const text = (key: string): string | undefined => config.get<string>(key)?.trim() || undefined;
  return {
    host: text('host') ?? DEFAULT_SETTINGS.host,
    remoteClusters: config.get<Settings['remoteClusters']>('remoteClusters') ?? DEFAULT_SETTINGS.remoteClusters,
    image: text('image') ?? DEFAULT_SETTINGS.image,
    images: config.get<Settings['images']>('images') ?? DEFAULT_SETTINGS.images,
    namespaces: config.get<string[]>('namespaces') ?? DEFAULT_SETTINGS.namespaces,
    excludeNamespaces: config.get<string[]>('excludeNamespaces') ?? DEFAULT_SETTINGS.excludeNamespaces,
    namespaceMap: config.get<Record<string, string>>('namespaceMap') ?? DEFAULT_SETTINGS.namespaceMap,
    namespacePrefix: text('namespacePrefix') ?? DEFAULT_SETTINGS.namespacePrefix,
    acceptWider: config.get<string[]>('acceptWider') ?? DEFAULT_SETTINGS.acceptWider,
    enableDns: config.get<boolean>('enableDns') ?? DEFAULT_SETTINGS.enableDns,
    keep: config.get<boolean>('keepStandIns') ?? DEFAULT_SETTINGS.keep,
    probeTimeoutMs: config.get<number>('probeTimeout') ?? DEFAULT_SETTINGS.probeTimeoutMs,
    ...chosen('context', text('target.context')),
    ...chosen('snapshot', text('target.snapshot')),
    ...chosen('cluster', text('cluster')),
    ...chosen('archive', text('archive')),
    ...chosen('registryMirror', text('registryMirror')),
    ...chosen('trust', text('trust')),
    ...chosen('engine', text('engine') as EngineName | undefined),
  };
}

/** What the views go by; the command line has no use for it. */
export interface ViewSettings {
  /** Whether the target and the local cluster are watched while the view is visible. */
  readonly watch: boolean;
  /** Hours after which a report is stale; 0 for never. */
  readonly staleAfterHours: number;
}

/** What the user chose for the views. */
export function readViewSettings(config: Pick<vscode.WorkspaceConfiguration, 'get'>): ViewSettings {
  return { watch: config.get<boolean>('drift.watch') ?? true, staleAfterHours: config.get<number>('staleAfter') ?? 24 };
}

/** A property that is absent where there is no value: the contract tells "absent" from "undefined". */
function chosen<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]: V });
}

/**
 * The settings that hold in a folder. Paths of files of ours start at the folder here; the snapshot's stays as given,
 * since it is the target's name too, and the core takes it from the project's folder itself.
 */
export function settingsOf(folder: vscode.WorkspaceFolder): Settings {
  const settings = readSettings(vscode.workspace.getConfiguration(SECTION, folder.uri));
  const here = (path: string | undefined) => (path === undefined ? undefined : resolve(folder.uri.fsPath, path));
  return { ...settings, ...chosen('archive', here(settings.archive)), ...chosen('trust', here(settings.trust)) };
}

/**
 * Writes choices to the workspace's settings; `undefined` takes a choice away, also one made in the user's settings
 * (an empty text here then overrides it).
 */
export async function storeChoices(
  folder: vscode.WorkspaceFolder,
  choices: { readonly [K in ChoiceKey]?: string | undefined },
): Promise<void> {
  const multiRoot = (vscode.workspace.workspaceFolders?.length ?? 0) > 1;
  const where = multiRoot ? vscode.ConfigurationTarget.WorkspaceFolder : vscode.ConfigurationTarget.Workspace;
  for (const [key, value] of Object.entries(choices)) {
    await vscode.workspace.getConfiguration(SECTION, folder.uri).update(key, value, where);
    const left = vscode.workspace.getConfiguration(SECTION, folder.uri).get<string>(key);
    if (value === undefined && left)
      await vscode.workspace.getConfiguration(SECTION, folder.uri).update(key, '', where);
  }
}
