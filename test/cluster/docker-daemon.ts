import type { ChildProcess } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Docker from 'dockerode';
import { endDaemon } from './daemon.ts';

/** A daemon of a test's own that speaks Docker's API. */
export interface DockerDaemon {
  readonly docker: Docker;
  readonly socket: string;
  /** Ends it and deletes its folder. */
  close(): Promise<void>;
}

/** Where such a daemon is to listen in its folder. */
export const socketIn = (folder: string) => join(folder, 'docker.sock');

/**
 * Waits until a daemon that was started with all it has in `folder` answers, a minute at most. Where it doesn't, or has
 * ended, nothing of it is left.
 */
export async function answering(daemon: ChildProcess, folder: string): Promise<DockerDaemon> {
  const socket = socketIn(folder);
  const docker = new Docker({ socketPath: socket, host: '', protocol: 'http' });
  const close = async () => {
    await endDaemon(daemon);
    await rm(folder, { recursive: true, force: true });
  };
  for (let i = 0; ; i++) {
    try {
      await docker.ping();
      return { docker, socket, close };
    } catch (error) {
      if (i < 120 && daemon.exitCode === null) await sleep(500);
      else {
        await close();
        throw error;
      }
    }
  }
}
