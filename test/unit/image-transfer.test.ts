import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { after, test } from 'node:test';
import { digestOf } from '../../src/image/digest.ts';
import { parseReference } from '../../src/image/reference.ts';
import { openRegistry, type RegistryOptions } from '../../src/image/registry.ts';
import { retryAfterMs } from '../../src/image/retry.ts';

type Handler = (request: IncomingMessage, response: ServerResponse, asked: number) => void;

const closing: (() => Promise<unknown>)[] = [];
after(() => Promise.all(closing.map((close) => close())));
const { signal } = new AbortController();
const bytes = randomBytes(600_000);
const blob = { digest: digestOf(bytes), size: bytes.length };

/** A registry that does as `handler` says, told how often it was asked before; and the pauses made between tries. */
async function registry(handler: Handler, options: RegistryOptions = {}) {
  let asked = 0;
  const server = createServer((request, response) => handler(request, response, asked++)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address && typeof address === 'object');
  const pauses: number[] = [];
  const pause = async (ms: number) => void pauses.push(ms);
  const reference = parseReference(`127.0.0.1:${address.port}/base/core`);
  const opened = openRegistry(reference, { pause, ...options });
  closing.push(async () => {
    server.closeAllConnections();
    server.close();
    await opened.close();
  });
  return { opened, pauses, reference };
}

async function read(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Where a Range header wants to start; undefined without one. */
const rangeStart = (request: IncomingMessage) => {
  const start = /^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1];
  return start === undefined ? undefined : Number(start);
};

/** Sends part of the blob, then breaks the connection once the reader can have it. */
function breakOff(response: ServerResponse, from: number, to: number): void {
  response.writeHead(from > 0 ? 206 : 200, {
    'content-length': bytes.length - from,
    ...(from > 0 ? { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {}),
  });
  response.write(bytes.subarray(from, to), () => setTimeout(() => response.destroy(), 20));
}

test('a broken blob goes on where it was, and is the same to the byte', async () => {
  const ranges: (number | undefined)[] = [];
  const { opened } = await registry((request, response, asked) => {
    ranges.push(rangeStart(request));
    const from = rangeStart(request) ?? 0;
    if (asked < 2) return breakOff(response, from, from + 150_000);
    const headers = { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` };
    return void response.writeHead(206, headers).end(bytes.subarray(from));
  });
  assert.ok((await read(opened.stream(blob, signal))).equals(bytes));
  assert.deepEqual(ranges, [undefined, 150_000, 300_000]);
});

test('where ranges are ignored or refused, what came before is passed over', async () => {
  for (const [status, kind] of [
    [200, 'ignored'],
    [416, 'refused'],
  ] as const) {
    const { opened } = await registry((request, response, asked) => {
      if (asked === 0) breakOff(response, 0, 200_000);
      else if (rangeStart(request) !== undefined && status === 416) response.writeHead(416).end();
      else response.end(bytes);
    });
    assert.ok((await read(opened.stream(blob, signal))).equals(bytes), kind);
  }
});

test('a resumed blob with other bytes is found out before its end is handed on', async () => {
  const { opened } = await registry((request, response, asked) => {
    const from = rangeStart(request) ?? 0;
    if (asked === 0) return breakOff(response, 0, 200_000);
    return void response
      .writeHead(206, { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` })
      .end(randomBytes(bytes.length - from));
  });
  let got = 0;
  const reading = async () => {
    for await (const chunk of opened.stream(blob, signal)) got += chunk.byteLength;
  };
  await assert.rejects(reading(), { kind: 'input', message: /not what its digest promises/ });
  assert.ok(got < bytes.length);
});

test('a blob longer than its manifest says is cut', async () => {
  const { opened } = await registry((_request, response) => response.end(Buffer.concat([bytes, bytes])));
  await assert.rejects(read(opened.stream(blob, signal)), {
    kind: 'input',
    message: /sent more for .* than the 600000/,
  });
});

test('silence in the middle of a blob is a broken connection', async () => {
  const { opened } = await registry(
    (request, response, asked) => {
      const from = rangeStart(request) ?? 0;
      if (asked > 0) {
        response.writeHead(206, { 'content-range': `bytes ${from}-1/2` }).end(bytes.subarray(from));
      } else response.writeHead(200).write(bytes.subarray(0, 100_000));
    },
    { stallMs: 400 },
  );
  assert.ok((await read(opened.stream(blob, signal))).equals(bytes));
  const mute = await registry((_request, response) => response.writeHead(200).write('x'), { stallMs: 400 });
  await assert.rejects(read(mute.opened.stream(blob, signal)), {
    kind: 'environment',
    message:
      /Can't reach the registry 127\.0\.0\.1:\d+ for .*@sha256:.*: no byte for 0\.4 s, 1 of 600000 bytes had come/,
  });
});

test('a blob that is never whole is given up, naming how far it came', async () => {
  const { opened, pauses } = await registry((_request, response) => {
    response.writeHead(200, { 'content-length': 5 }).end(bytes.subarray(0, 5));
  });
  await assert.rejects(read(opened.stream(blob, signal)), {
    message: /broke off .*@sha256:\w+ after 5 of 600000 bytes/,
  });
  assert.equal(pauses.length, 4);
});

