import { type LocalCluster, openNodes } from '../cluster/provider.ts';
import { reportedOnClosed } from './closed-nodes.ts';
import type { ImageLock, NodeImage } from './model.ts';
import { checkPlatform, present, wantedImage } from './node-image.ts';
import { openNodeStore } from './node-store.ts';
import { imagesElsewhere } from './shared-registry.ts';

/** So many images' names fit into one question to a node. */
const AT_ONCE = 100;

/**
 * For each image, in order, the nodes (or other places, see imagePlaces) that have it whole under production's digest. One question a node. Throws an input
 * error for an image that isn't for a node's processor: so it is known before anything is pulled.
 */
export async function imagesOnNodes(
  cluster: LocalCluster,
  locks: readonly ImageLock[],
  signal: AbortSignal,
): Promise<NodeImage[][]> {
  if (locks.length === 0) return [];
  if (cluster.images) return imagesElsewhere(cluster.images, cluster, locks, signal);
  const found: NodeImage[][] = [];
  const closed = await reportedOnClosed(cluster, signal);
  for (let i = 0; i < locks.length; i += AT_ONCE) {
    const wanted = locks.slice(i, i + AT_ONCE).map(wantedImage);
    const names = [...new Set(wanted.flatMap((one) => [...one.names.keys()]))];
    const states = await Promise.all(
      openNodes(cluster).map(async ({ name }) => ({
        name,
        state: await openNodeStore(cluster, name).survey(names, signal),
      })),
    );
    for (const one of wanted) {
      for (const { name, state } of states) checkPlatform(name, state, one);
      const open = states.map(({ name, state }) => present(name, state, one)).filter((image) => image !== undefined);
      found.push([...open, ...closed(one)]);
    }
  }
  return found;
}
