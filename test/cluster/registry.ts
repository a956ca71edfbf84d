import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { endDaemon, startDaemon } from './daemon.ts';
import { debianProgram } from './debian.ts';

/** A registry that runs on loopback, empty at first. */
export interface TestRegistry {
  /** `127.0.0.1:PORT`, the first part of references into it. */
  readonly host: string;
  /** Stops serving and keeps what was pushed. */
  stop(): Promise<void>;
  /** Serves again, on the same port. */
  restart(): Promise<void>;
  /** Stops it and deletes its data. */
  close(): Promise<void>;
}

/** Starts Debian's docker-registry, the real program, on a loopback port (a free one by default; with `everywhere` on all addresses, so that nodes reach it), data in a temporary folder. */
export async function startRegistry(
  options: { readonly port?: number; readonly everywhere?: true } = {},
): Promise<TestRegistry> {
  const program = await debianProgram('docker-registry', 'usr/bin/docker-registry');
  const folder = await mkdtemp(join(tmpdir(), 'clparity-registry-'));
  const host = `127.0.0.1:${options.port ?? (await freePort())}`;
  const config = join(folder, 'config.yml');
  await writeFile(
    config,
    JSON.stringify({
      version: 0.1,
      log: { level: 'error', accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: join(folder, 'data') }, delete: { enabled: true } },
      http: { addr: options.everywhere ? host.replace(/^[^:]+/, '') : host },
    }),
  );
  let child: ChildProcess | undefined;
  const stop = async () => {
    if (child) await endDaemon(child);
    child = undefined;
  };
  const restart = async () => {
    await stop();
    // Its log lists every 404, and a push asks for what isn't there.
    child = startDaemon(program, ['serve', config]);
    await answers(`http://${host}/v2/`, child);
  };
  await restart();
  return {
    host,
    stop,
    restart,
    async close() {
      await stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return address.port;
}

async function answers(url: string, child: ChildProcess): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (child.exitCode !== null) throw new Error(`docker-registry ended with exit code ${child.exitCode}`);
    const ok = await fetch(url).then(
      (response) => response.ok,
      () => false,
    );
    if (ok) return;
    await sleep(50);
  }
  throw new Error(`docker-registry does not answer at ${url}`);
}
