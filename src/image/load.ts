import { PassThrough, type Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type Docker from 'dockerode';
import type { LocalCluster } from '../cluster/provider.ts';
import { environmentError, inputError, isCancelled, messageOf, ParityError } from '../host/errors.ts';
import type { Progress, Run } from '../host/run.ts';
import { normalisePlatform, platformMismatch } from './manifest.ts';
import type { ImageLock, NodeImage } from './model.ts';
import { imageNames, metadataArchive, present, targetOf } from './node-image.ts';
import { type NodeStore, openNodeStore } from './node-store.ts';
import { findInDaemon, saveAs } from './save.ts';
import { writeTo } from './stream.ts';

export { imageNames, nodeImage } from './node-image.ts';

/** How long the clean-up after a failure or a cancel may take, in milliseconds. */
const CLEANUP_MS = 60_000;

/**
 * Loads the image from the Docker daemon into every node that lacks it, all at once, under production's own digest:
 * first Docker's save under a staging name, for the layers; then the registry's exact index and manifest, which find
 * those layers there. Streamed, no temporary file. When it fails or is cancelled on one node the others are stopped,
 * the staging names are removed, and the error says which nodes have the image.
 */
export async function loadImage(
  docker: Docker,
  cluster: LocalCluster,
  lock: ImageLock,
  run: Run,
): Promise<NodeImage[]> {
  return run.step(`Load ${lock.reference} into ${cluster.id}`, async (progress) => {
    const stores = await Promise.all(cluster.nodes.map(({ name }) => openNodeStore(cluster, name, run.signal)));
    await Promise.all(stores.map((store) => checkPlatform(store, lock, run.signal)));
    const found = await Promise.all(stores.map((store) => present(store, lock, run.signal)));
    const lacking = stores.filter((_, i) => found[i] === undefined);
    const loaded = lacking.length === 0 ? [] : await fill(docker, lacking, lock, run, progress);
    const all = [...found.filter((image) => image !== undefined), ...loaded];
    return stores.map((store) => all.find((image) => image.node === store.node)).filter((image) => image !== undefined);
  });
}

async function checkPlatform(store: NodeStore, lock: ImageLock, signal: AbortSignal): Promise<void> {
  const platform = normalisePlatform(`linux/${await store.architecture(signal)}`);
  const wanted = normalisePlatform(lock.platform);
  if (platform.split('/')[1] !== wanted.split('/')[1]) {
    throw platformMismatch(`${lock.reference} as pinned`, `${platform} (node ${store.node})`, wanted);
  }
}

async function fill(
  docker: Docker,
  stores: readonly NodeStore[],
  lock: ImageLock,
  run: Run,
  progress: (p: Progress) => void,
): Promise<NodeImage[]> {
  const image = await findInDaemon(docker, lock);
  if (!image) {
    throw inputError(`Docker does not have ${lock.repository}@${lock.digest}`, {
      action: `Pull it with "clparity pull ${lock.reference}".`,
    });
  }
  const before = new Map<NodeStore, ReadonlyMap<string, string>>();
  for (const store of stores) before.set(store, await store.names(run.signal));
  const staging = `localhost/clparity/staging:${crypto.randomUUID()}`;
  const stop = new AbortController();
  const signal = AbortSignal.any([run.signal, stop.signal]);
  const complete: NodeImage[] = [];
  try {
    progress({ note: 'Docker gets the image ready', total: image.size, unit: 'bytes' });
    const archive = await saveAs(docker, image.id, staging, signal);
    await toAll(archive, stores, stop, signal, (bytes) =>
      progress({ done: bytes, total: Math.max(image.size, bytes), unit: 'bytes' }),
    );
    const work = stores.map(async (store) => {
      complete.push(await finish(store, lock, before.get(store) ?? new Map(), run, signal));
    });
    await allOrStop(work, stop);
    await cleanUp(stores, () => [staging], run);
    return complete;
  } catch (error) {
    const leftovers = (store: NodeStore) =>
      complete.some((image) => image.node === store.node)
        ? [staging]
        : [staging, ...imageNames(lock).filter((name) => !before.get(store)?.has(name))];
    await cleanUp(stores, leftovers, run);
    throw interrupted(error, lock, stores, complete, run);
  }
}

/** Streams one archive into all nodes at the pace of the slowest, and ends them all when one fails. */
async function toAll(
  archive: Readable,
  stores: readonly NodeStore[],
  stop: AbortController,
  signal: AbortSignal,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const pipes = stores.map((store) => ({ store, input: new PassThrough() }));
  const imports = pipes.map(({ store, input }) => store.import(input, signal));
  const onAbort = () => archive.destroy();
  signal.addEventListener('abort', onAbort, { once: true });
  const feeding = async () => {
    let bytes = 0;
    for await (const chunk of archive) {
      await Promise.all(pipes.map(({ input }) => writeTo(input, chunk as Buffer)));
      bytes += (chunk as Buffer).length;
      onBytes(bytes);
    }
    for (const { input } of pipes) input.end();
  };
  try {
    await allOrStop([feeding(), ...imports], stop);
  } finally {
    signal.removeEventListener('abort', onAbort);
    archive.destroy();
    for (const { input } of pipes) input.destroy();
  }
}

/** Waits for all; the first failure stops the others, is waited out and thrown. */
async function allOrStop(work: readonly Promise<unknown>[], stop: AbortController): Promise<void> {
  let first: unknown;
  await Promise.all(
    work.map((one) =>
      one.catch((error) => {
        first ??= error;
        stop.abort(error);
      }),
    ),
  );
  if (first !== undefined) throw first;
}

/** Production's own index and manifest under production's names, over the layers that are there by now. */
async function finish(
  store: NodeStore,
  lock: ImageLock,
  before: ReadonlyMap<string, string>,
  run: Run,
  signal: AbortSignal,
): Promise<NodeImage> {
  const names = imageNames(lock);
  for (const name of names) {
    const other = before.get(name);
    if (other !== undefined && other !== targetOf(lock, name)) {
      run.log('warn', `${name} on node ${store.node} meant ${other} until now`);
    }
  }
  await store.import(metadataArchive(lock), signal);
  // What somebody else had named already isn't ours to take away later.
  await store.own(
    names.filter((name) => !before.has(name)),
    signal,
  );
  // CRI follows containerd's events, usually within a tenth of a second.
  for (let attempt = 0; attempt < 60; attempt++) {
    const image = await present(store, lock, signal);
    if (image) return { ...image, state: 'loaded' };
    await sleep(250, undefined, { signal });
  }
  throw environmentError(`Node ${store.node} took ${lock.reference} in, but its kubelet does not see it`, {
    action: `Look with "crictl images --digests" on ${store.node}, and try again.`,
  });
}

/** Takes names of ours off the nodes again, also after a cancel; what can't be removed is logged by name. */
async function cleanUp(
  stores: readonly NodeStore[],
  leftovers: (store: NodeStore) => readonly string[],
  run: Run,
): Promise<void> {
  const signal = AbortSignal.timeout(CLEANUP_MS);
  await Promise.all(
    stores.map(async (store) => {
      const names = leftovers(store);
      try {
        await store.stopImports(signal);
        const there = await store.names(signal);
        await store.remove(
          names.filter((name) => there.has(name)),
          signal,
        );
      } catch (error) {
        run.log('warn', `Left on node ${store.node}, of ${names.join(', ')}: ${messageOf(error)}`);
      }
    }),
  );
}

function interrupted(
  error: unknown,
  lock: ImageLock,
  stores: readonly NodeStore[],
  complete: readonly NodeImage[],
  run: Run,
): ParityError {
  const done = complete.map((image) => image.node);
  const missing = stores.map((store) => store.node).filter((node) => !done.includes(node));
  const left = `${done.length > 0 ? `${done.join(', ')} have it; ` : ''}nothing of it is on ${missing.join(', ')}`;
  if (run.signal.aborted || isCancelled(error)) {
    return new ParityError('cancelled', `Loading ${lock.reference} was cancelled: ${left}`, { cause: error });
  }
  return environmentError(`Loading ${lock.reference} failed: ${messageOf(error)} (${left})`, {
    cause: error,
    action:
      (error instanceof ParityError ? error.action : undefined) ?? 'Run it again: nodes that have it are skipped.',
  });
}
