import type { Readable } from 'node:stream';
import type { Run } from '../host/run.ts';
import { crictlFunction, LOCAL_IMPORT, SNAPSHOTTER } from '../image/node-runtime.ts';
import { copiesOf } from '../image/stream.ts';
import { openTransport, readClient } from '../target/rest.ts';
import { type Importer, type LocalNode, USUAL_TOOLS, type VouchedCluster } from './provider.ts';
import { reportedImages } from './seen.ts';

const NODES = { group: '', version: 'v1', plural: 'nodes' };
/** What loading needs in a node, and what sending packets does. */
const NEEDED = ['bash', 'timeout', 'perl', 'nsenter'];
/** What sends packets without perl (verify/socat-prober.ts). */
const SENDING = ['nsenter', 'socat', 'od', 'sed', 'grep'];

/**
 * Says of each node what its image lacks, as k3s's do, which hold busybox, socat and little else. Packets are sent where every
 * node has what sends them, one way or the other; where one hasn't, from none: half a proof would pass for one.
 */
export async function withClosed(cluster: VouchedCluster, { signal }: Run): Promise<VouchedCluster> {
  const script = `for p in ${[...new Set([...NEEDED, ...SENDING])].join(' ')}; do command -v $p >/dev/null || echo $p; done`;
  const nodes = await Promise.all(
    cluster.nodes.map(async (node): Promise<LocalNode> => {
      const { stdout } = await cluster.exec(node.name, ['sh', '-c', script], { signal });
      const missing = new Set(stdout.trim().split(/\s+/));
      const lacks = NEEDED.filter((program) => missing.has(program)).join(', ');
      if (lacks === '') return node;
      const sends = SENDING.every((program) => !missing.has(program));
      return { ...node, closed: `its image has no ${lacks}`, ...(sends && { socat: true }) };
    }),
  );
  const silent = nodes.filter(({ closed, socat }) => closed !== undefined && !socat);
  if (silent.length === 0) return { ...cluster, nodes };
  const why = silent.map((node) => `${node.name}: ${node.closed}`).join('; ');
  return { ...cluster, nodes, unprobed: `its nodes have not what sends them (${why})` };
}

/** Each node's own `ctr`, by nothing but a POSIX shell, into kubelet's snapshotter. All nodes at once, at the slowest's pace. */
export function containerImporter({ nodes, exec, connection }: VouchedCluster): Importer {
  const script = `set -eu
${crictlFunction(USUAL_TOOLS.crictl ?? ['crictl'])}
${SNAPSHOTTER}
${LOCAL_IMPORT}
exec ctr -n k8s.io images import $local --snapshotter "$(snapshotter)" - >/dev/null`;
  return {
    async reported(signal) {
      const client = readClient(openTransport(connection));
      try {
        return reportedImages(await client.list(NODES, signal));
      } finally {
        await client.close();
      }
    },
    async import(archive, signal) {
      const { copies, copy, close } = copiesOf(archive, nodes.length);
      const failures = new Map<string, string>();
      const taking = nodes.map(async ({ name }, i) => {
        const stdin = copies[i] as Readable;
        try {
          const { exitCode, stderr } = await exec(name, ['sh', '-c', script], { signal, stdin });
          if (exitCode !== 0) failures.set(name, stderr.trim().slice(-300) || `exit code ${exitCode}`);
        } finally {
          // One that gives up early reads no more, and must not hold up the others.
          stdin.destroy();
        }
      });
      try {
        await Promise.all([copy(), ...taking]);
      } finally {
        close();
      }
      return failures;
    },
  };
}
