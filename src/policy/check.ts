import { inputError, ParityError } from '../host/errors.ts';
import type { Protocol } from '../snapshot/model.ts';
import type { Assertion } from './assertions.ts';
import { type Pair, resolvePairs } from './endpoints.ts';
import { evaluator } from './evaluate.ts';
import type { Connection, PolicyModel, Verdict } from './model.ts';
import { verdictReasons } from './reasons.ts';

export type Outcome = 'allowed' | 'denied';

export interface CheckResult {
  readonly from: string;
  readonly to: string;
  readonly protocol: Protocol;
  readonly port: number;
  readonly expected: Outcome;
  readonly actual: Outcome;
  /** Both sides' reasons; where a peer is several pods, those of the pair that fails, and the pair's name. */
  readonly because: readonly string[];
}

export interface CheckReport {
  readonly passed: number;
  readonly failed: number;
  readonly results: readonly CheckResult[];
}

/**
 * Holds assertions against a model's verdicts. An assertion about several pods must hold for every pair. Throws an
 * input error naming file and line for a peer that isn't there.
 */
export function check(model: PolicyModel, assertions: readonly Assertion[]): CheckReport {
  const ask = evaluator(model);
  const results = assertions.map((assertion) => checkOne(model, ask, assertion));
  const passed = results.filter((r) => r.expected === r.actual).length;
  return { passed, failed: results.length - passed, results };
}

function checkOne(model: PolicyModel, ask: (c: Connection) => Verdict, assertion: Assertion): CheckResult {
  const { protocol, port, allowed } = assertion;
  const pairs = pairsIn(model, assertion);
  const asked = pairs.map((pair) => ({ pair, verdict: ask({ ...pair, protocol, port }) }));
  const shown = asked.find((a) => a.verdict.allowed !== allowed) ?? asked[0];
  if (!shown) throw inputError(`${assertion.where}: ${assertion.from} and ${assertion.to} name no pair of pods`);
  const because = verdictReasons(shown.verdict);
  return {
    from: assertion.from,
    to: assertion.to,
    protocol,
    port,
    expected: outcome(allowed),
    actual: outcome(shown.verdict.allowed),
    because:
      pairs.length > 1
        ? [`${shown.pair.from.id} to ${shown.pair.to.id}, of ${pairs.length} pairs`, ...because]
        : because,
  };
}

/** Says where the assertion stands that names a peer which isn't there. */
function pairsIn(model: PolicyModel, { from, to, where }: Assertion): Pair[] {
  try {
    return resolvePairs(model, from, to);
  } catch (cause) {
    if (!(cause instanceof ParityError)) throw cause;
    const { action } = cause;
    throw inputError(`${where}: ${cause.message}`, action === undefined ? { cause } : { cause, action });
  }
}

/** A report as lines: what failed first, with why. */
export function checkText({ passed, failed, results }: CheckReport): string {
  const line = (r: CheckResult) => `${r.from} to ${r.to} ${r.protocol} ${r.port}: ${r.actual}`;
  const bad = results.filter((r) => r.expected !== r.actual);
  return [
    ...bad.flatMap((r) => [`FAILED ${line(r)}, expected ${r.expected}`, ...r.because.map((b) => `  - ${b}`)]),
    ...results.filter((r) => r.expected === r.actual).map((r) => `ok     ${line(r)}`),
    `${passed} passed, ${failed} failed`,
  ].join('\n');
}

function outcome(allowed: boolean): Outcome {
  return allowed ? 'allowed' : 'denied';
}
