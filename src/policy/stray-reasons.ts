import type { CompiledModel, Turn } from './compile.ts';
import { strayableSide } from './decide.ts';
import type { Connection, Endpoint, PodEndpoint, Reason } from './model.ts';
import { doubtful, placeOf } from './reason.ts';
import { strayChance } from './stray-passes.ts';

/** One side of a connection, with the pod that the policies speak for. */
export interface Asked {
  readonly pod: PodEndpoint;
  readonly peer: Endpoint;
  readonly connection: Connection;
}

/** Denials that an engine puts off until all tiers have had their say, where a rule of the baseline tier came first. */
export function putOff({ semantics }: CompiledModel, after: readonly Turn[], { pod }: Asked): Reason[] {
  const isolating = after.filter(({ rules }) => rules.length === 0).flatMap((turn) => turn.isolating);
  return isolating.slice(0, 1).map((policy) => ({
    text: `${policy.source.object} isolates ${pod.id}, but ${semantics.title} lets the baseline tier decide before that`,
    source: policy.source,
  }));
}

/** Where an agent of Cilium may come to the opposite. */
export function strayDoubt(turns: readonly Turn[], allowed: boolean, { pod, peer, connection }: Asked): Reason[] {
  const side = strayableSide(turns, pod, peer, connection);
  const rule = side && strayChance(side, connection.port, allowed);
  if (!rule) return [];
  const verb = allowed ? 'denied' : 'allowed';
  const why = "which of its entries Cilium's agent writes first is left to chance, and decides it for each pod";
  return [doubtful(`may also be ${verb} by ${placeOf(rule)}, which passes on in the last tier: ${why}`, rule)];
}
