import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Browser, BrowserContext, FrameLocator, Locator, Page } from 'playwright-core';
import { browser, workbenchUrl } from '../host/browser.ts';
import { cli, hostRoot, type RunningHost, start } from '../host/code-server.ts';

/** A window with our package installed, as a person sees and drives it. */
export interface Window {
  readonly page: Page;
  /** F1, the title, Enter. */
  run(title: string): Promise<void>;
  /** The notification that holds a text. */
  toast(text: string | RegExp): Locator;
  /** The title line of the quick pick or input box on screen. */
  question(title: string | RegExp): Locator;
  /** A line of the quick pick on screen. */
  line(text: string | RegExp): Locator;
  /** Presses keys, one after the other. */
  press(...keys: readonly string[]): Promise<void>;
  /** Presses Tab until it is there: an element that has the focus. */
  tabTo(focused: Locator): Promise<void>;
  /** Puts a text into the quick pick or input box on screen. */
  type(text: string): Promise<void>;
  /** A line of the view in the side bar. */
  row(text: string | RegExp): Locator;
  /** A button of the view where it has no lines. */
  welcome(text: string): Locator;
  /** The tick of a step of the walkthrough: there once the step counts as done. */
  ticked(step: string): Locator;
  /** An item of the status bar. */
  status(text: string): Locator;
  /** The Markdown preview's document. */
  preview(): FrameLocator;
  /** Walks from the workspace's folder into one in it, in the dialog of this title, and takes it by its button. */
  openFolder(title: string, name: string, button: string): Promise<void>;
  /** Takes the name that the dialog for saving proposes. */
  saveAs(name: string): Promise<void>;
  /** Hides every notification. */
  clear(): Promise<void>;
  /** A picture for the README (media/screenshots) where CLPARITY_SHOTS names a folder. */
  shot(name: string): Promise<void>;
}

/** The first window, and what it runs on. */
export interface Workbench extends Window {
  /** The folder that is open: a copy, gone after `close`. */
  readonly folder: string;
  /** Another window of the same user: a folder, a file of a workspace, or nothing open. */
  window(path?: string): Promise<Window>;
  close(): Promise<void>;
}

export interface WorkbenchOptions {
  /** Folders to copy into the workspace. */
  readonly folders?: Readonly<Record<string, string>>;
  /** The workspace's own settings. */
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
  /** Windows ask for trust, as VS Code does by default; otherwise all are trusted. */
  readonly askForTrust?: boolean;
  /** Written into the folder before it is opened. */
  prepare?(folder: string): Promise<void>;
}

/** The kind cluster that tests may write to, `kind:NAME`; undefined where none was named to them. */
export function testCluster(): string | undefined {
  const name = process.env.CLPARITY_TEST_CLUSTER;
  return name && (name.includes(':') ? name : `kind:${name}`);
}

/** Milliseconds for anything to appear, unless told otherwise. */
const PATIENCE = 90_000;

