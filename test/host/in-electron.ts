import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { runTests } from '@vscode/test-electron';
import { hostRoot } from './code-server.ts';
import type { SuiteResult } from './entry.ts';
import type { SuiteRun } from './in-code-server.ts';

/** Runs the suite in desktop VS Code: VSCODE_EXECUTABLE, or a download of VSCODE_VERSION (stable). */
export async function runInElectron(run: SuiteRun): Promise<SuiteResult> {
  const root = hostRoot();
  const resultFile = join(root, 'result.json');
  const executable = process.env.VSCODE_EXECUTABLE;
  await runTests({
    ...(executable ? { vscodeExecutablePath: executable } : { version: process.env.VSCODE_VERSION ?? 'stable' }),
    extensionDevelopmentPath: resolve(run.extension),
    extensionTestsPath: resolve(run.tests),
    extensionTestsEnv: { ...process.env, CLPARITY_HOST: 'electron', CLPARITY_RESULT: resultFile },
    launchArgs: [
      resolve(run.folder),
      '--disable-extensions',
      '--disable-workspace-trust',
      '--skip-welcome',
      '--skip-release-notes',
      ...['--user-data-dir', join(root, 'user')],
    ],
  });
  if (!existsSync(resultFile)) throw new Error('VS Code left no result.');
  return JSON.parse(readFileSync(resultFile, 'utf8')) as SuiteResult;
}
