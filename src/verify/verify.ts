import { setTimeout as sleep } from 'node:timers/promises';
import type { WriteClient } from '../apply/client.ts';
import { probedNodes, type VouchedCluster } from '../cluster/provider.ts';
import { counted } from '../host/counted.ts';
import { environmentError, isCancelled, messageOf, ParityError, whatEnded } from '../host/errors.ts';
import { allOrStop, type Run } from '../host/run.ts';
import type { ScopedTarget } from '../plan/model.ts';
import { modelOf } from '../policy/endpoints.ts';
import { workloadOf } from '../policy/groups.ts';
import type { Connection, Endpoint, PolicyModel } from '../policy/model.ts';
import type { Settings } from '../settings.ts';
import type { Snapshot } from '../snapshot/model.ts';
import { type Cast, castWorkloads, workloadId } from './cast.ts';
import { compare } from './compare.ts';
import { checkEnforcement, type Enforcement } from './enforcement.ts';
import { listStandIns, removeStandIns } from './leftovers.ts';
import { type LocalPod, type PodObject, runningPod } from './local-pods.ts';
import { type Measured, measure } from './measure.ts';
import type { VerifyResult } from './model.ts';
import { type PodNetwork, podNetworks, sandboxImage } from './netns.ts';
import { PODS } from './ours.ts';
import { kitFor } from './pause-pod.ts';
import type { Answer } from './prober.ts';
import { type Endpoints, localJudge, targetEndpoints, targetName } from './stage.ts';
import { startStandIns } from './stand-ins.ts';

export interface VerifyInput {
  /** What to be like: scoped, and with namespaces already under their local names. */
  readonly target: Snapshot & Partial<Pick<ScopedTarget, 'whole' | 'peers' | 'localNames'>>;
  readonly cluster: VouchedCluster;
  readonly client: WriteClient;
  readonly settings: Pick<Settings, 'probeTimeoutMs' | 'keep'>;
  /** The local cluster's own policies, to explain differences and silence. */
  readonly localModel?: PolicyModel;
}

/** New pods' identities take a moment to reach every node; packets before that prove little. */
const SETTLE_MS = 3000;

/** What is done once everybody is in place. */
type Scene<T> = (stage: Stage, endpoints: Endpoints, networks: ReadonlyMap<string, PodNetwork>) => Promise<T>;

/**
 * The proof: is anything enforced here, and do real packets between the target's workloads meet what the target's
 * policies say? Starts stand-ins where needed and removes them again, also on failure and cancel; `keep` leaves them.
 */
export async function verify(input: VerifyInput, run: Run): Promise<VerifyResult> {
  const { result, left } = await onStage(input, run, (stage, endpoints, networks) =>
    probe(input, run, stage, endpoints, networks),
  );
  return { ...result, left };
}

/**
 * Sends packets for the given connections alone, whose endpoints are of `modelOf(input.target)`; a workload's pods are
 * all played by one. Returns what came back, connection by connection; undefined where nothing could be sent.
 */
export async function askPackets(
  input: VerifyInput,
  connections: readonly Connection[],
  run: Run,
): Promise<ReadonlyMap<Connection, Answer | undefined>> {
  const { result } = await onStage(input, run, async (stage, endpoints, networks) => {
    const players = new Map(endpoints.destinations.map((pod) => [workloadOf(pod), pod]));
    const playerOf = (e: Endpoint) => (e.type === 'pod' ? players.get(workloadOf(e)) : undefined);
    const played = connections.flatMap((asked) => {
      const [from, to] = [playerOf(asked.from), playerOf(asked.to)];
      return from && to && from !== to ? [{ asked, connection: { ...asked, from, to } }] : [];
    });
    const only = played.map(({ connection }) => connection);
    const { measurements } = await measureNow(input, run, { ...stage, endpoints, networks, only });
    const answers = new Map(measurements.map((m) => [m.connection, m.answers.at(-1)]));
    return new Map(played.map(({ asked, connection }) => [asked, answers.get(connection)]));
  });
  return result;
}

