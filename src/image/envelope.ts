import { inputError, messageOf } from '../host/errors.ts';
import { type Cbor, type CborMap, coseSigned, decodeCbor } from './cbor.ts';
import { isRecord } from './manifest.ts';

export type Algorithm = 'PS256' | 'PS384' | 'PS512' | 'ES256' | 'ES384' | 'ES512';

/** A Notary Project signature, whatever it is written in; nothing of it is proven yet. */
export interface Envelope {
  readonly algorithm: string;
  readonly contentType: string;
  /** Header parameters that must be understood. */
  readonly critical: readonly string[];
  readonly scheme: string;
  /** When it was signed, by a signing authority's own clock; only in that scheme. */
  readonly authenticTime?: Date;
  readonly expiry?: Date;
  /** DER, the signer's first. */
  readonly chain: readonly Buffer[];
  readonly payload: Buffer;
  /** The bytes that the signature is over. */
  readonly signed: Buffer;
  /** ECDSA: r and s side by side. */
  readonly signature: Buffer;
  /** An RFC 3161 time stamp comes with it. */
  readonly stamped: boolean;
}

export const NOTARY_HEADER = 'io.cncf.notary.';

/**
 * Reads an envelope by its media type: notaryproject/specifications, signature-envelope-jws.md and -cose.md. Throws an
 * `input` error where it isn't one.
 */
export function parseEnvelope(bytes: Buffer, mediaType: string): Envelope {
  if (mediaType === 'application/jose+json') return parseJws(bytes);
  if (mediaType === 'application/cose') return parseCose(bytes);
  throw inputError(`a signature of the unknown kind ${mediaType}`);
}

function parseJws(bytes: Buffer): Envelope {
  const envelope = jsonRecord(bytes, 'the envelope');
  const { payload, protected: head, signature, header } = envelope;
  if (typeof payload !== 'string' || typeof head !== 'string' || typeof signature !== 'string' || !isRecord(header)) {
    throw inputError('a JWS envelope that lacks a part');
  }
  const fields = jsonRecord(Buffer.from(head, 'base64url'), 'the protected header');
  const chain = Array.isArray(header.x5c) ? header.x5c : [];
  return {
    ...headerFacts((name) => fields[name], 'cty', 'crit'),
    algorithm: String(fields.alg),
    chain: chain.map((certificate) => Buffer.from(String(certificate), 'base64')),
    payload: Buffer.from(payload, 'base64url'),
    signed: Buffer.from(`${head}.${payload}`),
    signature: Buffer.from(signature, 'base64url'),
    stamped: header[`${NOTARY_HEADER}timestampSignature`] !== undefined,
  };
}

/** IANA's COSE algorithms: https://www.iana.org/assignments/cose/cose.xhtml */
const COSE_ALGORITHMS: ReadonlyMap<Cbor | undefined, Algorithm> = new Map([
  [-37, 'PS256'],
  [-38, 'PS384'],
  [-39, 'PS512'],
  [-7, 'ES256'],
  [-35, 'ES384'],
  [-36, 'ES512'],
]);
const X5CHAIN = 33;

function parseCose(bytes: Buffer): Envelope {
  const sign1 = decodeCbor(bytes);
  const [head, unprotected, payload, signature] = isTag(sign1, 18) && Array.isArray(sign1.value) ? sign1.value : [];
  const isBytes = (value: unknown): value is Uint8Array => value instanceof Uint8Array;
  if (!isBytes(head) || !(unprotected instanceof Map) || !isBytes(payload) || !isBytes(signature)) {
    throw inputError('a COSE envelope that lacks a part');
  }
  const fields = decodeCbor(head);
  if (!(fields instanceof Map)) throw inputError('a COSE envelope without a protected header');
  const chain: Cbor = (unprotected as CborMap).get(X5CHAIN) ?? (fields as CborMap).get(X5CHAIN) ?? [];
  return {
    ...headerFacts((name) => (fields as CborMap).get(name), 3, 2),
    algorithm: COSE_ALGORITHMS.get((fields as CborMap).get(1)) ?? 'unknown',
    chain: [chain].flat().filter(isBytes).map(Buffer.from),
    payload: Buffer.from(payload),
    signed: coseSigned(head, payload),
    signature: Buffer.from(signature),
    stamped: (unprotected as CborMap).has(`${NOTARY_HEADER}timestampSignature`),
  };
}

/** What both kinds hold in their protected headers, by the names (or numbers) that each uses. */
function headerFacts<K extends string | number>(get: (name: K | string) => unknown, type: K, crit: K) {
  const critical = get(crit);
  const authenticTime = timeOf(get(`${NOTARY_HEADER}authenticSigningTime`));
  const expiry = timeOf(get(`${NOTARY_HEADER}expiry`));
  return {
    contentType: String(get(type)),
    critical: Array.isArray(critical) ? critical.map(String) : [],
    scheme: String(get(`${NOTARY_HEADER}signingScheme`)),
    ...(authenticTime ? { authenticTime } : {}),
    ...(expiry ? { expiry } : {}),
  };
}

/** JWS: RFC 3339; COSE: seconds since 1970, tagged 1. Throws where it is there and isn't a time. */
function timeOf(value: unknown): Date | undefined {
  if (value === undefined) return undefined;
  const seconds = isTag(value, 1) ? value.value : value;
  const ms = typeof seconds === 'number' ? seconds * 1000 : Date.parse(String(seconds));
  if (Number.isNaN(ms)) throw inputError('a time in its header that is none');
  return new Date(ms);
}

function isTag(value: unknown, tag: number): value is { readonly tag: number; readonly value: Cbor } {
  return isRecord(value) && value.tag === tag;
}

/** A JSON object. Throws an `input` error where it is none. */
export function jsonRecord(bytes: Buffer, what: string): Readonly<Record<string, unknown>> {
  try {
    const json: unknown = JSON.parse(bytes.toString('utf8'));
    if (isRecord(json)) return json;
  } catch (cause) {
    throw inputError(`${what} is not JSON: ${messageOf(cause)}`, { cause });
  }
  throw inputError(`${what} is not a JSON object`);
}
