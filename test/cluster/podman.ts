import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Docker from 'dockerode';
import { endDaemon, startDaemon } from './daemon.ts';

/** A Podman of its own behind its Docker API: it pulls, saves and pushes. */
export interface Podman {
  readonly docker: Docker;
  close(): Promise<void>;
}

/** Why none can be started here; false where one can. */
export async function podmanIsMissing(): Promise<string | false> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'the Podman of the tests runs as root on Linux';
  const found = await Promise.any(
    (process.env.PATH ?? '').split(':').map((folder) => access(join(folder, 'podman'))),
  ).then(
    () => true,
    () => false,
  );
  return found ? false : 'there is no podman here ("apt-get install podman")';
}

/**
 * Starts `podman system service` with images in a temporary folder (as vfs: other drivers keep it mounted). `registry`
 * (`HOST:PORT`) serves without TLS: unlike Docker, Podman has to be told, on loopback too (containers-registries.conf(5)).
 */
export async function startPodman(registry: string): Promise<Podman> {
  const folder = await mkdtemp(join(tmpdir(), 'clparity-podman-'));
  const socket = join(folder, 'podman.sock');
  const registries = join(folder, 'registries.conf');
  await writeFile(registries, `[[registry]]\nlocation = "${registry}"\ninsecure = true\n`);
  const places = ['--root', join(folder, 'root'), '--runroot', join(folder, 'run'), '--storage-driver', 'vfs'];
  const service = ['system', 'service', '--time', '0', `unix://${socket}`];
  const daemon = startDaemon('env', [`CONTAINERS_REGISTRIES_CONF=${registries}`, 'podman', ...places, ...service]);
  const docker = new Docker({ socketPath: socket, host: '', protocol: 'http' });
  const close = async () => {
    await endDaemon(daemon);
    await rm(folder, { recursive: true, force: true });
  };
  for (let i = 0; ; i++) {
    try {
      await docker.ping();
      return { docker, close };
    } catch (error) {
      if (i < 60 && daemon.exitCode === null) await sleep(500);
      else {
        await close();
        throw error;
      }
    }
  }
}
