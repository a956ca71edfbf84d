import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** The VS Code server, workbench and extension host as an npm package; its release number minus 3.0.0 is VS Code's. */
export const CODE_SERVER = '4.139.1';

/** Where the host is kept between runs; CLPARITY_VSCODE_HOST names another folder. */
export function hostFolder(): string {
  return resolve(process.env.CLPARITY_VSCODE_HOST ?? '.vscode-host');
}

/** The folder of the code-server package, whether or not it is there. */
export function codeServerFolder(): string {
  return join(hostFolder(), 'node_modules', 'code-server');
}

/**
 * Installs code-server where it is missing. No install scripts run, so nothing is compiled and nothing is fetched from
 * outside the npm registry; what that leaves out (native log and watchdog modules) only costs log lines.
 */
export async function installHost(): Promise<void> {
  const dir = hostFolder();
  const done = join(dir, `installed-${CODE_SERVER}`);
  if (existsSync(done)) return;
  console.error(`Installing code-server ${CODE_SERVER} into ${dir} (once)`);
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'package.json'), '{ "private": true }\n');
  await npm(['install', '--save-exact', '--ignore-scripts', `code-server@${CODE_SERVER}`], dir);
  const vscode = join(codeServerFolder(), 'lib', 'vscode');
  await npm(['install', '--omit=dev', '--ignore-scripts'], vscode);
  linkAsar(vscode);
  writeFileSync(done, '');
}

/** code-server's own postinstall makes this link, under which its loader looks for modules. */
function linkAsar(vscode: string): void {
  const link = join(vscode, 'node_modules.asar');
  const wanted = readFileSync(join(codeServerFolder(), 'postinstall.sh'), 'utf8').includes('asar');
  if (wanted && !existsSync(link)) symlinkSync('node_modules', link);
}

async function npm(args: readonly string[], cwd: string): Promise<void> {
  const child = spawn('npm', [...args, '--loglevel=error'], { cwd, stdio: ['ignore', 2, 2] });
  const [status] = await once(child, 'exit');
  if (status !== 0) throw new Error(`npm ${args.join(' ')} failed in ${cwd} (${status})`);
}

if (import.meta.main) await installHost();
