import type { WriteClient } from '../apply/client.ts';
import { environmentError, messageOf } from '../host/errors.ts';
import type { Snapshot, Workload } from '../snapshot/model.ts';
import { ApiError } from '../target/rest.ts';
import { type Cast, workloadId } from './cast.ts';
import { type LocalPod, waitForPods } from './local-pods.ts';
import { prepareNamespace } from './namespaces.ts';
import { type Kit, pausePod, standInName } from './pause-pod.ts';

/**
 * Starts a stand-in for each workload that the cast leaves without a player, with what it needs: its namespace where
 * there is none, its service account, and an owner that keeps controllers from adopting it. Everything carries our
 * mark, for `removeStandIns`. Returns all players by workload. Throws where one can't be created or doesn't start.
 */
export async function startStandIns(
  client: WriteClient,
  target: Snapshot,
  cast: Cast,
  kit: Kit,
  signal: AbortSignal,
  onProgress: (running: number, total: number) => void,
): Promise<Map<string, LocalPod>> {
  const players = new Map(cast.ownPods);
  const names = new Map<string, string>();
  const byNamespace = Map.groupBy(cast.standIns, (w) => w.namespace);
  for (const [namespace, workloads] of byNamespace) {
    const labels = target.namespaces.find((n) => n.name === namespace)?.labels ?? {};
    const accounts = new Set(workloads.map((w) => w.serviceAccount));
    const ownerUid = await prepareNamespace(client, { namespace, labels, accounts }, signal);
    for (const workload of workloads) {
      const name = standInName(workload.kind, workload.name);
      await createStandIn(client, workload, name, kit, ownerUid, signal);
      names.set(`${namespace}/${name}`, workloadId(workload));
    }
  }
  const running = await waitForPods(client, [...names.keys()], signal, (n) => onProgress(n, names.size));
  for (const [name, pod] of running) {
    const id = names.get(name);
    if (id) players.set(id, pod);
  }
  return players;
}

async function createStandIn(
  client: WriteClient,
  workload: Workload,
  name: string,
  kit: Kit,
  ownerUid: string,
  signal: AbortSignal,
): Promise<void> {
  try {
    await client.create(pausePod({ ...workload, name }, kit, ownerUid, client.signature), { signal });
  } catch (cause) {
    if (!(cause instanceof ApiError)) throw cause;
    throw environmentError(`The stand-in for ${workloadId(workload)} was refused: ${messageOf(cause)}`, {
      cause,
      action:
        `Check the quotas, limits and admission rules of namespace ${workload.namespace} (kubectl describe namespace ` +
        `${workload.namespace}), run your own pods there instead, or leave the namespace out.`,
    });
  }
}
