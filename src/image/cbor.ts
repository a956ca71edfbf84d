import { inputError } from '../host/errors.ts';

/** What a COSE envelope is made of. */
export type Cbor = number | string | boolean | null | Uint8Array | readonly Cbor[] | CborMap | CborTag;
export type CborMap = ReadonlyMap<Cbor, Cbor>;
export interface CborTag {
  readonly tag: number;
  readonly value: Cbor;
}

const DEEPEST = 16;

/**
 * Reads one CBOR item (RFC 8949) that fills all of `bytes`: integers up to 2^53, strings, lists, maps, tags, true,
 * false and null, of definite length. Throws an `input` error for anything else.
 */
export function decodeCbor(bytes: Uint8Array): Cbor {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;

  function take(length: number): Buffer {
    if (at + length > view.length) throw inputError('CBOR that ends early');
    at += length;
    return view.subarray(at - length, at);
  }

  function argument(info: number): number {
    if (info < 24) return info;
    if (info === 24) return take(1).readUInt8();
    if (info === 25) return take(2).readUInt16BE();
    if (info === 26) return take(4).readUInt32BE();
    const large = info === 27 ? Number(take(8).readBigUInt64BE()) : Number.NaN;
    if (!Number.isSafeInteger(large)) throw inputError('CBOR of a kind that is not read here');
    return large;
  }

  function list(length: number, depth: number): Cbor[] {
    const items: Cbor[] = [];
    for (let i = 0; i < length; i++) items.push(item(depth + 1));
    return items;
  }

  function map(length: number, depth: number): CborMap {
    const found = new Map<Cbor, Cbor>();
    for (let i = 0; i < length; i++) {
      const key = item(depth + 1);
      if (found.has(key)) throw inputError('CBOR with a key that comes twice');
      found.set(key, item(depth + 1));
    }
    return found;
  }

  function item(depth: number): Cbor {
    if (depth > DEEPEST) throw inputError('CBOR nested too deep');
    const [first = 0] = take(1);
    const major = first >> 5;
    if (major === 7) {
      const simple = new Map<number, Cbor>([
        [0xf4, false],
        [0xf5, true],
        [0xf6, null],
      ]).get(first);
      if (simple === undefined) throw inputError('CBOR of a kind that is not read here');
      return simple;
    }
    const n = argument(first & 0x1f);
    if (major === 0) return n;
    if (major === 1) return -1 - n;
    if (major === 2) return take(n);
    if (major === 3) return take(n).toString('utf8');
    if (major === 4) return list(n, depth);
    if (major === 5) return map(n, depth);
    return { tag: n, value: item(depth + 1) };
  }

  const found = item(0);
  if (at !== view.length) throw inputError('CBOR with something behind its end');
  return found;
}

/** COSE's Sig_structure for one signer (RFC 9052, 4.4), in its one encoding: what was signed. */
export function coseSigned(protectedHeader: Uint8Array, payload: Uint8Array): Buffer {
  const context = Buffer.from('Signature1');
  return Buffer.concat([
    Buffer.from([0x84]),
    head(3, context.length),
    context,
    head(2, protectedHeader.length),
    protectedHeader,
    head(2, 0),
    head(2, payload.length),
    payload,
  ]);
}

function head(major: number, length: number): Buffer {
  const top = major << 5;
  if (length < 24) return Buffer.from([top | length]);
  if (length < 0x100) return Buffer.from([top | 24, length]);
  if (length < 0x10000) return Buffer.from([top | 25, length >> 8, length & 0xff]);
  const long = Buffer.alloc(5, top | 26);
  long.writeUInt32BE(length, 1);
  return long;
}
