import { constants, createPrivateKey, sign, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { localHost } from '../../src/host/local.ts';
import { readTrust, type Trust } from '../../src/image/trust.ts';

const HOME = 'test/fixtures/signing';

/** A file of the signing fixtures. */
export const signingText = (name: string): string => readFileSync(`${HOME}/${name}`, 'utf8');

/** A certificate of the fixtures in DER. */
export const certificate = (name: string): Buffer => new X509Certificate(signingText(`${name}.pem`)).raw;

export const trustIn = (name: string): Promise<Trust> => readTrust(localHost(), `${HOME}/${name}`);

/** Notary Project's payload over a digest. */
export const notaryPayload = (digest: string): string =>
  JSON.stringify({ targetArtifact: { mediaType: 'm', digest, size: 8 } });

export const NOTARY_HEADER = {
  crit: ['io.cncf.notary.signingScheme'],
  cty: 'application/vnd.cncf.notary.payload.v1+json',
  'io.cncf.notary.signingScheme': 'notary.x509',
  'io.cncf.notary.signingTime': '2026-01-01T00:00:00Z',
};

/** Signs as Notary Project's algorithms do: ES256 or PS256. */
export function notarySigned(bytes: Buffer, key: 'ec' | 'rsa'): Buffer {
  const privateKey = createPrivateKey(signingText(`${key}.key`));
  return key === 'ec'
    ? sign('sha256', bytes, { key: privateKey, dsaEncoding: 'ieee-p1363' })
    : sign('sha256', bytes, { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 });
}

/** What a signature of notaryJws is made of, where it isn't a good one. */
export interface NotaryMade {
  readonly key?: 'ec' | 'rsa';
  readonly leaf?: string;
  readonly chain?: readonly string[];
  readonly header?: Readonly<Record<string, unknown>>;
}

/** A signature as notation writes it, in JWS, over a payload. */
export function notaryJws(content: string, made: NotaryMade = {}): Buffer {
  const { key = 'ec', leaf = key, chain = ['root'], header = {} } = made;
  const fields = { alg: key === 'ec' ? 'ES256' : 'PS256', ...NOTARY_HEADER, ...header };
  const head = Buffer.from(JSON.stringify(fields)).toString('base64url');
  const body = Buffer.from(content).toString('base64url');
  const x5c = [leaf, ...chain].map((name) => certificate(name).toString('base64'));
  const signature = notarySigned(Buffer.from(`${head}.${body}`), key).toString('base64url');
  return Buffer.from(JSON.stringify({ payload: body, protected: head, header: { x5c }, signature }));
}

/** cosign's payload over a digest. */
export const cosignPayload = (digest: string): Buffer =>
  Buffer.from(
    JSON.stringify({
      critical: {
        identity: { 'docker-reference': 'example.com/base' },
        image: { 'docker-manifest-digest': digest },
        type: 'cosign container image signature',
      },
      optional: null,
    }),
  );

/** cosign's signature with the fixtures' EC key. */
export const cosignSigned = (bytes: Buffer): string =>
  sign('sha256', bytes, createPrivateKey(signingText('ec.key'))).toString('base64');
