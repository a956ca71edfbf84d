import type { Direction, Policy } from './model.ts';

/** Both, in the order in which policies are told of. */
export const DIRECTIONS: readonly Direction[] = ['ingress', 'egress'];

/** What most kinds of policies call the other end of a connection, in YAML and in words. */
export const OTHER_END: Readonly<Record<Direction, 'from' | 'to'>> = { ingress: 'from', egress: 'to' };

/** The directions in which a policy says anything. */
export function directionsOf({ isolates, rules }: Policy): Direction[] {
  return DIRECTIONS.filter((d) => isolates.includes(d) || rules.some((rule) => rule.direction === d));
}
