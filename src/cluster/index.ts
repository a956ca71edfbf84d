import type Docker from 'dockerode';
import { inputError, messageOf } from '../host/errors.ts';
import type { Host } from '../host/host.ts';
import type { Run } from '../host/run.ts';
import { connectDocker, pingDocker } from '../image/docker.ts';
import { K3D, MINIKUBE } from './container-kinds.ts';
import { containerProvider } from './containers.ts';
import { DESKTOP, desktopProvider } from './desktop.ts';
import { kindProvider } from './kind.ts';
import type { NewestPatch } from './kind-image.ts';
import { microk8sProvider } from './microk8s.ts';
import type { LocalCluster, Provider } from './provider.ts';
import { checkRemotes, type RemoteCluster, remoteProvider } from './remote.ts';

/** Every kind of local cluster, one line each; without those that live in Docker where there is no Docker. */
export function providers(
  host: Host,
  docker: Docker | undefined,
  remotes: readonly RemoteCluster[] = [],
  newestPatch: NewestPatch = async () => undefined,
): Provider[] {
  return [
    ...(docker
      ? [kindProvider(host, docker, newestPatch), containerProvider(docker, K3D), containerProvider(docker, MINIKUBE)]
      : []),
    microk8sProvider(host),
    desktopProvider(host, docker),
    remoteProvider(host, remotes),
  ];
}

/** The providers of a host. */
export interface OpenProviders {
  readonly all: readonly Provider[];
  /** Throws why Docker can't be asked, where it can't: the likeliest reason for a cluster that isn't found. */
  askDocker(): Promise<void>;
}

/** Opens the providers of a host that may have no Docker. Contacts nothing yet. */
export async function openProviders(
  host: Host,
  run: Run,
  remotes: readonly RemoteCluster[],
  newestPatch?: NewestPatch,
): Promise<OpenProviders> {
  const allowed = checkRemotes(remotes);
  let docker: Docker | undefined;
  let fault: unknown;
  try {
    docker = await connectDocker(host, run.signal);
  } catch (error) {
    run.signal.throwIfAborted();
    run.log('debug', `Docker is left out: ${messageOf(error)}`);
    fault = error;
  }
  return {
    all: providers(host, docker, allowed, newestPatch),
    async askDocker() {
      if (!docker) throw fault;
      await pingDocker(docker, run.signal);
    },
  };
}

/** Every local cluster. A provider that fails is a warning as long as another finds some, else what is thrown. */
export async function listAll(from: readonly Provider[], run: Run): Promise<LocalCluster[]> {
  const lists = await Promise.allSettled(from.map((provider) => provider.list(run)));
  run.signal.throwIfAborted();
  const found = lists.flatMap((list) => (list.status === 'fulfilled' ? list.value : []));
  const failures = lists.flatMap((list) => (list.status === 'rejected' ? [list.reason as unknown] : []));
  if (found.length === 0 && failures.length > 0) throw failures[0];
  for (const failure of failures) run.log('warn', messageOf(failure));
  return found;
}

/** Looks for the local clusters and chooses one: see chooseCluster. */
export async function findCluster(
  id: string | undefined,
  from: readonly Provider[],
  run: Run,
  last?: string,
): Promise<LocalCluster> {
  return chooseCluster(id, await listAll(from, run), last);
}

/**
 * The local cluster that `id` names (`kind:NAME`, or the provider alone where it has one); without an id, the one that
 * was worked on `last` where that is known and it is there, else the only one there is. Throws `input` naming what there is and the command to pick or make one.
 */
export function chooseCluster(id: string | undefined, all: readonly LocalCluster[], last?: string): LocalCluster {
  const ids = all.map((cluster) => cluster.id).join(', ');
  if (all.length === 0) {
    throw inputError(id === undefined ? 'There is no local cluster here' : `There is no local cluster ${id}`, {
      action: 'Make one with "clparity create".',
    });
  }
  // One that isn't on this machine, or that can only be named, is never taken without being named.
  const local = all.filter(({ provider }) => provider !== 'remote' && provider !== DESKTOP);
  const [first, second] = local;
  const unasked = local.find((cluster) => cluster.id === last) ?? (second ? undefined : first);
  if (id === undefined && unasked) return unasked;
  const ofProvider = all.filter((cluster) => cluster.provider === id);
  const found = all.find((cluster) => cluster.id === id) ?? (ofProvider.length === 1 ? ofProvider[0] : undefined);
  if (found) return found;
  throw inputError(
    id === undefined
      ? `Which cluster is meant has to be said: there is ${ids}`
      : `There is no local cluster ${id}; there is ${ids}`,
    { action: `Pick one, for example with "--cluster ${(first ?? all[0])?.id}".` },
  );
}
