import { atOnce } from '../host/slices.ts';
import { compile } from './compile.ts';
import { groupsOf, unscheduledMember } from './groups.ts';
import type { MatrixConnection } from './matrix.ts';
import type { AddressEndpoint, PolicyModel } from './model.ts';
import { outsideOf } from './outside.ts';
import { outsideRegions } from './outside-regions.ts';
import { formatPorts, PROTOCOLS } from './ports.ts';
import { reachAmong } from './reach.ts';

/**
 * What groups of pods may send to addresses outside, and these to them: `from` or `to` is then the name of an OutsideRegion.
 * Only what is allowed, as in a matrix, and exact as one. In the order of the groups, to the outside first.
 */
export function outsideConnections(model: PolicyModel): MatrixConnection[] {
  return atOnce(outsideSteps(model));
}

/** The same, with pauses: see inSlices. */
export function* outsideSteps(model: PolicyModel): Generator<undefined, MatrixConnection[]> {
  const compiled = compile(model);
  const groups = groupsOf(compiled, false);
  const outside = outsideOf([model]);
  const between = reachAmong(compiled, [...groups.map(unscheduledMember), ...outside.addresses]);
  const places = new Map(outside.addresses.map((address, i) => [address, groups.length + i]));
  const placeOf = (address: AddressEndpoint) => places.get(address) ?? 0;
  const portsBetween = (from: number, to: number) =>
    between(from, to).flatMap((ranges, i) => {
      const protocol = PROTOCOLS[i];
      return protocol && ranges.length > 0 ? [{ protocol, ports: formatPorts(ranges) }] : [];
    });
  const found: MatrixConnection[] = [];
  for (const [i, { id }] of groups.entries()) {
    yield;
    const leaving = outsideRegions(outside, (address) => portsBetween(i, placeOf(address)));
    const entering = outsideRegions(outside, (address) => portsBetween(placeOf(address), i));
    for (const { name, facts } of leaving) found.push(...facts.map((fact) => ({ from: id, to: name, ...fact })));
    for (const { name, facts } of entering) found.push(...facts.map((fact) => ({ from: name, to: id, ...fact })));
  }
  return found;
}
