import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = dirname(fileURLToPath(import.meta.url));

/** A Windows machine with WSL, as far as wsl.exe shows it. */
export interface WslMachine {
  /** The state that the stand-in reads (see wsl.exe): files to write for a fault, and to remove to end it. */
  readonly state: string;
  /** The variables of a program on that machine. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Puts a fault there, or any other file of the state. */
  set(name: string, content?: string): Promise<void>;
  unset(name: string): Promise<void>;
  wsl(...args: string[]): Promise<number | null>;
  remove(): Promise<void>;
}

/**
 * With distros (name, state and version a line, the default first). `plain` ones run programs right here, as any user; a
 * process' number means that the distro is what that process lives in, which goes on when the machine is removed.
 */
export async function wslMachine(distros: readonly string[], kind: 'plain' | 'apart' | number): Promise<WslMachine> {
  const state = await mkdtemp(join(tmpdir(), 'clparity-wsl-'));
  const set = (name: string, content = '') => writeFile(join(state, name), content);
  await mkdir(join(state, 'home'));
  await set('distros', distros.map((line) => `${line}\n`).join(''));
  await set('machine', String(process.pid));
  if (kind === 'plain') await set('plain');
  if (typeof kind === 'number') {
    await set('holder', String(kind));
    await set('docker-group', '1000');
  }
  const env = { ...process.env, STANDIN_WSL: state, PATH: `${HERE}${delimiter}${process.env.PATH ?? ''}` };
  const wsl = (...args: string[]) =>
    new Promise<number | null>((resolve, reject) => {
      const child = spawn(join(HERE, 'wsl.exe'), args, { env, stdio: 'ignore' });
      child.on('error', reject);
      child.on('close', resolve);
    });
  return {
    state,
    env,
    set,
    unset: (name) => rm(join(state, name), { force: true }),
    wsl,
    async remove() {
      await rm(join(state, 'hangs'), { force: true });
      if (kind === 'apart') for (const line of distros) await wsl('--terminate', line.split(' ')[0] ?? '');
      await rm(state, { recursive: true, force: true });
    },
  };
}
