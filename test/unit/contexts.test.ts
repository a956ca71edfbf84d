import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, before, test } from 'node:test';
import { stringify } from 'yaml';
import { ParityError } from '../../src/host/errors.ts';
import { localHost } from '../../src/host/local.ts';
import { connectionOf, listContexts } from '../../src/target/contexts.ts';
import { runPlugin } from '../../src/target/exec-credential.ts';
import { entriesOf, loadKubeconfig } from '../../src/target/kubeconfig.ts';
import { openTransport } from '../../src/target/rest.ts';
import { apiServer, CERT, connectProxy, KEY } from './api-server.ts';

const signal = new AbortController().signal;
const base64 = (text: string) => Buffer.from(text).toString('base64');
let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'clparity-kube-'));
});
after(() => rm(folder, { recursive: true, force: true }));

/** A kubeconfig with one context `c`. */
function config(cluster: object, user: object, current = 'c'): string {
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': current,
    contexts: [{ name: 'c', context: { cluster: 'k', user: 'u' } }],
    clusters: [{ name: 'k', cluster: { server: 'https://kube.test', ...cluster } }],
    users: [{ name: 'u', user }],
  });
}

let count = 0;
async function hostWith(content: string, env: Record<string, string> = {}) {
  const file = join(folder, `config-${count++}`);
  await writeFile(file, content);
  return localHost({ PATH: process.env.PATH, KUBECONFIG: file, ...env });
}

async function connect(cluster: object, user: object, env: Record<string, string> = {}) {
  return connectionOf(await hostWith(config(cluster, user), env), 'c', signal);
}

/** A plugin: a program that answers as `script` says (its body, with `out` to print an ExecCredential status). */
async function plugin(script: string, more: object = {}): Promise<object> {
  const file = join(folder, `plugin-${count++}.mjs`);
  const out =
    "const out = (status) => console.log(JSON.stringify({ apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status }));";
  await writeFile(file, `import { appendFileSync, readFileSync } from 'node:fs';\n${out}\n${script}\n`);
  return {
    exec: {
      apiVersion: 'client.authentication.k8s.io/v1',
      command: process.execPath,
      args: [file],
      interactiveMode: 'Never',
      ...more,
    },
  };
}

test('several files are one kubeconfig: the first to name something wins, missing ones are passed over', async () => {
  const [a, b] = [join(folder, 'a'), join(folder, 'b')];
  await writeFile(a, config({ server: 'https://a.test' }, {}, ''));
  const second = config({ server: 'https://b.test' }, {}, 'd').replace(
    'contexts:\n',
    'contexts:\n  - name: d\n    context: {cluster: k}\n',
  );
  await writeFile(b, second);
  const host = localHost({ KUBECONFIG: [join(folder, 'missing'), a, '', b].join(delimiter) });
  assert.deepEqual(await listContexts(host), [
    { name: 'c', current: false, server: 'https://a.test' },
    { name: 'd', current: true, server: 'https://a.test' },
  ]);
  assert.equal((await connectionOf(host, 'd', signal)).authorization, undefined);
  assert.equal(await readFile(b, 'utf8'), second);
});

test('without KUBECONFIG it is ~/.kube/config; without either there are no contexts', async () => {
  const home = join(folder, 'home');
  await mkdir(join(home, '.kube'), { recursive: true });
  assert.deepEqual(await listContexts(localHost({ HOME: home })), []);
  await assert.rejects(connectionOf(localHost({ HOME: home }), 'c', signal), {
    kind: 'input',
    action: /az aks get-credentials/,
  });
  await writeFile(join(home, '.kube', 'config'), config({}, {}));
  assert.equal((await listContexts(localHost({ HOME: home })))[0]?.name, 'c');
  await assert.rejects(connectionOf(localHost({ HOME: home }), 'nope', signal), {
    kind: 'input',
    action: 'Choose one with --context: c.',
  });
});