/** Installs the package and opens a workspace. */
export async function openWorkbench(options: WorkbenchOptions = {}): Promise<Workbench> {
  const folder = mkdtempSync(join(tmpdir(), 'shop-'));
  for (const [name, from] of Object.entries(options.folders ?? {})) {
    cpSync(from, join(folder, name), { recursive: true });
  }
  if (options.settings) {
    mkdirSync(join(folder, '.vscode'));
    writeFileSync(join(folder, '.vscode', 'settings.json'), JSON.stringify(options.settings));
  }
  await options.prepare?.(folder);
  const root = hostRoot();
  const vsix = process.env.CLPARITY_VSIX ?? 'container-linux-parity.vsix';
  const installed = await cli(root, ['--install-extension', vsix]);
  assert.equal(installed.exitCode, 0, installed.output);
  const host = await start({ root, env: options.env ?? {}, askForTrust: options.askForTrust ?? false });
  let chromium: Browser | undefined;
  // Whoever runs the tests may end this process at a time limit: the server mustn't outlive it.
  const ended = () => void close().finally(() => process.exit(1));
  process.once('SIGTERM', ended);
  const close = async () => {
    process.off('SIGTERM', ended);
    await chromium?.close();
    await host.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    chromium = await browser();
    const context = await chromium.newContext({ viewport: { width: 1280, height: 800 }, deviceScaleFactor: 1 });
    const window = async (path?: string) => drive(await openPage(context, host, path));
    return { ...(await window(folder)), folder, window, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A workbench with the shop's manifests as the target, a cluster that isn't there, and no Docker. */
export function openShop(): Promise<Workbench> {
  return openWorkbench({
    folders: { manifests: 'test/fixtures/shop' },
    settings: { 'clparity.image': 'none', 'clparity.target.snapshot': 'manifests', 'clparity.cluster': 'kind:none' },
    env: { DOCKER_HOST: 'unix:///nowhere/docker.sock' },
  });
}

async function openPage(context: BrowserContext, host: RunningHost, path?: string): Promise<Page> {
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  await page.goto(workbenchUrl(host, path));
  await page.locator('.monaco-workbench').waitFor();
  if (path === undefined) return page;
  const first = page.locator('.explorer-folders-view .monaco-list-row').first();
  // A window that comes right after others have gone is sometimes served without its files: then, as a person would, again.
  await first.waitFor({ timeout: PATIENCE / 3 }).catch(() => page.reload());
  await first.waitFor();
  return page;
}

/**
 * Tests that are one story, each a test of its own: after one that fails, with a picture in CLPARITY_SHOTS, the rest fail
 * at once.
 */
export function story(bench: () => Workbench, skip: string | false = false) {
  let broken: string | undefined;
  return (name: string, act: () => Promise<void>) =>
    test(name, { skip }, async () => {
      if (broken !== undefined) assert.fail(`not tried: "${broken}" failed before`);
      try {
        await act();
      } catch (error) {
        broken = name;
        await bench().shot('failed');
        throw error;
      }
    });
}

/** Waits until a condition on the outside world holds; rejects after PATIENCE. */
export async function settled(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + PATIENCE; !(await holds()); ) {
    assert.ok(Date.now() < end, `waited in vain for ${what}`);
    await delay(100);
  }
}

/** Waits for a choice to be in the workspace's settings. */
export async function stored({ folder }: Workbench, key: string, value: string): Promise<void> {
  const file = join(folder, '.vscode', 'settings.json');
  // As text: the file may be read while it is being written.
  const line = new RegExp(`"${key}":\\s*"${value}"`);
  await settled(`${key} to be ${value}`, () => line.test(readFileSync(file, 'utf8')));
}

function drive(page: Page): Window {
  const input = page.locator('.quick-input-widget input[type=text]');
  /** Runs a command by its title, as typed into the palette. */
  const run = async (title: string): Promise<void> => {
    // The palette doesn't list what is registered after it was opened, and it goes away again when something else takes
    // the focus: on a busy machine, open it once more.
    const line = page.locator('.quick-input-list .monaco-list-row', { hasText: title }).first();
    for (const end = Date.now() + PATIENCE; ; ) {
      await page.keyboard.press('F1');
      try {
        await input.fill(`>${title}`, { timeout: 5_000 });
        await line.waitFor({ timeout: 5_000 });
        break;
      } catch (error) {
        if (Date.now() > end) throw error;
        await page.keyboard.press('Escape');
      }
    }
    await page.keyboard.press('Enter');
  };
  return {
    page,
    run,
    toast: (text) => page.locator('.notifications-toasts .notification-list-item', { hasText: text }).first(),
    question: (title) => page.locator('.quick-input-widget .quick-input-title', { hasText: title }),
    line: (text) => page.locator('.quick-input-list .monaco-list-row', { hasText: text }).first(),
    async press(...keys) {
      for (const key of keys) await page.keyboard.press(key);
    },
    async tabTo(focused) {
      for (let i = 0; i < 60 && (await focused.count()) === 0; i++) await page.keyboard.press('Tab');
      assert.equal(await focused.count(), 1, `Tab leads to ${focused}`);
    },
    type: (text) => input.fill(text),
    row: (text) => page.locator('.part.sidebar .monaco-list-row', { hasText: text }).first(),
    welcome: (text) => page.locator('.part.sidebar .welcome-view-content .monaco-button', { hasText: text }),
    ticked: (step) =>
      page.locator('.getting-started-step', { hasText: step }).locator('.codicon-getting-started-step-checked'),
    status: (text) => page.locator('.part.statusbar .statusbar-item', { hasText: text }).first(),
    preview: () => page.frameLocator('iframe.webview.ready').last().frameLocator('iframe#active-frame'),
    async openFolder(title, name, button) {
      await page.locator('.quick-input-widget .quick-input-title', { hasText: title }).waitFor();
      const row = (text: string) => page.locator('.quick-input-list .monaco-list-row', { hasText: text }).first();
      await row('.vscode').waitFor();
      // A click walks into the folder, where the workspace's settings are not.
      await row(name).click();
      await row('.vscode').waitFor({ state: 'hidden' });
      await page.locator('.quick-input-widget .monaco-button', { hasText: button }).click();
    },
    async saveAs(name) {
      // The dialog walks to the folder before it proposes the name.
      for (const end = Date.now() + PATIENCE; !(await input.inputValue()).endsWith(`/${name}`); await delay(50)) {
        assert.ok(Date.now() < end, `the name that is proposed: ${await input.inputValue()}`);
      }
      await page.keyboard.press('Enter');
    },
    async clear() {
      await run('Notifications: Clear All Notifications');
      await page.locator('.notifications-toasts .notification-list-item').first().waitFor({ state: 'hidden' });
    },
    async shot(name) {
      const folder = process.env.CLPARITY_SHOTS;
      if (!folder) return;
      mkdirSync(folder, { recursive: true });
      await page.mouse.move(640, 600); // off whatever would show a hover
      await page.screenshot({ path: join(folder, `${name}.png`) });
    },
  };
}
