import { access, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startDaemon } from './daemon.ts';
import { answering, type DockerDaemon, socketIn } from './docker-daemon.ts';

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
 * Starts `podman system service`, which pulls, saves and pushes, with images in a temporary folder (as vfs: other drivers
 * keep it mounted). `registry` (`HOST:PORT`) serves without TLS: unlike Docker, Podman has to be told, on loopback too
 * (containers-registries.conf(5)).
 */
export async function startPodman(registry: string): Promise<DockerDaemon> {
  const folder = await mkdtemp(join(tmpdir(), 'clparity-podman-'));
  const registries = join(folder, 'registries.conf');
  await writeFile(registries, `[[registry]]\nlocation = "${registry}"\ninsecure = true\n`);
  const places = ['--root', join(folder, 'root'), '--runroot', join(folder, 'run'), '--storage-driver', 'vfs'];
  const service = ['system', 'service', '--time', '0', `unix://${socketIn(folder)}`];
  const daemon = startDaemon('env', [`CONTAINERS_REGISTRIES_CONF=${registries}`, 'podman', ...places, ...service]);
  return answering(daemon, folder);
}
