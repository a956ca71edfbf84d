import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type Docker from 'dockerode';
import type { VouchedCluster } from '../../src/cluster/provider.ts';
import { localHost } from '../../src/host/local.ts';
import { type LogLevel, type Progress, quietRun, type Run } from '../../src/host/run.ts';
import { connectDocker, pingDocker } from '../../src/image/docker.ts';
import { planUnload, unloadImages } from '../../src/image/unload.ts';
import { startRegistry, type TestRegistry } from './registry.ts';
import { openTestCluster } from './test-cluster.ts';

/** What the image tests stand on: a real registry, the real daemon, real nodes, and a folder. */
export interface ImageWorld {
  readonly registry: TestRegistry;
  readonly docker: Docker;
  readonly platform: string;
  readonly cluster: VouchedCluster;
  readonly folder: string;
  /** Takes everything away again, the daemon's images from this registry included. */
  close(): Promise<void>;
}

export async function openImageWorld(): Promise<ImageWorld> {
  const docker = await connectDocker(localHost(), new AbortController().signal);
  const registry = await startRegistry();
  const folder = await mkdtemp(join(tmpdir(), 'clparity-image-'));
  return {
    registry,
    docker,
    platform: (await pingDocker(docker)).platform,
    cluster: await openTestCluster(),
    folder,
    async close() {
      await forgetImages(docker, registry.host);
      await registry.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Takes every image of ours off the nodes; the names removed, by node. */
export async function unloadAll(cluster: VouchedCluster, run: Run): Promise<ReadonlyMap<string, readonly string[]>> {
  return unloadImages(cluster, run, (await planUnload(cluster, run.signal)).images);
}

/** Removes the daemon's names that start with a registry's host; other names of the same images stay. */
export async function forgetImages(docker: Docker, host: string): Promise<void> {
  const names = async () =>
    (await docker.listImages())
      .flatMap((image) => [...(image.RepoTags ?? []), ...(image.RepoDigests ?? [])])
      .filter((name) => name.startsWith(`${host}/`));
  // The last tag of a repository takes its digests with it, so look again after each.
  for (let [name] = await names(); name !== undefined; [name] = await names()) await docker.getImage(name).remove();
}

/** A run that keeps what it is told. */
export interface WatchedRun extends Run {
  readonly logged: string[];
  readonly progress: Progress[];
}

/** `onProgress` sees every report as it comes, for tests that cancel midway. */
export function watchedRun(signal?: AbortSignal, onProgress?: (p: Progress) => void): WatchedRun {
  const logged: string[] = [];
  const progress: Progress[] = [];
  return {
    ...quietRun(signal, (level: LogLevel, message: string) => void logged.push(`${level}: ${message}`)),
    logged,
    progress,
    step: (_title, work) =>
      work((p) => {
        progress.push(p);
        onProgress?.(p);
      }),
  };
}

/**
 * For bash on a node: has containerd delete all that nothing refers to, and waits until it has. Removing a name with
 * --sync does that, and any name will do.
 */
export const TIDY_UP = `ctr -n k8s.io images tag $(ctr -n k8s.io images ls -q | head -1) a/b:1
ctr -n k8s.io images rm --sync a/b:1`;

/**
 * Has every node delete what nothing refers to, after `first`, and start containerd anew: what is left has to be whole by
 * itself.
 */
export async function tidyUpAndRestart(cluster: VouchedCluster, first = ':'): Promise<void> {
  for (const { name } of cluster.nodes) {
    const script = `set -e\n${first}\n${TIDY_UP}\nsystemctl restart containerd`;
    const { exitCode, stderr } = await cluster.exec(name, ['bash', '-c', script], {
      signal: AbortSignal.timeout(60_000),
    });
    if (exitCode !== 0) throw new Error(`${name}: ${stderr}`);
  }
}

/** All names in a node's image store. */
export async function namesOn(cluster: VouchedCluster, node: string): Promise<string[]> {
  const argv = ['ctr', '-n', 'k8s.io', 'images', 'ls', '-q'];
  const { stdout } = await cluster.exec(node, argv, { signal: AbortSignal.timeout(30_000) });
  return stdout.trim().split('\n');
}
