import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { after, test } from 'node:test';
import { ParityError } from '../../src/host/errors.ts';
import { localHost } from '../../src/host/local.ts';
import { trustedAuthorities } from '../../src/image/certificates.ts';
import type { Credentials } from '../../src/image/credentials.ts';
import { digestOf } from '../../src/image/digest.ts';
import { openHttp } from '../../src/image/http.ts';
import { parseReference } from '../../src/image/reference.ts';
import { openRegistry, type RegistryOptions } from '../../src/image/registry.ts';
import { CERT, KEY } from './api-server.ts';
import { sampleImage } from './image-sample.ts';

type Handler = (request: IncomingMessage, response: ServerResponse, host: string) => void;

const closing: (() => Promise<unknown>)[] = [];
after(() => Promise.all(closing.map((close) => close())));
const { signal } = new AbortController();
const sample = sampleImage();

/** A server on loopback and its `host:port`. */
async function serve(handler: Handler): Promise<string> {
  let host = '';
  const server = createServer((request, response) => handler(request, response, host)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address && typeof address === 'object');
  host = `127.0.0.1:${address.port}`;
  closing.push(async () => {
    server.closeAllConnections();
    server.close();
  });
  return host;
}

async function registry(handler: Handler, options: RegistryOptions = {}) {
  const pause = async () => {};
  const opened = openRegistry(parseReference(`${await serve(handler)}/base/core`), { pause, ...options });
  closing.push(() => opened.close());
  return opened;
}

/** Serves the sample as a registry does. */
const serving: Handler = (request, response) => {
  const name = request.url?.split('/').at(-1) ?? '';
  const text = sample.blobs.get(name === '3.0' ? sample.lock.digest : name);
  if (text === undefined) {
    response.writeHead(404).end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}');
    return;
  }
  const headers = {
    'content-type': 'application/vnd.oci.image.index.v1+json',
    'docker-content-digest': digestOf(text),
  };
  response.writeHead(200, headers).end(request.method === 'HEAD' ? '' : text);
};

test('a tag, a digest and a blob, with their exact bytes', async () => {
  let accept: string | undefined;
  const opened = await registry((request, response, host) => {
    if (request.url?.includes('/manifests/')) accept = request.headers.accept;
    serving(request, response, host);
  });
  assert.equal(await opened.resolve('3.0', signal), sample.lock.digest);
  const found = await opened.manifest('3.0', signal);
  assert.deepEqual([found.digest, found.text], [sample.lock.digest, sample.lock.index]);
  assert.equal((await opened.manifest(sample.lock.manifestDigest, signal)).text, sample.lock.manifest);
  assert.equal((await opened.blob(sample.lock.configDigest, signal)).toString(), sample.config);
  assert.match(accept ?? '', /oci\.image\.index.*manifest\.list\.v2\+json/);
});

test('bytes that are not what their digest promises are refused', async () => {
  const lying = await registry((_request, response) => response.end('{"other":1}'));
  await assert.rejects(lying.manifest(sample.lock.digest, signal), { kind: 'input', message: /not what its digest/ });
  await assert.rejects(lying.blob(sample.lock.configDigest, signal), { kind: 'input', message: /not what its digest/ });
  const header = { 'docker-content-digest': sample.lock.digest };
  const byTag = await registry((_request, response) => response.writeHead(200, header).end('{"other":1}'));
  await assert.rejects(byTag.manifest('3.0', signal), { kind: 'input', message: /not what its digest/ });
});

test('what is not there is bad input, and named', async () => {
  const opened = await registry(serving);
  await assert.rejects(opened.manifest('9.9', signal), {
    kind: 'input',
    message: /127\.0\.0\.1:\d+ has no 127\.0\.0\.1:\d+\/base\/core:9\.9 \(MANIFEST_UNKNOWN: manifest unknown\)/,
  });
});

test('answers without end are cut', async () => {
  const endless = await registry((_request, response) => {
    const more = () => {
      while (response.write(Buffer.alloc(65536, 'x')));
      response.once('drain', more);
    };
    more();
  });
  await assert.rejects(endless.blob(sample.lock.configDigest, signal), { kind: 'input', message: /larger than/ });
});

