import { type Duplex, PassThrough, Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type Docker from 'dockerode';
import { startCommand } from '../cluster/node-containers.ts';
import type { NodeExecOptions } from '../cluster/provider.ts';
import { environmentError, messageOf } from '../host/errors.ts';
import { textOf, writeTo } from './stream.ts';

/**
 * Runs argv in a running container as its user (root in kind's nodes) and streams `stdin` in on a hijacked connection:
 * docker-modem's other duplex ignores back-pressure (docker-modem lib/http_duplex.js). Resolves whatever the exit code
 * is; rejects with the signal's reason when cancelled and with an `environment` error when Docker fails. Docker has no
 * way to end an exec: on cancel the program loses its input and output, and one that reads neither goes on by itself.
 */
export async function execInContainer(
  docker: Docker,
  container: string,
  argv: readonly string[],
  options: NodeExecOptions,
): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  const { signal, stdin } = options;
  signal.throwIfAborted();
  try {
    const exec = await docker.getContainer(container).exec({
      Cmd: [...argv],
      AttachStdin: stdin !== undefined,
      AttachStdout: true,
      AttachStderr: true,
      abortSignal: signal,
    });
    const socket = await exec.start({ hijack: true, stdin: stdin !== undefined, abortSignal: signal });
    const output = await converse(docker, socket, options);
    return { exitCode: await exitCode(exec, signal), ...output };
  } catch (cause) {
    signal.throwIfAborted();
    const start = await howToStart(docker, container, signal);
    throw environmentError(`Can't run ${argv[0]} in the container ${container}: ${messageOf(cause)}`, {
      cause,
      action: start === undefined ? 'Check with "docker ps" that it runs.' : `It isn't running. Start it: "${start}".`,
    });
  } finally {
    // A source that nobody reads to its end must not hold its file or connection open.
    if (stdin instanceof Readable) stdin.destroy();
  }
}

/** The command that makes a container run; undefined where it runs, isn't there, or Docker doesn't say. */
async function howToStart(docker: Docker, container: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    const { State } = await docker.getContainer(container).inspect({ abortSignal: signal });
    if (State.Paused) return startCommand([], [container]);
    return State.Running ? undefined : startCommand([container], []);
  } catch {
    // It only makes the advice better: what failed before it is what is told.
    signal.throwIfAborted();
    return undefined;
  }
}

async function converse(docker: Docker, socket: Duplex, { stdin, signal, onStdout }: NodeExecOptions) {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const texts = Promise.all([textOf(stdout, onStdout), textOf(stderr)]);
  const onAbort = () => socket.destroy();
  signal.addEventListener('abort', onAbort, { once: true });
  const ended = new Promise<void>((resolve, reject) => {
    socket.once('end', resolve);
    socket.once('close', resolve);
    // A program may end before its input does; then its exit code and stderr tell why, not a broken pipe.
    socket.on('error', (error: NodeJS.ErrnoException) => (isBrokenPipe(error) ? resolve() : reject(error)));
  });
  docker.modem.demuxStream(socket, stdout, stderr);
  try {
    // Over when the program is, whether or not all of its input was read; a source that fails ends it as well.
    await (stdin === undefined ? ended : Promise.race([ended, feed(socket, stdin).then(() => ended)]));
  } finally {
    signal.removeEventListener('abort', onAbort);
    socket.destroy();
    stdout.end();
    stderr.end();
  }
  signal.throwIfAborted();
  const [out, err] = await texts;
  return { stdout: out, stderr: err };
}

/** Writes the input with back-pressure, then half-closes. */
async function feed(socket: Duplex, stdin: Readable | string): Promise<void> {
  for await (const chunk of typeof stdin === 'string' ? [stdin] : stdin) {
    if (socket.destroyed) return;
    await writeTo(socket, chunk);
  }
  socket.end();
}

function isBrokenPipe(error: NodeJS.ErrnoException): boolean {
  return error.code === 'EPIPE' || error.code === 'ECONNRESET';
}

/** Docker closes the stream a moment before it writes the exit code down. */
async function exitCode(exec: Docker.Exec, signal: AbortSignal): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const { ExitCode, Running } = await exec.inspect({ abortSignal: signal });
    if (!Running && ExitCode !== null) return ExitCode;
    await sleep(Math.min(50, 2 ** attempt), undefined, { signal });
  }
  throw new Error('Docker does not tell its exit code');
}
