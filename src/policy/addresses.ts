import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** Addresses from `first` to `last`, both included; a single address is a range of one. */
export interface AddressRange {
  readonly family: 4 | 6;
  readonly first: bigint;
  readonly last: bigint;
}

/**
 * One address, or undefined where `text` is none. Strict: leading zeros, short forms and zones are refused, for
 * programs disagree about them. An IPv4-mapped IPv6 address is the IPv4 address, as in Go's net package.
 */
export function parseAddress(text: string): AddressRange | undefined {
  if (isIP(text) === 0 || text.includes('%')) return undefined;
  const bytes = ipaddr.process(text).toByteArray();
  const value = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  return { family: bytes.length === 4 ? 4 : 6, first: value, last: value };
}

/** The addresses of a CIDR, or undefined where `text` is none. Host bits are masked off, as Kubernetes does. */
export function parseCidr(text: string): AddressRange | undefined {
  const [, ip, digits] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? [];
  const address = ip === undefined ? undefined : parseAddress(ip);
  if (ip === undefined || address === undefined) return undefined;
  const mapped = address.family === 4 && isIP(ip) === 6;
  const prefix = Number(digits) - (mapped ? 96 : 0);
  const width = address.family === 4 ? 32 : 128;
  if (prefix < 0 || prefix > width) return undefined;
  const hosts = (1n << BigInt(width - prefix)) - 1n;
  return { family: address.family, first: address.first & ~hosts, last: address.first | hosts };
}

/** Whether all of `inner` lies in `outer`. Families never mix: `::/0` holds no IPv4 address. */
export function contains(outer: AddressRange, inner: AddressRange): boolean {
  return outer.family === inner.family && outer.first <= inner.first && inner.last <= outer.last;
}

/** Whether the two have an address in common. */
export function overlaps(a: AddressRange, b: AddressRange): boolean {
  return a.family === b.family && a.first <= b.last && b.first <= a.last;
}

/** Whether both are addresses, and one. */
export function isSameAddress(a: AddressRange | undefined, b: AddressRange | undefined): boolean {
  return a !== undefined && b !== undefined && a.family === b.family && a.first === b.first;
}
