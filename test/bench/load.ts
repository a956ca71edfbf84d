import { join } from 'node:path';
import { imageBuilder, must } from './bench-images.ts';

/** One line of the result; the milliseconds are medians. */
export interface Measurement {
  readonly case: 'nothing changed' | 'top layer changed' | 'first load';
  readonly backend: string;
  readonly image_mb: number;
  readonly nodes: number;
  readonly ours_ms: number;
  readonly peer_ms: number;
  /** Above 1 where we are faster. */
  readonly ratio: number;
  readonly peer: string;
  /** What went into the nodes, for each once. */
  readonly bytes: number;
  /** Our process's peak. */
  readonly rss_mb: number;
  readonly rounds: number;
}

export interface LoadBench {
  /** load-once.ts, bundled as the extension and the CLI are. */
  readonly program: string;
  readonly cluster: string;
  readonly nodes: readonly string[];
  /** The daemon that has the image; the nodes are always the default daemon's. */
  readonly socket: string;
  readonly backend: 'overlay2' | 'containerd';
  readonly megabytes: number;
  readonly rounds: number;
  readonly folder: string;
  /** Only the case that begins so; all when absent. */
  readonly only?: string;
}

interface Ours {
  readonly ms: number;
  readonly bytes: number;
  readonly rss_mb: number;
  readonly loaded: number;
}

const PEERS = {
  overlay2: 'kind load docker-image',
  // There `kind load docker-image` fails ("content digest … not found") or loads anew what is there.
  containerd: 'docker save --platform | kind load image-archive',
};

/** Loads an image as we do and as the peer does, in turns. */
export async function* benchLoad(bench: LoadBench): AsyncGenerator<Measurement> {
  const { backend, megabytes, nodes, rounds, socket } = bench;
  const image = `clparity-bench:${backend}-${megabytes}`;
  const builder = await imageBuilder(join(bench.folder, `${megabytes}`), megabytes);
  const build = () => builder.build(socket, image);
  const measurement = (name: Measurement['case'], ours: readonly Ours[], peers: readonly number[]): Measurement => {
    const [ours_ms, peer_ms] = [median(ours.map(({ ms }) => ms)), median(peers)];
    return {
      case: name,
      backend,
      image_mb: megabytes,
      nodes: nodes.length,
      ours_ms,
      peer_ms,
      ratio: Math.round((peer_ms / ours_ms) * 10) / 10,
      peer: PEERS[backend],
      bytes: median(ours.map(({ bytes }) => bytes)),
      rss_mb: Math.max(...ours.map(({ rss_mb }) => rss_mb)),
      rounds: peers.length,
    };
  };
  async function turns(before: () => Promise<unknown>, times: number): Promise<[Ours[], number[]]> {
    const ours: Ours[] = [];
    const peers: number[] = [];
    for (let i = 0; i < times; i++) {
      await before();
      ours.push(await loadOurs(bench, image));
      await before();
      peers.push(await loadPeer(bench, image));
    }
    return [ours, peers];
  }
  const cases = [
    ['first load', () => forget(bench)],
    ['nothing changed', async () => {}],
    ['top layer changed', build],
  ] as const;
  try {
    await build();
    for (const [name, before] of cases) {
      // What a later case starts from is there once it was loaded as both do it.
      const asked = name.startsWith(bench.only ?? '');
      const results = await turns(before, asked ? rounds : name === 'first load' ? 1 : 0);
      if (asked) yield measurement(name, ...results);
    }
  } finally {
    await forget(bench);
    await must(['docker', '-H', `unix://${socket}`, 'rmi', '-f', image]);
  }
}

async function loadOurs({ program, socket, cluster }: LoadBench, image: string): Promise<Ours> {
  return JSON.parse(await must([process.execPath, program, socket, cluster, image])) as Ours;
}

async function loadPeer({ backend, socket, cluster, folder }: LoadBench, image: string): Promise<number> {
  const start = performance.now();
  if (backend === 'overlay2') await must(['kind', 'load', 'docker-image', image, '--name', cluster]);
  else {
    const file = join(folder, 'saved.tar');
    await must(['docker', '-H', `unix://${socket}`, 'save', '--platform', 'linux/amd64', '-o', file, image]);
    await must(['kind', 'load', 'image-archive', file, '--name', cluster]);
  }
  return Math.round(performance.now() - start);
}

/** Takes every unused image off the nodes, with its layers: removing with --sync waits until containerd has tidied up. */
async function forget({ nodes }: LoadBench): Promise<void> {
  const script = `
names=$(ctr -n k8s.io images ls -q | grep -e clparity-bench -e import- || true)
[ -z "$names" ] || ctr -n k8s.io images rm --sync $names
crictl rmi --prune
ctr -n k8s.io images tag --force $(ctr -n k8s.io images ls -q | head -n 1) clparity-bench/last:1
ctr -n k8s.io images rm --sync clparity-bench/last:1`;
  for (const node of nodes) await must(['docker', 'exec', node, 'bash', '-ec', script]);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
