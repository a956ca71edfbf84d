import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LocalCluster } from '../../src/cluster/provider.ts';
import type { Host } from '../../src/host/host.ts';
import { localHost } from '../../src/host/local.ts';
import { dressDocker } from './docker-labels.ts';

/** Docker Desktop's Kubernetes: a context of the kubeconfig, and a Docker that shows the pods' containers as its own. */
export interface Desktop {
  readonly host: Host;
  close(): Promise<void>;
}

/** What of the truth is changed, to see it found out. */
export interface DesktopFault {
  /** Of the containers' list of Docker, by default all of it. */
  readonly shown?: (containers: readonly object[]) => readonly object[];
  /** The API server's address in the kubeconfig. */
  readonly server?: string;
}

/**
 * A kind cluster's real API server under the context `docker-desktop`, and the real Docker with one thing more: it lists
 * the containers that the nodes' containerd really runs, with their real IDs and labels, as it does where a kubelet works
 * with it through cri-dockerd (github.com/Mirantis/cri-dockerd, core/container_create.go; libdocker/types).
 */
export async function dressDesktop(cluster: LocalCluster, fault: DesktopFault = {}): Promise<Desktop> {
  const local = localHost();
  const signal = AbortSignal.timeout(600_000);
  const lists = await Promise.all(
    cluster.nodes.map(async ({ name }) => {
      const { stdout } = await cluster.exec(name, ['crictl', 'ps', '-a', '-o', 'json'], { signal });
      return (JSON.parse(stdout) as { containers: { id: string; labels: object }[] }).containers;
    }),
  );
  const containers = lists.flat().map(({ id, labels }) => ({ Id: id, Labels: labels, Names: [], State: 'running' }));
  const { stdout } = await local.exec(['kind', 'get', 'kubeconfig', '--name', cluster.name], { signal });
  const kubeconfig = stdout
    .replaceAll(`kind-${cluster.name}`, 'docker-desktop')
    .replace(/server: .*/, (line) => (fault.server ? `server: ${fault.server}` : line));
  const folder = await mkdtemp(join(tmpdir(), 'clparity-desktop-'));
  await writeFile(join(folder, 'kubeconfig'), kubeconfig);
  const docker = await dressDocker('/var/run/docker.sock', join(folder, 'docker.sock'), {
    asked: 'io.kubernetes.pod.uid',
    labels: new Map(),
    more: fault.shown?.(containers) ?? containers,
  });
  const env = { ...local.env, DOCKER_HOST: `unix://${docker.socket}`, KUBECONFIG: join(folder, 'kubeconfig') };
  return {
    host: { ...local, env },
    async close() {
      await docker.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
