import { setTimeout as sleep } from 'node:timers/promises';
import { stringify } from 'yaml';
import { ParityError } from '../../src/host/errors.ts';
import { quietRun } from '../../src/host/run.ts';
import { modelOf } from '../../src/policy/endpoints.ts';
import { whyIgnored } from '../../src/policy/engine.ts';
import { evaluator } from '../../src/policy/evaluate.ts';
import type { Connection, Endpoint, Policy, PolicyModel, Verdict } from '../../src/policy/model.ts';
import { reasonText } from '../../src/policy/reasons.ts';
import { captureCluster } from '../../src/snapshot/capture.ts';
import type { PolicyObject, Protocol } from '../../src/snapshot/model.ts';
import { ApiError, type KubeObject } from '../../src/target/rest.ts';
import { type Answer, sendProbes } from '../../src/verify/prober.ts';
import { PORTS } from './arbitraries.ts';
import { untilLive } from './engine.ts';
import type { Recording } from './recording.ts';
import { playerOf, type World } from './world.ts';

/** What one round of policies came to. */
export interface RoundResult {
  readonly policies: number;
  readonly probes: number;
  readonly allowed: number;
  /** Connections that the evaluator can't decide by what a snapshot holds, or that met a listener that swallows. */
  readonly undecided: number;
  /** Where the engine and the evaluator disagree, each with the reasons. */
  readonly disagreements: readonly string[];
  readonly recording: Recording;
}

/** After these pauses a packet that disagrees is sent again. */
const PAUSES_MS = [500, 1500, 3000, 5000];

