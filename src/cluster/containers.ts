import type Docker from 'dockerode';
import type { Run } from '../host/run.ts';
import { execInContainer } from '../image/docker.ts';
import { containerImporter, withClosed } from './container-import.ts';
import { vouchForContainers } from './container-vouch.ts';
import { type ContainerKind, containerClusters, stoppedNodes } from './node-containers.ts';
import type { LocalCluster, Provider } from './provider.ts';

/** The clusters of a tool whose nodes are containers, found by these containers' labels, never by the user's kubeconfig. */
export async function listContainerClusters(docker: Docker, kind: ContainerKind, run: Run): Promise<LocalCluster[]> {
  const clusters = await containerClusters(docker, kind, run);
  return clusters.map(({ name, running, stopped, start }) => ({
    provider: kind.provider,
    name,
    id: `${kind.provider}:${name}`,
    nodes: running,
    // Nobody vouches for a cluster without all of its nodes.
    ...(stopped.length > 0 && {
      fault: {
        message: running.length === 0 ? `${kind.provider}:${name} is stopped` : stoppedNodes(stopped),
        action: `Start ${stopped.length === 1 || running.length === 0 ? 'it' : 'them'} with "${start}".`,
      },
    }),
    exec: (node, argv, options) => execInContainer(docker, node, argv, options),
  }));
}

/**
 * Such a tool whose nodes may lack what kind's have: each node without bash is closed, so that its images come by its own
 * `ctr`, and where packets can't be sent without perl either, none are.
 */
export function containerProvider(docker: Docker, kind: ContainerKind): Provider {
  return {
    name: kind.provider,
    list: (run) => listContainerClusters(docker, kind, run),
    async vouch(cluster, run) {
      const vouched = await withClosed(await vouchForContainers(docker, kind, cluster, run), run);
      return { ...vouched, importer: containerImporter(vouched) };
    },
  };
}
