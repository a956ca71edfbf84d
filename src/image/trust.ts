import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { inputError, messageOf } from '../host/errors.ts';
import type { Host } from '../host/host.ts';

/** Whom to believe: certificates for Notary Project's signatures, public keys for cosign's. */
export interface Trust {
  /** The file that says so, as evidence. */
  readonly path: string;
  readonly certificates: readonly X509Certificate[];
  readonly keys: readonly KeyObject[];
}

/**
 * Reads a PEM file of certificates and public keys, as many of each as there are. Throws an `input` error where it is
 * not there or holds neither.
 */
export async function readTrust(host: Host, path: string): Promise<Trust> {
  const text = await host.readFile(path);
  if (text === undefined) throw inputError(`There is no file ${path} to trust`);
  const blocks = [...text.matchAll(/-----BEGIN ([A-Z ]+)-----[\s\S]*?-----END \1-----/g)];
  const certificates: X509Certificate[] = [];
  const keys: KeyObject[] = [];
  try {
    for (const [pem, kind] of blocks) {
      if (kind === 'CERTIFICATE') certificates.push(new X509Certificate(pem));
      else if (kind?.endsWith('PUBLIC KEY')) keys.push(createPublicKey(pem));
    }
  } catch (cause) {
    throw inputError(`${path} holds a certificate or key that can't be read: ${messageOf(cause)}`, { cause });
  }
  if (certificates.length + keys.length > 0) return { path, certificates, keys };
  throw inputError(`${path} holds neither a certificate nor a public key`, {
    action: "Give a PEM file: the signer's root certificate (Notary Project) or public key (cosign).",
  });
}
