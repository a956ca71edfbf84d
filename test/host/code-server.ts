import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { codeServerFolder, installHost } from './install.ts';

/** A VS Code that is running on a loopback port, with its own user data and extensions. */
export interface RunningHost {
  readonly url: string;
  /** `127.0.0.1:PORT`, the authority of its vscode-remote: URIs. */
  readonly authority: string;
  readonly vscode: string;
  /** Everything the server printed so far. */
  log(): string;
  /** Ends the server's process group and removes its data, unless CLPARITY_KEEP is set. */
  stop(): Promise<void>;
}

export interface HostOptions {
  /** User data and extensions; a new folder by default. Use one root for `cli` and `start`. */
  readonly root?: string;
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
  /** Whether folders open in Restricted Mode until the user trusts them. */
  readonly askForTrust?: boolean;
  /** Needed for mocha in the extension host; hides notification toasts, so never for UI tests. */
  readonly smokeDriver?: boolean;
}

const SETTINGS = {
  'security.workspace.trust.enabled': false,
  'telemetry.telemetryLevel': 'off',
  'update.mode': 'none',
  'extensions.autoUpdate': false,
  'extensions.autoCheckUpdates': false,
  'extensions.ignoreRecommendations': true,
  'workbench.startupEditor': 'none',
  'workbench.tips.enabled': false,
  'workbench.enableExperiments': false,
  'workbench.welcomePage.walkthroughs.openOnInstall': false,
  'workbench.reduceMotion': 'on',
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'chat.disableAIFeatures': true,
  'chat.commandCenter.enabled': false,
  'window.restoreWindows': 'none',
  'git.enabled': false,
  'git.openRepositoryInParentFolders': 'never',
};

const START_LIMIT_MS = 60_000;

/** A new folder for one host's user data and extensions. */
export function hostRoot(): string {
  return mkdtempSync(join(tmpdir(), 'clparity-host-'));
}

/** Starts a real VS Code (server, workbench, Node extension host), installing it first where it is missing. */
export async function start(options: HostOptions = {}): Promise<RunningHost> {
  await installHost();
  const root = options.root ?? hostRoot();
  const trust = options.askForTrust ? { 'security.workspace.trust.enabled': true } : {};
  writeProfile(root, { ...trust, ...options.settings });
  const flags = [
    ...(options.askForTrust ? [] : ['--disable-workspace-trust']),
    ...(options.smokeDriver ? SMOKE_DRIVER : []),
  ];
  const child = spawn(process.execPath, [...serverArgs(root), ...flags], {
    env: hostEnv(options.env ?? {}),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let log = '';
  const port = await new Promise<string>((resolve, reject) => {
    const fail = (why: string) => reject(new Error(`code-server ${why}\n${log}`));
    const timer = setTimeout(() => fail(`did not listen within ${START_LIMIT_MS} ms`), START_LIMIT_MS);
    const read = (data: Buffer) => {
      log += data.toString('utf8');
      if (process.env.CLPARITY_VERBOSE) process.stderr.write(data);
      const listening = /listening on http:\/\/127\.0\.0\.1:(\d+)/.exec(log)?.[1];
      if (!listening) return;
      clearTimeout(timer);
      resolve(listening);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.on('error', reject);
    child.on('exit', (code) => {
      clearTimeout(timer);
      fail(`exited with ${code}`);
    });
  });
  const ended = once(child, 'exit');
  return {
    url: `http://127.0.0.1:${port}`,
    authority: `127.0.0.1:${port}`,
    vscode: vscodeVersion(),
    log: () => log,
    async stop() {
      endGroup(child.pid, 'SIGTERM');
      const late = setTimeout(() => endGroup(child.pid, 'SIGKILL'), 3000);
      await ended;
      clearTimeout(late);
      endGroup(child.pid, 'SIGKILL'); // what the server left of its own children
      if (!process.env.CLPARITY_KEEP) rmSync(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
    },
  };
}

/** Runs `code …` on a root, for instance `cli(root, ['--install-extension', 'x.vsix'])`. */
export async function cli(
  root: string,
  args: readonly string[],
): Promise<{ readonly exitCode: number; readonly output: string }> {
  await installHost();
  writeProfile(root, {});
  const { status, stdout, stderr } = spawnSync(process.execPath, [entry(), ...profileArgs(root), ...args], {
    env: hostEnv({}),
    encoding: 'utf8',
  });
  return { exitCode: status ?? -1, output: `${stdout}${stderr}`.trim() };
}

// A built VS Code obeys extensionTestsPath in its URL only with this flag; code-server hands it on with --vscode-option.
const SMOKE_DRIVER = ['--vscode-option', 'enable-smoke-test-driver'];

function serverArgs(root: string): string[] {
  return [
    entry(),
    ...profileArgs(root),
    ...['--auth', 'none', '--bind-addr', '127.0.0.1:0', '--session-socket', join(root, 's.sock')],
    ...['--disable-telemetry', '--disable-update-check', '--disable-proxy'],
    ...['--disable-getting-started-override', '--ignore-last-opened'],
  ];
}

function profileArgs(root: string): string[] {
  return [
    ...['--config', join(root, 'config.yaml')],
    ...['--user-data-dir', join(root, 'user')],
    ...['--extensions-dir', join(root, 'ext')],
  ];
}

function writeProfile(root: string, settings: Readonly<Record<string, unknown>>): void {
  mkdirSync(join(root, 'user', 'User'), { recursive: true });
  mkdirSync(join(root, 'ext'), { recursive: true });
  writeFileSync(join(root, 'config.yaml'), 'auth: none\ncert: false\n');
  writeFileSync(join(root, 'user', 'User', 'settings.json'), JSON.stringify({ ...SETTINGS, ...settings }, null, 1));
}

/** Ours minus what would steer VS Code, Electron or npm; no extension gallery. */
function hostEnv(extra: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const all = Object.entries({ ...process.env, ...extra });
  const kept = all.filter(([name]) => !/^(VSCODE_|ELECTRON_|NODE_OPTIONS$|NODE_TEST_CONTEXT$|npm_)/.test(name));
  const gallery = { serviceUrl: '', itemUrl: '', resourceUrlTemplate: '', controlUrl: '' };
  return { ...Object.fromEntries(kept), EXTENSIONS_GALLERY: JSON.stringify(gallery) };
}

function entry(): string {
  return join(codeServerFolder(), 'out', 'node', 'entry.js');
}

function vscodeVersion(): string {
  const manifest = JSON.parse(readFileSync(join(codeServerFolder(), 'lib', 'vscode', 'package.json'), 'utf8'));
  return String(manifest.version);
}

function endGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // ESRCH: already gone
  }
}
