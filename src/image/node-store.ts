import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { type LocalCluster, USUAL_TOOLS } from '../cluster/provider.ts';
import { environmentError } from '../host/errors.ts';
import { digestOf } from './digest.ts';
import type { Feeder } from './feeder.ts';
import { isRecord } from './manifest.ts';
import { runtimeFunctions } from './node-runtime.ts';
import { LOAD, OWNED, SEPARATOR, SURVEY } from './node-scripts.ts';

/** What a node has of images. */
export interface NodeState {
  /** The processor's architecture in the kernel's words: `x86_64`. */
  readonly architecture: string;
  /** containerd's snapshotter, as kubelet uses it. */
  readonly snapshotter: string;
  /** Whether it reaches the feeder that it was asked about. */
  readonly reaches: boolean;
  /** Those of the names asked for that containerd has, and the digests that they stand for. */
  readonly names: ReadonlyMap<string, string>;
  /** Those of them that carry our mark. */
  readonly owned: ReadonlySet<string>;
  /** The names that kubelet's side (CRI) knows, and their configs' digests. It follows containerd after a moment. */
  readonly kubelet: ReadonlyMap<string, string>;
  /** Which of a stack of layers are not unpacked there: from some layer on, all of them. */
  missing(diffIds: readonly string[]): readonly string[];
}

/** An image on its way into a node. */
export interface Loading {
  /** An OCI archive that has the image under the staging name. */
  readonly archive: Readable;
  /** By which way it goes; by standard input where undefined. */
  readonly feeder?: Feeder;
  readonly staging: string;
  /** Names for the staged image. */
  readonly tags: readonly string[];
  /** One more archive, with names of its own, whose layers are there once the first is in; small. */
  readonly metadata?: Readable;
  /** Names to mark as ours. */
  readonly own: readonly string[];
  /** Names that kubelet has to see before it is done, with what they then stand for: the config by this digest. */
  readonly names: readonly string[];
  readonly config: string;
}

/** containerd on one node, as kubelet uses it. Every method throws an `environment` error with the node's own words. */
export interface NodeStore {
  readonly node: string;
  survey(names: readonly string[], signal: AbortSignal, feeder?: Feeder): Promise<NodeState>;
  /** Takes an image in as it comes, and surveys the node again. */
  load(state: NodeState, loading: Loading, signal: AbortSignal): Promise<NodeState>;
  /** Names and digests of all images or of those with our label. */
  names(signal: AbortSignal, owned?: 'owned'): Promise<ReadonlyMap<string, string>>;
  /** Marks names as ours. */
  own(names: readonly string[], signal: AbortSignal): Promise<void>;
  /** Ends imports of this store that were cancelled but still run in the node. */
  stopImports(signal: AbortSignal): Promise<void>;
  /** Takes names away; what nothing refers to any more is deleted by containerd in its own time. */
  remove(names: readonly string[], signal: AbortSignal): Promise<void>;
}

/** The repository of the names under which images come in, each with a tag of its own. */
export const STAGING = 'localhost/clparity/staging';

/** Linux takes no single argument of 128 KiB or more (MAX_ARG_STRLEN). */
const ARGUMENT = 96 * 1024;

/** A node's image store. Nothing is asked of the node until one of its methods is called. */
export function openNodeStore(cluster: LocalCluster, node: string): NodeStore {
  const token = `clparity-import-${crypto.randomUUID()}`;

  async function must(argv: readonly string[], what: string, signal: AbortSignal, stdin?: Readable): Promise<string> {
    const result = await cluster.exec(node, argv, { signal, ...(stdin ? { stdin } : {}) });
    if (result.exitCode === 0) return result.stdout;
    const said = lastLines(result.stderr) || lastLines(result.stdout) || 'no output';
    throw environmentError(`${what} failed on node ${node} (${result.exitCode}): ${said}`, {
      action: /no space left/i.test(said)
        ? `Make room on node ${node} ("docker system df", "crictl rmi --prune" on the node), and try again.`
        : `Look at the node's own log: "journalctl -u containerd" on ${node}.`,
    });
  }
  const prelude = `set -eu\n${runtimeFunctions(cluster)}`;
  const script = (text: string, ...args: readonly string[]) => [
    ...['bash', '-c', `${prelude}\n${text}`, 'clparity'],
    ...args,
  ];
  const ctr = [...(cluster.tools ?? USUAL_TOOLS).ctr, '-n', 'k8s.io'];

  return {
    node,
    async survey(names, signal, feeder) {
      const argv = script(`names=$1 feeder=$2\n${SURVEY}`, names.join(' '), feeder ? address(feeder) : '');
      return nodeState(await must(argv, 'Asking for images', signal), node);
    },
    async load(state, { archive, feeder, staging, tags, metadata, own, names, config }, signal) {
      const lists = [tags, own, names].map((list) => list.join(' '));
      const more = metadata ? inArguments(await buffer(metadata)) : [];
      feeder?.offer(token, archive);
      const from = feeder ? address(feeder) : '';
      const argv = script(LOAD, from, token, state.snapshotter, staging, ...lists, config, ...more);
      return nodeState(await must(argv, 'The image import', signal, feeder ? undefined : archive), node);
    },
    async names(signal, owned) {
      const filter = owned ? [`labels."${OWNED.replace('=', '"==')}`] : [];
      return namesIn(await must([...ctr, 'images', 'ls', ...filter], '"ctr images ls"', signal));
    },
    async own(names, signal) {
      for (const name of names) await must([...ctr, 'images', 'label', name, OWNED], '"ctr images label"', signal);
    },
    async stopImports(signal) {
      const { exitCode } = await cluster.exec(node, ['pkill', '-f', `^${token}`], { signal });
      // containerd notices a moment later that its client is gone.
      if (exitCode === 0) await sleep(500, undefined, { signal });
    },
    async remove(names, signal) {
      if (names.length > 0) await must([...ctr, 'images', 'rm', ...names], '"ctr images rm"', signal);
    },
  };
}

