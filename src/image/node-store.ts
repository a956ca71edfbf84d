import { PassThrough, pipeline, type Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { type LocalCluster, USUAL_TOOLS } from '../cluster/provider.ts';
import { environmentError } from '../host/errors.ts';
import { digestOf } from './digest.ts';
import type { Feeder } from './feeder.ts';
import { isRecord } from './manifest.ts';
import { runtimeFunctions } from './node-runtime.ts';
import { EVERYTHING, OWNED, SEPARATOR, SURVEY, SURVEYED, VISIT } from './node-scripts.ts';

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

/** All images of a node, and what uses them. */
export interface NodeImages {
  /** All of containerd's names, and the digests that they stand for. */
  readonly names: ReadonlyMap<string, string>;
  /** Those of them that carry our mark. */
  readonly owned: ReadonlySet<string>;
  /** As in NodeState, those with our mark and those of containers at least. */
  readonly kubelet: ReadonlyMap<string, string>;
  /**
   * The containers of pods that run on the node, stopped ones too: a name or an ID of the image, and `namespace/name` of the
   * pod. What kubelet has yet to clean up after a pod that is gone (a minute, at times) isn't among them.
   */
  readonly containers: readonly { readonly image: string; readonly pod: string }[];
}

/** An image on its way into a node. */
export interface Loading {
  /** An OCI archive that has the image under the staging name. */
  readonly archive: Readable;
  readonly staging: string;
  /** Its only name, to be marked as ours, where the archive has it so as well: see LayerArchive. */
  readonly direct?: string;
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

/** A node that was asked, and waits for what it is to take in. A cancel of what it began with ends it. */
export interface Visit {
  readonly state: NodeState;
  /** Takes an image in as it comes; whether kubelet sees it then under each of the names. */
  load(loading: Loading): Promise<boolean>;
  /** Where nothing is to be taken in. */
  leave(): Promise<void>;
}

/** containerd on one node, as kubelet uses it. Every method throws an `environment` error with the node's own words. */
export interface NodeStore {
  readonly node: string;
  survey(names: readonly string[], signal: AbortSignal): Promise<NodeState>;
  /** Surveys, and stays there. The bytes of a load come by the feeder where the node reaches it, else by standard input. */
  visit(names: readonly string[], signal: AbortSignal, feeder?: Feeder): Promise<Visit>;
  everything(signal: AbortSignal): Promise<NodeImages>;
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

const ASKING = 'Asking for images';

/** A node's image store. Nothing is asked of the node until one of its methods is called. */
export function openNodeStore(cluster: LocalCluster, node: string): NodeStore {
  const token = `clparity-import-${crypto.randomUUID()}`;

  function succeeded(result: Awaited<ReturnType<LocalCluster['exec']>>, what: string): string {
    if (result.exitCode === 0) return result.stdout;
    const said = lastLines(result.stderr) || lastLines(result.stdout) || 'no output';
    throw environmentError(`${what} failed on node ${node} (${result.exitCode}): ${said}`, {
      action: /no space left/i.test(said)
        ? `Make room on node ${node} ("docker system df", "crictl rmi --prune" on the node), and try again.`
        : `Look at the node's own log: "journalctl -u containerd" on ${node}.`,
    });
  }
  const must = async (argv: readonly string[], what: string, signal: AbortSignal) =>
    succeeded(await cluster.exec(node, argv, { signal }), what);
  const prelude = `set -eu\n${runtimeFunctions(cluster)}`;
  const script = (text: string, ...args: readonly string[]) => [
    ...['bash', '-c', `${prelude}\n${text}`, 'clparity'],
    ...args,
  ];
  const asking = (text: string, names: readonly string[], feeder?: Feeder) =>
    script(`names=$1 feeder=$2\n${text}`, names.join(' '), feeder ? `${feeder.host}/${feeder.port}` : '');
  const ctr = [...(cluster.tools ?? USUAL_TOOLS).ctr, '-n', 'k8s.io'];

  return {
    node,
    async survey(names, signal) {
      return nodeState(await must(asking(SURVEY, names), ASKING, signal), node);
    },
    async everything(signal) {
      const output = await must(script(EVERYTHING), ASKING, signal);
      const [owned = '', all = '', containers = '', running = '', images = ''] = output.split(`${SEPARATOR}\n`);
      return {
        names: namesIn(all),
        owned: new Set(namesIn(owned).keys()),
        kubelet: kubeletImages(images, node),
        containers: kubeletContainers(containers, new Set(running.split('\n')), node),
      };
    },
    async visit(names, signal, feeder) {
      const stdin = new PassThrough();
      const { onStdout, answer } = firstAnswer();
      const ended = cluster.exec(node, asking(VISIT, names, feeder), { signal, stdin, onStdout });
      const state = nodeState(await Promise.race([answer, ended.then((result) => succeeded(result, ASKING))]), node);
      return {
        state,
        async load({ archive, staging, direct = '', tags, metadata, own, names: seen, config }) {
          const lists = [tags, own, seen].map((list) => list.join(' '));
          const more = metadata ? (await buffer(metadata)).toString('base64') : '';
          const way = feeder && state.reaches ? 'feeder' : 'input';
          stdin.write(`${[way, token, staging, direct, ...lists, config, more].join('\n')}\n`);
          if (feeder && state.reaches) {
            feeder.offer(token, archive);
            stdin.end();
          } else {
            // Whichever of both breaks off takes the other along; what the program then says tells why.
            pipeline(archive, stdin, () => {});
          }
          const images = succeeded(await ended, 'The image import').split(`${SURVEYED}\n`)[1] ?? '';
          const kubelet = kubeletImages(images, node);
          return seen.every((name) => kubelet.get(name) === config);
        },
        async leave() {
          stdin.end('\n');
          succeeded(await ended, ASKING);
        },
      };
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

/** What a program says before it waits for more. */
function firstAnswer() {
  const { promise: answer, resolve } = Promise.withResolvers<string>();
  let said = '';
  const onStdout = (chunk: Buffer) => {
    said += chunk.toString('latin1');
    const end = said.indexOf(`${SURVEYED}\n`);
    if (end >= 0) resolve(said.slice(0, end));
  };
  return { answer, onStdout };
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

function kubeletContainers(json: string, running: ReadonlySet<string>, node: string): NodeImages['containers'] {
  const { containers } = JSON.parse(json) as { containers?: unknown };
  // None at all may be printed as null.
  if (containers === undefined || containers === null) return [];
  if (!Array.isArray(containers)) {
    throw environmentError(`Node ${node} lists its containers in a form that is not understood`);
  }
  const ofPods = containers.filter(isRecord).filter(({ podSandboxId }) => running.has(String(podSandboxId)));
  return ofPods.map(({ imageRef, labels }) => {
    const label = (key: string) => String((isRecord(labels) ? labels[key] : undefined) ?? '?');
    return {
      image: String(imageRef),
      pod: `${label('io.kubernetes.pod.namespace')}/${label('io.kubernetes.pod.name')}`,
    };
  });
}

/** The end of what a program said, without its warnings. */
function lastLines(text: string): string {
  const lines = text.split('\n').filter((line) => line.trim() !== '' && !/\blevel=(warning|info)\b/.test(line));
  return lines.slice(-3).join(' / ').slice(0, 600);
}