test('a malformed file is named with its line, and no credential of it is quoted', async () => {
  const cases: [string, RegExp][] = [
    ['contexts: [\nusers: s3cr3t', /config-\d+:\d/],
    ['contexts: {}\n', /config-\d+:1: contexts must be a list/],
    ['- s3cr3t\n', /config-\d+:1: must be a map/],
    ['kind: Pod\n', /config-\d+:1: kind is not Config/],
    [config({}, { token: 777000 }), /config-\d+:\d+: users\[0\]\.user\.token must be a string, not a number: quote it/],
    [config({ server: 'kube.test' }, {}), /clusters\[0\]\.cluster\.server must be an http or https URL/],
    [config({ server: 'https://u:s3cr3t@kube.test' }, {}), /must not hold a user name/],
    [config({ 'proxy-url': 'ftp://u:s3cr3t@p' }, {}), /proxy-url must be an http, https or socks5 URL/],
    [config({ 'certificate-authority': 'none.pem' }, {}), /certificate-authority names .*none\.pem, which isn't there/],
    [config({}, { as: 'admin' }), /impersonation/],
    [config({}, {}).replace('user: u', 'user: v'), /config-\d+:8: contexts\[0\]\.context\.user names the user "v"/],
  ];
  for (const [content, message] of cases) {
    await assert.rejects(connectionOf(await hostWith(content), 'c', signal), (error: unknown) => {
      assert.ok(error instanceof ParityError && error.kind === 'input', String(error));
      assert.match(error.message, message);
      assert.ok(!/s3cr3t|777000/.test(`${error.message} ${error.action}`));
      return true;
    });
  }
});

test('certificates come from data or from files beside the kubeconfig', async () => {
  await writeFile(join(folder, 'ca.pem'), CERT);
  const connection = await connect(
    { 'certificate-authority': 'ca.pem', 'tls-server-name': 'other.test', 'proxy-url': 'socks5://p:1' },
    { 'client-certificate-data': base64(CERT), 'client-key-data': base64(KEY) },
    { HTTPS_PROXY: 'http://q:1' },
  );
  assert.deepEqual(connection, {
    server: 'https://kube.test',
    ca: CERT,
    cert: CERT,
    key: KEY,
    tlsServerName: 'other.test',
    proxy: 'socks5://p:1',
  });
  const insecure = await connect({ 'insecure-skip-tls-verify': true }, {}, { HTTPS_PROXY: 'http://q:1' });
  assert.deepEqual(insecure, { server: 'https://kube.test', insecureSkipTlsVerify: true, proxy: 'http://q:1' });
});

test('tokens, token files that change, and passwords', async () => {
  assert.equal(await (await connect({}, { token: 'abc' })).authorization?.(signal), 'Bearer abc');
  assert.equal(
    await (await connect({}, { username: 'u', password: 'p' })).authorization?.(signal),
    `Basic ${base64('u:p')}`,
  );
  const file = join(folder, 'token');
  await writeFile(file, 'one\n');
  const rotating = await connect({}, { tokenFile: 'token', token: 'ignored' });
  assert.equal(await rotating.authorization?.(signal), 'Bearer one');
  await writeFile(file, 'two\n');
  assert.equal(await rotating.authorization?.(signal), 'Bearer two');
});

test('a credential plugin is told where and how it runs, and its token is kept until it expires', async () => {
  const log = join(folder, 'runs');
  await writeFile(log, '');
  const user = await plugin(
    `appendFileSync(${JSON.stringify(log)}, process.env.KUBERNETES_EXEC_INFO + '\\n');
     const run = readFileSync(${JSON.stringify(log)}, 'utf8').trim().split('\\n').length;
     const expirationTimestamp = new Date(Date.now() + (run === 2 ? -1000 : 3_600_000)).toISOString();
     out({ token: [process.env.EXTRA, run].join(), expirationTimestamp });`,
    { env: [{ name: 'EXTRA', value: 'x' }], provideClusterInfo: true },
  );
  const extensions = [{ name: 'client.authentication.k8s.io/exec', extension: { audience: 'aud' } }];
  const connection = await connect({ 'certificate-authority-data': base64(CERT), extensions }, user);
  const token = () => connection.authorization?.(signal);
  assert.deepEqual(await Promise.all([token(), token()]), ['Bearer x,1', 'Bearer x,1']);
  connection.forget?.('Bearer another');
  assert.equal(await token(), 'Bearer x,1');
  connection.forget?.('Bearer x,1');
  assert.equal(await token(), 'Bearer x,2');
  // The second run's token was past its time already.
  assert.deepEqual(await Promise.all([token(), token()]), ['Bearer x,3', 'Bearer x,3']);
  const [info] = (await readFile(log, 'utf8')).split('\n');
  assert.deepEqual(JSON.parse(info ?? ''), {
    apiVersion: 'client.authentication.k8s.io/v1',
    kind: 'ExecCredential',
    spec: {
      interactive: false,
      cluster: { server: 'https://kube.test', 'certificate-authority-data': base64(CERT), config: { audience: 'aud' } },
    },
  });
});

test('a plugin may give a client certificate, which the server then sees', async () => {
  await using server = await apiServer((request, response) => {
    const socket = request.socket as { getPeerCertificate?(): { subject?: { CN?: string } } };
    response.end(
      JSON.stringify({ cn: socket.getPeerCertificate?.().subject?.CN, token: request.headers.authorization }),
    );
  });
  const user = await plugin(`out(${JSON.stringify({ clientCertificateData: CERT, clientKeyData: KEY })});`);
  const connection = await connect({ server: server.url, 'certificate-authority-data': base64(CERT) }, user);
  const transport = openTransport(connection);
  assert.deepEqual(await transport.send({ method: 'GET', path: '/', signal }), { cn: 'test only, trusted by nobody' });
  await transport.close();
});

test('a plugin that fails, is missing, wants a terminal or answers nonsense is named; its output is not quoted', async () => {
  const fails = async (user: object, message: RegExp, action: RegExp) =>
    assert.rejects(connect({}, user), (error: unknown) => {
      assert.ok(error instanceof ParityError, String(error));
      assert.match(error.message, message);
      assert.match(error.action ?? '', action);
      assert.ok(!`${error.message} ${error.action} ${String(error.cause)}`.includes('s3cr3t'));
      return true;
    });
  await fails(
    await plugin("console.error('AADSTS50058: no session'); process.exit(3);"),
    /node exited with 3: AADSTS50058: no session/,
    /Sign in once in a terminal/,
  );
  await fails(
    await plugin('console.log(\'{"token": s3cr3t}\');'),
    /did not answer with an ExecCredential: no JSON/,
    /./,
  );
  await fails(await plugin('out({ token: 123 });'), /status\.token must be a string/, /./);
  await fails(await plugin('out({});'), /neither a token nor a client certificate/, /./);
  await fails(
    await plugin('console.log(\'{"apiVersion":"client.authentication.k8s.io/v1beta1"}\');'),
    /apiVersion is not/,
    /./,
  );
  await fails(await plugin('', { interactiveMode: 'Always' }), /wants a terminal/, /./);
  await fails(
    await plugin('', { apiVersion: 'client.authentication.k8s.io/v1alpha1' }),
    /apiVersion is client.authentication.k8s.io\/v1alpha1; known/,
    /Correct the kubeconfig/,
  );
  const missing = { command: 'no-such-kubelogin', installHint: 'Get it from the shop.' };
  await fails(await plugin('', missing), /no-such-kubelogin was not found/, /Get it from the shop/);
});

// The limit is far below the 60 s after which the plugin would be ended anyway.
test('a plugin that waits for a sign-in is given up, and cancelled at once when asked', {
  timeout: 30_000,
}, async () => {
  const login = join(folder, 'kubelogin');
  await writeFile(login, `#!${process.execPath}\nsetInterval(() => {}, 1000);\n`);
  await chmod(login, 0o755);
  // A path is relative to the kubeconfig.
  const user = await plugin('', { command: './kubelogin' });
  const host = await hostWith(config({}, user));
  const entry = entriesOf(await loadKubeconfig(host), 'c').user;
  assert.ok(entry);
  await assert.rejects(runPlugin(host, entry, { server: 'https://kube.test' }, signal, 100), {
    message: /kubelogin gave no credential within 0.1 s/,
    action: /az login.*kubelogin convert-kubeconfig/,
  });
  const cancel = new AbortController();
  const pending = connectionOf(host, 'c', cancel.signal);
  setTimeout(() => cancel.abort(), 50);
  await assert.rejects(pending, { name: 'AbortError' });
});

function jwt(expires: number): string {
  return `${base64('{}')}.${Buffer.from(JSON.stringify({ exp: expires })).toString('base64url')}.sig`;
}

test('an OIDC token is used while it is good, refreshed in memory when not', async () => {
  const asked: string[] = [];
  await using issuer = await apiServer((request, response) => {
    if (request.url === '/.well-known/openid-configuration')
      return response.end(JSON.stringify({ token_endpoint: `${issuer.url}/token` }));
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      asked.push(body);
      if (body.includes('refresh_token=bad')) response.writeHead(400).end('{"error":"invalid_grant"}');
      else response.end(JSON.stringify({ id_token: jwt(Date.now() / 1000 + 3600), refresh_token: 'next' }));
    });
  });
  const settings = (token: string, more: object) => ({
    'auth-provider': {
      name: 'oidc',
      config: {
        'id-token': token,
        'client-id': 'me',
        'idp-issuer-url': issuer.url,
        'idp-certificate-authority-data': base64(CERT),
        ...more,
      },
    },
  });
  const good = jwt(Date.now() / 1000 + 3600);
  assert.equal(await (await connect({}, settings(good, {}))).authorization?.(signal), `Bearer ${good}`);
  const connection = await connect({}, settings(jwt(1), { 'refresh-token': 'old', 'client-secret': 'shh' }));
  const [first, second] = await Promise.all([connection.authorization?.(signal), connection.authorization?.(signal)]);
  assert.match(first ?? '', /^Bearer /);
  assert.equal(first, second);
  assert.deepEqual(asked, ['grant_type=refresh_token&refresh_token=old&client_id=me&client_secret=shh']);
  const expired = await connect({}, settings(jwt(1), {}));
  await assert.rejects(async () => expired.authorization?.(signal), {
    message: /has expired and can't be refreshed/,
    action: /Sign in again/,
  });
  const refused = await connect({}, settings(jwt(1), { 'refresh-token': 'bad' }));
  await assert.rejects(async () => refused.authorization?.(signal), /the issuer answered 400/);
  await assert.rejects(connect({}, { 'auth-provider': { name: 'azure' } }), { action: /kubelogin convert-kubeconfig/ });
});

test('HTTPS_PROXY leads to the server, unless NO_PROXY names it', async () => {
  await using server = await apiServer((_, response) => response.end('{"ok":true}'));
  const seen: { target: string; authorization: string | undefined }[] = [];
  await using proxy = await connectProxy(server.port, seen);
  const cluster = { 'certificate-authority-data': base64(CERT) };
  const transport = openTransport(await connect(cluster, { token: 'abc' }, { https_proxy: proxy.url }));
  assert.deepEqual(await transport.send({ method: 'GET', path: '/', signal }), { ok: true });
  assert.deepEqual(
    seen.map((s) => s.target),
    ['kube.test:443'],
  );
  await transport.close();
  assert.equal((await connect(cluster, {}, { https_proxy: proxy.url, no_proxy: '.test' })).proxy, undefined);
});