test('limits, refusals and broken servers', async () => {
  for (const [status, why] of [
    [403, /does not let us read/],
    [429, /limits how often/],
    [500, /answered 500/],
  ] as const) {
    const opened = await registry((_request, response) => response.writeHead(status).end('<html>'));
    await assert.rejects(opened.manifest('3.0', signal), { kind: 'environment', message: why });
  }
  const hangUp = await registry((request) => request.socket.destroy());
  await assert.rejects(hangUp.manifest('3.0', signal), { kind: 'environment', message: /Can't reach the registry/ });
});

test('a silent registry is given up, and a cancel is a cancel', async () => {
  const silent = await registry(() => {}, { timeoutMs: 100 });
  await assert.rejects(silent.manifest('3.0', signal), { kind: 'environment', message: /within 100 ms/ });
  const stop = new AbortController();
  const waiting = await registry(() => stop.abort());
  await assert.rejects(waiting.manifest('3.0', stop.signal), { name: 'AbortError' });
});

test('tags, page by page, from the same server only', async () => {
  const opened = await registry((request, response) => {
    if (request.url?.includes('last=b')) response.setHeader('link', '<http://192.0.2.1/v2/x>; rel="next"');
    else response.setHeader('link', '</v2/base/core/tags/list?last=b>; rel="next"');
    response.end(JSON.stringify({ tags: request.url?.includes('last=b') ? ['c'] : ['a', 'b'] }));
  });
  assert.deepEqual(await opened.tags(signal), ['a', 'b', 'c']);
});

const BASIC: Credentials = { kind: 'basic', username: 'me', password: 'secret' };
const BASIC_HEADER = `Basic ${Buffer.from('me:secret').toString('base64')}`;

test('a token is fetched from the realm, once, with what Docker knows', async () => {
  const asked: string[] = [];
  const opened = await registry(
    (request, response, host) => {
      if (request.url?.startsWith('/token')) {
        asked.push(`${request.headers.authorization} ${request.url}`);
        response.end('{"token":"t1"}');
      } else if (request.headers.authorization === 'Bearer t1') serving(request, response, host);
      else {
        const challenge = `Bearer realm="http://${host}/token",service="a \\"quoted\\" one",scope="x"`;
        response.writeHead(401, { 'www-authenticate': challenge }).end();
      }
    },
    { credentials: async () => BASIC },
  );
  await opened.manifest('3.0', signal);
  await opened.blob(sample.lock.configDigest, signal);
  assert.deepEqual(asked, [`${BASIC_HEADER} /token?service=a+%22quoted%22+one&scope=repository%3Abase%2Fcore%3Apull`]);
});

test('an identity token is exchanged by POST', async () => {
  let body = '';
  const opened = await registry(
    async (request, response, host) => {
      if (request.url === '/token' && request.method === 'POST') {
        for await (const chunk of request) body += chunk;
        response.end('{"access_token":"t2"}');
      } else if (request.headers.authorization === 'Bearer t2') serving(request, response, host);
      else response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${host}/token",service=s` }).end();
    },
    { credentials: async () => ({ kind: 'identity', token: 'refresh' }) },
  );
  await opened.manifest('3.0', signal);
  const form = Object.fromEntries(new URLSearchParams(body));
  assert.equal(form.grant_type, 'refresh_token');
  assert.equal(form.refresh_token, 'refresh');
  assert.equal(form.service, 's');
});

test('basic authentication, and none to give', async () => {
  const basic: Handler = (request, response, host) => {
    if (request.headers.authorization === BASIC_HEADER) serving(request, response, host);
    else response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end();
  };
  await (await registry(basic, { credentials: async () => BASIC })).manifest('3.0', signal);
  await assert.rejects((await registry(basic)).manifest('3.0', signal), (error) => {
    assert.ok(error instanceof ParityError);
    assert.match(error.message, /wants to know who you are/);
    assert.match(error.action ?? '', /docker login 127\.0\.0\.1/);
    return true;
  });
});

test('a password is not sent anywhere in the clear, nor its owner asked when nobody wants to know', async () => {
  const realm = 'Bearer realm="http://192.0.2.1/token"';
  const opened = await registry((_request, response) => response.writeHead(401, { 'www-authenticate': realm }).end(), {
    credentials: async () => BASIC,
  });
  await assert.rejects(opened.manifest('3.0', signal), { kind: 'environment', message: /not an https address/ });
  const open = await registry(serving, { credentials: () => assert.fail('asked') });
  await open.manifest('3.0', signal);
});

test('a redirect to another server is followed without the password', async () => {
  let seen: string | undefined = 'nobody came';
  const store = await serve((request, response) => {
    seen = request.headers.authorization;
    response.end(sample.config);
  });
  const opened = await registry(
    (request, response) => {
      if (request.headers.authorization === undefined) {
        response.writeHead(401, { 'www-authenticate': 'Basic' }).end();
      } else response.writeHead(307, { location: `http://${store}/elsewhere` }).end();
    },
    { credentials: async () => BASIC },
  );
  assert.equal((await opened.blob(sample.lock.configDigest, signal)).toString(), sample.config);
  assert.equal(seen, undefined);
});

test('an identity token follows no redirect to another server', async () => {
  let came = false;
  const elsewhere = await serve((_request, response) => {
    came = true;
    response.end('{"access_token":"t"}');
  });
  const opened = await registry(
    (request, response, host) => {
      if (request.method === 'POST') response.writeHead(307, { location: `http://${elsewhere}/token` }).end();
      else response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${host}/token",service=s` }).end();
    },
    { credentials: async () => ({ kind: 'identity', token: 'refresh' }) },
  );
  await assert.rejects(opened.manifest('3.0', signal), { message: /redirects the sign-in to/ });
  assert.equal(came, false);
});

test('a private authority is trusted where Docker or NODE_EXTRA_CA_CERTS names it, and nowhere else', async () => {
  const server = createSecureServer({ key: KEY, cert: CERT }, (_request, response) => response.end('there'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address && typeof address === 'object');
  const at = `127.0.0.1:${address.port}`;
  const ask = async (files: Readonly<Record<string, string>>, env: Record<string, string> = {}) => {
    const host = { ...localHost({ HOME: '/home/me', ...env }), readFile: async (path: string) => files[path] };
    const http = openHttp({ env, authorities: (name) => trustedAuthorities(host, name) });
    try {
      return await (await http.send(`https://${at}/`, { signal })).text();
    } finally {
      await http.close();
    }
  };
  closing.push(async () => server.close());
  assert.equal(await ask({ [`/etc/docker/certs.d/${at}/ca.crt`]: CERT }), 'there');
  assert.equal(await ask({ [`/home/me/.config/docker/certs.d/${at}/ca.crt`]: CERT }), 'there');
  assert.equal(await ask({ '/ca.pem': CERT }, { NODE_EXTRA_CA_CERTS: '/ca.pem' }), 'there');
  await assert.rejects(ask({}), (error: Error) => /certificate/.test(String(error.cause)));
  await assert.rejects(ask({ '/etc/docker/certs.d/other/ca.crt': CERT }), { message: 'fetch failed' });
  await assert.rejects(ask({}, { NODE_EXTRA_CA_CERTS: '/ca.pem' }), {
    kind: 'input',
    message: /ca\.pem, which is not there/,
  });
});
