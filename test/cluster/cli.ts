import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const CLI = process.env.CLPARITY_CLI ?? fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs the built CLI as a user's script would: its own process, no terminal. With `interruptAt`, sends SIGINT (Ctrl+C),
 * or `signal`, as soon as stderr matches.
 */
export function clparity(
  args: readonly string[],
  options: {
    cwd: string;
    env?: Record<string, string>;
    /** A command that is to run it. */
    through?: readonly string[];
    interruptAt?: RegExp;
    /** What to do at that point: a signal, or something else that happens. */
    signal?: NodeJS.Signals | (() => void);
  },
): Promise<CliResult> {
  return new Promise((resolve, reject) => {
    const [program = '', ...rest] = [...(options.through ?? []), process.execPath, CLI, ...args];
    const child = spawn(program, rest, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    let interrupted = false;
    child.stdout.on('data', (d) => {
      stdout += d;
    });
    child.stderr.on('data', (d) => {
      stderr += d;
      if (!interrupted && options.interruptAt?.test(stderr)) {
        interrupted = true;
        if (typeof options.signal === 'function') options.signal();
        else child.kill(options.signal ?? 'SIGINT');
      }
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}
