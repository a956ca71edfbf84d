import { type KeyObject, verify } from 'node:crypto';
import { messageOf } from '../host/errors.ts';
import { jsonRecord } from './envelope.ts';
import { isRecord } from './manifest.ts';
import type { Judgement } from './signatures.ts';
import type { Trust } from './trust.ts';

/**
 * Judges a cosign "simple signing" payload over the manifest or index `subject` (sigstore/cosign, specs/SIGNATURE_SPEC.md):
 * the signature over the payload's bytes by a key that is trusted, and the digest in it. Certificates of Fulcio and the
 * transparency log are not looked at.
 */
export function judgeCosign(payload: Buffer, signature: string, subject: string, trust: Trust | undefined): Judgement {
  let digest: unknown;
  try {
    const { critical } = jsonRecord(payload, 'its payload');
    digest = isRecord(critical) && isRecord(critical.image) ? critical.image['docker-manifest-digest'] : undefined;
  } catch (cause) {
    return { state: 'invalid', detail: messageOf(cause) };
  }
  if (digest !== subject) return { state: 'invalid', detail: `it is for ${String(digest)}, not for ${subject}` };
  if (!trust || trust.keys.length === 0) {
    return { state: 'not verified', detail: 'no public key to trust was given (--trust FILE)' };
  }
  const bytes = Buffer.from(signature, 'base64');
  if (trust.keys.some((key) => isSignedBy(key, payload, bytes))) {
    return { state: 'verified', detail: `by a key in ${trust.path}; the transparency log was not looked up` };
  }
  return { state: 'not verified', detail: `no key in ${trust.path} made it` };
}

/** ECDSA (DER) and RSA (PKCS #1 v1.5) with SHA-256, Ed25519 over the payload itself: what cosign's keys do. */
function isSignedBy(key: KeyObject, payload: Buffer, signature: Buffer): boolean {
  return verify(key.asymmetricKeyType === 'ed25519' ? null : 'sha256', payload, key, signature);
}
