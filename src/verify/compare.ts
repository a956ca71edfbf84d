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

/**
 * Compares measurements with expectations. `nameOf` names an endpoint as the target does; `localVerdict` says what the
 * local cluster's own policies make of a connection, to explain a difference.
 */
export function compare(
  measurements: readonly Measurement[],
  nameOf: (pod: PodEndpoint) => string,
  localVerdict: (connection: Connection) => Verdict | undefined,
): Pick<VerifyResult, 'differences' | 'byScope' | 'counts' | 'notProbed'> {
  const counts: Record<Protocol, { probed: number; agreed: number }> = {
    TCP: { probed: 0, agreed: 0 },
    UDP: { probed: 0, agreed: 0 },
    SCTP: { probed: 0, agreed: 0 },
  };
  const differences: ProbeResult[] = [];
  const byScope: ProbeResult[] = [];
  const swallowed = new Map<string, number>();
  for (const measurement of measurements) {
    const { connection, expected, answers } = measurement;
    const answer = answers.at(-1);
    const to = name(connection.to, nameOf);
    if (answer?.swallowed) {
      const port = `${to} ${connection.protocol} ${connection.port}`;
      swallowed.set(port, (swallowed.get(port) ?? 0) + 1);
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
      because: [...reasons(expected, 'At the target'), ...reasons(localVerdict(connection), 'Here')],
    });
  }
  const notProbed = [...swallowed].map(
    ([port, n]) => `${n} connections to ${port}: silence proves nothing, for something listens there`,
  );
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
