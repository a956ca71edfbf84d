import type Docker from 'dockerode';
import { environmentError } from '../host/errors.ts';
import type { Host } from '../host/host.ts';
import type { Run } from '../host/run.ts';
import { KIND } from './container-kinds.ts';
import { vouchForContainers } from './container-vouch.ts';
import { listContainerClusters } from './containers.ts';
import { createKindCluster } from './kind-create.ts';
import type { NewestPatch } from './kind-image.ts';
import type { Provider } from './provider.ts';

/**
 * kind on Docker or Podman: clusters are found by their containers' labels, never by the user's kubeconfig. `newestPatch` is asked
 * for the public node image's tag when a cluster is made and no suitable image is at hand.
 */
export function kindProvider(host: Host, docker: Docker, newestPatch: NewestPatch): Provider {
  const list = (run: Run) => listContainerClusters(docker, KIND, run);
  return {
    name: 'kind',
    list,
    vouch: (cluster, run) => vouchForContainers(docker, KIND, cluster, run),
    async create(options, run) {
      await createKindCluster(host, docker, options, newestPatch, run);
      const made = (await list(run)).find((cluster) => cluster.name === options.name);
      if (!made)
        throw environmentError(`kind made ${options.name}, but the Docker API here shows no such containers`, {
          action: `kind's "docker" or "podman" command uses another daemon or user than this API: make them the same (DOCKER_HOST, "docker context use"), and "kind delete cluster --name ${options.name}".`,
        });
      return made;
    },
  };
}
