import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiError, type Connection, openTransport, type ReadClient, readClient } from '../../src/target/rest.ts';
import { apiServer, CERT, connectProxy } from './api-server.ts';

const PODS = { group: '', version: 'v1', plural: 'pods' };
const signal = new AbortController().signal;

async function withClient<T>(connection: Connection, use: (client: ReadClient) => Promise<T>): Promise<T> {
  const client = readClient(openTransport(connection));
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

/** A pods list in three pages; `answer` may take a request over by returning a status. */
async function pagedServer(
  answer: (token: string | null, request: number) => { status: number; headers?: Record<string, string> } | undefined,
) {
  let requests = 0;
  return apiServer((request, response) => {
    const token = new URL(request.url ?? '', 'https://x').searchParams.get('continue');
    const other = answer(token, requests++);
    if (other)
      return response
        .writeHead(other.status, other.headers)
        .end(JSON.stringify({ message: `status ${other.status}`, reason: 'Test' }));
    const page = Number(token ?? 0);
    response.end(
      JSON.stringify({
        kind: 'PodList',
        apiVersion: 'v1',
        metadata: page < 2 ? { continue: String(page + 1) } : {},
        items: [{ metadata: { name: `p${page}` } }],
      }),
    );
  });
}

test('a list is read page by page, and its items are told what they are', async () => {
  await using server = await pagedServer(() => undefined);
  const pods = await withClient({ server: server.url, ca: CERT }, (client) => client.list(PODS, signal));
  assert.deepEqual(
    pods.map((p) => [p.kind, p.apiVersion, p.metadata.name]),
    [
      ['Pod', 'v1', 'p0'],
      ['Pod', 'v1', 'p1'],
      ['Pod', 'v1', 'p2'],
    ],
  );
});

test('a list whose place the server forgot (410) starts again, once', async () => {
  let gone = 0;
  await using server = await pagedServer((token) => (token === '2' && gone++ === 0 ? { status: 410 } : undefined));
  const pods = await withClient({ server: server.url, ca: CERT }, (client) => client.list(PODS, signal));
  assert.deepEqual(
    pods.map((p) => p.metadata.name),
    ['p0', 'p1', 'p2'],
  );
  await using forgetful = await pagedServer((token) => (token === '2' ? { status: 410 } : undefined));
  await assert.rejects(
    withClient({ server: forgetful.url, ca: CERT }, (client) => client.list(PODS, signal)),
    { status: 410 },
  );
});

test('a busy server is asked again, a few times', async () => {
  let asked = 0;
  await using server = await pagedServer((_, request) => {
    asked++;
    return request < 2 ? { status: request === 0 ? 429 : 503, headers: { 'retry-after': '0' } } : undefined;
  });
  assert.equal((await withClient({ server: server.url, ca: CERT }, (client) => client.list(PODS, signal))).length, 3);
  assert.equal(asked, 5);
  asked = 0;
  await using busy = await pagedServer(() => {
    asked++;
    return { status: 429, headers: { 'retry-after': '0' } };
  });
  await assert.rejects(
    withClient({ server: busy.url, ca: CERT }, (client) => client.list(PODS, signal)),
    { status: 429 },
  );
  assert.equal(asked, 4);
});

test('a change is not sent again after a 503', async () => {
  let asked = 0;
  await using server = await apiServer((_, response) => {
    asked++;
    response.writeHead(503, { 'retry-after': '0' }).end('{}');
  });
  const transport = openTransport({ server: server.url, ca: CERT });
  await assert.rejects(transport.send({ method: 'POST', path: '/api/v1/namespaces', body: {}, signal }), {
    status: 503,
  });
  assert.equal(asked, 1);
  await transport.close();
});

test('refused credentials are renewed once; then the error says what to do and holds no token', async () => {
  await using server = await apiServer((request, response) => {
    const token = request.headers.authorization;
    if (token === 'Bearer fresh') return response.end('{"kind":"PodList","items":[]}');
    response.writeHead(401).end(JSON.stringify({ message: `unknown token ${token?.slice(7)}` }));
  });
  const refusals: string[] = [];
  let current = 'Bearer stale';
  const connection = { server: server.url, ca: CERT, authorization: async () => current };
  const forget = (refused: string) => {
    refusals.push(refused);
    current = 'Bearer fresh';
  };
  assert.deepEqual(await withClient({ ...connection, forget }, (client) => client.list(PODS, signal)), []);
  assert.deepEqual(refusals, ['Bearer stale']);
  current = 'Bearer s3cr3t-token';
  await assert.rejects(
    withClient(connection, (client) => client.list(PODS, signal)),
    (error: unknown) => {
      assert.ok(error instanceof ApiError && error.status === 401);
      assert.match(error.action ?? '', /az login/);
      assert.match(error.message, /unknown token \*\*\*/);
      assert.ok(!JSON.stringify([error, error.message, String(error.cause)]).includes('s3cr3t'));
      return true;
    },
  );
});

test('a write that is forbidden asks for no right to read', async () => {
  const words = ['exceeded quota: pods', 'it is forbidden: namespace shop is being terminated'];
  await using server = await apiServer((request, response) => {
    response.writeHead(403).end(JSON.stringify({ message: words[Number(request.url?.slice(1))] }));
  });
  const transport = openTransport({ server: server.url, ca: CERT });
  try {
    const post = (path: string) => transport.send({ method: 'POST', path, body: {}, signal });
    await assert.rejects(post('/0'), { status: 403, message: /exceeded quota/, action: /a quota, an admission rule/ });
    await assert.rejects(post('/1'), { status: 403, action: /^Wait until that namespace has gone/ });
  } finally {
    await transport.close();
  }
});

test('403 and 404 are told apart, with the action for the first', async () => {
  await using server = await apiServer((request, response) => {
    response.writeHead(request.url?.includes('pods') ? 403 : 404).end('{"reason":"X","message":"no"}');
  });
  await withClient({ server: server.url, ca: CERT }, async (client) => {
    await assert.rejects(client.list(PODS, signal), {
      status: 403,
      message: 'GET /api/v1/pods: 403 no',
      action: /read access/,
    });
    await assert.rejects(client.list({ group: 'a', version: 'v1', plural: 'b' }, signal), { status: 404 });
    assert.equal(await client.get({ group: 'a', version: 'v1', plural: 'b' }, 'x', undefined, signal), undefined);
  });
});

test('a server that is silent, gone, untrusted or no API server is named with what to do', async () => {
  await using silent = await apiServer(() => {});
  const transport = openTransport({ server: silent.url, ca: CERT });
  await assert.rejects(transport.send({ method: 'GET', path: '/api?x=1', signal, timeoutMs: 50 }), {
    kind: 'environment',
    message: /did not answer \/api within 50 ms/,
    action: /VPN or proxy/,
  });
  const cancel = new AbortController();
  const pending = transport.send({ method: 'GET', path: '/api', signal: cancel.signal });
  cancel.abort();
  await assert.rejects(pending, { name: 'AbortError' });
  await transport.close();
  await assert.rejects(
    withClient({ server: silent.url }, (client) => client.raw('/', signal)),
    /Can't reach https:.*self-signed certificate/,
  );
  await using page = await apiServer((_, response) => response.end('<html>sign in</html>'));
  await assert.rejects(
    withClient({ server: page.url, ca: CERT }, (client) => client.raw('/', signal)),
    /is this a Kubernetes API server/,
  );
  await using closed = await apiServer(() => {});
  await closed[Symbol.asyncDispose]();
  await assert.rejects(
    withClient({ server: closed.url, ca: CERT }, (client) => client.raw('/', signal)),
    { kind: 'environment', message: /ECONNREFUSED/ },
  );
});

test('a watch gives each event as it comes, and fails with words when the server breaks off', async () => {
  await using server = await apiServer((request, response) => {
    if (request.url?.includes('resourceVersion=9')) return response.writeHead(410).end('{"message":"too old"}');
    response.write('{"type":"ADDED","object":{"metadata":{"name":"a"}}}\n{"type":"MOD');
    setImmediate(() => {
      response.write('IFIED","object":{"metadata":{"name":"a"}}}\n');
      if (request.url?.includes('resourceVersion=1')) response.end();
      else setImmediate(() => response.destroy());
    });
  });
  await withClient({ server: server.url, ca: CERT }, async (client) => {
    const types: string[] = [];
    for await (const event of client.watch(PODS, '1', signal)) types.push(event.type);
    assert.deepEqual(types, ['ADDED', 'MODIFIED']);
    await assert.rejects(drain(client.watch(PODS, '2', signal)), { kind: 'environment' });
    await assert.rejects(drain(client.watch(PODS, '9', signal)), { status: 410 });
  });
});

test('a proxy is tunnelled through, with its own credentials, by name', async () => {
  await using server = await apiServer((_, response) => response.end('{"gitVersion":"v1"}'));
  const seen: { target: string; authorization: string | undefined }[] = [];
  await using proxy = await connectProxy(server.port, seen);
  const through = proxy.url.replace('://', '://user:s3cr3t@');
  assert.deepEqual(
    await withClient({ server: 'https://kube.test', ca: CERT, proxy: through }, (client) =>
      client.raw('/version', signal),
    ),
    { gitVersion: 'v1' },
  );
  assert.deepEqual(seen, [{ target: 'kube.test:443', authorization: `Basic ${btoa('user:s3cr3t')}` }]);
  await proxy[Symbol.asyncDispose]();
  await assert.rejects(
    withClient({ server: 'https://kube.test', ca: CERT, proxy: through }, (client) => client.raw('/version', signal)),
    (error: unknown) => {
      assert.match(String(error), new RegExp(`through the proxy 127.0.0.1:${proxy.port}`));
      assert.ok(!String(error).includes('s3cr3t'));
      return true;
    },
  );
});

test('another name for the certificate is honoured', async () => {
  await using server = await apiServer((request, response) =>
    response.end(JSON.stringify({ name: (request.socket as { servername?: string }).servername })),
  );
  const connection = { server: server.url, ca: CERT };
  assert.deepEqual(
    await withClient({ ...connection, tlsServerName: 'kube.test' }, (client) => client.raw('/', signal)),
    { name: 'kube.test' },
  );
  await assert.rejects(
    withClient({ ...connection, tlsServerName: 'other.test' }, (client) => client.raw('/', signal)),
    /Can't reach/,
  );
  await withClient({ server: server.url, tlsServerName: 'other.test', insecureSkipTlsVerify: true }, (client) =>
    client.raw('/', signal),
  );
});

async function drain(events: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of events);
}
