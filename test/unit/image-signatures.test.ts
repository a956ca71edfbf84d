import assert from 'node:assert/strict';
import { createPrivateKey, sign } from 'node:crypto';
import { test } from 'node:test';
import { decodeCbor } from '../../src/image/cbor.ts';
import { judgeCosign } from '../../src/image/cosign.ts';
import { digestOf } from '../../src/image/digest.ts';
import { judgeNotary } from '../../src/image/notary.ts';
import type { Trust } from '../../src/image/trust.ts';
import {
  certificate,
  cosignPayload,
  cosignSigned,
  NOTARY_HEADER,
  type NotaryMade,
  notaryJws,
  notaryPayload,
  notarySigned,
  signingText,
  trustIn,
} from './signature-sample.ts';

const root = await trustIn('root.pem');
const other = await trustIn('other-root.pem');
const subject = digestOf('an image');
const NOW = new Date('2030-01-01T00:00:00Z');
const JOSE = 'application/jose+json';
const COSE = 'application/cose';

const payload = (digest = subject) => notaryPayload(digest);
const jws = ({ content = payload(), ...made }: NotaryMade & { content?: string } = {}) => notaryJws(content, made);

/** Enough of a CBOR writer to be a second opinion. */
function cbor(value: unknown): Buffer {
  const head = (major: number, n: number) =>
    Buffer.from(n < 24 ? [(major << 5) | n] : n < 256 ? [(major << 5) | 24, n] : [(major << 5) | 25, n >> 8, n & 255]);
  if (typeof value === 'number') return value < 0 ? head(1, -1 - value) : head(0, value);
  if (typeof value === 'string') return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)]);
  if (Buffer.isBuffer(value)) return Buffer.concat([head(2, value.length), value]);
  if (Array.isArray(value)) return Buffer.concat([head(4, value.length), ...value.map(cbor)]);
  if (value instanceof Map) return Buffer.concat([head(5, value.size), ...[...value].flat().map(cbor)]);
  if (value instanceof Date) {
    const seconds = Buffer.alloc(5, 0x1a);
    seconds.writeUInt32BE(value.getTime() / 1000, 1);
    return Buffer.concat([head(6, 1), seconds]);
  }
  throw new TypeError(String(value));
}

function cose(content = payload(), expiry?: Date): Buffer {
  const head = cbor(
    new Map<unknown, unknown>([
      [1, -37],
      [2, ['io.cncf.notary.signingScheme']],
      [3, NOTARY_HEADER.cty],
      ['io.cncf.notary.signingScheme', 'notary.x509'],
      ['io.cncf.notary.signingTime', new Date('2026-01-01T00:00:00Z')],
      ...(expiry ? [['io.cncf.notary.expiry', expiry] as const] : []),
    ]),
  );
  const body = Buffer.from(content);
  const signature = notarySigned(cbor(['Signature1', head, Buffer.alloc(0), body]), 'rsa');
  const unprotected = new Map<unknown, unknown>([[33, [certificate('rsa'), certificate('root')]]]);
  return Buffer.concat([Buffer.from([0xd2]), cbor([head, unprotected, body, signature])]);
}

const judge = (bytes: Buffer, trust: Trust | undefined = root, type = JOSE, now = NOW) =>
  judgeNotary(bytes, type, subject, trust, now);

test('a JWS envelope, by an EC key and by an RSA key', () => {
  for (const key of ['ec', 'rsa'] as const) {
    const judgement = judge(jws({ key }));
    assert.deepEqual([judgement.state, judgement.signer], ['verified', `CN=Test signer ${key}`], judgement.detail);
    assert.match(judgement.detail, /root\.pem; revocation was not looked up/);
  }
});

test('a COSE envelope', () => {
  assert.equal(judge(cose(), root, COSE).state, 'verified');
  assert.match(judge(cose(payload(digestOf('other'))), root, COSE).detail, /is for sha256:\w+, not for/);
  const late = judge(cose(payload(), new Date('2027-01-01T00:00:00Z')), root, COSE);
  assert.deepEqual([late.state, /expire on 2027-01-01/.test(late.detail)], ['invalid', true]);
  const bent = Buffer.from(cose());
  bent[bent.length - 1] = (bent.at(-1) ?? 0) ^ 1;
  assert.deepEqual(judge(bent, root, COSE).detail, 'its signature is wrong');
});

