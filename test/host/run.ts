import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { SuiteResult } from './entry.ts';
import { runInCodeServer, type SuiteRun } from './in-code-server.ts';
import { runInElectron } from './in-electron.ts';

/**
 * Runs test/host/suite in a real extension host (see README.md here). Usage: `node test/host/run.ts [--tally FILE]`,
 * the tally being the SuiteResult as JSON. Exit 0 where tests ran and none failed, 1 otherwise.
 */
async function main(): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'clparity-workspace-'));
  cpSync('test/fixtures/workspace', folder, { recursive: true });
  const vsix = process.env.CLPARITY_VSIX;
  // Else the server and the browser would outlive a run that hangs.
  const stop = new AbortController();
  process.once('SIGTERM', () => stop.abort(new Error('ended by SIGTERM')));
  const run: SuiteRun = {
    extension: '.',
    ...(vsix ? { vsix: resolve(vsix) } : {}),
    tests: 'dist-test/entry.js',
    folder,
    limitMs: Number(process.env.CLPARITY_LIMIT_MS ?? 600_000),
    signal: stop.signal,
  };
  try {
    const result = await (desktop() ? runInElectron(run) : runInCodeServer(run));
    writeTally(result);
    return result.failures === 0 && result.passes > 0 ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** VSCODE_LAUNCHER is electron, code-server or auto: desktop VS Code only where one is named. */
function desktop(): boolean {
  const launcher = process.env.VSCODE_LAUNCHER ?? 'auto';
  return launcher === 'electron' || (launcher === 'auto' && process.env.VSCODE_EXECUTABLE !== undefined);
}

function writeTally(result: SuiteResult): void {
  const at = process.argv.indexOf('--tally');
  const file = at < 0 ? undefined : process.argv[at + 1];
  if (file) writeFileSync(file, JSON.stringify(result));
}

process.exitCode = await main();
