import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { browser, remoteUri, workbenchUrl } from './browser.ts';
import { cli, hostRoot, start } from './code-server.ts';
import type { SuiteResult } from './entry.ts';

export interface SuiteRun {
  /** The extension under development; ignored where `vsix` is set. */
  readonly extension: string;
  /** A package to install as a user would and test instead. */
  readonly vsix?: string;
  /** The compiled test/host/entry.ts. */
  readonly tests: string;
  /** The folder the window opens. */
  readonly folder: string;
  /** Milliseconds for the whole suite. */
  readonly limitMs: number;
  /** Ends the suite before. */
  readonly signal: AbortSignal;
}

/** Runs the suite in code-server's extension host. Rejects where the host crashed, hung or left no result. */
export async function runInCodeServer(run: SuiteRun): Promise<SuiteResult> {
  const root = hostRoot();
  const resultFile = join(root, 'result.json');
  if (run.vsix) await install(root, run.vsix);
  const env = { CLPARITY_HOST: 'code-server', CLPARITY_RESULT: resultFile };
  const host = await start({ root, smokeDriver: true, env });
  console.error(`VS Code ${host.vscode} at ${host.url}`);
  const chromium = await browser().catch(async (error: unknown) => {
    await host.stop();
    throw error;
  });
  try {
    const page = await (await chromium.newContext({ viewport: { width: 1280, height: 800 } })).newPage();
    const { promise: ended, resolve: end } = Promise.withResolvers<string>();
    const limit = setTimeout(end, run.limitMs, `nothing within ${run.limitMs} ms`);
    run.signal.throwIfAborted();
    run.signal.addEventListener('abort', () => end('ended from outside'));
    await watch(page, end);
    const extension = run.vsix ? join('test', 'host', 'empty-extension') : run.extension;
    await page.goto(
      workbenchUrl(host, run.folder, [
        ['extensionDevelopmentPath', remoteUri(host, extension)],
        ['extensionTestsPath', remoteUri(host, run.tests)],
        ['skipWelcome', 'true'],
        ['skipReleaseNotes', 'true'],
      ]),
      // A busy machine takes its time; the suite has a limit of its own.
      { timeout: run.limitMs },
    );
    const exit = await ended;
    clearTimeout(limit);
    run.signal.throwIfAborted();
    // VS Code reports exit 0 for an extension host that was killed: only the suite's own tally counts.
    if (!existsSync(resultFile)) throw new Error(`No result from the extension host (${exit}).\n${tail(host.log())}`);
    return JSON.parse(readFileSync(resultFile, 'utf8')) as SuiteResult;
  } finally {
    await chromium.close();
    await host.stop();
  }
}

async function install(root: string, vsix: string): Promise<void> {
  const { exitCode, output } = await cli(root, ['--install-extension', vsix]);
  if (exitCode !== 0) throw new Error(`Installing ${vsix} failed:\n${output}`);
}

/** Binds the functions that VS Code's own browser tests bind; `end` is told how the test host ended. */
async function watch(page: Page, end: (how: string) => void): Promise<void> {
  await page.exposeFunction('codeAutomationLog', (type: string, args: readonly unknown[]) => {
    const line = args.map((arg) => (typeof arg === 'string' ? arg : JSON.stringify(arg))).join(' ');
    if (line.startsWith('[t] ')) console.log(line.slice(4));
    else if (process.env.CLPARITY_VERBOSE) console.error(`[workbench ${type}] ${line}`);
    if (/Extension host .*terminated unexpectedly/i.test(line)) setTimeout(end, 500, line);
  });
  await page.exposeFunction('codeAutomationExit', (code: number) => end(`exit ${code}`));
  page.on('pageerror', (error) => console.error(`[page] ${error.message}`));
  page.on('crash', () => end('the page crashed'));
}

/** The log's last messages, without the stacks that its missing native modules cause (see install.ts). */
function tail(log: string): string {
  const messages = log.split('\n').filter((line) => line.startsWith('['));
  return `${messages.slice(-20).join('\n')}\n(CLPARITY_VERBOSE=1 shows all)`;
}
