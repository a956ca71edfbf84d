import type { LocalCluster, SharedDaemon, SharedRegistry } from '../cluster/provider.ts';
import { inputError } from '../host/errors.ts';
import type { Run } from '../host/run.ts';
import { imagesOf, normalisePlatform, parseManifest, platformMismatch } from './manifest.ts';
import type { ImageLock, NodeImage } from './model.ts';
import { openPublisher } from './publish.ts';
import type { Registry } from './registry.ts';
import { DAEMON, inDaemon } from './shared-daemon.ts';

/** Where a cluster's images are kept: its nodes, the registry that it pulls from, or the Docker that it shares. */
export function imagePlaces({ nodes, images }: LocalCluster): readonly string[] {
  if (!images) return nodes.map(({ name }) => name);
  return ['registry' in images ? images.registry : DAEMON];
}

/** For each image, in order, whether it is where a cluster that doesn't take images through its nodes finds it. */
export async function imagesElsewhere(
  way: SharedRegistry | SharedDaemon,
  cluster: LocalCluster,
  locks: readonly ImageLock[],
  signal: AbortSignal,
): Promise<NodeImage[][]> {
  const found: NodeImage[][] = [];
  for (const lock of locks) {
    signal.throwIfAborted();
    const image = 'registry' in way ? await inRegistry(way, cluster, lock, signal) : await inDaemon(way, lock);
    found.push(image ? [image] : []);
  }
  return found;
}

async function inRegistry(
  { registry, host }: SharedRegistry,
  cluster: LocalCluster,
  lock: ImageLock,
  signal: AbortSignal,
): Promise<NodeImage | undefined> {
  checkArchitectures(cluster, lock);
  const publisher = openPublisher(lock, registry, host, { log: () => {} });
  try {
    if (!(await publisher.has(signal))) return undefined;
    return { node: registry, state: 'present', names: [publisher.name], diffIds: lock.diffIds };
  } finally {
    await publisher.close();
  }
}

/** All platforms of an index are pushed: each node finds its own, if there is one. */
function checkArchitectures({ nodes }: LocalCluster, { reference, index, platform }: ImageLock): void {
  const parsed = index === undefined ? undefined : parseManifest(index, reference);
  const has = parsed?.kind === 'index' ? imagesOf(parsed).map((image) => image.platform) : [platform];
  for (const { name, architecture } of nodes) {
    if (architecture === undefined) continue;
    const wanted = normalisePlatform(`linux/${architecture}`);
    if (!has.some((one) => normalisePlatform(one).startsWith(wanted))) {
      throw platformMismatch(reference, `${wanted} (node ${name})`, has.join(', '));
    }
  }
}

/** Brings a pinned image to the registry that a cluster pulls from; `open` opens the one that it came from. */
export async function publishImage(
  { registry, host }: SharedRegistry,
  lock: ImageLock,
  open: ((run: Run) => Registry) | undefined,
  run: Run,
): Promise<NodeImage[]> {
  if (!open) {
    throw inputError(`${lock.reference} came from an archive, and only a registry's images go to ${registry}`, {
      action: 'Leave --archive out, or push it there yourself ("skopeo copy --all").',
    });
  }
  return run.step(`Push ${lock.reference} to ${registry}`, async (progress) => {
    const publisher = openPublisher(lock, registry, host, run);
    const source = open(run);
    try {
      const there = await publisher.has(run.signal);
      const bytes = there ? 0 : await publisher.publish(source, run, (done) => progress({ done, unit: 'bytes' }));
      const state = there ? 'present' : 'loaded';
      return [{ node: registry, state, names: [publisher.name], bytes, diffIds: lock.diffIds }];
    } finally {
      await Promise.all([publisher.close(), source.close()]);
    }
  });
}
