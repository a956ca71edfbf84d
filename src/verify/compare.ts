import { counted } from '../host/counted.ts';
import type { Connection, PodEndpoint, Reason, Verdict } from '../policy/model.ts';
import type { Protocol } from '../snapshot/model.ts';
import type { ProbeResult, ProbeVerdict, VerifyResult } from './model.ts';
import type { Answer } from './prober.ts';

/** One connection: what the target's policies say of it, and every answer to its packets, the last one last. */
export interface Measurement {
  readonly connection: Connection;
  readonly expected: Verdict;
  /** What the mirrored policies alone say. */
  readonly scoped: Verdict;
  readonly answers: readonly Answer[];
}

/** Whether packets behave as the policies say. */
export function agrees(expected: Verdict, answer: Answer | undefined): boolean {
  return answer?.verdict === (expected.allowed ? 'allowed' : 'denied');
}

/** Whether packets behave as the mirrored policies say, and the target's other policies say otherwise. */
export function isByScope({ expected, scoped, answers }: Measurement): boolean {
  return scoped.allowed !== expected.allowed && agrees(scoped, answers.at(-1));
}

/** What the local cluster's own policies say of a connection, as far as they are known. */
export type LocalJudge = (connection: Connection) => Verdict | undefined;

/**
 * Whether silence has no known reason: nothing came through, as at the target, and yet no policy here is known to deny it. A
 * slow machine or a pod that doesn't answer looks just the same.
 */
export function isUnexplained({ connection, expected, answers }: Measurement, judge: LocalJudge): boolean {
  return !expected.allowed && answers.at(-1)?.verdict === 'denied' && judge(connection)?.allowed === true;
}

/**
 * Whether packets come through, as at the target, that a policy here is known to deny: it isn't in force yet. An engine may
 * take half a minute to see another label of a namespace (seen in Cilium 1.20.2), and what it then does differs.
 */
export function isEarly({ connection, expected, answers }: Measurement, judge: LocalJudge): boolean {
  return expected.allowed && answers.at(-1)?.verdict === 'allowed' && judge(connection)?.allowed === false;
}

/**
 * Compares measurements with expectations. `nameOf` names an endpoint as the target does; `judge` explains a difference,
 * or a silence: one without a reason is no proof, and isn't counted.
 */
export function compare(
  measurements: readonly Measurement[],
  nameOf: (pod: PodEndpoint) => string,
  judge: LocalJudge,
): Pick<VerifyResult, 'differences' | 'byScope' | 'counts' | 'notProbed'> {
  const counts: Record<Protocol, { probed: number; agreed: number }> = {
    TCP: { probed: 0, agreed: 0 },
    UDP: { probed: 0, agreed: 0 },
    SCTP: { probed: 0, agreed: 0 },
  };
  const differences: ProbeResult[] = [];
  const byScope: ProbeResult[] = [];
  const swallowed = new Map<string, number>();
  const unexplained = new Map<string, number>();
  const early = new Map<string, number>();
  const add = (to: Map<string, number>, port: string) => to.set(port, (to.get(port) ?? 0) + 1);
  for (const measurement of measurements) {
    const { connection, expected, answers } = measurement;
    const answer = answers.at(-1);
    const to = name(connection.to, nameOf);
    const port = `${to} ${connection.protocol} ${connection.port}`;
    if (answer?.swallowed) {
      add(swallowed, port);
      continue;
    }
    if (isUnexplained(measurement, judge)) {
      add(unexplained, port);
      continue;
    }
    if (isEarly(measurement, judge)) {
      add(early, port);
      continue;
    }
    const left = isByScope(measurement);
    const count = counts[connection.protocol];
    if (!left) count.probed++;
    if (agrees(expected, answer)) {
      count.agreed++;
      continue;
    }
    const detail = describe(answers);
    (left ? byScope : differences).push({
      from: name(connection.from, nameOf),
      to,
      protocol: connection.protocol,
      port: connection.port,
      expected: expected.allowed ? 'allowed' : 'denied',
      measured: answer?.verdict ?? 'unreachable',
      ...(detail ? { detail } : {}),
      because: [...reasons(expected, 'At the target'), ...reasons(judge(connection), 'Here')],
    });
  }
  const notProbed = [
    ...[...swallowed].map(
      ([port, n]) => `${counted(n, 'connection')} to ${port}: silence proves nothing, for something listens there`,
    ),
    ...[...unexplained].map(
      ([port, n]) =>
        `${counted(n, 'connection')} to ${port}: silent as the target denies them, but no policy here is known to deny them`,
    ),
    ...[...early].map(
      ([port, n]) =>
        `${counted(n, 'connection')} to ${port}: came through as at the target, but a policy here denies them and is not in force yet`,
    ),
  ];
  const key = (d: ProbeResult) => `${d.from} ${d.to} ${d.protocol} ${String(d.port).padStart(5)}`;
  for (const list of [differences, byScope]) list.sort((a, b) => (key(a) < key(b) ? -1 : 1));
  return { differences, byScope, counts, notProbed };
}

function name(endpoint: Connection['from'], nameOf: (pod: PodEndpoint) => string): string {
  return endpoint.type === 'pod' ? nameOf(endpoint) : endpoint.id;
}

/** What came back, and the history where the answers weren't always the same. */
function describe(answers: readonly Answer[]): string {
  const last = answers.at(-1)?.detail ?? '';
  const history: ProbeVerdict[] = answers.map((a) => a.verdict);
  if (new Set(history).size < 2) return last;
  return [last, `flipped: ${history.join(', ')}`].filter(Boolean).join('; ');
}

/** The rules that decide: those of the sides that deny, or of both where none does. */
function reasons(verdict: Verdict | undefined, where: string): Reason[] {
  if (!verdict) return [];
  const sides = (['egress', 'ingress'] as const).filter((side) => verdict[side].allowed === verdict.allowed);
  return sides.flatMap((side) =>
    verdict[side].because.map((reason) => ({ ...reason, text: `${where}, ${side}: ${reason.text}` })),
  );
}
