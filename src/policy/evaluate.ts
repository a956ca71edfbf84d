import { inputError } from '../host/errors.ts';
import { type CompiledModel, compile } from './compile.ts';
import { decide, sideOf } from './decide.ts';
import type { Connection, Direction, PolicyModel, Reason, SideVerdict, Verdict } from './model.ts';
import { isPort } from './ports.ts';
import { decisionReasons, exemptReason, ignoredReasons } from './reasons.ts';

/** Answers one question about a model. For many, make an `evaluator` once. */
export function evaluate(model: PolicyModel, connection: Connection): Verdict {
  return evaluator(model)(connection);
}

/**
 * Prepares a model for many questions. A verdict's `because` is worked out when it is read, so asking about all
 * connections of a cluster costs little. Throws an input error for a port outside 1 to 65535.
 */
export function evaluator(model: PolicyModel): (connection: Connection) => Verdict {
  return evaluatorOf(compile(model));
}

/** `evaluator` for a model that is prepared already. */
export function evaluatorOf(compiled: CompiledModel): (connection: Connection) => Verdict {
  return (connection) => {
    const { port } = connection;
    if (!isPort(port)) throw inputError(`${port} is not a port: 1 to 65535`);
    const egress = judge(compiled, connection, 'egress');
    const ingress = judge(compiled, connection, 'ingress');
    return { allowed: egress.allowed && ingress.allowed, egress, ingress };
  };
}

function judge(compiled: CompiledModel, connection: Connection, direction: Direction): SideVerdict {
  const { from, to } = connection;
  const side = sideOf(compiled, from, to, direction);
  if (side.exempt !== undefined) {
    const { exempt } = side;
    // A pod that its own node reaches is isolated all the same.
    const isolated = exempt === 'own node';
    return {
      allowed: true,
      isolated,
      get because() {
        return [
          exemptReason(compiled, exempt, direction, connection),
          ...(exempt === 'not selected' ? ignoredReasons(compiled, direction, connection) : []),
        ];
      },
    };
  }
  const { turns, pod, peer } = side;
  const decision = decide(turns, pod, peer, connection);
  return {
    allowed: decision.allowed,
    isolated: true,
    get because() {
      return [
        ...decisionReasons(compiled, turns, decision, direction, { pod, peer, connection }),
        ...viaDoubts(direction, connection),
        ...ignoredReasons(compiled, direction, connection),
      ];
    },
  };
}

function viaDoubts(direction: Direction, { via }: Connection): Reason[] {
  const text = via?.doubts?.[direction];
  return text === undefined ? [] : [{ text, doubt: true }];
}
