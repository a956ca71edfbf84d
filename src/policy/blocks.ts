import { inputError } from '../host/errors.ts';
import { type AddressRange, contains, overlaps, parseAddress, parseCidr } from './addresses.ts';
import type { AddressEndpoint, Endpoint, Peer, PodEndpoint, PolicyModel } from './model.ts';
import type { Truth } from './select.ts';

/** An ipBlock, parsed. */
export interface Block {
  readonly range: AddressRange;
  readonly except: readonly AddressRange[];
}

/** What an address belongs to: engines treat CIDRs on pods and nodes differently. */
export type AddressKind = 'pod' | 'node' | 'outside';

/** What is known of the endpoints' addresses. */
export interface AddressBook {
  kindOf(endpoint: Endpoint): AddressKind;
  /** Whether an ipBlock covers the endpoint: unknown where its address is, and may lie inside or outside. */
  covered(block: Block, endpoint: Endpoint): Truth;
  /** What endpoints have in common that every ipBlock among `blocks` treats alike. */
  signature(blocks: readonly Block[]): (pod: PodEndpoint) => string;
  /** The node that an address or hostNetwork pod is, where known. */
  nodeOf(endpoint: Endpoint): string | undefined;
}

/**
 * Where a pod may lie whose address nobody knows: the ranges of private use (RFC 1918, 6598, 4193) and, for clusters
 * with routed IPv6, global unicast. So 0.0.0.0/0 covers it, also without the metadata address 169.254.169.254, and
 * 0.0.0.0/0 except 10.0.0.0/8 does not.
 */
const ANYWHERE = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7', '2000::/3'];

/**
 * Where a name may lead to that only DNS knows: what is routed in public, which is all but the special-purpose ranges
 * (RFC 6890). So 0.0.0.0/0 covers it, also without the private ranges, and no smaller block can be said to.
 */
const PUBLIC = [
  ...outsideOf(
    '0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.168.0.0/16 224.0.0.0/3',
  ),
  ...parsedBlocks('2000::/3'),
];

/** What lies between IPv4 blocks, which come in order. */
function outsideOf(blocks: string): AddressRange[] {
  const edges = parsedBlocks(blocks);
  return edges.slice(1).map(({ first }, i) => ({ family: 4, first: (edges[i]?.last ?? 0n) + 1n, last: first - 1n }));
}

function parsedBlocks(blocks: string): AddressRange[] {
  return blocks.split(' ').map((block) => cidrOf(block, 'this program'));
}

/** Parses a CIDR peer. Throws an input error: the dialects' parsers have checked it before. */
export function compileBlock(peer: Extract<Peer, { type: 'cidr' }>, object: string): Block {
  return { range: cidrOf(peer.cidr, object), except: peer.except.map((e) => cidrOf(e, object)) };
}

function cidrOf(text: string, object: string): AddressRange {
  const range = parseCidr(text);
  if (!range) throw inputError(`${object}: "${text}" is not a CIDR`, { action: 'Correct it and try again.' });
  return range;
}

interface Location {
  readonly known: boolean;
  readonly ranges: readonly AddressRange[];
}

