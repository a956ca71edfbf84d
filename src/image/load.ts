import type { Readable } from 'node:stream';
import type Docker from 'dockerode';
import { type LocalCluster, openNodes } from '../cluster/provider.ts';
import { environmentError, inputError, isCancelled, messageOf, ParityError, whatEnded } from '../host/errors.ts';
import { allOrStop, type Progress, type Run } from '../host/run.ts';
import { loadClosed } from './closed-nodes.ts';
import { type DaemonImage, findImage } from './daemon-image.ts';
import { layersFrom } from './daemon-layers.ts';
import { startFeeder } from './feeder.ts';
import type { NodeImage } from './model.ts';
import { checkPlatform, imageOn, metadataArchive, present, type WantedImage } from './node-image.ts';
import { type Loading, type NodeState, type NodeStore, openNodeStore, STAGING, type Visit } from './node-store.ts';
import { copiesOf } from './stream.ts';

/** How long the clean-up after a failure or a cancel may take, in milliseconds. */
const CLEANUP_MS = 60_000;

/** A node that is to get an image, and was asked what it has. */
interface Visited {
  readonly store: NodeStore;
  readonly visit: Visit;
}

/**
 * Loads an image from the Docker daemon into every node that lacks it (closed ones last, see closed-nodes.ts), all at once, sending only the layers that some
 * node lacks: first under a staging name, with a manifest of Docker's or ours, for the layers; then, for a pinned image,
 * the registry's exact index and manifest, which find those layers there. Streamed, no temporary file. When it fails or
 * is cancelled on one node the others are stopped, the names are removed, and the error says which nodes have the image.
 */
export async function loadImage(
  docker: Docker,
  cluster: LocalCluster,
  wanted: WantedImage,
  run: Run,
): Promise<NodeImage[]> {
  return run.step(`Load ${wanted.reference} into ${cluster.id}`, async (progress) => {
    const open = openNodes(cluster);
    const stores = open.map(({ name }) => openNodeStore(cluster, name));
    const names = [...wanted.names.keys()];
    const hosts = new Set(open.map(({ hostAddress }) => hostAddress));
    const [host] = hosts;
    const feeder = host === undefined || hosts.size > 1 ? undefined : await startFeeder(host);
    const attempt = async (): Promise<NodeImage[]> => {
      const stop = new AbortController();
      const signal = AbortSignal.any([run.signal, stop.signal]);
      try {
        const nodes = await Promise.all(
          stores.map(async (store) => ({ store, visit: await store.visit(names, signal, feeder) })),
        );
        for (const { store, visit } of nodes) checkPlatform(store.node, visit.state, wanted);
        const found = nodes.map(({ store, visit }) => present(store.node, visit.state, wanted));
        const lacking = nodes.filter((_, i) => found[i] === undefined);
        const leaving = nodes.filter((_, i) => found[i] !== undefined).map(({ visit }) => visit.leave());
        const [loaded] = await Promise.all([
          lacking.length === 0 ? [] : fill(docker, lacking, wanted, stop, run, progress),
          ...leaving,
        ]);
        const all = [...found.flatMap((image) => (image ? [{ ...image, bytes: 0 }] : [])), ...loaded];
        return stores
          .map((store) => all.find((image) => image.node === store.node))
          .filter((image) => image !== undefined);
      } finally {
        // Nodes that wait for what won't come.
        stop.abort();
      }
    };
    try {
      const opened = await attempt().catch((error) => {
        if (!isLayerGone(error)) throw error;
        run.log('info', 'A node tidied up layers in the meantime: once more');
        return attempt();
      });
      return [...opened, ...(await loadClosed(docker, cluster, wanted, run, progress))];
    } finally {
      await feeder?.close();
    }
  });
}

/** containerd deletes what nothing refers to in its own time: layers may go right after it was asked for them. */
function isLayerGone(error: unknown): boolean {
  // The first is the transfer service's word for it, the second that of an import by ctr itself.
  const gone = /failed to extract layer.*not found|content digest sha256:[0-9a-f]+: not found/;
  return error instanceof ParityError && gone.test(error.message);
}

async function fill(
  docker: Docker,
  nodes: readonly Visited[],
  wanted: WantedImage,
  stop: AbortController,
  run: Run,
  progress: (p: Progress) => void,
): Promise<NodeImage[]> {
  const image = await findImage(docker, wanted);
  if (!image) {
    const names = [...wanted.names.keys()];
    throw inputError(`Docker does not have ${names[0] ?? wanted.reference}`, { action: wanted.action });
  }
  for (const { store, visit } of nodes) warnOfMoved(store.node, visit.state, wanted, run);
  const staging = `${STAGING}:${crypto.randomUUID()}`;
  const signal = AbortSignal.any([run.signal, stop.signal]);
  const complete: NodeImage[] = [];
  try {
    progress({ note: 'Docker gets the layers ready', total: image.size, unit: 'bytes' });
    await send(docker, image, nodes, wanted, { staging, stop }, { ...run, signal }, complete, progress);
    return complete;
  } catch (error) {
    const leftovers = ({ store, visit: { state } }: Visited) =>
      complete.some(({ node }) => node === store.node)
        ? [staging]
        : [staging, ...[...wanted.names.keys()].filter((name) => !state.names.has(name))];
    await cleanUp(nodes, leftovers, run);
    throw interrupted(error, wanted, nodes, complete, run);
  }
}

