import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startDaemon } from './daemon.ts';
import { answering, type DockerDaemon, socketIn } from './docker-daemon.ts';

/** Starts a second Docker daemon, as root: it keeps images in containerd, builds, pulls, saves and pushes, and runs nothing. */
export async function startContainerdStore(): Promise<DockerDaemon> {
  const folder = await mkdtemp(join(tmpdir(), 'clparity-dockerd-'));
  const places = ['--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec')];
  const quiet = ['--pidfile', join(folder, 'pid'), '--bridge', 'none', '--iptables=false', '--ip6tables=false'];
  const args = ['-H', `unix://${socketIn(folder)}`, ...places, ...quiet, '--feature', 'containerd-snapshotter=true'];
  return answering(startDaemon('dockerd', args), folder);
}