/** Looks up the model's addresses. Throws an input error for a pod range that is no CIDR. */
export function addressBook(model: PolicyModel): AddressBook {
  const ranges = (model.podRanges.length > 0 ? model.podRanges : ANYWHERE).map((r) => cidrOf(r, 'pod ranges'));
  const podRanges: Location = { known: false, ranges };
  const nodes = new Map<string, string>();
  for (const [node, addresses] of model.nodes) for (const a of parsed(addresses)) nodes.set(keyOf(a), node);
  const locations = new Map<Endpoint, Location>();

  function locationOf(endpoint: Endpoint): Location {
    const cached = locations.get(endpoint);
    if (cached) return cached;
    const location = endpoint.type === 'address' ? addressLocation(endpoint) : podLocation(endpoint);
    locations.set(endpoint, location);
    return location;
  }

  function addressLocation({ ip, anywhere }: AddressEndpoint): Location {
    return anywhere ? { known: false, ranges: PUBLIC } : knownAt([ip]);
  }

  function podLocation(pod: PodEndpoint): Location {
    if (pod.ips.length > 0) return knownAt(pod.ips);
    if (!pod.hostNetwork) return podRanges;
    const node = pod.node === undefined ? undefined : model.nodes.get(pod.node);
    if (node) return knownAt(node);
    const anyNode = parsed([...model.nodes.values()].flat());
    return { known: false, ranges: anyNode.length > 0 ? anyNode : ANYWHERE.map((r) => cidrOf(r, 'nodes')) };
  }

  function covered(block: Block, endpoint: Endpoint): Truth {
    const { known, ranges } = locationOf(endpoint);
    const same = ranges.filter((r) => r.family === block.range.family);
    // A dual-stack pod is reached at either address; an address that isn't known may be any of its range.
    if (known) return same.some((r) => covers(block, r));
    if (same.length > 0 && same.every((r) => covers(block, r))) return true;
    return same.some((r) => mayCover(block, r)) ? undefined : false;
  }

  function nodeOf(endpoint: Endpoint): string | undefined {
    if (endpoint.type === 'pod' && !endpoint.hostNetwork) return undefined;
    if (endpoint.type === 'pod' && endpoint.node !== undefined) return endpoint.node;
    const { known, ranges } = locationOf(endpoint);
    return known ? ranges.map((a) => nodes.get(keyOf(a))).find((n) => n !== undefined) : undefined;
  }

  return {
    nodeOf,
    kindOf(endpoint) {
      if (endpoint.type === 'pod') return endpoint.hostNetwork ? 'node' : 'pod';
      return nodeOf(endpoint) === undefined ? 'outside' : 'node';
    },
    covered,
    signature: (blocks) => signatures(blocks, covered),
  };
}

/**
 * The edges of all blocks cut the addresses into stretches; pods of one stretch are alike to every block, so that each
 * block is asked once a stretch, not once a pod.
 */
function signatures(blocks: readonly Block[], covered: AddressBook['covered']): (pod: PodEndpoint) => string {
  const edges = new Map<number, bigint[]>();
  for (const { range, except } of blocks) {
    for (const { family, first, last } of [range, ...except]) {
      edges.set(family, [...(edges.get(family) ?? []), first, last + 1n]);
    }
  }
  for (const [family, list] of edges)
    edges.set(
      family,
      [...new Set(list)].sort((a, b) => (a < b ? -1 : 1)),
    );
  const known = new Map<string, string>();
  return (pod) => {
    // Where the address isn't known, all such pods are alike; hostNetwork pods stand where their node does.
    const where = parsed(pod.ips).map(({ family, first }) => `${family}:${position(edges.get(family) ?? [], first)}`);
    const key = [pod.hostNetwork ? (pod.node ?? '') : '', ...where].join(' ');
    const found = known.get(key);
    if (found !== undefined) return found;
    const made = blocks.map((block) => ({ true: '1', false: '0', undefined: '?' })[`${covered(block, pod)}`]).join('');
    known.set(key, made);
    return made;
  };
}

/** How many of the sorted edges are at or below an address. */
function position(edges: readonly bigint[], address: bigint): number {
  let [low, high] = [0, edges.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((edges[middle] ?? 0n) <= address) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Whether a block may cover some of the addresses. */
function mayCover({ range, except }: Block, addresses: AddressRange): boolean {
  return overlaps(range, addresses) && !except.some((e) => contains(e, addresses));
}

/** Whether a block holds all of the addresses. */
export function covers({ range, except }: Block, addresses: AddressRange): boolean {
  return contains(range, addresses) && !except.some((e) => overlaps(e, addresses));
}

function knownAt(ips: readonly string[]): Location {
  return { known: true, ranges: parsed(ips) };
}

/** Node addresses hold host names as well; those are left out. */
function parsed(addresses: readonly string[]): AddressRange[] {
  return addresses.flatMap((a) => parseAddress(a) ?? []);
}

function keyOf({ family, first }: AddressRange): string {
  return `${family}:${first}`;
}
