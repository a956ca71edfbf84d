import type { ImageWay, LocalCluster } from '../cluster/provider.ts';
import { inputError } from '../host/errors.ts';
import type { Run } from '../host/run.ts';
import { findInDaemon } from './daemon-image.ts';
import { imagesOf, normalisePlatform, parseManifest, platformMismatch } from './manifest.ts';
import type { ImageLock, NodeImage } from './model.ts';
import { openPublisher } from './publish.ts';
import type { Registry } from './registry.ts';

/** The daemon that a cluster shares, as plans and reports name it. */
const DAEMON = 'Docker';

/** Where a cluster's images are kept: its nodes, the daemon that it shares, or the registry that it pulls from. */
export function imagePlaces({ nodes, images }: LocalCluster): readonly string[] {
  if (!images) return nodes.map(({ name }) => name);
  return [images.kind === 'shared' ? DAEMON : images.registry];
}

/** For each image, in order, whether it is where a cluster that doesn't take images through its nodes finds it. */
export async function imagesElsewhere(
  way: ImageWay,
  cluster: LocalCluster,
  locks: readonly ImageLock[],
  signal: AbortSignal,
): Promise<NodeImage[][]> {
  const found: NodeImage[][] = [];
  for (const lock of locks) {
    const image = way.kind === 'shared' ? await inDaemon(way, lock) : await inRegistry(way, cluster, lock, signal);
    found.push(image ? [image] : []);
  }
  return found;
}

type Shared = Extract<ImageWay, { kind: 'shared' }>;
type Pushed = Extract<ImageWay, { kind: 'registry' }>;

async function inDaemon({ docker }: Shared, lock: ImageLock): Promise<NodeImage | undefined> {
  if (!(await findInDaemon(docker, lock))) return undefined;
  const { repository, tag, digest, diffIds } = lock;
  // Docker gives an image its digest's name when it pulls by it; one that came from an archive has none.
  const names: string[] = [];
  for (const name of [`${repository}@${digest}`, ...(tag === undefined ? [] : [`${repository}:${tag}`])]) {
    if (
      await docker
        .getImage(name)
        .inspect()
        .then(() => true, isAbsent)
    )
      names.push(name);
  }
  return names.includes(`${repository}@${digest}`) ? { node: DAEMON, state: 'present', names, diffIds } : undefined;
}

function isAbsent(error: unknown): false {
  if ((error as { statusCode?: unknown }).statusCode === 404) return false;
  throw error;
}

async function inRegistry(
  { registry, host }: Pushed,
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
  { registry, host }: Pushed,
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
