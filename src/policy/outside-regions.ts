import type { AddressEndpoint } from './model.ts';
import { type Outside, type OutsideBlock, PUBLIC_ADDRESS } from './outside.ts';

/** What is true of some addresses outside, under a name for all of them. */
export interface OutsideRegion<T> {
  /**
   * `outside` for every address that belongs to no cluster, `ip:CIDR` for those of a block, either of them with
   * `except CIDR, …`; `dns:PATTERN` where a name makes a difference.
   */
  readonly name: string;
  readonly facts: readonly T[];
}

/**
 * Puts what is true of each class of addresses outside (`factsOf`: nothing to say where it is empty) under the largest name
 * that it is true of. A name in DNS is told only where it isn't the same for an address without one.
 */
export function outsideRegions<T>(
  { blocks, names }: Pick<Outside, 'blocks' | 'names'>,
  factsOf: (address: AddressEndpoint) => readonly T[],
): OutsideRegion<T>[] {
  const known = new Map<OutsideBlock, readonly T[]>();
  const factsIn = (block: OutsideBlock, around: readonly T[]): readonly T[] => {
    const found = known.get(block) ?? (block.sample ? factsOf(block.sample) : around);
    known.set(block, found);
    return found;
  };
  const othersIn = (block: OutsideBlock, own: readonly T[]): string[] =>
    block.inner.flatMap((inner) => (isEqual(factsIn(inner, own), own) ? othersIn(inner, own) : (inner.cidr ?? [])));
  const named = (block: OutsideBlock, facts: readonly T[]): OutsideRegion<T> => {
    const except = othersIn(block, facts);
    const all = block.cidr === undefined ? 'outside' : `ip:${block.cidr}`;
    return { name: except.length === 0 ? all : `${all} except ${except.join(', ')}`, facts };
  };
  const visit = (block: OutsideBlock, own: readonly T[], around: readonly T[]): OutsideRegion<T>[] => [
    ...(own.length === 0 || isEqual(own, around) ? [] : [named(block, own)]),
    ...block.inner.flatMap((inner) => visit(inner, factsIn(inner, own), own)),
  ];
  const [v4, ...others] = blocks.inner.map((family) => factsIn(family, []));
  const whole = v4 && others.every((facts) => isEqual(facts, v4)) ? v4 : [];
  const unnamed = factsOf(PUBLIC_ADDRESS);
  const byName = [...names].map(([pattern, address]) => ({ name: `dns:${pattern}`, facts: factsOf(address) }));
  return [...visit(blocks, whole, []), ...byName.filter(({ facts }) => facts.length > 0 && !isEqual(facts, unnamed))];
}

function isEqual<T>(a: readonly T[], b: readonly T[]): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
