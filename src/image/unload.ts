import { type LocalCluster, openNodes } from '../cluster/provider.ts';
import type { Run } from '../host/run.ts';
import { openNodeStore, STAGING } from './node-store.ts';
import { imagePlaces } from './shared-registry.ts';

/**
 * Takes the image names that we made off every node again; names that others made stay, and so do running containers.
 * containerd deletes content and layers that no name refers to any more. Closed nodes keep them until their kubelet needs
 * the room; that is logged. Returns the names removed, by node.
 */
export async function unloadImages(cluster: LocalCluster, run: Run): Promise<ReadonlyMap<string, readonly string[]>> {
  const { signal } = run;
  if (cluster.images) {
    // What Docker or a registry has others may use too.
    run.log('info', `Images stay in ${imagePlaces(cluster).join(', ')}`);
    return new Map();
  }
  const closed = cluster.nodes.filter((node) => !openNodes(cluster).includes(node));
  for (const { name, closed: why } of closed) {
    run.log('warn', `Images that were loaded into node ${name} stay until its kubelet needs the room: ${why}`);
  }
  const removed = await Promise.all(
    openNodes(cluster).map(async ({ name: node }): Promise<[string, readonly string[]]> => {
      const store = openNodeStore(cluster, node);
      const [all, labelled] = await Promise.all([store.names(signal), store.names(signal, 'owned')]);
      // A load that was killed leaves the name under which it came in.
      const staged = [...all].filter(([name]) => name.startsWith(STAGING));
      const owned = new Map([...labelled, ...staged]);
      if (owned.size === 0) return [node, []];
      const kept = [...all].filter(([name]) => !owned.has(name));
      const targets = new Set(owned.values());
      // CRI gives each image a second name by its config's digest and leaves it behind when the others go.
      const orphans = kept
        .filter(([name, digest]) => name.startsWith('sha256:') && targets.has(digest))
        .filter(([, digest]) => !kept.some(([name, other]) => other === digest && !name.startsWith('sha256:')));
      await store.remove([...owned.keys(), ...orphans.map(([name]) => name)], signal);
      return [node, [...owned.keys()]];
    }),
  );
  return new Map(removed);
}
