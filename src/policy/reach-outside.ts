import { type CompiledModel, compile } from './compile.ts';
import { groupsOf, type PodGroup, unscheduledMember } from './groups.ts';
import type { AddressEndpoint, PolicyModel } from './model.ts';
import { type Reach, reachAmong } from './reach.ts';

/** A group of pods, by its number, or an address. */
export type End = number | AddressEndpoint;

/** The groups of a model's pods, and what is allowed between any two of them and these addresses. */
export function reachOutside(
  model: PolicyModel,
  addresses: readonly AddressEndpoint[],
): { readonly compiled: CompiledModel; readonly groups: readonly PodGroup[]; between(from: End, to: End): Reach } {
  const compiled = compile(model);
  const groups = groupsOf(compiled, false);
  const places = new Map(addresses.map((address, i) => [address, groups.length + i]));
  const among = reachAmong(compiled, [...groups.map(unscheduledMember), ...addresses]);
  const placeOf = (end: End) => (typeof end === 'number' ? end : (places.get(end) ?? 0));
  return { compiled, groups, between: (from, to) => among(placeOf(from), placeOf(to)) };
}