/** Sets the stage, lets `scene` play, and clears the stage, also on failure and cancel. */
async function onStage<T>(input: VerifyInput, run: Run, scene: Scene<T>): Promise<{ result: T; left: string[] }> {
  const { client, cluster, settings } = input;
  const closed = closedNodes(cluster);
  await run.step('Look for leftovers of an earlier run', async () => {
    const left = await removeStandIns(client, run);
    if (left.length > 0) run.log('warn', `Left of an earlier run: ${left.join('; ')}`);
  });
  let result: T;
  try {
    const kit = kitFor(cluster, await pauseImage(cluster, run.signal));
    const pods: readonly PodObject[] = await client.list(PODS, run.signal);
    // No packet can be sent from a closed node: stand-ins elsewhere play what runs there.
    const usable = pods.filter(({ spec }) => !closed.has(spec?.nodeName ?? ''));
    const cast = castWorkloads(input.target, usable);
    const stop = new AbortController();
    const signal = AbortSignal.any([run.signal, stop.signal]);
    // Both wait for pods and for the engine; neither is in the other's way.
    const [enforcement, players] = await allOrStop<[Enforcement, Map<string, LocalPod>]>(
      [
        run.step('Check that policies are enforced here', () =>
          checkEnforcement(client, cluster, kit, { timeoutMs: settings.probeTimeoutMs, signal }),
        ),
        run.step('Start stand-ins', async (progress) => {
          const report = (done: number, total: number) => progress({ done, total, unit: 'items' });
          const started = await startStandIns(client, input.target, cast, kit, signal, report);
          if (cast.standIns.length > 0) await sleep(SETTLE_MS, undefined, { signal });
          return started;
        }),
      ],
      stop,
    );
    for (const line of enforcement.check.evidence) run.log('info', line);
    if (!enforcement.check.enforced) run.log('error', 'NOTHING ENFORCES NETWORK POLICIES IN THIS CLUSTER');
    const { target } = input;
    const scoped = modelOf(target);
    const model = target.whole ? modelOf(target.whole) : scoped;
    const stage = { enforcement, cast, model, scoped, unmirrored: new Set(target.peers) };
    const endpoints = targetEndpoints(target, scoped, players, pods);
    result = await scene(stage, endpoints, await podNetworks(cluster, run.signal));
    await run.step('Check that nobody left the stage', () => checkPlayers(client, players, run.signal));
  } catch (error) {
    const cause = whatEnded(run.signal, error);
    const cancelled = isCancelled(cause);
    throw failure(cause, await cleanUp(client, run), cancelled);
  }
  const left = settings.keep ? await listStandIns(client, run.signal) : await cleanUp(client, run);
  if (left.length > 0) run.log('warn', `Left in the cluster: ${left.join('; ')}. "clparity remove" takes them away.`);
  return { result, left };
}

interface Stage {
  readonly enforcement: Enforcement;
  readonly cast: Cast;
  /** All of the target, and the part of it that is mirrored. */
  readonly model: PolicyModel;
  readonly scoped: PolicyModel;
  readonly unmirrored: ReadonlySet<string>;
}

