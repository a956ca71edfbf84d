import { setTimeout as sleep } from 'node:timers/promises';
import type { LocalCluster } from '../cluster/provider.ts';
import { counted } from '../host/counted.ts';
import { evaluator } from '../policy/evaluate.ts';
import type { Connection, PolicyModel } from '../policy/model.ts';
import { agrees, isByScope, isEarly, isUnexplained, type LocalJudge, type Measurement } from './compare.ts';
import { planConnections } from './connections.ts';
import type { Enforcement } from './enforcement.ts';
import type { PodNetwork } from './netns.ts';
import { type Answer, type Probe, sendProbes } from './prober.ts';
import type { Endpoints } from './stage.ts';

/** More connections than this are sampled: some minutes' worth of packets. */
const LIMIT = 20_000;
/** Probes of one exec: small enough for progress to move. */
const BATCH = 4000;
/** Policies take 2 to 5 s to go live, so an answer that surprises is asked for again after these pauses. */
const PAUSES_MS = [1000, 2000, 4000, 6000];
/** And a policy of which nothing is to be seen yet, once more: see isEarly. */
const LAST_PAUSE_MS = 12_000;

export interface Measured {
  readonly measurements: readonly Measurement[];
  /** What was planned and not probed, and why, one line each. */
  readonly notProbed: readonly string[];
}

/**
 * Sends packets for every connection worth it and returns what came back beside what the target's policies say. An
 * answer that disagrees, or a silence without a reason, is asked for again before it's believed.
 */
export async function measure(
  stage: {
    readonly cluster: LocalCluster;
    /** All of the target's policies: what is expected. */
    readonly model: PolicyModel;
    /** The mirrored ones alone: they tell what only the scope makes different. */
    readonly scoped: PolicyModel;
    readonly unmirrored: ReadonlySet<string>;
    readonly networks: ReadonlyMap<string, PodNetwork>;
    readonly endpoints: Endpoints;
    readonly enforcement: Enforcement;
    readonly judge?: LocalJudge;
    /** Probe these alone. */
    readonly only?: readonly Connection[];
  },
  options: { timeoutMs: number; signal: AbortSignal },
  onProgress: (done: number, total: number) => void,
): Promise<Measured> {
  const { model, endpoints, enforcement } = stage;
  const playerOf = (id: string) => endpoints.players.get(id)?.uid;
  const plan = stage.only
    ? { connections: stage.only, total: stage.only.length }
    : planConnections(model, { ...endpoints, playerOf, unmirrored: stage.unmirrored }, LIMIT);
  const carried = plan.connections.filter((c) => !enforcement.notCarried.has(c.protocol));
  const expect = evaluator(model);
  const inScope = evaluator(stage.scoped);
  const measurements = carried.map((connection) => ({
    connection,
    expected: expect(connection),
    scoped: inScope(connection),
    answers: [] as Answer[],
  }));
  const ask = async (some: readonly (typeof measurements)[number][], onDone: (done: number) => void) => {
    for (let i = 0; i < some.length; i += BATCH) {
      const batch = some.slice(i, i + BATCH);
      const probes = batch.map((m) => probeOf(m.connection, endpoints));
      const answers = await sendProbes(stage.cluster, stage.networks, probes, options);
      answers.forEach((answer, k) => {
        batch[k]?.answers.push(answer);
      });
      onDone(i + batch.length);
    }
  };
  await ask(measurements, (done) => onProgress(done, measurements.length));
  const { enforced } = enforcement.check;
  const isAhead = (m: Measurement) => enforced && stage.judge !== undefined && isEarly(m, stage.judge);
  const isDoubtful = (m: Measurement) =>
    worthRepeating(m, enforced) || isAhead(m) || (stage.judge !== undefined && isUnexplained(m, stage.judge));
  const again = async (pause: number, which: (m: Measurement) => boolean) => {
    const some = measurements.filter(which);
    if (some.length === 0) return;
    await sleep(pause, undefined, { signal: options.signal });
    await ask(some, () => {});
  };
  for (const pause of PAUSES_MS) await again(pause, isDoubtful);
  await again(LAST_PAUSE_MS, isAhead);
  return { measurements, notProbed: untested(plan.total, plan.connections, enforcement) };
}

/** Where nothing is enforced, waiting for a denial is in vain. */
function worthRepeating(measurement: Measurement, enforced: boolean): boolean {
  const { expected, answers } = measurement;
  const last = answers.at(-1);
  if (agrees(expected, last) || isByScope(measurement) || last?.swallowed) return false;
  return enforced || expected.allowed;
}

function probeOf(connection: Connection, { players }: Endpoints): Probe {
  const { from, to, protocol, port } = connection;
  const [source, destination] = [players.get(from.id), players.get(to.id)];
  if (!source || !destination) throw new Error(`nobody plays ${from.id} or ${to.id}`);
  return { source: source.uid, destination: destination.uid, protocol, address: destination.ip, port };
}

function untested(total: number, planned: readonly Connection[], enforcement: Enforcement): string[] {
  const lines: string[] = [];
  if (planned.length < total) {
    lines.push(
      `${total - planned.length} of ${counted(total, 'connection')}: a sample of ${planned.length} stands for them`,
    );
  }
  for (const [protocol, reason] of enforcement.notCarried) {
    const count = planned.filter((c) => c.protocol === protocol).length;
    if (count > 0) lines.push(`${counted(count, `${protocol} connection`)}: ${reason}`);
  }
  return lines;
}
