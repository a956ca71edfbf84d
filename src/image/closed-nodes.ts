import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type Docker from 'dockerode';
import { type Importer, type LocalCluster, type LocalNode, openNodes } from '../cluster/provider.ts';
import { environmentError, inputError } from '../host/errors.ts';
import type { Progress, Run } from '../host/run.ts';
import { findImage } from './daemon-image.ts';
import { layersFrom } from './daemon-layers.ts';
import type { NodeImage } from './model.ts';
import { imageOn, metadataArchive, type WantedImage } from './node-image.ts';
import { openNodeStore, STAGING } from './node-store.ts';

/** One name for all loads: it can't be taken off a closed node again, so there is one of it at most. */
const STAGED = `${STAGING}:imported`;
/** As long as kubelet's status may take on a busy machine. */
const REPORTED_MS = 40_000;

/**
 * Which of the cluster's closed nodes have an image under production's digest, by what their kubelets report. A node
 * that reports as many images as it may and not this one counts as without it: to give it once more does no harm.
 */
export async function reportedOnClosed(
  cluster: LocalCluster,
  signal: AbortSignal,
): Promise<(wanted: WantedImage) => NodeImage[]> {
  const closed = closedNodes(cluster);
  if (closed.length === 0) return () => [];
  const reported = await importerOf(cluster, closed).reported(signal);
  return (wanted) => {
    // An image of one's own has no digest that stands for its content here: whether it is the same can't be seen.
    const digests = [...wanted.names.keys()].filter((name) => name.includes('@sha256:') && !/:[^/@]+@/.test(name));
    if (digests.length === 0) return [];
    return closed
      .filter(({ name }) => digests.every((digest) => reported.get(name)?.has(digest)))
      .map(({ name }) => ({ ...imageOn(name, 'present', wanted), bytes: 0 }));
  };
}

/**
 * Loads an image into the closed nodes that don't report it, by the cluster's own importer: all layers, since what such a
 * node has can't be asked, under the tag itself, then production's manifests with their names. Throws naming the nodes
 * that refused.
 */
export async function loadClosed(
  docker: Docker,
  cluster: LocalCluster,
  wanted: WantedImage,
  run: Run,
  progress: (p: Progress) => void,
): Promise<NodeImage[]> {
  const closed = closedNodes(cluster);
  if (closed.length === 0) return [];
  const present = (await reportedOnClosed(cluster, run.signal))(wanted);
  if (present.length === closed.length) return present;
  const importer = importerOf(cluster, closed);
  const image = await findImage(docker, wanted);
  if (!image) throw inputError(`Docker does not have ${wanted.reference}`, { action: wanted.action });
  progress({ note: `${cluster.id}'s own importer takes it into ${closed.map(({ name }) => name).join(', ')}` });
  const plain = [...wanted.names.keys()].filter((name) => !name.includes('@'));
  let bytes = 0;
  const restore = await marks(cluster, wanted, run.signal);
  try {
    for (const name of wanted.texts.size > 0 ? [plain[0] ?? STAGED] : plain) {
      const layers = await layersFrom(docker, image, wanted, wanted.diffIds, name, run);
      bytes = layers.bytes;
      await give(importer, layers.archive, closed, wanted, run.signal);
    }
    if (wanted.texts.size > 0) await give(importer, metadataArchive(wanted), closed, wanted, run.signal);
  } finally {
    await restore();
  }
  await untilReported(importer, closed, wanted, run);
  return closed.map(
    ({ name }) => present.find(({ node }) => node === name) ?? { ...imageOn(name, 'loaded', wanted), bytes },
  );
}

/** The importer gives to open nodes as well, and takes our mark off the names there: returns what puts it back. */
async function marks(cluster: LocalCluster, wanted: WantedImage, signal: AbortSignal): Promise<() => Promise<void>> {
  const stores = openNodes(cluster).map(({ name }) => openNodeStore(cluster, name));
  const owned = await Promise.all(stores.map((store) => store.names(signal, 'owned')));
  return async () => {
    const ours = (i: number) => [...wanted.names.keys()].filter((name) => owned[i]?.has(name));
    await Promise.all(stores.map((store, i) => store.own(ours(i), signal)));
  };
}

/** Kubelet tells its node's images with its status, some ten seconds later; the report after this goes by that. */
async function untilReported(
  importer: Importer,
  closed: readonly LocalNode[],
  wanted: WantedImage,
  { signal, log }: Run,
): Promise<void> {
  const names = [...wanted.names.keys()];
  for (const end = Date.now() + REPORTED_MS; ; await sleep(1000, undefined, { signal })) {
    const reported = await importer.reported(signal);
    const late = closed.filter(({ name }) => !names.some((one) => reported.get(name)?.has(one)));
    if (late.length === 0) return;
    if (Date.now() < end) continue;
    log('warn', `The kubelet of ${late.map(({ name }) => name).join(', ')} does not report ${wanted.reference} so far`);
    return;
  }
}

async function give(
  importer: Importer,
  archive: Readable,
  closed: readonly LocalNode[],
  { reference }: WantedImage,
  signal: AbortSignal,
): Promise<void> {
  const failures = await importer.import(archive, signal);
  if (failures.size === 0) return;
  const fine = closed.filter(({ name }) => !failures.has(name)).map(({ name }) => name);
  const what = [...failures].map(([node, why]) => `${node}: ${why}`).join('; ');
  throw environmentError(
    `Not every node took ${reference} in: ${what}${fine.length > 0 ? ` (${fine.join(', ')} did)` : ''}`,
    { action: 'See to those nodes, then run it again: what arrived stays.' },
  );
}

function closedNodes(cluster: LocalCluster): readonly LocalNode[] {
  const open = new Set(openNodes(cluster));
  return cluster.nodes.filter((node) => !open.has(node));
}

function importerOf({ id, importer }: LocalCluster, closed: readonly LocalNode[]): Importer {
  if (importer) return importer;
  const nodes = closed.map(({ name, closed: why }) => `${name} (${why})`).join(', ');
  throw environmentError(`No image can be brought into ${id}: nothing can be run in ${nodes}`);
}