test('an empty blob, and a reader that stops early', async () => {
  const { opened } = await registry((request, response) =>
    request.url?.endsWith(blob.digest) ? response.end(bytes) : response.end(),
  );
  assert.equal((await read(opened.stream({ digest: digestOf(''), size: 0 }, signal))).length, 0);
  for await (const _ of opened.stream(blob, signal)) break;
});

test('a cancel in the middle of a blob is a cancel', async () => {
  const stop = new AbortController();
  const { opened } = await registry((_request, response) => response.writeHead(200).write(bytes.subarray(0, 100_000)));
  const reading = async () => {
    for await (const _ of opened.stream(blob, stop.signal)) stop.abort();
  };
  // The first chunk comes when there is a second one.
  setTimeout(() => stop.abort(), 100);
  await assert.rejects(reading(), { name: 'AbortError' });
});

test('a registry that is busy is asked again, as late as it says', async () => {
  const text = '{"schemaVersion":2}';
  const busy = await registry((_request, response, asked) => {
    if (asked === 0) response.writeHead(429, { 'retry-after': '7' }).end();
    else if (asked === 1) response.writeHead(503).end();
    else if (asked === 2) response.destroy();
    else response.end(text);
  });
  assert.equal((await busy.opened.manifest('3.0', signal)).text, text);
  assert.equal(busy.pauses[0], 7000);
  assert.ok((busy.pauses[1] ?? 0) > 0 && (busy.pauses[1] ?? 0) <= 500);
  assert.equal(busy.pauses.length, 3);
});

test('what will not pass is not tried again; what asks for too long a wait is given up', async () => {
  for (const [status, headers, why, pauses] of [
    [404, {}, /has no 127\.0\.0\.1:\d+\/base\/core:3\.0/, 0],
    [403, {}, /does not let us read/, 0],
    [
      429,
      { 'retry-after': '3600' },
      /limits how often it is asked, and asks to wait 3600 s: 429 for .*base\/core:3\.0/,
      0,
    ],
    [500, {}, /answered 500 for .*base\/core:3\.0/, 4],
  ] as const) {
    const refusing = await registry((_request, response) => response.writeHead(status, headers).end());
    await assert.rejects(refusing.opened.manifest('3.0', signal), { message: why });
    assert.equal(refusing.pauses.length, pauses, String(status));
  }
  const gone = await registry(() => {});
  await gone.opened.close();
});

test('Retry-After in seconds, as a date, and as nonsense', () => {
  assert.equal(retryAfterMs('3'), 3000);
  assert.equal(retryAfterMs('Thu, 01 Jan 1970 00:00:05 GMT', 2000), 3000);
  assert.equal(retryAfterMs('Thu, 01 Jan 1970 00:00:05 GMT', 9000), 0);
  assert.equal(retryAfterMs('soon'), undefined);
  assert.equal(retryAfterMs(null), undefined);
});

const index = (manifests: unknown[]) => JSON.stringify({ schemaVersion: 2, manifests });
const referrer = (text: string) => ({ mediaType: 'm', digest: digestOf(text), size: 1, artifactType: text });

test('referrers by the API, page by page', async () => {
  const { opened } = await registry((request, response) => {
    if (!request.url?.includes(`/referrers/${blob.digest}`)) return void response.writeHead(404).end();
    if (request.url.includes('page=2')) return void response.end(index([referrer('b')]));
    return void response.setHeader('link', `<${request.url}?page=2>; rel="next"`).end(index([referrer('a')]));
  });
  const types = (await opened.referrers(blob.digest, signal)).map((one) => one.artifactType);
  assert.deepEqual(types, ['a', 'b']);
});

test('referrers by the fallback tag, and none at all', async () => {
  const { opened } = await registry((request, response) => {
    if (request.url?.endsWith(`/manifests/${blob.digest.replace(':', '-')}`)) response.end(index([referrer('old')]));
    else response.writeHead(404).end();
  });
  assert.equal((await opened.referrers(blob.digest, signal))[0]?.artifactType, 'old');
  assert.deepEqual(await opened.referrers(digestOf('other'), signal), []);
  const broken = await registry((_request, response) => response.end('<html>'));
  await assert.rejects(broken.opened.referrers(blob.digest, signal), { message: /lists as referrers of .*not JSON/ });
});

test('a mirror is asked in the place of the registry, below its prefix, and errors name both', async () => {
  const asked: string[] = [];
  const { reference } = await registry((request, response) => {
    asked.push(request.url ?? '');
    if (request.url?.endsWith('/3.0')) response.end('{"schemaVersion":2}');
    else response.writeHead(404).end();
  });
  const mirrored = openRegistry(parseReference('mcr.example.com/base/core:3.0'), {
    mirror: `${reference.registry}/proxy/`,
  });
  closing.push(() => mirrored.close());
  await mirrored.manifest('3.0', signal);
  assert.deepEqual(asked, ['/v2/proxy/base/core/manifests/3.0']);
  await assert.rejects(mirrored.manifest('4.0', signal), {
    message: /127\.0\.0\.1:\d+ has no mcr\.example\.com\/base\/core:4\.0/,
  });
});
