import type { LocalCluster } from '../cluster/provider.ts';
import { environmentError, type ParityError } from '../host/errors.ts';
import type { Protocol } from '../snapshot/model.ts';
import type { ProbeVerdict } from './model.ts';
import type { PodNetwork } from './netns.ts';
import { DRIVER, WORKER } from './prober-scripts.ts';
import { SOCAT_DRIVER, SOCAT_WORKER, socatAnswer, socatLine } from './socat-prober.ts';

/** A packet to send. `source` and `destination` are keys of pods without white space, such as UIDs. */
export interface Probe {
  readonly source: string;
  readonly destination: string;
  readonly protocol: Protocol;
  /** IPv4 or IPv6. */
  readonly address: string;
  readonly port: number;
}

export interface Answer {
  readonly verdict: ProbeVerdict;
  /** What came back, in words; empty for silence. */
  readonly detail: string;
  /** True where silence proves nothing: a listener may have taken the datagram. */
  readonly swallowed?: true;
}

/** Sources that probe at the same time in one node; each holds at most 400 sockets. */
const WORKERS = 8;

/**
 * Sends all probes, each from its source's network namespace: one exec a node, all nodes at once. Answers come in the
 * order of `probes`. `timeoutMs` without an answer is a denial. Throws where a node can't send any.
 */
export async function sendProbes(
  cluster: LocalCluster,
  networks: ReadonlyMap<string, PodNetwork>,
  probes: readonly Probe[],
  options: { timeoutMs: number; signal: AbortSignal },
): Promise<Answer[]> {
  const nodes = new Map<string, Map<string, number[]>>();
  const sources = new Set(probes.flatMap((p) => [p.source, p.destination]));
  for (const source of sources) {
    const network = networks.get(source);
    if (network) entry(nodes, network.node, () => new Map()).set(source, []);
  }
  probes.forEach((probe, id) => {
    const network = networks.get(probe.source);
    if (network) nodes.get(network.node)?.get(probe.source)?.push(id);
  });
  const outputs = await Promise.all(
    [...nodes].map(([node, bySource]) => probeNode(cluster, node, networks, bySource, probes, options)),
  );
  return readAnswers(outputs.join('\n'), probes);
}

async function probeNode(
  cluster: LocalCluster,
  node: string,
  networks: ReadonlyMap<string, PodNetwork>,
  bySource: ReadonlyMap<string, readonly number[]>,
  probes: readonly Probe[],
  options: { timeoutMs: number; signal: AbortSignal },
): Promise<string> {
  const socat = cluster.nodes.find(({ name }) => name === node)?.socat ?? false;
  const lines: string[] = [];
  let count = 0;
  for (const [source, ids] of bySource) {
    const own = new Map(ids.flatMap((id) => (probes[id] ? [[id, probes[id]] as const] : [])));
    const path = networks.get(source)?.path ?? '';
    lines.push(...(socat ? [socatLine(source, path, own)] : perlLines(source, path, own)));
    count += own.size;
  }
  const timeout = options.timeoutMs / 1000;
  // Generous: what the pace allows, then as much again. It only bounds a prober whose connection was cut.
  const limit = Math.ceil(60 + count * (socat ? 0.2 : 0.05) + bySource.size * 2 * timeout);
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout((limit + 10) * 1000)]);
  const argv = socat
    ? ['sh', '-c', SOCAT_DRIVER, 'sh', SOCAT_WORKER, String(timeout), String(timeout / 2), String(limit)]
    : ['perl', '-e', DRIVER, WORKER, String(timeout), String(limit), String(WORKERS)];
  const result = await cluster.exec(node, argv, { stdin: `${lines.join('\n')}\n`, signal });
  if (result.exitCode === 0) return result.stdout;
  throw cantProbe(node, result);
}

/** A source's lines for DRIVER: its network, then its probes. */
function perlLines(source: string, netns: string, probes: ReadonlyMap<number, Probe>): string[] {
  const own = [...probes].map(([id, { protocol, address, port }]) => `${id} ${protocol} ${address} ${port}`);
  return [`N ${source} ${netns}`, ...own];
}

/** Exit codes of a program that was ended from outside: a container that stops sends its programs SIGTERM, then SIGKILL. */
const ENDED: readonly number[] = [128 + 9, 128 + 15];
/** Of a program that can't be started, or isn't there. */
const NOT_STARTED: readonly number[] = [126, 127];

/** Why a node's prober failed. What it had measured until then says nothing. */
function cantProbe(node: string, { exitCode, stdout, stderr }: Awaited<ReturnType<LocalCluster['exec']>>): ParityError {
  if (ENDED.includes(exitCode)) {
    return environmentError(`Node ${node} stopped while it sent probes: its prober was ended (exit code ${exitCode})`, {
      action: `See that the node runs ("docker start ${node}" where it is a container) and is Ready, then try again.`,
    });
  }
  const isMissing = NOT_STARTED.includes(exitCode);
  // Docker says on standard output that a program isn't there.
  const said = (stderr || (isMissing ? stdout : '')).trim() || 'it says nothing';
  return environmentError(`Node ${node} can't send probes (exit code ${exitCode}): ${said}`, {
    action: isMissing
      ? "Probing needs nsenter and perl (or socat) in the node; kind's own node images have them. Use one of those, or add them."
      : 'Try again; where it says the same, "clparity doctor" looks for what is wrong with the node.',
  });
}

/** Matches the output of either prober (prober-scripts.ts, socat-prober.ts) to the probes; one without a line is unreachable, with the reason. */
export function readAnswers(output: string, probes: readonly Probe[]): Answer[] {
  const answers = new Map<number, Answer>();
  const failures = new Map<string, string>();
  const listeners = new Set<string>();
  // What socat said of a probe, and what its source heard by ICMP.
  const said = new Map<number, string>();
  const heard = new Map<string, string>();
  for (const line of output.split('\n')) {
    const [type, key = '', value = '', detail = ''] = line.split('\t');
    if (type === 'L') listeners.add(`${key} ${value}`);
    else if (type === 'E') failures.set(key, value);
    else if (type === 'S') said.set(Number(key), value);
    else if (type === 'I') heard.set(key, `${heard.get(key) ?? ''}${value}`);
    else if (type === 'R') answers.set(Number(key), { verdict: value as ProbeVerdict, detail });
  }
  return probes.map((probe, id) => {
    const words = said.get(id);
    const answer = words === undefined ? answers.get(id) : socatAnswer(probe, id, words, heard.get(probe.source) ?? '');
    if (!answer) return { verdict: 'unreachable', detail: failures.get(probe.source) ?? 'the pod is gone' };
    const swallowed =
      probe.protocol === 'UDP' &&
      probe.port !== 53 &&
      answer.verdict === 'denied' &&
      listeners.has(`${probe.destination} ${probe.port}`);
    if (!swallowed) return answer;
    return { verdict: 'unreachable', detail: 'silence proves nothing: a listener may have swallowed it', swallowed };
  });
}

function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const found = map.get(key) ?? make();
  map.set(key, found);
  return found;
}
