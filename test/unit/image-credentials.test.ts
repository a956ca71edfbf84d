import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ParityError } from '../../src/host/errors.ts';
import type { ExecResult, Host } from '../../src/host/host.ts';
import { registryCredentials } from '../../src/image/credentials.ts';
import { said, standInHost } from './stand-in-host.ts';

const { signal } = new AbortController();
const SECRET = 'hunter2:with:colons';
const auth = Buffer.from(`me:${SECRET}`).toString('base64');
const ME = { kind: 'basic', username: 'me', password: SECRET };

/** A host with one Docker config and at most one credential helper. */
function host(config: unknown, helper?: (argv: readonly string[], stdin: unknown) => ExecResult | Error): Host {
  return standInHost({
    env: { DOCKER_CONFIG: '/etc/docker-config' },
    files: { '/etc/docker-config/config.json': typeof config === 'string' ? config : JSON.stringify(config) },
    ...(helper && { exec: (argv, options) => helper(argv, options.stdin) }),
  });
}

test('auths: by host, by old URL, for the hub', async () => {
  assert.deepEqual(await registryCredentials(host({ auths: { 'a.example': { auth } } }), 'a.example', signal), ME);
  const old = host({ auths: { 'https://a.example/v1/': { auth } } });
  assert.deepEqual(await registryCredentials(old, 'a.example', signal), ME);
  const hub = host({ auths: { 'https://index.docker.io/v1/': { auth } } });
  assert.deepEqual(await registryCredentials(hub, 'docker.io', signal), ME);
  assert.equal(await registryCredentials(hub, 'b.example', signal), undefined);
  assert.equal(await registryCredentials(host('{}'), 'a.example', signal), undefined);
  assert.equal(await registryCredentials(host({ auths: { 'a.example': {} } }), 'a.example', signal), undefined);
});

test('an identity token wins over a password', async () => {
  const config = { auths: { 'a.example': { auth, identitytoken: 'refresh' } } };
  assert.deepEqual(await registryCredentials(host(config), 'a.example', signal), {
    kind: 'identity',
    token: 'refresh',
  });
});

test('the helper named for a registry is asked before the common one', async () => {
  const config = { credsStore: 'common', credHelpers: { 'a.example': 'special' }, auths: { 'a.example': {} } };
  const asked: unknown[] = [];
  const helper = host(config, (argv, stdin) => {
    asked.push([...argv, stdin]);
    return said(JSON.stringify({ ServerURL: 'x', Username: 'me', Secret: SECRET }));
  });
  assert.deepEqual(await registryCredentials(helper, 'a.example', signal), ME);
  assert.deepEqual(await registryCredentials(helper, 'docker.io', signal), ME);
  assert.deepEqual(asked, [
    ['docker-credential-special', 'get', 'a.example'],
    ['docker-credential-common', 'get', 'https://index.docker.io/v1/'],
  ]);
});

test("a helper's token and its having nothing", async () => {
  const token = host({ credsStore: 'x' }, () => said('{"Username":"<token>","Secret":"refresh"}'));
  assert.deepEqual(await registryCredentials(token, 'a.example', signal), { kind: 'identity', token: 'refresh' });
  const nothing = host({ credsStore: 'x' }, () => said('credentials not found in native keychain\n', 1));
  assert.equal(await registryCredentials(nothing, 'a.example', signal), undefined);
});

test("Docker Desktop's helper missing in a distro is named, with what to do", async () => {
  await assert.rejects(registryCredentials(host({ credsStore: 'desktop.exe' }), 'a.example', signal), (error) => {
    assert.ok(error instanceof ParityError);
    assert.equal(error.kind, 'environment');
    assert.match(error.message, /docker-credential-desktop\.exe can't be used: .*not found/);
    assert.match(error.action ?? '', /"credsStore".*left there by Docker Desktop/);
    return true;
  });
});

test('no secret gets into an error', async () => {
  for (const answer of [said(`${SECRET} {`), said(`{"Secret":"${SECRET}"}`, 3)]) {
    const failing = host({ credsStore: 'x' }, () => answer);
    await assert.rejects(registryCredentials(failing, 'a.example', signal), (error: Error) => {
      for (let e: unknown = error; e instanceof Error; e = e.cause)
        assert.ok(!e.message.includes('hunter2'), e.message);
      return true;
    });
  }
});

test('settings that are not JSON are named', async () => {
  await assert.rejects(registryCredentials(host('{'), 'a.example', signal), {
    kind: 'input',
    message: /\/etc\/docker-config\/config\.json are not JSON/,
  });
});
