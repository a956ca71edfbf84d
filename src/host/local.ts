import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { environmentError } from './errors.ts';
import type { ExecOptions, ExecResult, Host } from './host.ts';

/** This machine (inside WSL when the window or shell is a WSL one). */
export function localHost(env: Readonly<Record<string, string | undefined>> = process.env): Host {
  return {
    name: 'local',
    platform: process.platform,
    env,
    home: env.HOME ?? homedir(),
    exec: (argv, options) => execLocal(argv, env, options),
    async readFile(path) {
      try {
        return await readFile(path, 'utf8');
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw environmentError(`Can't read ${path}: ${(cause as Error).message}`, { cause });
      }
    },
  };
}

function execLocal(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  options: ExecOptions = {},
): Promise<ExecResult> {
  const [program, ...args] = argv;
  if (!program) throw new TypeError('exec needs a program');
  const { signal, timeoutMs } = options;
  const late = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
  const stop = AbortSignal.any([signal, late].filter((s) => s !== undefined));
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const child = spawn(program, args, {
      env: { ...env, ...options.env },
      cwd: options.cwd,
      stdio: ['pipe', 'pipe', 'pipe'],
      windowsHide: true,
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (d: Buffer) => out.push(d));
    child.stderr.on('data', (d: Buffer) => err.push(d));
    const { onLine } = options;
    if (onLine) for (const input of [child.stdout, child.stderr]) createInterface({ input }).on('line', onLine);
    const onStop = () => child.kill('SIGTERM');
    stop.addEventListener('abort', onStop, { once: true });
    const done = () => stop.removeEventListener('abort', onStop);
    child.on('error', (cause) => {
      done();
      const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
      reject(
        environmentError(
          missing ? `${program} was not found on the PATH` : `Can't start ${program}: ${cause.message}`,
          {
            cause,
            action: missing ? `Install ${program}, or run "clparity doctor" to see what is missing.` : '',
          },
        ),
      );
    });
    child.on('close', (code) => {
      done();
      if (signal?.aborted) return reject(signal.reason);
      if (late?.aborted) return reject(environmentError(`${program} did not finish within ${timeoutMs} ms`));
      resolve({
        exitCode: code ?? -1,
        stdout: Buffer.concat(out).toString('utf8'),
        stderr: Buffer.concat(err).toString('utf8'),
      });
    });
    // A program may exit without reading its input: EPIPE then is its business, and its exit code tells.
    child.stdin.on('error', () => {});
    if (options.stdin instanceof Readable) options.stdin.pipe(child.stdin);
    else child.stdin.end(options.stdin ?? '');
  });
}
