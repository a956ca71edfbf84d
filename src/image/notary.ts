import { constants, type KeyObject, verify, X509Certificate } from 'node:crypto';
import { messageOf } from '../host/errors.ts';
import { type Envelope, jsonRecord, NOTARY_HEADER, parseEnvelope } from './envelope.ts';
import { isRecord } from './manifest.ts';
import type { Judgement } from './signatures.ts';
import type { Trust } from './trust.ts';

const PAYLOAD_TYPE = 'application/vnd.cncf.notary.payload.v1+json';
const SCHEMES = ['notary.x509', 'notary.x509.signingAuthority'];
const UNDERSTOOD = ['signingScheme', 'authenticSigningTime', 'expiry'].map((name) => NOTARY_HEADER + name);
const CODE_SIGNING = '1.3.6.1.5.5.7.3.3';

/**
 * Judges a Notary Project signature over the manifest or index `subject`: payload, signature, algorithm by the key, the
 * chain up to a certificate that is trusted, and its time, as notaryproject/specifications says (signature-specification.md,
 * trust-store-trust-policy.md). Revocation and RFC 3161 time stamps are not looked at.
 */
export function judgeNotary(
  bytes: Buffer,
  mediaType: string,
  subject: string,
  trust: Trust | undefined,
  now: Date,
): Judgement {
  try {
    return judgeEnvelope(parseEnvelope(bytes, mediaType), subject, trust, now);
  } catch (cause) {
    // Whatever a reader of CBOR, certificates or keys stumbles over: it is the signature that is wrong.
    return { state: 'invalid', detail: `it can't be read: ${messageOf(cause)}` };
  }
}

function judgeEnvelope(envelope: Envelope, subject: string, trust: Trust | undefined, now: Date): Judgement {
  const chain = envelope.chain.map((certificate) => new X509Certificate(certificate));
  const [leaf] = chain;
  if (!leaf) return { state: 'invalid', detail: 'it brings no certificate' };
  const signer = nameOf(leaf);
  const wrong = contentFault(envelope, subject) ?? signatureFault(envelope, leaf);
  if (wrong) return { state: 'invalid', signer, detail: wrong };
  if (!trust || trust.certificates.length === 0) {
    return { state: 'not verified', signer, detail: 'no certificate to trust was given (--trust FILE)' };
  }
  return { signer, ...chainJudgement(envelope, chain, trust, now) };
}

const nameOf = (certificate: X509Certificate) => certificate.subject.replace(/\n/g, ', ');

/** What is wrong with what the signature says. */
function contentFault(envelope: Envelope, subject: string): string | undefined {
  const { critical, scheme, contentType, payload } = envelope;
  if (!SCHEMES.includes(scheme)) return `its signing scheme is ${scheme}`;
  const strange = critical.filter((name) => !UNDERSTOOD.includes(name));
  if (strange.length > 0) return `it demands what isn't understood here: ${strange.join(', ')}`;
  if (!critical.includes(`${NOTARY_HEADER}signingScheme`)) return 'its signing scheme is not marked critical';
  if (contentType !== PAYLOAD_TYPE) return `its payload is ${contentType}`;
  const target = jsonRecord(payload, 'its payload').targetArtifact;
  const digest = isRecord(target) ? target.digest : undefined;
  return digest === subject ? undefined : `it is for ${String(digest)}, not for ${subject}`;
}

/** The key alone decides the algorithm: signature-specification.md, "Algorithm Selection". */
function algorithmOf(key: KeyObject): string | undefined {
  const details = key.asymmetricKeyDetails;
  if (key.asymmetricKeyType === 'rsa') {
    return { 2048: 'PS256', 3072: 'PS384', 4096: 'PS512' }[details?.modulusLength ?? 0];
  }
  return { prime256v1: 'ES256', secp384r1: 'ES384', secp521r1: 'ES512' }[details?.namedCurve ?? ''];
}

function signatureFault({ algorithm, signed, signature }: Envelope, leaf: X509Certificate): string | undefined {
  const key = leaf.publicKey;
  const wanted = algorithmOf(key);
  if (wanted === undefined || wanted !== algorithm) return `its algorithm ${algorithm} is not the one of its key`;
  const options = wanted.startsWith('PS')
    ? { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
    : { key, dsaEncoding: 'ieee-p1363' as const };
  return verify(`sha${wanted.slice(2)}`, signed, options, signature) ? undefined : 'its signature is wrong';
}

function chainJudgement(
  envelope: Envelope,
  chain: readonly X509Certificate[],
  trust: Trust,
  now: Date,
): Pick<Judgement, 'state' | 'detail'> {
  const isTrusted = (one: X509Certificate) => trust.certificates.some((t) => t.raw.equals(one.raw));
  const end = chain.findIndex(isTrusted);
  if (end < 0) {
    const last = chain.slice(-1).map(nameOf);
    return { state: 'not verified', detail: `its certificates lead to ${last}, which ${trust.path} doesn't hold` };
  }
  const used = chain.slice(0, end + 1);
  const fault = used.map((one, i) => linkFault(one, used[i + 1], i)).find((why) => why !== undefined);
  if (fault) return { state: 'invalid', detail: fault };
  if (envelope.expiry && envelope.expiry <= now) {
    return { state: 'invalid', detail: `its signer let it expire on ${envelope.expiry.toISOString()}` };
  }
  const at = envelope.scheme === 'notary.x509.signingAuthority' ? envelope.authenticTime : now;
  if (!at) return { state: 'invalid', detail: 'its signing authority gives no time' };
  const outside = used.find((one) => at < one.validFromDate || at > one.validToDate);
  if (outside) {
    const stamp = envelope.stamped ? '; the time stamp that may vouch for it is not checked here' : '';
    return {
      state: 'not verified',
      detail: `${nameOf(outside)} was valid from ${outside.validFrom} to ${outside.validTo} only${stamp}`,
    };
  }
  return { state: 'verified', detail: `by a certificate in ${trust.path}; revocation was not looked up` };
}

/** What is wrong with a certificate of the chain and its issuer, the next one; the trusted one at the end needs none. */
function linkFault(one: X509Certificate, issuer: X509Certificate | undefined, place: number): string | undefined {
  const name = nameOf(one);
  if (place > 0 && !one.ca) return `${name} is in its chain and is no certificate authority`;
  // Node's keyUsage is the extended one, by OIDs.
  if (place === 0 && one.keyUsage !== undefined && !one.keyUsage.includes(CODE_SIGNING)) {
    return `the certificate ${name} is not for signing code`;
  }
  if (issuer && !(one.checkIssued(issuer) && one.verify(issuer.publicKey))) {
    return `the certificate ${name} was not issued by the next one of its chain`;
  }
  return undefined;
}
