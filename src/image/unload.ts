import { type LocalCluster, openNodes } from '../cluster/provider.ts';
import { isCancelled, messageOf } from '../host/errors.ts';
import type { Run } from '../host/run.ts';
import type { ImageChange } from '../plan/model.ts';
import { type NodeImages, openNodeStore, STAGING } from './node-store.ts';
import { imagePlaces } from './shared-registry.ts';

/** An image that we brought into a node. */
export interface BroughtImage {
  readonly node: string;
  /** All names of ours that it has there, with what each stands for. */
  readonly names: ReadonlyMap<string, string>;
  /** The pods whose containers were made from it, each `namespace/name`. */
  readonly pods: readonly string[];
}

/** What is to go, and what stays. */
export interface Unloading {
  readonly images: readonly ImageChange[];
  /** Why some of what we brought stays, one line each. */
  readonly stays: readonly string[];
}

/**
 * What unloading would take off the nodes: the images whose names we made, but for those of a node's containers. A node that
 * doesn't answer keeps what it has.
 */
export async function planUnload(cluster: LocalCluster, signal: AbortSignal): Promise<Unloading> {
  // What Docker or a registry has others may use too.
  if (cluster.images) {
    const text = `Images stay in ${imagePlaces(cluster).join(', ')}`;
    return { images: [], stays: [text] };
  }
  const closed = cluster.nodes.flatMap(({ name, closed: why }) => {
    const text = `Images that were loaded into node ${name} stay until its kubelet needs the room: ${why}`;
    return why === undefined ? [] : [text];
  });
  const answers = await Promise.all(
    openNodes(cluster).map(async ({ name }) => {
      try {
        const images = brought(name, await openNodeStore(cluster, name).everything(signal));
        return { images, stays: images.flatMap(stay) };
      } catch (error) {
        if (isCancelled(error)) throw error;
        const text = `Images that were loaded into node ${name} stay: ${messageOf(error)}`;
        return { images: [], stays: [text] };
      }
    }),
  );
  return {
    images: merged(answers.flatMap(({ images }) => images.filter(isUnused))),
    stays: [...closed, ...answers.flatMap(({ stays }) => stays)],
  };
}

/**
 * Takes the image names that we made off the nodes again, of the images that are wanted gone alone; names that others made
 * stay, and so does what a container has come to use meanwhile. containerd deletes content and layers that no name refers
 * to any more. Returns the names removed, by node.
 */
export async function unloadImages(
  cluster: LocalCluster,
  run: Run,
  wanted: readonly ImageChange[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const { signal } = run;
  const removed = await Promise.all(
    [...new Set(wanted.flatMap(({ nodes }) => nodes))].map(async (node): Promise<[string, readonly string[]]> => {
      const store = openNodeStore(cluster, node);
      const there = await store.everything(signal);
      const images = brought(node, there).filter((image) =>
        shown(image).some(([name, digest]) =>
          wanted.some((w) => w.reference === name && w.digest === digest && w.nodes.includes(node)),
        ),
      );
      for (const line of images.flatMap(stay)) run.log('info', line);
      const going = new Map(images.filter(isUnused).flatMap(({ names }) => [...names]));
      if (going.size === 0) return [node, []];
      const kept = [...there.names].filter(([name]) => !going.has(name));
      const targets = new Set(going.values());
      // CRI gives each image a second name by its config's digest and leaves it behind when the others go.
      const orphans = kept
        .filter(([name, digest]) => name.startsWith('sha256:') && targets.has(digest))
        .filter(([, digest]) => !kept.some(([name, other]) => other === digest && !name.startsWith('sha256:')));
      await store.remove([...going.keys(), ...orphans.map(([name]) => name)], signal);
      return [node, [...going.keys()]];
    }),
  );
  return new Map(removed);
}

/** The images that we brought into a node. kubelet knows by one ID what goes by production's digests and by a tag. */
function brought(node: string, { names, owned, kubelet, containers }: NodeImages): BroughtImage[] {
  const idOf = (name: string) => kubelet.get(name) ?? names.get(name) ?? name;
  // A load that was killed leaves the name under which it came in.
  const ours = [...names].filter(([name]) => owned.has(name) || name.startsWith(STAGING));
  return [...Map.groupBy(ours, ([name]) => idOf(name))].map(([id, group]) => {
    const digests = new Set(group.map(([, digest]) => digest));
    const users = containers.filter(({ image }) => idOf(image) === id || digests.has(names.get(image) ?? image));
    return { node, names: new Map(group), pods: [...new Set(users.map(({ pod }) => pod))].toSorted() };
  });
}

const isUnused = ({ pods }: BroughtImage) => pods.length === 0;

/** The names by which people know an image: its tags, or else one by digest. */
function shown({ names }: BroughtImage): (readonly [string, string])[] {
  const tags = [...names].filter(([name]) => !name.includes('@'));
  return tags.length > 0 ? tags : [...names].slice(0, 1);
}

function stay(image: BroughtImage): string[] {
  const { node, pods } = image;
  if (pods.length === 0) return [];
  const [first = '', ...more] = pods;
  const by = more.length === 0 ? first : `${first} and ${more.length} more`;
  return shown(image).map(([name]) => {
    const text = `image ${name} stays on node ${node}: in use by ${by}`;
    return text;
  });
}

/** One change for each name and what it stands for, on all of its nodes. */
function merged(images: readonly BroughtImage[]): ImageChange[] {
  const all = images.flatMap((image) => shown(image).map(([reference, digest]) => ({ reference, digest, image })));
  return [...Map.groupBy(all, ({ reference, digest }) => `${reference} ${digest}`).values()].flatMap((same) =>
    same.slice(0, 1).map(
      ({ reference, digest }): ImageChange => ({
        action: 'remove',
        reference,
        digest,
        nodes: same.map(({ image }) => image.node),
      }),
    ),
  );
}
