import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { environmentError } from './errors.ts';
import type { Address, Host, SpawnOptions } from './host.ts';
import { finished, startProgram, textResult } from './program.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** This machine (inside WSL when the window or shell is a WSL one). */
export function localHost(env: Env = process.env): Host {
  const spawn = (argv: readonly string[], options: SpawnOptions = {}) =>
    startProgram(options.user === 'root' ? asRoot(argv, Object.keys(options.env ?? {})) : argv, {
      ...options,
      env: { ...env, ...options.env },
    });
  return {
    name: 'local',
    platform: process.platform,
    env,
    home: env.HOME ?? homedir(),
    spawn,
    exec: async (argv, options = {}) =>
      textResult(await finished(argv[0] ?? '', (signal) => spawn(argv, { ...options, signal }), options)),
    async readFile(path) {
      try {
        return await readFile(path, 'utf8');
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw environmentError(`Can't read ${path}: ${(cause as Error).message}`, { cause });
      }
    },
    async hasSocket(path) {
      try {
        return (await stat(path)).isSocket();
      } catch {
        // Not there, or not for us: either way there is no socket to use.
        return false;
      }
    },
    async withTemporaryFolder(work) {
      const folder = await mkdtemp(join(tmpdir(), 'clparity-'));
      try {
        return await work(folder);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
    connect: connectLocal,
  };
}

/** `sudo -n` never asks for a password: it fails with "a password is required". */
function asRoot(argv: readonly string[], variables: readonly string[]): readonly string[] {
  if (process.getuid?.() === 0) return argv;
  return ['sudo', '-n', ...(variables.length > 0 ? [`--preserve-env=${variables.join(',')}`] : []), '--', ...argv];
}

function connectLocal(address: Address, signal?: AbortSignal): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const socket = connect({ ...address, allowHalfOpen: true });
    const onAbort = () => socket.destroy();
    signal?.addEventListener('abort', onAbort, { once: true });
    const settled = () => {
      signal?.removeEventListener('abort', onAbort);
      socket.removeAllListeners();
    };
    socket.once('connect', () => {
      settled();
      resolve(socket);
    });
    socket.once('error', (cause) => {
      settled();
      const where = 'path' in address ? address.path : `${address.host}:${address.port}`;
      reject(environmentError(`Can't connect to ${where}: ${cause.message}`, { cause }));
    });
    socket.once('close', () => {
      settled();
      reject(signal?.reason);
    });
  });
}
