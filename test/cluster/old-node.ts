import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LocalCluster } from '../../src/cluster/provider.ts';
import { localHost } from '../../src/host/local.ts';
import { endDaemon, startDaemon } from './daemon.ts';
import { debianProgram } from './debian.ts';

/** A node of an older release, as far as images go: a real containerd of Debian's with kubelet's side (CRI) on. */
export interface OldNode {
  readonly cluster: LocalCluster;
  readonly version: string;
  close(): Promise<void>;
}

/** Starts the containerd of a Debian release on this machine, in a folder of its own. `crictl` is the path of one. */
export async function startOldNode(suite: string, crictl: string): Promise<OldNode> {
  const containerd = await debianProgram('containerd', 'usr/bin/containerd', suite);
  const folder = await mkdtemp(join(tmpdir(), 'clparity-containerd-'));
  const [socket, bin] = [join(folder, 'containerd.sock'), join(folder, 'bin')];
  await mkdir(bin);
  await symlink(join(dirname(containerd), 'ctr'), join(bin, 'ctr'));
  await symlink(crictl, join(bin, 'crictl'));
  await chmod(crictl, 0o755);
  const config = join(folder, 'config.toml');
  await writeFile(config, 'version = 2\n[plugins."io.containerd.grpc.v1.cri".cni]\n  conf_dir = "/nonexistent"\n');
  const places = ['--root', join(folder, 'root'), '--state', join(folder, 'state'), '--address', socket];
  const daemon = startDaemon(containerd, ['--config', config, ...places]);
  const host = localHost();
  const env = {
    ...host.env,
    PATH: `${bin}:${host.env.PATH}`,
    CONTAINERD_ADDRESS: socket,
    CONTAINER_RUNTIME_ENDPOINT: `unix://${socket}`,
    IMAGE_SERVICE_ENDPOINT: `unix://${socket}`,
  };
  const exec: LocalCluster['exec'] = (_node, argv, options) => host.exec(argv, { ...options, env });
  const close = async () => {
    await endDaemon(daemon);
    await rm(folder, { recursive: true, force: true });
  };
  for (let i = 0; ; i++) {
    const { exitCode, stderr } = await exec('old', ['crictl', 'images'], { signal: AbortSignal.timeout(20_000) });
    if (exitCode === 0) break;
    if (i > 60 || daemon.exitCode !== null) {
      await close();
      throw new Error(`containerd of ${suite} does not start: ${stderr}`);
    }
    await sleep(500);
  }
  const version = (await exec('old', [containerd, '--version'], { signal: AbortSignal.timeout(20_000) })).stdout;
  const cluster = {
    provider: 'test',
    name: 'old',
    id: 'test:old',
    nodes: [{ name: 'old', role: 'worker' as const }],
    exec,
  };
  return { cluster, version, close };
}
