import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import type { RunningHost } from './code-server.ts';

const PATHS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** The machine's Chromium (CHROMIUM names another), headless and cut off from everything but loopback. */
export async function browser(): Promise<Browser> {
  const executablePath = process.env.CHROMIUM ?? PATHS.find((path) => existsSync(path));
  if (!executablePath) throw new Error('No Chromium: apt-get install chromium, or set CHROMIUM.');
  const args = [
    '--no-sandbox', // as root it starts no other way
    '--disable-dev-shm-usage',
    '--disable-gpu',
    '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost',
  ];
  return chromium.launch({ executablePath, headless: true, args });
}

/**
 * A clock of the processor time, in milliseconds, that a page's main thread has spent on its tasks: what else the machine does
 * doesn't count. (Chrome DevTools Protocol, Performance domain.)
 */
export async function processorTime(page: Page): Promise<() => Promise<number>> {
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  return async () => {
    const { metrics } = await session.send('Performance.getMetrics');
    return (metrics.find(({ name }) => name === 'TaskDuration')?.value ?? Number.NaN) * 1000;
  };
}

/** The workbench's address with a folder, a workspace file or nothing open. `payload` is what desktop VS Code takes as command-line options. */
export function workbenchUrl(
  host: RunningHost,
  path: string | undefined,
  payload?: readonly (readonly [string, string])[],
): string {
  const url = new URL(host.url);
  if (path === undefined) url.searchParams.set('ew', 'true');
  else url.searchParams.set(path.endsWith('.code-workspace') ? 'workspace' : 'folder', resolve(path));
  if (payload) url.searchParams.set('payload', JSON.stringify(payload));
  return url.href;
}

/** A path on the host's machine, as the workbench names it. */
export function remoteUri(host: RunningHost, path: string): string {
  return `vscode-remote://${host.authority}${resolve(path)}`;
}
