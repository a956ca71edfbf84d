import ipaddr from 'ipaddr.js';
import { type AddressRange, contains, overlaps, parseCidr } from './addresses.ts';
import type { Block } from './blocks.ts';

/** Addresses as a union of ipBlocks. CIDRs lie inside or apart from each other, so blocks stay blocks in every operation. */
export type BlockSet = readonly Block[];

const V4: AddressRange = { family: 4, first: 0n, last: (1n << 32n) - 1n };
const V6: AddressRange = { family: 6, first: 0n, last: (1n << 128n) - 1n };

/** Every address of a family. */
export const EVERY_V4: Block = { range: V4, except: [] };
export const EVERY_V6: Block = { range: V6, except: [] };
export const EVERY_ADDRESS: BlockSet = [EVERY_V4, EVERY_V6];

/** What two sets have in common. */
export function intersectBlocks(a: BlockSet, b: BlockSet): BlockSet {
  return distinct(a.flatMap((x) => b.flatMap((y) => intersectTwo(x, y))));
}

/** What is in `a` and not in `b`. */
export function subtractBlocks(a: BlockSet, b: BlockSet): BlockSet {
  return b.reduce<BlockSet>((left, block) => intersectBlocks(left, complementOf(block)), a);
}

export function complementBlocks(set: BlockSet): BlockSet {
  return subtractBlocks(EVERY_ADDRESS, set);
}

/** The union, without blocks that lie inside of others. */
export function uniteBlocks(...sets: readonly BlockSet[]): BlockSet {
  const all = distinct(sets.flat());
  const isInside = (inner: Block, outer: Block) =>
    inner !== outer && contains(outer.range, inner.range) && !outer.except.some((e) => overlaps(e, inner.range));
  return all.filter((block, i) => !all.some((o, j) => isInside(block, o) && (j < i || !isInside(o, block))));
}

/** CIDRs as a set; texts that are none are left out. */
export function blocksOf(cidrs: readonly string[]): BlockSet {
  return cidrs.flatMap((cidr) => {
    const range = parseCidr(cidr);
    return range ? [{ range, except: [] }] : [];
  });
}

/** A block as it stands in a NetworkPolicy. */
export function ipBlockOf({ range, except }: Block): { cidr: string; except?: string[] } {
  return { cidr: cidrText(range), ...(except.length > 0 && { except: except.map(cidrText) }) };
}

/** Some address of a block; undefined where its exceptions leave none at their edges. */
export function addressIn({ range, except }: Block): string | undefined {
  const candidates = [range.first + 1n, range.first, range.last, ...except.flatMap((e) => [e.last + 1n, e.first - 1n])];
  const found = candidates.find(
    (a) => range.first <= a && a <= range.last && !except.some((e) => e.first <= a && a <= e.last),
  );
  return found === undefined ? undefined : addressText(range.family, found);
}

function intersectTwo(a: Block, b: Block): Block[] {
  const range = contains(a.range, b.range) ? b.range : contains(b.range, a.range) ? a.range : undefined;
  if (!range) return [];
  const holes = [...a.except, ...b.except].filter((e) => overlaps(e, range));
  if (holes.some((e) => contains(e, range))) return [];
  const outer = holes.filter((e, i) => !holes.some((o, j) => i !== j && contains(o, e) && (j < i || !contains(e, o))));
  return [{ range, except: outer.sort((x, y) => (x.first < y.first ? -1 : 1)) }];
}

function complementOf({ range, except }: Block): BlockSet {
  const [own, other] = range.family === 4 ? [V4, V6] : [V6, V4];
  const around = contains(range, own) ? [] : [{ range: own, except: [range] }];
  return [...around, ...except.map((e) => ({ range: e, except: [] })), { range: other, except: [] }];
}

function distinct(blocks: BlockSet): BlockSet {
  return [...new Map(blocks.map((b) => [JSON.stringify(ipBlockOf(b)), b])).values()];
}

/** A range as a CIDR: `10.0.0.0/8`. */
export function cidrText({ family, first, last }: AddressRange): string {
  const size = (last - first + 1n).toString(2).length - 1;
  return `${addressText(family, first)}/${(family === 4 ? 32 : 128) - size}`;
}

function addressText(family: 4 | 6, value: bigint): string {
  const bytes = Array.from({ length: family === 4 ? 4 : 16 }, (_, i) => {
    const shift = BigInt(((family === 4 ? 3 : 15) - i) * 8);
    return Number((value >> shift) & 255n);
  });
  return ipaddr.fromByteArray(bytes).toString();
}
