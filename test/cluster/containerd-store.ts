import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Docker from 'dockerode';
import { endDaemon, startDaemon } from './daemon.ts';

/** A second Docker daemon, which keeps images in containerd: it builds, pulls, saves and pushes, and runs nothing. */
export interface ContainerdStore {
  readonly docker: Docker;
  readonly socket: string;
  close(): Promise<void>;
}

/** Starts it, as root, in a temporary folder. */
export async function startContainerdStore(): Promise<ContainerdStore> {
  const folder = await mkdtemp(join(tmpdir(), 'clparity-dockerd-'));
  const socket = join(folder, 'docker.sock');
  const places = ['--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec')];
  const quiet = ['--pidfile', join(folder, 'pid'), '--bridge', 'none', '--iptables=false', '--ip6tables=false'];
  const args = ['-H', `unix://${socket}`, ...places, ...quiet, '--feature', 'containerd-snapshotter=true'];
  const daemon = startDaemon('dockerd', args);
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
