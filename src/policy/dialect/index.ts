import type { Snapshot } from '../../snapshot/model.ts';
import type { Policy } from '../model.ts';
import { parseNetworkPolicy } from './kubernetes.ts';

/** One family of policy kinds: its objects in a snapshot, parsed. None there is an empty list. */
export type Dialect = (snapshot: Snapshot) => Policy[];

/** One line a dialect. */
export const DIALECTS: readonly Dialect[] = [(snapshot) => snapshot.policies.map(parseNetworkPolicy)];

/** Every policy of a snapshot, whatever its dialect. Throws an input error for one that no API server would take. */
export function parsePolicies(snapshot: Snapshot): Policy[] {
  return DIALECTS.flatMap((dialect) => dialect(snapshot));
}
