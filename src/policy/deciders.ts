import type { Protocol } from '../snapshot/model.ts';
import { type CompiledModel, denies } from './compile.ts';
import { isAbout, sideOf } from './decide.ts';
import type { Action, Direction, Endpoint, Policy } from './model.ts';
import { difference, intersection, type PortRange, rulePorts, union } from './ports.ts';

/** Who decides about some ports of a connection on one side: rules of policies, or their tier for what these leave open. */
export interface Deciders {
  readonly byRule: readonly Policy[];
  readonly byDefault: readonly Policy[];
}

const NOBODY: Deciders = { byRule: [], byDefault: [] };

/** The policies that decide about `ports`, and those that would leave them denied; none where a side asks no policy. */
export function decidersOf(
  compiled: CompiledModel,
  { from, to }: { readonly from: Endpoint; readonly to: Endpoint },
  direction: Direction,
  protocol: Protocol,
  ports: readonly PortRange[],
): Deciders {
  const side = sideOf(compiled, from, to, direction);
  if (side.exempt !== undefined) return NOBODY;
  const byRule = new Set<Policy>();
  let open = ports;
  for (const turn of side.turns) {
    const matching = turn.rules.filter((rule) => isAbout(rule, side.pod, side.peer));
    const isUnion = turn.tier.rules === 'union';
    const ofAction = (action: Action) => matching.filter(({ rule }) => rule.action === action);
    const inOrder = isUnion ? [...ofAction('deny'), ...ofAction('allow')] : matching;
    const passed: PortRange[] = [];
    // In a union all that allow a port have a say about it; in an ordered tier only the first.
    let settled: readonly PortRange[] = [];
    for (const { rule, policy } of inOrder) {
      const own = intersection(rulePorts(rule, protocol, to), open);
      if (own.length === 0) continue;
      byRule.add(policy);
      if (rule.action === 'pass') passed.push(...own);
      if (isUnion && rule.action === 'allow') settled = union([...settled, ...own]);
      else open = difference(open, own);
    }
    open = difference(open, settled);
    if (denies(turn) && open.length > 0) return { byRule: [...byRule], byDefault: turn.isolating };
    open = union([...open, ...passed]);
    if (open.length === 0) break;
  }
  return { byRule: [...byRule], byDefault: [] };
}
