import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type Docker from 'dockerode';
import { findCluster, providers } from '../../src/cluster/index.ts';
import type { LocalCluster } from '../../src/cluster/provider.ts';
import type { Host } from '../../src/host/host.ts';
import { localHost } from '../../src/host/local.ts';
import { quietRun, type Run } from '../../src/host/run.ts';
import { connectDocker, pingDocker } from '../../src/image/docker.ts';
import { loadImage } from '../../src/image/load.ts';
import type { ImageLock } from '../../src/image/model.ts';
import { pullImage } from '../../src/image/pull.ts';
import { resolveImage } from '../../src/image/resolve.ts';
import { startRegistry, type TestRegistry } from '../cluster/registry.ts';
import { pushStandInImage } from '../cluster/standin-image.ts';

/** One comparison; milliseconds of wall time. */
export interface Measurement {
  /** `first load`, `unchanged` or `top layer changed`, against the peer named. */
  readonly case: string;
  /** The daemon's storage driver. */
  readonly backend: string;
  readonly image_mb: number;
  readonly nodes: number;
  readonly ours_ms: number;
  readonly peer_ms: number;
  /** Above 1 where we are faster. */
  readonly ratio: number;
}

interface Bench {
  readonly run: Run;
  readonly host: Host;
  readonly docker: Docker;
  readonly cluster: LocalCluster;
  readonly registry: TestRegistry;
  readonly megabytes: number;
}

type Load = (bench: Bench, lock: ImageLock) => Promise<void>;

const ours: Load = async ({ docker, cluster, run }, lock) => {
  await loadImage(docker, cluster, lock, run);
};

const PEERS: Readonly<Record<string, Load>> = {
  'kind load docker-image': ({ host, cluster }, lock) =>
    ran(host, ['kind', 'load', 'docker-image', lock.reference, '--name', cluster.name]),
  'docker save, kind load image-archive': async ({ host, cluster }, lock) => {
    const file = join(tmpdir(), `clparity-bench-${process.pid}.tar`);
    await ran(host, ['docker', 'save', '-o', file, lock.reference]);
    await ran(host, ['kind', 'load', 'image-archive', file, '--name', cluster.name]);
    await rm(file);
  },
};

/** Loads images of about `megabytes` into every node of the kind cluster in our way and in its peers' ways. */
export async function* benchLoad(clusterName: string, megabytes: number): AsyncGenerator<Measurement> {
  const run = quietRun();
  const host = localHost();
  const docker = await connectDocker(host, run.signal);
  const cluster = await findCluster(`kind:${clusterName}`, providers(host, docker), run);
  const { Driver: backend } = await docker.info();
  const registry = await startRegistry();
  const bench: Bench = { run, host, docker, cluster, registry, megabytes };
  try {
    const mine = await threeLoads(bench, 0, ours);
    for (const [index, [peer, load]] of Object.entries(PEERS).entries()) {
      const theirs = await threeLoads(bench, index + 1, load);
      for (const [name, ours_ms] of mine) {
        const peer_ms = theirs.get(name) ?? Number.NaN;
        const ratio = Math.round((peer_ms / ours_ms) * 100) / 100;
        yield {
          case: `${name}: ${peer}`,
          backend,
          image_mb: megabytes,
          nodes: cluster.nodes.length,
          ours_ms,
          peer_ms,
          ratio,
        };
      }
    }
  } finally {
    await registry.close();
  }
}

/** Times a first load, the same again, and an image of which only the top layer is another. */
async function threeLoads(bench: Bench, way: number, load: Load): Promise<ReadonlyMap<string, number>> {
  const first = await inDaemon(bench, way, 'one');
  const changed = await inDaemon(bench, way, 'two');
  const times = new Map<string, number>();
  try {
    times.set('first load', await timed(() => load(bench, first)));
    times.set('unchanged', await timed(() => load(bench, first)));
    times.set('top layer changed', await timed(() => load(bench, changed)));
  } finally {
    for (const lock of [first, changed]) await forget(bench, lock);
  }
  return times;
}

/** An image that no node knows: a layer of another size for each way is another layer. */
async function inDaemon(bench: Bench, way: number, note: string): Promise<ImageLock> {
  const { registry, host, docker, run, megabytes } = bench;
  const options = { note: `${way} ${note}`, filling: megabytes * 1_000_000 + way };
  const { reference } = await pushStandInImage(registry.host, `bench/way${way}`, note, options);
  const { platform } = await pingDocker(docker, run.signal);
  const lock = await resolveImage(reference, { host, platform }, run);
  await pullImage(docker, lock, host, run);
  return lock;
}

async function forget({ docker, cluster, run }: Bench, lock: ImageLock): Promise<void> {
  await docker.getImage(lock.reference).remove({ force: true });
  for (const { name } of cluster.nodes) {
    await cluster.exec(name, ['crictl', 'rmi', lock.configDigest], { signal: run.signal });
  }
}

async function timed(work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return Math.round(performance.now() - start);
}

async function ran(host: Host, argv: readonly string[]): Promise<void> {
  const { exitCode, stderr } = await host.exec(argv);
  if (exitCode !== 0) throw new Error(`${argv.join(' ')}: ${stderr}`);
}
