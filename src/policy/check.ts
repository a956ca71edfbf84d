import { inputError, ParityError } from '../host/errors.ts';
import type { Protocol } from '../snapshot/model.ts';
import type { Assertion } from './assertions.ts';
import { connectionsBetween } from './endpoints.ts';
import { evaluator } from './evaluate.ts';
import type { Connection, PolicyModel } from './model.ts';
import { verdictDoubts, verdictReasons } from './reasons.ts';

export type Outcome = 'allowed' | 'denied';

/**
 * What became of a connection, and why. `unreachable` only where packets were sent: they say neither; `unknown` where
 * it couldn't be asked: the assertion names a peer that isn't there, or no packet could be sent.
 */
export interface Judgement {
  readonly actual: Outcome | 'unreachable' | 'unknown';
  readonly because: readonly string[];
  /** Why it may be otherwise all the same. */
  readonly doubts?: readonly string[];
}

export interface CheckResult {
  readonly from: string;
  readonly to: string;
  readonly protocol: Protocol;
  readonly port: number;
  readonly expected: Outcome;
  readonly actual: Judgement['actual'];
  /** Both sides' reasons; where a peer is several pods, those of the pair that fails, and the pair's name. */
  readonly because: readonly string[];
  /** Why it may be otherwise all the same: an address or a name that isn't known, a condition, an order nobody defines. */
  readonly doubts?: readonly string[];
}

export interface CheckReport {
  readonly passed: number;
  readonly failed: number;
  /** How many of the failed could not be asked: a peer of theirs isn't there, or no packet could be sent. */
  readonly unasked: number;
  readonly results: readonly CheckResult[];
}

/**
 * Holds assertions against what `judge` says of each connection: the model's own verdicts, unless packets were sent. An
 * assertion about several pods must hold for every pair. One about a peer that isn't there fails, with file and line and
 * near matches, and doesn't keep the others from being asked.
 */
export function check(
  model: PolicyModel,
  assertions: readonly Assertion[],
  judge: (connection: Connection) => Judgement = byPolicy(model),
  connections: (assertion: Assertion) => Asked = (assertion) => askedOf(model, assertion),
): CheckReport {
  const results = assertions.map((assertion) => {
    const asked = connections(assertion);
    return asked instanceof ParityError ? unasked(assertion, asked) : checkOne(asked, judge, assertion);
  });
  const passed = results.filter((r) => r.expected === r.actual).length;
  const unknown = results.filter((r) => r.actual === 'unknown').length;
  return { passed, failed: results.length - passed, unasked: unknown, results };
}

/** The connections of an assertion, or why it speaks of none. */
export type Asked = readonly Connection[] | ParityError;

/** Every connection that an assertion speaks of, or the input error for a peer that isn't there, with its place. */
export function askedOf(model: PolicyModel, assertion: Assertion): Asked {
  try {
    return connectionsBetween(model, assertion);
  } catch (cause) {
    if (!(cause instanceof ParityError)) throw cause;
    const { action } = cause;
    const message = `${assertion.where}: ${cause.message}`;
    return inputError(message, action === undefined ? { cause } : { cause, action });
  }
}

function unasked({ from, to, protocol, port, allowed }: Assertion, { message, action }: ParityError): CheckResult {
  const because = action === undefined ? [message] : [message, action];
  return { from, to, protocol, port, expected: outcome(allowed), actual: 'unknown', because };
}

function byPolicy(model: PolicyModel): (connection: Connection) => Judgement {
  const ask = evaluator(model);
  return (connection) => {
    const verdict = ask(connection);
    return { actual: outcome(verdict.allowed), because: verdictReasons(verdict), doubts: verdictDoubts(verdict) };
  };
}

function checkOne(
  connections: readonly Connection[],
  judge: (c: Connection) => Judgement,
  { from, to, protocol, port, allowed }: Assertion,
): CheckResult {
  const expected = outcome(allowed);
  const asked = connections.map((connection) => ({ connection, ...judge(connection) }));
  const bad = asked.filter((a) => a.actual !== expected);
  // A pair that fails says more than one that couldn't be asked.
  const shown = bad.find((a) => a.actual !== 'unknown') ?? bad[0] ?? asked[0];
  if (!shown) throw new TypeError('an assertion without connections');
  const { connection, actual, because } = shown;
  const pair = `${connection.from.id} to ${connection.to.id}, of ${connections.length} pairs`;
  const { via } = connection;
  const doubts = [...new Set(asked.flatMap((a) => a.doubts ?? []))];
  return {
    ...{ from, to, protocol, port, expected, actual },
    because: [...(connections.length > 1 ? [pair] : []), ...(via === undefined ? [] : [via.text]), ...because],
    ...(doubts.length > 0 && { doubts }),
  };
}

/** A report as lines: what failed first, with why. */
export function checkText({ passed, failed, unasked, results }: CheckReport): string {
  const line = (r: CheckResult) => `${r.from} to ${r.to} ${r.protocol} ${r.port}: ${r.actual}`;
  const bad = results.filter((r) => r.expected !== r.actual);
  return [
    ...bad.flatMap((r) => [
      `${r.actual === 'unknown' ? 'ERROR ' : 'FAILED'} ${line(r)}, expected ${r.expected}`,
      ...r.because.map((b) => `  - ${b}`),
    ]),
    ...results
      .filter((r) => r.expected === r.actual)
      .flatMap((r) => [`ok     ${line(r)}`, ...(r.doubts ?? []).map((doubt) => `  ? ${doubt}`)]),
    `${passed} passed, ${failed} failed${unasked === 0 ? '' : `, ${unasked} of them not asked`}`,
  ].join('\n');
}

function outcome(allowed: boolean): Outcome {
  return allowed ? 'allowed' : 'denied';
}
