import { access, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { localHost } from '../../src/host/local.ts';
import { connectDocker } from '../../src/image/docker.ts';
import { clparity } from './cli.ts';
import { startDaemon } from './daemon.ts';
import { answering, type DockerDaemon, socketIn } from './docker-daemon.ts';
import { openTestCluster } from './test-cluster.ts';

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

/** A Podman of a test's own, and what a command needs in its environment to work with the same images and containers. */
export interface TestPodman extends DockerDaemon {
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Starts `podman system service` with images and containers in a temporary folder (as vfs: other drivers keep it mounted).
 * `registry` (`HOST:PORT`) serves without TLS: unlike Docker, Podman has to be told, on loopback too
 * (containers-registries.conf(5), containers-storage.conf(5), containers.conf(5)).
 */
export async function startPodman(registry: string): Promise<TestPodman> {
  const folder = await mkdtemp(join(tmpdir(), 'clparity-podman-'));
  const fileOf = (name: string) => join(folder, `${name}.conf`);
  const [registries, storage, containers] = [fileOf('registries'), fileOf('storage'), fileOf('containers')];
  await writeFile(registries, `[[registry]]\nlocation = "${registry}"\ninsecure = true\n`);
  const roots = `graphroot = "${join(folder, 'root')}"\nrunroot = "${join(folder, 'run')}"\n`;
  await writeFile(storage, `[storage]\ndriver = "vfs"\n${roots}`);
  // By itself it asks for more than a restricted root may give on.
  await writeFile(containers, '[containers]\ndefault_ulimits = ["nofile=16384:16384", "nproc=16384:16384"]\n');
  const service = ['podman', 'system', 'service', '--time', '0', `unix://${socketIn(folder)}`];
  const env = { CONTAINERS_REGISTRIES_CONF: registries, CONTAINERS_STORAGE_CONF: storage, CONTAINERS_CONF: containers };
  const daemon = startDaemon('env', [...Object.entries(env).map(([key, value]) => `${key}=${value}`), ...service]);
  const answers = await answering(daemon, folder);
  return { ...answers, env: { ...env, DOCKER_HOST: `unix://${answers.socket}` } };
}

/** A kind cluster in a Podman of its own, made by the command line itself. */
export async function kindInPodman(registry: string) {
  const podman = await startPodman(registry);
  const name = `podman-${process.pid}`;
  const env = { ...podman.env, KUBECONFIG: `${podman.socket}.kubeconfig` };
  const made = async () => {
    const docker = await connectDocker(localHost(), AbortSignal.timeout(10_000));
    const [node] = (await openTestCluster()).nodes;
    const nodeImage = (await docker.getContainer(node?.name ?? '').inspect()).Config.Image;
    const said = await podman.docker.loadImage(await docker.getImage(nodeImage).get());
    said.resume();
    await finished(said);
    const options = ['--node-image', nodeImage, '--workers', '0', '--yes'];
    const { code, stderr } = await clparity(['create', name, ...options], { cwd: tmpdir(), env });
    if (code !== 0) throw new Error(`create in Podman: ${stderr}`);
  };
  const close = async () => {
    const nodes = await podman.docker.listContainers({ all: true });
    for (const { Id } of nodes) await podman.docker.getContainer(Id).remove({ force: true, v: true });
    await podman.close();
  };
  try {
    await made();
  } catch (error) {
    await close();
    throw error;
  }
  const config = ['--kubeconfig', '/etc/kubernetes/admin.conf'];
  return {
    id: `kind:${name}`,
    host: localHost({ ...process.env, ...env }),
    kubectl: ['podman', 'exec', '-i', `${name}-control-plane`, 'kubectl', ...config],
    close,
  };
}
