import type Docker from 'dockerode';
import { environmentError, messageOf } from '../host/errors.ts';
import type { Run } from '../host/run.ts';
import type { LocalNode } from './provider.ts';

const CLUSTER_LABEL = 'io.x-k8s.kind.cluster';
const ROLE_LABEL = 'io.x-k8s.kind.role';

/** A kind cluster as Docker's labels show it. The load balancer of a multi-master cluster isn't a node. */
export interface KindContainers {
  readonly name: string;
  readonly running: readonly LocalNode[];
  /** Names of node containers that exist but don't run. */
  readonly stopped: readonly string[];
}

/**
 * All kind clusters that the daemon has, stopped ones too, sorted by name. Empty where no daemon listens; a daemon that
 * refuses (no permission on its socket) is a ParityError of kind `environment`.
 */
export async function kindClusters(docker: Docker, run: Run): Promise<KindContainers[]> {
  const clusters = new Map<string, { running: LocalNode[]; stopped: string[] }>();
  for (const { Names, Labels, State, NetworkSettings } of await labelledContainers(docker, run)) {
    const name = Labels[CLUSTER_LABEL];
    const role = Labels[ROLE_LABEL];
    const container = Names[0]?.replace(/^\//, '');
    if (!name || !container || (role !== 'control-plane' && role !== 'worker')) continue;
    const cluster = clusters.get(name) ?? { running: [], stopped: [] };
    clusters.set(name, cluster);
    const hostAddress = Object.values(NetworkSettings?.Networks ?? {}).find(({ Gateway }) => Gateway)?.Gateway;
    if (State === 'running') cluster.running.push({ name: container, role, ...(hostAddress ? { hostAddress } : {}) });
    else cluster.stopped.push(container);
  }
  return [...clusters]
    .map(([name, { running, stopped }]) => ({
      name,
      running: running.sort((a, b) => a.role.localeCompare(b.role) || a.name.localeCompare(b.name)),
      stopped: stopped.sort(),
    }))
    .sort((a, b) => a.name.localeCompare(b.name));
}

async function labelledContainers(docker: Docker, run: Run): Promise<Docker.ContainerInfo[]> {
  try {
    return await docker.listContainers({
      all: true,
      filters: { label: [CLUSTER_LABEL] },
      abortSignal: run.signal,
    });
  } catch (cause) {
    run.signal.throwIfAborted();
    const code = (cause as NodeJS.ErrnoException).code ?? '';
    if (['ECONNREFUSED', 'ENOENT'].includes(code)) {
      run.log('debug', `No Docker daemon, hence no kind clusters: ${messageOf(cause)}`);
      return [];
    }
    throw environmentError(`Docker can't be asked for kind clusters: ${messageOf(cause)}`, {
      cause,
      action:
        code === 'EACCES'
          ? 'Add yourself to the docker group ("sudo usermod -aG docker $USER"), then log in again.'
          : 'Run "clparity doctor" to see what is wrong with Docker.',
    });
  }
}