/** As bash's /dev/tcp takes it. */
const address = ({ host, port }: Feeder) => `${host}/${port}`;

function inArguments(bytes: Buffer): string[] {
  const text = bytes.toString('base64');
  return Array.from({ length: Math.ceil(text.length / ARGUMENT) }, (_, i) =>
    text.slice(i * ARGUMENT, (i + 1) * ARGUMENT),
  );
}

function nodeState(output: string, node: string): NodeState {
  const [facts = '', images = '', names = '', snapshots = ''] = output.split(`${SEPARATOR}\n`);
  const [architecture = '', snapshotter = '', reaches = ''] = facts.split('\n').map((line) => line.trim());
  if (snapshotter === '') {
    throw environmentError(`Node ${node} does not tell which containerd snapshotter its kubelet uses`, {
      action:
        'Is its container runtime containerd? Others are not supported (minikube: "minikube start --container-runtime=containerd"); policies alone go by "clparity mirror".',
    });
  }
  // KEY PARENT KIND; only what is committed can be built upon.
  const rows = snapshots.split('\n').map((line) => line.trim().split(/\s+/));
  const unpacked = new Set(rows.flatMap((row) => (row.at(-1) === 'Committed' && row[0] ? [row[0]] : [])));
  return {
    architecture,
    snapshotter,
    reaches: reaches === 'yes',
    names: namesIn(names),
    owned: new Set(names.split('\n').flatMap((line) => (line.includes(OWNED) ? [...namesIn(line).keys()] : []))),
    kubelet: kubeletImages(images, node),
    missing(diffIds) {
      const first = chainIds(diffIds).findIndex((chain) => !unpacked.has(chain));
      return first < 0 ? [] : diffIds.slice(first);
    },
  };
}

/** The names of stacks of layers by the OCI image spec: each level's digest covers all below it. */
function chainIds(diffIds: readonly string[]): string[] {
  let chain = '';
  return diffIds.map((diffId) => {
    chain = chain === '' ? diffId : digestOf(`${chain} ${diffId}`);
    return chain;
  });
}

/** REF TYPE DIGEST SIZE …, under a line of headings; none of the first three has spaces in it. */
function namesIn(listing: string): ReadonlyMap<string, string> {
  const rows = listing.split('\n').map((line) => line.split(/\s+/));
  return new Map(rows.flatMap(([ref, , digest]) => (ref && digest?.startsWith('sha256:') ? [[ref, digest]] : [])));
}

function kubeletImages(json: string, node: string): ReadonlyMap<string, string> {
  const { images } = JSON.parse(json) as { images?: unknown };
  if (!Array.isArray(images)) throw environmentError(`Node ${node} lists its images in a form that is not understood`);
  const texts = (value: unknown) => (Array.isArray(value) ? value.map(String) : []);
  return new Map(
    images.filter(isRecord).flatMap((image) => {
      const names = [...texts(image.repoTags), ...texts(image.repoDigests)];
      return names.map((name): [string, string] => [name, String(image.id)]);
    }),
  );
}

/** The end of what a program said, without its warnings. */
function lastLines(text: string): string {
  const lines = text.split('\n').filter((line) => line.trim() !== '' && !/\blevel=(warning|info)\b/.test(line));
  return lines.slice(-3).join(' / ').slice(0, 600);
}
