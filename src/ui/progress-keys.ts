import * as vscode from 'vscode';
import type { Handler } from './command.ts';
import { failureOf } from './errors.ts';
import type { Known } from './known.ts';
import { settingsOf } from './settings.ts';

/**
 * The context keys by which the walkthrough ticks its steps and menus know what can be done. A step counts when it has
 * succeeded, not when its button was pressed.
 */
export const KEYS = ['clparity.hasTarget', 'clparity.hasCluster', 'clparity.hasReport'] as const;

/** Of a command that has succeeded in this window. */
export const DONE = 'clparity.done.';

export interface ProgressKeys extends vscode.Disposable {
  /** A handler that notes its success; one that was dismissed, cancelled or failed gives undefined. */
  noting(name: string, handler: Handler): Handler;
}

/** Sets the keys now and whenever the settings or the files of a run change. */
export function createProgressKeys(known: Known, log: vscode.LogOutputChannel): ProgressKeys {
  const update = async () => {
    const folders = vscode.workspace.workspaceFolders ?? [];
    const settings = folders.map(settingsOf);
    const reports = await Promise.all(folders.map((folder) => known.hasReport(folder)));
    const values: Readonly<Record<(typeof KEYS)[number], boolean>> = {
      'clparity.hasTarget': settings.some(({ context, snapshot }) => (context ?? snapshot) !== undefined),
      'clparity.hasCluster': settings.some(({ cluster }) => cluster !== undefined),
      'clparity.hasReport': reports.includes(true),
    };
    for (const key of KEYS) await setKey(key, values[key]);
  };
  const later = () => void update().catch((error: unknown) => log.warn(failureOf(error).message));
  const subscription = known.onDidChange(later);
  later();
  return {
    noting: (name, handler) => async (argument) => {
      const result = await handler(argument);
      if (result !== undefined) await setKey(`${DONE}${name}`, true);
      return result;
    },
    dispose: () => subscription.dispose(),
  };
}

async function setKey(key: string, value: boolean): Promise<void> {
  await vscode.commands.executeCommand('setContext', key, value);
}
