import type Docker from 'dockerode';
import { inputError } from '../host/errors.ts';
import type { Host } from '../host/host.ts';
import type { Run } from '../host/run.ts';
import { kindProvider } from './kind.ts';
import type { NewestPatch } from './kind-image.ts';
import type { LocalCluster, Provider } from './provider.ts';

/** Every kind of local cluster, one line each. */
export function providers(host: Host, docker: Docker, newestPatch: NewestPatch = async () => undefined): Provider[] {
  return [kindProvider(host, docker, newestPatch)];
}

/**
 * The local cluster that `id` (`kind:NAME`) names; without an id, the only one there is.
 * Throws `input` naming what there is and the command to pick or make one.
 */
export async function findCluster(id: string | undefined, from: readonly Provider[], run: Run): Promise<LocalCluster> {
  const all = (await Promise.all(from.map((provider) => provider.list(run)))).flat();
  const ids = all.map((cluster) => cluster.id).join(', ');
  if (all.length === 0) {
    throw inputError(id === undefined ? 'There is no local cluster here' : `There is no local cluster ${id}`, {
      action: 'Make one with "clparity create".',
    });
  }
  const [first] = all;
  if (id === undefined && first !== undefined && all.length === 1) return first;
  const found = all.find((cluster) => cluster.id === id);
  if (found) return found;
  throw inputError(
    id === undefined ? `There are several local clusters: ${ids}` : `There is no local cluster ${id}; there is ${ids}`,
    { action: `Pick one, for example with "--cluster ${first?.id}".` },
  );
}
