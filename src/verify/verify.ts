import { setTimeout as sleep } from 'node:timers/promises';
import type { WriteClient } from '../apply/client.ts';
import type { VouchedCluster } from '../cluster/provider.ts';
import { environmentError, isCancelled, messageOf, ParityError } from '../host/errors.ts';
import type { Run } from '../host/run.ts';
import { modelOf } from '../policy/endpoints.ts';
import type { PolicyModel } from '../policy/model.ts';
import type { Settings } from '../settings.ts';
import type { Snapshot } from '../snapshot/model.ts';
import { type Cast, castWorkloads } from './cast.ts';
import { compare } from './compare.ts';
import { checkEnforcement, type Enforcement } from './enforcement.ts';
import { listStandIns, removeStandIns } from './leftovers.ts';
import type { LocalPod, PodObject } from './local-pods.ts';
import { measure } from './measure.ts';
import type { VerifyResult } from './model.ts';
import { podNetworks } from './netns.ts';
import { MARK, PODS } from './ours.ts';
import { localJudge, targetEndpoints, targetName } from './stage.ts';
import { startStandIns } from './stand-ins.ts';

export interface VerifyInput {
  /** What to be like: scoped, and with namespaces already under their local names. */
  readonly target: Snapshot;
  readonly cluster: VouchedCluster;
  readonly client: WriteClient;
  readonly settings: Pick<Settings, 'probeTimeoutMs' | 'keep' | 'namespaceMap'>;
  /** The local cluster's own policies, to explain differences. */
  readonly localModel?: PolicyModel;
}

/** New pods' identities take a moment to reach every node; packets before that prove little. */
const SETTLE_MS = 3000;

/**
 * The proof: is anything enforced here, and do real packets between the target's workloads meet what the target's
 * policies say? Starts stand-ins where needed and removes them again, also on failure and cancel; `keep` leaves them.
 */
export async function verify(input: VerifyInput, run: Run): Promise<VerifyResult> {
  const { client, cluster, settings } = input;
  await run.step('Look for leftovers of an earlier run', async () => {
    const left = await removeStandIns(client, run);
    if (left.length > 0) run.log('warn', `Left of an earlier run: ${left.join('; ')}`);
  });
  let result: Omit<VerifyResult, 'left'>;
  try {
    const options = { timeoutMs: settings.probeTimeoutMs, signal: run.signal };
    const image = await pauseImage(cluster, run.signal);
    const enforcement = await run.step('Check that policies are enforced here', () =>
      checkEnforcement(client, cluster, image, options),
    );
    for (const line of enforcement.check.evidence) run.log('info', line);
    if (!enforcement.check.enforced) run.log('error', 'NOTHING ENFORCES NETWORK POLICIES IN THIS CLUSTER');
    const pods: readonly PodObject[] = await client.list(PODS, run.signal);
    const cast = castWorkloads(input.target, pods);
    const players = await run.step('Start stand-ins', async (progress) => {
      const report = (done: number, total: number) => progress({ done, total, unit: 'items' });
      const started = await startStandIns(client, input.target, cast, image, run.signal, report);
      if (cast.standIns.length > 0) await sleep(SETTLE_MS, undefined, { signal: run.signal });
      return started;
    });
    result = await probe(input, run, { enforcement, cast, players, pods });
  } catch (cause) {
    throw failure(cause, await cleanUp(client, run), run.signal.aborted);
  }
  const left = settings.keep ? await listStandIns(client, run.signal) : await cleanUp(client, run);
  if (left.length > 0) run.log('warn', `Left in the cluster: ${left.join('; ')}. "clparity remove" takes them away.`);
  return { ...result, left };
}

interface Stage {
  readonly enforcement: Enforcement;
  readonly cast: Cast;
  readonly players: ReadonlyMap<string, LocalPod>;
  readonly pods: readonly PodObject[];
}

async function probe(input: VerifyInput, run: Run, stage: Stage): Promise<Omit<VerifyResult, 'left'>> {
  const { target, settings } = input;
  const { enforcement, cast } = stage;
  const model = modelOf(target);
  const endpoints = targetEndpoints(target, model, stage.players, stage.pods);
  const networks = await podNetworks(input.cluster, run.signal);
  const measured = await run.step('Probe connections', (progress) =>
    measure(
      { cluster: input.cluster, model, networks, endpoints, enforcement },
      { timeoutMs: settings.probeTimeoutMs, signal: run.signal },
      (done, total) => progress({ done, total, unit: 'items' }),
    ),
  );
  const judge = input.localModel && localJudge(input.localModel, target, endpoints.players);
  const compared = compare(measured.measurements, targetName(settings.namespaceMap), (c) => judge?.(c));
  const { enforced, evidence } = enforcement.check;
  const passing = compared.differences.filter((d) => d.expected === 'denied' && d.measured === 'allowed').length;
  const consequence = enforced ? [] : [`${passing} connections that the target denies pass here, measured`];
  return {
    enforcement: { enforced, evidence: [...evidence, ...consequence] },
    differences: compared.differences,
    counts: compared.counts,
    standIns: cast.standIns.map((w) => targetName(settings.namespaceMap)(w)),
    ownPods: [...cast.ownPods.keys()],
    notProbed: [...cast.notPlayed, ...endpoints.missing, ...measured.notProbed, ...compared.notProbed],
  };
}

/** The image that the nodes start every pod's sandbox with: it is there already, and does nothing. */
async function pauseImage(cluster: VouchedCluster, signal: AbortSignal): Promise<string> {
  for (const { sandboxImage } of (await podNetworks(cluster, signal)).values()) if (sandboxImage) return sandboxImage;
  throw environmentError(`No pod with a network of its own runs in ${cluster.id}`, {
    action: `Check that its DNS pods run: kubectl -n kube-system get pods`,
  });
}

/** Cleans up whatever the state of the run's own signal: not as a step, for a cancelled run starts none. Returns what is left, one line each. */
async function cleanUp(client: WriteClient, run: Run): Promise<string[]> {
  try {
    return await removeStandIns(client, { log: run.log, signal: AbortSignal.timeout(120_000) });
  } catch (error) {
    return [`stand-ins and namespaces labelled ${MARK}, for removing them failed: ${messageOf(error)}`];
  }
}

function failure(cause: unknown, left: readonly string[], cancelled: boolean): unknown {
  const remains = left.length === 0 ? 'Everything it had made was removed again.' : `Left behind: ${left.join('; ')}.`;
  const action = left.length === 0 ? {} : { action: 'Take it away with "clparity remove".' };
  if (cancelled || isCancelled(cause))
    return new ParityError('cancelled', `Verifying was cancelled. ${remains}`, { cause, ...action });
  if (left.length === 0) return cause;
  const kind = cause instanceof ParityError ? cause.kind : 'environment';
  return new ParityError(kind, `${messageOf(cause)} ${remains}`, { cause, ...action });
}