async function probe(
  input: VerifyInput,
  run: Run,
  stage: Stage,
  endpoints: Endpoints,
  networks: ReadonlyMap<string, PodNetwork>,
): Promise<Omit<VerifyResult, 'left'>> {
  const { target } = input;
  const { enforcement, cast } = stage;
  const judge = input.localModel ? localJudge(input.localModel, target, endpoints.players) : () => undefined;
  const measured = await measureNow(input, run, { ...stage, endpoints, networks, judge });
  const nameOf = targetName(target.localNames);
  const compared = compare(measured.measurements, nameOf, judge);
  const { enforced, evidence } = enforcement.check;
  const passing = compared.differences.filter((d) => d.expected === 'denied' && d.measured === 'allowed').length;
  const consequence = enforced
    ? []
    : [
        `${passing} ${passing === 1 ? 'connection that the target denies passes' : 'connections that the target denies pass'} here, measured`,
      ];
  return {
    enforcement: { enforced, evidence: [...evidence, ...consequence] },
    differences: compared.differences,
    byScope: compared.byScope,
    counts: compared.counts,
    standIns: cast.standIns.map(nameOf),
    ownPods: target.workloads.filter((w) => cast.ownPods.has(workloadId(w))).map(nameOf),
    notProbed: [
      ...[...closedNodes(input.cluster)].map(([node, why]) => `pods in node ${node}: nothing can be run there, ${why}`),
      ...cast.notPlayed,
      ...endpoints.missing,
      ...measured.notProbed,
      ...compared.notProbed,
    ],
  };
}

function measureNow(
  { cluster, settings }: VerifyInput,
  run: Run,
  stage: Omit<Parameters<typeof measure>[0], 'cluster'>,
): Promise<Measured> {
  return run.step('Probe connections', (progress) =>
    measure({ ...stage, cluster }, { timeoutMs: settings.probeTimeoutMs, signal: run.signal }, (done, total) =>
      progress({ done, total, unit: 'items' }),
    ),
  );
}

/** A pod that went away in the middle answers like a denial: then nothing that was measured can be believed. */
async function checkPlayers(client: WriteClient, players: ReadonlyMap<string, LocalPod>, signal: AbortSignal) {
  const running = new Set((await client.list(PODS, signal)).map((pod) => runningPod(pod)?.uid));
  const gone = [...players].filter(([, pod]) => !running.has(pod.uid)).map(([id]) => id);
  if (gone.length === 0) return;
  throw environmentError(`${counted(gone.length, 'pod')} went away during the probes: ${gone.slice(0, 5).join(', ')}`, {
    action: 'What was measured can not be trusted. Let nothing else change the cluster meanwhile, and try again.',
  });
}

/** Nodes that no packet can be sent from, and why. */
function closedNodes(cluster: VouchedCluster): ReadonlyMap<string, string> {
  const probed = new Set(probedNodes(cluster));
  return new Map(cluster.nodes.flatMap((n): [string, string][] => (probed.has(n) ? [] : [[n.name, n.closed ?? '']])));
}

/** The image that the nodes start every pod's sandbox with: it is there already, and does nothing. */
async function pauseImage(cluster: VouchedCluster, signal: AbortSignal): Promise<string> {
  const image = await sandboxImage(cluster, signal);
  if (image !== undefined) return image;
  throw environmentError(`No pod runs in ${cluster.id}, as far as its nodes can be entered`, {
    action: `Check that its own pods run: kubectl -n kube-system get pods`,
  });
}

/** Cleans up whatever the state of the run's own signal: not as a step, for a cancelled run starts none. Returns what is left, one line each. */
async function cleanUp(client: WriteClient, run: Run): Promise<string[]> {
  try {
    return await removeStandIns(client, { log: run.log, signal: AbortSignal.timeout(120_000) });
  } catch (error) {
    return [
      `stand-ins and namespaces labelled ${client.signature.verify}, for removing them failed: ${messageOf(error)}`,
    ];
  }
}

function failure(cause: unknown, left: readonly string[], cancelled: boolean): unknown {
  const remains = left.length === 0 ? 'Everything it had made was removed again.' : `Left behind: ${left.join('; ')}.`;
  const action = left.length === 0 ? {} : { action: 'Take it away with "clparity remove".' };
  if (cancelled) return new ParityError('cancelled', `Verifying was cancelled. ${remains}`, { cause, ...action });
  if (left.length === 0) return cause;
  const kind = cause instanceof ParityError ? cause.kind : 'environment';
  return new ParityError(kind, `${messageOf(cause)} ${remains}`, { cause, ...action });
}
