import { atOnce } from '../host/slices.ts';
import type { MatrixConnection } from './matrix.ts';
import type { PolicyModel } from './model.ts';
import { outsideOf } from './outside.ts';
import { outsideRegions } from './outside-regions.ts';
import { formatPorts, PROTOCOLS } from './ports.ts';
import { type End, reachOutside } from './reach-outside.ts';

/**
 * What groups of pods may send to addresses outside, and these to them: `from` or `to` is then the name of an OutsideRegion.
 * Only what is allowed, as in a matrix, and exact as one. In the order of the groups, to the outside first.
 */
export function outsideConnections(model: PolicyModel): MatrixConnection[] {
  return atOnce(outsideSteps(model));
}

/** The same, with pauses: see inSlices. */
export function* outsideSteps(model: PolicyModel): Generator<undefined, MatrixConnection[]> {
  const outside = outsideOf([model]);
  const { groups, between } = reachOutside(model, outside.addresses);
  const portsBetween = (from: End, to: End) =>
    between(from, to).flatMap((ranges, i) => {
      const protocol = PROTOCOLS[i];
      return protocol && ranges.length > 0 ? [{ protocol, ports: formatPorts(ranges) }] : [];
    });
  const found: MatrixConnection[] = [];
  for (const [i, { id }] of groups.entries()) {
    yield;
    const leaving = outsideRegions(outside, (address) => portsBetween(i, address));
    const entering = outsideRegions(outside, (address) => portsBetween(address, i));
    for (const { name, facts } of leaving) found.push(...facts.map((fact) => ({ from: id, to: name, ...fact })));
    for (const { name, facts } of entering) found.push(...facts.map((fact) => ({ from: name, to: id, ...fact })));
  }
  return found;
}
