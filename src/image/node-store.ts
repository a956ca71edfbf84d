import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LocalCluster } from '../cluster/provider.ts';
import { environmentError } from '../host/errors.ts';
import { digestOf } from './digest.ts';
import { isRecord } from './manifest.ts';

/** Marks names in a node's image store as made by us; only such names are ever taken away. */
export const OWNED = 'clparity.dev/managed=true';

/** containerd on one node, as kubelet uses it. Every method throws an `environment` error with the node's own words. */
export interface NodeStore {
  readonly node: string;
  /** Names and the digests that they stand for, of all images or of those with our label. */
  names(signal: AbortSignal, owned?: 'owned'): Promise<ReadonlyMap<string, string>>;
  /** What kubelet's side (CRI) knows under a name, or undefined. It follows the store after a moment. */
  inspect(name: string, signal: AbortSignal): Promise<CriImage | undefined>;
  /** True where the layers are unpacked, all of them, ready for containers. */
  isUnpacked(diffIds: readonly string[], signal: AbortSignal): Promise<boolean>;
  /** Imports an OCI archive as it comes in. */
  import(archive: Readable, signal: AbortSignal): Promise<void>;
  /** Ends imports of this store that were cancelled but still run in the node. */
  stopImports(signal: AbortSignal): Promise<void>;
  own(names: readonly string[], signal: AbortSignal): Promise<void>;
  /** Takes names away; what nothing refers to any more is deleted by containerd in its own time. */
  remove(names: readonly string[], signal: AbortSignal): Promise<void>;
  /** The processor's architecture in the kernel's words: `x86_64`. */
  architecture(signal: AbortSignal): Promise<string>;
}

export interface CriImage {
  /** The config's digest. */
  readonly id: string;
  readonly names: readonly string[];
  readonly diffIds: readonly string[];
}

const CTR = ['ctr', '-n', 'k8s.io'];

/** Opens a node's image store; asks the node once which snapshotter its kubelet uses. */
export async function openNodeStore(cluster: LocalCluster, node: string, signal: AbortSignal): Promise<NodeStore> {
  const exec = (argv: readonly string[], stop: AbortSignal, stdin?: Readable) =>
    cluster.exec(node, argv, { signal: stop, ...(stdin ? { stdin } : {}) });

  async function must(argv: readonly string[], stop: AbortSignal, stdin?: Readable): Promise<string> {
    const result = await exec(argv, stop, stdin);
    if (result.exitCode === 0) return result.stdout;
    const said = lastLines(result.stderr) || lastLines(result.stdout) || 'no output';
    const what = stdin ? 'The image import' : `"${argv.slice(0, 5).join(' ')}"`;
    throw environmentError(`${what} failed on node ${node} (${result.exitCode}): ${said}`, {
      action: `Look at the node's own log: "journalctl -u containerd" on ${node}.`,
    });
  }

  const token = `clparity-import-${crypto.randomUUID()}`;
  const snapshotter = snapshotterOf(await must(['crictl', 'imagefsinfo', '-o', 'json'], signal), node);

  return {
    node,
    async names(stop, owned) {
      const filter = owned ? [`labels."${OWNED.replace('=', '"==')}`] : [];
      const listing = await must([...CTR, 'images', 'ls', ...filter], stop);
      // REF TYPE DIGEST SIZE …, under a line of headings; none of the first three has spaces in it.
      const rows = listing.split('\n').map((line) => line.split(/\s+/));
      return new Map(rows.flatMap(([ref, , digest]) => (ref && digest?.startsWith('sha256:') ? [[ref, digest]] : [])));
    },
    async inspect(name, stop) {
      const result = await exec(['crictl', 'inspecti', '-o', 'json', name], stop);
      return result.exitCode === 0 ? criImage(result.stdout, node) : undefined;
    },
    async isUnpacked(diffIds, stop) {
      const info = [...CTR, 'snapshots', '--snapshotter', snapshotter, 'info', chainId(diffIds)];
      return (await exec(info, stop)).exitCode === 0;
    },
    async import(archive, stop) {
      const argv = [...CTR, 'images', 'import', '--snapshotter', snapshotter, '-'];
      // Under a name of its own, that stopImports can find it by.
      await must(['bash', '-c', 'exec -a "$0" "$@"', token, ...argv], stop, archive);
    },
    async stopImports(stop) {
      const { exitCode } = await exec(['pkill', '-f', `^${token}`], stop);
      // containerd notices a moment later that its client is gone.
      if (exitCode === 0) await sleep(500, undefined, { signal: stop });
    },
    async own(names, stop) {
      for (const name of names) await must([...CTR, 'images', 'label', name, OWNED], stop);
    },
    async remove(names, stop) {
      if (names.length > 0) await must([...CTR, 'images', 'rm', ...names], stop);
    },
    architecture: async (stop) => (await must(['uname', '-m'], stop)).trim(),
  };
}

/** CRI's image file system lies in a folder named after its snapshotter: …/io.containerd.snapshotter.v1.overlayfs. */
function snapshotterOf(json: string, node: string): string {
  const [, name] = /io\.containerd\.snapshotter\.v1\.([\w.-]+)"/.exec(json) ?? [];
  if (name) return name;
  throw environmentError(`Node ${node} does not tell which containerd snapshotter its kubelet uses`, {
    action: 'Is its container runtime containerd? Other runtimes are not supported.',
  });
}

/** The name of a stack of layers by the OCI image spec: each level's digest covers all below it. */
function chainId(diffIds: readonly string[]): string {
  return diffIds.reduce((chain, diffId) => (chain === '' ? diffId : digestOf(`${chain} ${diffId}`)), '');
}

function criImage(json: string, node: string): CriImage {
  const { info, status } = JSON.parse(json) as { info?: unknown; status?: unknown };
  const spec = isRecord(info) && isRecord(info.imageSpec) ? info.imageSpec : {};
  const diffIds = isRecord(spec.rootfs) ? spec.rootfs.diff_ids : undefined;
  if (!isRecord(status) || typeof status.id !== 'string' || !Array.isArray(diffIds)) {
    throw environmentError(`Node ${node} describes an image in a form that is not understood`);
  }
  const texts = (value: unknown) => (Array.isArray(value) ? value.map(String) : []);
  return {
    id: status.id,
    names: [...texts(status.repoTags), ...texts(status.repoDigests)],
    diffIds: diffIds.map(String),
  };
}

function lastLines(text: string): string {
  return text.trim().split('\n').slice(-3).join(' / ').slice(0, 600);
}
