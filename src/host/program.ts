import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { Readable, type Writable } from 'node:stream';
import { environmentError } from './errors.ts';
import type { ExecOptions, ExecResult, Program } from './host.ts';

/** How long a program that was told to end may take before it is ended. */
const GRACE_MS = 2000;

export interface Start {
  readonly signal?: AbortSignal | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string | undefined;
}

/** Starts a process of this machine. */
export function startProgram(argv: readonly string[], { signal, env, cwd }: Start): Program {
  const [program, ...args] = argv;
  if (!program) throw new TypeError('a program is needed');
  signal?.throwIfAborted();
  const child = spawn(program, args, { env, cwd, stdio: ['pipe', 'pipe', 'pipe'], windowsHide: true });
  const kill = () => {
    child.kill('SIGTERM');
    // Its own children may hold its output open after it: what they write is of no interest any more.
    const last = setTimeout(() => {
      child.kill('SIGKILL');
      for (const stream of [child.stdout, child.stderr]) stream.destroy();
    }, GRACE_MS);
    child.once('exit', () => {
      clearTimeout(last);
      for (const stream of [child.stdout, child.stderr]) stream.destroy();
    });
  };
  const ended = new Promise<number>((resolve, reject) => {
    signal?.addEventListener('abort', kill, { once: true });
    child.on('error', (cause) => {
      signal?.removeEventListener('abort', kill);
      reject(notStarted(program, cause));
    });
    child.on('close', (code) => {
      signal?.removeEventListener('abort', kill);
      if (signal?.aborted) reject(signal.reason);
      else resolve(code ?? -1);
    });
  });
  // Whoever talks with it by its streams alone may never ask how it ended.
  ended.catch(() => {});
  // A program may exit without reading its input: EPIPE then is its business, and its exit code tells.
  child.stdin.on('error', () => {});
  return {
    stdin: child.stdin,
    stdout: child.stdout,
    stderr: child.stderr,
    ended,
    kill,
    ref: () => holding(child, 'ref'),
    unref: () => holding(child, 'unref'),
  };
}

function holding(child: ChildProcessByStdio<Writable, Readable, Readable>, what: 'ref' | 'unref'): void {
  child[what]();
  // Pipes to children are sockets, which node's types don't say.
  for (const stream of [child.stdin, child.stdout, child.stderr]) {
    (stream as { ref?(): void; unref?(): void })[what]?.();
  }
}

function notStarted(program: string, cause: Error): Error {
  const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
  return missing
    ? missingProgram(program, '', cause)
    : environmentError(`Can't start ${program}: ${cause.message}`, { cause });
}

/** What every host says of a program that it doesn't have. */
export function missingProgram(program: string, where: string, cause?: unknown): Error {
  return environmentError(`${program} was not found on the PATH${where}`, {
    cause,
    action: `Install ${program}${where}, or run "clparity doctor" to see what is missing.`,
  });
}

/** A program's whole output, as bytes. */
export interface RawResult {
  readonly exitCode: number;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

/** Gives a program its input and waits for its end. `start` is handed the signal that cancel and time limit share. */
export async function finished(
  what: string,
  start: (signal: AbortSignal) => Program,
  options: ExecOptions,
): Promise<RawResult> {
  const { signal, timeoutMs, stdin, onLine, onStdout } = options;
  const late = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
  const program = start(AbortSignal.any([signal, late].filter((s) => s !== undefined)));
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  program.stdout.on('data', (d: Buffer) => out.push(d));
  program.stderr.on('data', (d: Buffer) => err.push(d));
  if (onStdout) program.stdout.on('data', onStdout);
  if (onLine) for (const input of [program.stdout, program.stderr]) createInterface({ input }).on('line', onLine);
  if (stdin instanceof Readable) {
    // A source that breaks off must not look like its end.
    stdin.once('error', () => program.kill());
    stdin.pipe(program.stdin);
  } else program.stdin.end(stdin ?? '');
  try {
    const exitCode = await program.ended;
    if (stdin instanceof Readable && stdin.errored) throw stdin.errored;
    return { exitCode, stdout: Buffer.concat(out), stderr: Buffer.concat(err) };
  } catch (error) {
    if (late?.aborted && !signal?.aborted) throw environmentError(`${what} did not finish within ${timeoutMs} ms`);
    throw error;
  } finally {
    // A source that nobody reads to its end must not hold its file or connection open.
    if (stdin instanceof Readable) stdin.destroy();
  }
}

export function textResult({ exitCode, stdout, stderr }: RawResult): ExecResult {
  return { exitCode, stdout: stdout.toString('utf8'), stderr: stderr.toString('utf8') };
}