function warnOfMoved(node: string, { names }: NodeState, wanted: WantedImage, run: Run): void {
  for (const [name, target] of wanted.names) {
    const other = names.get(name);
    if (target !== undefined && other !== undefined && other !== target) {
      run.log('warn', `${name} on node ${node} meant ${other} until now`);
    }
  }
}

interface Way {
  readonly staging: string;
  /** Ends the work on all nodes. */
  readonly stop: AbortController;
}

/** Streams one archive into all nodes at the pace of the slowest, and ends them all when one fails. */
async function send(
  docker: Docker,
  image: DaemonImage,
  nodes: readonly Visited[],
  wanted: WantedImage,
  { staging, stop }: Way,
  run: Run,
  complete: NodeImage[],
  progress: (p: Progress) => void,
): Promise<void> {
  const missing = longest(nodes.map(({ visit }) => visit.state.missing(wanted.diffIds)));
  // One name, for a manifest made for the node: no other archive has to come first.
  const [name, ...more] = wanted.texts.size === 0 ? wanted.names.keys() : [];
  const from = await layersFrom(docker, image, wanted, missing, staging, run, more.length === 0 ? name : undefined);
  const { archive, bytes: total, direct } = from;
  const { copies, copy, close } = copiesOf(archive, nodes.length);
  // A node that failed before it came for the bytes reads none: whoever waits to write them must not wait for it.
  run.signal.addEventListener('abort', close, { once: true });
  let bytes = 0;
  const feeding = copy((chunk) => {
    bytes += chunk;
    progress({ done: bytes, total: Math.max(total, bytes), unit: 'bytes' });
  });
  const taking = nodes.map(async ({ store: { node }, visit }, i) => {
    const seen = await visit.load(loadingOf(copies[i] as Readable, staging, direct, visit.state, wanted));
    if (seen) complete.push({ ...imageOn(node, 'loaded', wanted), bytes });
    else {
      throw environmentError(`Node ${node} took ${wanted.reference} in, but its kubelet does not see it`, {
        action: `Look with "crictl images --digests" on ${node}, and try again.`,
      });
    }
  });
  try {
    await allOrStop([feeding, ...taking], stop);
  } finally {
    run.signal.removeEventListener('abort', close);
    close();
  }
}

function loadingOf(
  archive: Readable,
  staging: string,
  direct: string | undefined,
  { names, owned }: NodeState,
  wanted: WantedImage,
): Loading {
  const all = [...wanted.names.keys()];
  // What somebody else had named already isn't ours to take away later. A name that moves loses its mark on the way.
  const own = all.filter((name) => !names.has(name) || owned.has(name));
  return {
    archive,
    staging,
    ...(direct !== undefined && own.includes(direct) ? { direct } : {}),
    tags: all.filter((name) => wanted.names.get(name) === undefined),
    ...(wanted.texts.size > 0 ? { metadata: metadataArchive(wanted) } : {}),
    own,
    names: all,
    config: wanted.configDigest,
  };
}

/** What the node that lacks most lacks: layers build upon each other, so the others' are among them. */
function longest(lists: readonly (readonly string[])[]): readonly string[] {
  return lists.reduce((a, b) => (b.length > a.length ? b : a), []);
}

/** Takes names of ours off the nodes again, also after a cancel; what can't be removed is logged by name. */
async function cleanUp(
  nodes: readonly Visited[],
  leftovers: (node: Visited) => readonly string[],
  run: Run,
): Promise<void> {
  const signal = AbortSignal.timeout(CLEANUP_MS);
  await Promise.all(
    nodes.map(async (node) => {
      const { store } = node;
      const names = leftovers(node);
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
  thrown: unknown,
  { reference }: WantedImage,
  nodes: readonly Visited[],
  complete: readonly NodeImage[],
  run: Run,
): ParityError {
  const done = complete.map((image) => image.node);
  const missing = nodes.map(({ store }) => store.node).filter((node) => !done.includes(node));
  const left = `${done.length > 0 ? `${done.join(', ')} have it; ` : ''}nothing of it is on ${missing.join(', ')}`;
  const error = whatEnded(run.signal, thrown);
  if (isCancelled(error)) {
    return new ParityError('cancelled', `Loading ${reference} was cancelled: ${left}`, { cause: error });
  }
  return environmentError(`Loading ${reference} failed: ${messageOf(error)} (${left})`, {
    cause: error,
    action:
      (error instanceof ParityError ? error.action : undefined) ?? 'Run it again: nodes that have it are skipped.',
  });
}
