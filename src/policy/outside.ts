import { type AddressRange, contains, parseAddress } from './addresses.ts';
import { compileBlock } from './blocks.ts';
import type { AddressEndpoint, PolicyModel } from './model.ts';
import { peersOf } from './peers.ts';
import { addressIn, blocksOf, cidrText, EVERY_ADDRESS } from './translate-blocks.ts';

/** A CIDR outside of the cluster, with those inside of it that policies tell apart from the rest. */
export interface OutsideBlock {
  /** Undefined for all that is outside, of both families. */
  readonly cidr: string | undefined;
  /** One of the addresses that are in none of `inner`; undefined where there is none, or all belong to a cluster. */
  readonly sample?: AddressEndpoint;
  readonly inner: readonly OutsideBlock[];
}

/** What lies outside of the clusters of some models, as far as their policies tell it apart. */
export interface Outside {
  readonly blocks: OutsideBlock;
  /** By the pattern that policies name. */
  readonly names: ReadonlyMap<string, AddressEndpoint>;
  /** One for each class: of the blocks, of the names, and of no name at all. */
  readonly addresses: readonly AddressEndpoint[];
}

export function outsideOf(models: readonly PolicyModel[]): Outside {
  const [blocks, names] = [outsideBlocks(models), outsideNames(models)];
  const samples = everyBlock(blocks).flatMap(({ sample }) => sample ?? []);
  return { blocks, names, addresses: [...samples, ...names.values(), PUBLIC_ADDRESS] };
}

/** Every CIDR that policies of the models name, exceptions too, each inside the next larger one. */
function outsideBlocks(models: readonly PolicyModel[]): OutsideBlock {
  const named = models.flatMap(({ policies }) =>
    policies.flatMap((policy) =>
      peersOf(policy).flatMap((peer) => {
        if (peer.type !== 'cidr') return [];
        const { range, except } = compileBlock(peer, policy.source.object);
        return [range, ...except];
      }),
    ),
  );
  const distinct = new Map([...EVERY_ADDRESS.map(({ range }) => range), ...named].map((r) => [cidrText(r), r]));
  const ranges = [...distinct.values()].sort((a, b) => compare(a.first, b.first) || compare(b.last, a.last));
  return { cidr: undefined, inner: nested(ranges, ownRanges(models)) };
}

/** All blocks, from the outside in. */
function everyBlock(block: OutsideBlock): OutsideBlock[] {
  return [block, ...block.inner.flatMap(everyBlock)];
}

/** An address for every DNS name, or pattern of names, that policies of the models ask for: by that pattern. */
function outsideNames(models: readonly PolicyModel[]): ReadonlyMap<string, AddressEndpoint> {
  const policies = models.flatMap((model) => model.policies);
  const patterns = policies.flatMap((policy) => peersOf(policy).flatMap((p) => (p.type === 'fqdn' ? p.pattern : [])));
  return new Map(patterns.map((pattern) => [pattern, named(pattern.replace(/\*+/g, 'any').replace(/\.$/, ''))]));
}

/** Stands for the address that nobody knows: of the range for documentation (RFC 5737). */
const SOMEWHERE = '192.0.2.1';

/** The address outside that a name leads to. */
export function named(name: string): AddressEndpoint {
  return { type: 'address', id: `dns:${name}`, ip: SOMEWHERE, names: [name], anywhere: true };
}

/** Some address that is routed in public, of which nothing else is known. */
export const PUBLIC_ADDRESS: AddressEndpoint = {
  type: 'address',
  id: 'any public address',
  ip: SOMEWHERE,
  anywhere: true,
};

/** CIDRs lie inside or apart from each other: as they come, one's inner ones follow right after it. */
function nested(ranges: readonly AddressRange[], own: readonly AddressRange[]): OutsideBlock[] {
  const [outer, ...rest] = ranges;
  if (!outer) return [];
  const inside = rest.filter((range) => contains(outer, range));
  const apart = rest.filter((range) => !contains(outer, range));
  const sample = sampleIn(outer, [...inside, ...own]);
  const block = { cidr: cidrText(outer), ...(sample && { sample }), inner: nested(inside, own) };
  return [block, ...nested(apart, own)];
}

function sampleIn(range: AddressRange, except: readonly AddressRange[]): AddressEndpoint | undefined {
  const usual = parseAddress(SOMEWHERE);
  const isUsual = usual && contains(range, usual) && !except.some((e) => contains(e, usual));
  const ip = isUsual ? SOMEWHERE : addressIn({ range, except });
  return ip === undefined ? undefined : { type: 'address', id: `ip:${ip}`, ip };
}

/** What belongs to the clusters themselves; addresses of Services are translated before anybody looks at a packet. */
function ownRanges(models: readonly PolicyModel[]): AddressRange[] {
  const cidrs = models.flatMap(({ podRanges, serviceRanges = [] }) => [...podRanges, ...serviceRanges]);
  const own = blocksOf(cidrs).map(({ range }) => range);
  const nodes = models.flatMap((model) => [...model.nodes.values()].flat()).flatMap((a) => parseAddress(a) ?? []);
  return [...own, ...nodes];
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