test('nobody to trust, and somebody else to trust, verify nothing', () => {
  const alone = judgeNotary(jws(), JOSE, subject, undefined, NOW);
  assert.deepEqual([alone.state, alone.signer], ['not verified', 'CN=Test signer ec']);
  assert.match(alone.detail, /no certificate to trust was given/);
  const stranger = judge(jws(), other);
  assert.equal(stranger.state, 'not verified');
  assert.match(stranger.detail, /lead to CN=Test root, which .*other-root\.pem doesn't hold/);
});

test('the signer itself may be trusted', async () => {
  assert.equal(judge(jws(), await trustIn('ec.pem')).state, 'verified');
});

const WRONG: readonly [what: string, bytes: Buffer, why: RegExp][] = [
  ['another image', jws({ content: payload(digestOf('other')) }), /is for sha256:\w+, not for/],
  ['no target', jws({ content: '{}' }), /is for undefined/],
  ['a payload of another type', jws({ header: { cty: 'text/plain' } }), /payload is text\/plain/],
  ['another scheme', jws({ header: { 'io.cncf.notary.signingScheme': 'x' } }), /scheme is x/],
  [
    'a demand unknown here',
    jws({ header: { crit: [...NOTARY_HEADER.crit, 'verifier.plugin'] } }),
    /demands .*verifier\.plugin/,
  ],
  ['a scheme not critical', jws({ header: { crit: [] } }), /not marked critical/],
  ['an algorithm that is not its key’s', jws({ header: { alg: 'ES384' } }), /ES384 is not the one of its key/],
  ['no algorithm at all', jws({ header: { alg: 'none' } }), /none is not the one of its key/],
  [
    'a key that is not the certificate’s',
    jws({ key: 'ec', leaf: 'rsa', header: { alg: 'PS256' } }),
    /signature is wrong/,
  ],
  ['a certificate for servers', jws({ leaf: 'server' }), /Test signer server is not for signing code/],
  ['a root that did not issue it', jws({ chain: ['other-root', 'root'] }), /not issued by the next one/],
  [
    'a signer among the authorities',
    jws({ leaf: 'sub', chain: ['ec', 'root'] }),
    /was not issued by the next one|is no certificate authority/,
  ],
  ['a time that is none', jws({ header: { 'io.cncf.notary.expiry': 'soon' } }), /time in its header that is none/],
  ['an expiry that has passed', jws({ header: { 'io.cncf.notary.expiry': '2027-01-01T00:00:00Z' } }), /expire on 2027/],
  ['not JSON', Buffer.from('x'), /can't be read: .*not JSON/],
  [
    'no certificate',
    Buffer.from(
      jws()
        .toString()
        .replace(/"x5c":\[[^\]]*\]/, '"x5c":[]'),
    ),
    /brings no certificate/,
  ],
];

for (const [what, bytes, why] of WRONG) {
  test(`a Notary Project signature with ${what} is invalid`, () => {
    const judgement = judge(bytes);
    assert.equal(judgement.state, 'invalid', judgement.detail);
    assert.match(judgement.detail, why);
  });
}

test('a certificate that has run out proves nothing now, unless an authority says when', () => {
  const late = new Date('2999-01-01T00:00:00Z');
  const judgement = judge(jws(), root, JOSE, late);
  assert.equal(judgement.state, 'not verified');
  assert.match(judgement.detail, /was valid from .* only/);
  const authority = {
    crit: [...NOTARY_HEADER.crit, 'io.cncf.notary.authenticSigningTime'],
    'io.cncf.notary.signingScheme': 'notary.x509.signingAuthority',
    'io.cncf.notary.authenticSigningTime': '2030-01-01T00:00:00Z',
  };
  assert.equal(judge(jws({ header: authority }), root, JOSE, late).state, 'verified');
});

test('damaged COSE never gets through, and never throws', () => {
  const whole = cose();
  for (let i = 0; i < whole.length; i += 7) {
    assert.equal(judge(whole.subarray(0, i), root, COSE).state, 'invalid', `cut at ${i}`);
    const bent = Buffer.from(whole);
    bent[i] = (bent[i] ?? 0) ^ 0x20;
    assert.notEqual(judge(bent, root, COSE).state, 'verified', `bent at ${i}`);
  }
});

test('CBOR by the examples of RFC 8949, appendix A', () => {
  const read = (hex: string) => decodeCbor(Buffer.from(hex, 'hex'));
  for (const [hex, value] of [
    ['17', 23],
    ['1818', 24],
    ['1903e8', 1000],
    ['1a000f4240', 1000000],
    ['1b000000e8d4a51000', 1000000000000],
    ['3903e7', -1000],
    ['6449455446', 'IETF'],
    ['83010203', [1, 2, 3]],
    ['f5', true],
    ['c11a514b67b0', { tag: 1, value: 1363896240 }],
  ] as const) {
    assert.deepEqual(read(hex), value);
  }
  assert.deepEqual(
    read('a201020304'),
    new Map([
      [1, 2],
      [3, 4],
    ]),
  );
  for (const hex of ['', '18', '62', '8101ff', '9f01ff', 'a201020102', '1bffffffffffffffff', `${'81'.repeat(40)}00`]) {
    assert.throws(() => read(hex), { kind: 'input' }, hex);
  }
});

const simple = (digest = subject) => cosignPayload(digest);

test("cosign's simple signing by a public key", async () => {
  const keys = await trustIn('ec.pub');
  assert.equal(judgeCosign(simple(), cosignSigned(simple()), subject, keys).state, 'verified');
  assert.match(judgeCosign(simple(), cosignSigned(simple()), subject, root).detail, /no public key to trust/);
  const wrong = simple(digestOf('other'));
  assert.equal(judgeCosign(wrong, cosignSigned(wrong), subject, keys).state, 'invalid');
  assert.equal(judgeCosign(simple(), cosignSigned(wrong), subject, keys).state, 'not verified');
  assert.equal(judgeCosign(Buffer.from('x'), cosignSigned(wrong), subject, keys).state, 'invalid');
  const rsa = createPrivateKey(signingText('rsa.key'));
  assert.equal(
    judgeCosign(simple(), sign('sha256', simple(), rsa).toString('base64'), subject, keys).state,
    'not verified',
  );
});

test('a file to trust has to be one', async () => {
  await assert.rejects(trustIn('absent.pem'), { kind: 'input', message: /no file .*absent\.pem/ });
  await assert.rejects(trustIn('make.sh'), { kind: 'input', message: /neither a certificate nor a public key/ });
});