/** Applies policies, sends packets between all pods, nodes and addresses outside, compares, and takes the policies away. */
export async function playRound(
  world: World,
  policies: readonly PolicyObject[],
  options: { readonly protocols: readonly Protocol[]; readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<RoundResult> {
  const { client, cluster } = world;
  const { signal } = options;
  const made: KubeObject[] = [];
  const disagreements: string[] = [];
  try {
    await someAtOnce(policies, async (policy) => {
      try {
        made.push(await client.create(policy as unknown as KubeObject, { signal }));
      } catch (error) {
        if (!(error instanceof ApiError) || error.status >= 500) throw error;
        disagreements.push(...apiRefusal(policy, error));
      }
    });
    const snapshot = await captureCluster(client, cluster.id, quietRun(signal));
    for (const gap of snapshot.gaps) if (gap.message.startsWith('left out')) disagreements.push(gap.message);
    const model = modelOf(snapshot);
    // What is read as refused isn't waited for, only looked for.
    const [refused, awaited] = [true, false].map((is) => made.filter((m) => isRefused(model, m) === is).map(uidOf));
    const untaken = [
      ...(await untilLive(cluster, awaited ?? [], [], signal)),
      ...(await untilLive(cluster, refused ?? [], [], signal, 0)),
    ];
    disagreements.push(...refusals(model, untaken, made));
    const played = await compare(world, model, options);
    const { packets, ...counts } = played;
    return {
      ...{ policies: made.length, ...counts, disagreements: [...disagreements, ...played.disagreements] },
      recording: { snapshot, packets },
    };
  } finally {
    await someAtOnce(made, (object) => client.delete(object, { signal: AbortSignal.timeout(60_000) }));
    await untilLive(cluster, [], made.map(uidOf), AbortSignal.timeout(90_000 + 1000 * made.length));
  }
}

/** Hundreds one after another would take minutes. */
async function someAtOnce<T>(items: readonly T[], act: (item: T) => Promise<unknown>): Promise<void> {
  for (let i = 0; i < items.length; i += 10) await Promise.all(items.slice(i, i + 10).map(act));
}

function apiRefusal(policy: PolicyObject, error: ApiError): string[] {
  try {
    modelOf({ ...EMPTY, policies: [policy] });
  } catch (cause) {
    if (cause instanceof ParityError) return [];
    throw cause;
  }
  return [`the API server refuses what is read here: ${error.message}\n${stringify(policy)}`];
}

const EMPTY = {
  schema: 'clparity/v1',
  source: { kind: 'files', name: '' },
  engine: { name: 'cilium', evidence: [] },
  ranges: { pods: [], services: [], nodes: [] },
  nodes: [],
  namespaces: [],
  workloads: [],
  services: [],
  otherPolicies: [],
  gaps: [],
} as const;

function uidOf({ metadata }: KubeObject): string {
  return metadata.uid ?? '';
}

function policiesOf(model: PolicyModel, { kind, metadata }: KubeObject): readonly Policy[] {
  return model.policies.filter((p) => p.name === metadata.name && p.source.object.split(/[. ]/)[0] === kind);
}

/** Whether the agent is expected to have nothing of an object: it refuses it, or there is no rule in it. */
function isRefused(model: PolicyModel, object: KubeObject): boolean {
  const own = policiesOf(model, object);
  const isSilent = own.every((p) => p.rules.length === 0 && p.isolates.length === 0);
  return isSilent || own.some((p) => whyIgnored(p, model.engine) !== undefined);
}

/** Objects of which the agent has no rule though it should, and those of which it has some though it should not. */
function refusals(model: PolicyModel, untaken: readonly string[], made: readonly KubeObject[]): string[] {
  return made.flatMap((object) => {
    const taken = !untaken.includes(uidOf(object));
    if (taken !== isRefused(model, object)) return [];
    const what = taken ? 'Cilium takes what is read as refused' : 'Cilium takes no rule of it';
    return [`${object.kind} ${object.metadata.name}: ${what}`];
  });
}

interface Asked {
  readonly connection: Connection;
  readonly verdict: Verdict;
  answer?: Answer;
}

async function compare(
  world: World,
  model: PolicyModel,
  { protocols, timeoutMs, signal }: { protocols: readonly Protocol[]; timeoutMs: number; signal: AbortSignal },
) {
  const ask = evaluator(model);
  const ends: Endpoint[] = [...model.pods.filter((p) => playerOf(world, p)), ...world.others];
  const asked: Asked[] = connectionsBetween(ends, protocols).map((connection) => ({
    connection,
    verdict: ask(connection),
  }));
  const decided = asked.filter((a) => !isOpen(a.verdict));
  await send(world, decided, timeoutMs, signal);
  for (const pause of PAUSES_MS) {
    const doubtful = decided.filter((a) => disagrees(a));
    if (doubtful.length === 0) break;
    await sleep(pause, undefined, { signal });
    await send(world, doubtful, timeoutMs, signal);
  }
  const swallowed = decided.filter((a) => a.answer?.swallowed).length;
  return {
    probes: decided.length,
    allowed: decided.filter((a) => a.verdict.allowed).length,
    undecided: asked.length - decided.length + swallowed,
    disagreements: decided.filter(disagrees).map(described),
    packets: decided
      .filter(({ answer }) => answer && !answer.swallowed)
      .map(({ connection, answer }) => ({ connection, allowed: answer?.verdict === 'allowed' })),
  };
}

async function send(world: World, asked: readonly Asked[], timeoutMs: number, signal: AbortSignal): Promise<void> {
  const probes = asked.map(({ connection: { from, to, protocol, port } }) => {
    const [source, destination] = [playerOf(world, from), playerOf(world, to)];
    if (!source || !destination) throw new Error(`nobody plays ${from.id} or ${to.id}`);
    return { source: source.key, destination: destination.key, protocol, address: destination.ip, port };
  });
  const answers = await sendProbes(world.cluster, world.networks, probes, { timeoutMs, signal });
  for (const [i, answer] of answers.entries()) {
    const one = asked[i];
    if (one) one.answer = answer;
  }
}

/** Each pair once, on the ports that policies speak of, and on one that none names; at least one end is a pod. */
function connectionsBetween(ends: readonly Endpoint[], protocols: readonly Protocol[]): Connection[] {
  return ends.flatMap((from) =>
    ends.flatMap((to) => {
      if (from === to || (from.type === 'address' && to.type === 'address')) return [];
      // Packets from outside come from the first of its addresses.
      if (from.type === 'address' && from.ip.startsWith('198.51.100.130')) return [];
      if (from.type === 'address' && from.ip.startsWith('203.')) return [];
      const own = to.type === 'pod' ? to.ports.map(({ port, protocol }) => ({ port, protocol })) : [];
      const tcp = [...PORTS, 64_999].map((port) => ({ port, protocol: 'TCP' as const }));
      const udp = [80, 443].map((port) => ({ port, protocol: 'UDP' as const }));
      const sctp = [{ port: 80, protocol: 'SCTP' as const }];
      const all = new Map([...own, ...tcp, ...udp, ...sctp].map((p) => [`${p.protocol} ${p.port}`, p]));
      // Nodes are asked for too many ICMP errors at once by all the pods that they stand before (masquerading).
      const carried = to.type === 'address' ? protocols.filter((p) => p === 'TCP') : protocols;
      return [...all.values()].filter((p) => carried.includes(p.protocol)).map((p) => ({ from, to, ...p }));
    }),
  );
}

/** Whether something that a snapshot doesn't hold may decide otherwise. */
function isOpen({ egress, ingress }: Verdict): boolean {
  return [...egress.because, ...ingress.because].some(
    (r) => r.text.startsWith('may also be') || r.text.includes(', but only with'),
  );
}

function disagrees({ verdict, answer }: Asked): boolean {
  return !answer?.swallowed && answer?.verdict !== (verdict.allowed ? 'allowed' : 'denied');
}

function described({ connection: { from, to, protocol, port }, verdict, answer }: Asked): string {
  const reasons = [
    ...verdict.egress.because.map((r) => `  leaving (${verdict.egress.allowed}): ${reasonText(r)}`),
    ...verdict.ingress.because.map((r) => `  entering (${verdict.ingress.allowed}): ${reasonText(r)}`),
  ];
  const said = verdict.allowed ? 'allowed' : 'denied';
  return [
    `${from.id} to ${to.id} ${protocol} ${port}: expected ${said}, is ${answer?.verdict} (${answer?.detail})`,
    ...reasons,
  ].join('\n');
}
