import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer as createHttp, type RequestListener } from 'node:http';
import { createServer as createHttps } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { localHost } from '../../src/host/local.ts';
import { connectDocker, dialBeside, pingDocker } from '../../src/image/docker.ts';
import { dockerEndpoint } from '../../src/image/docker-endpoint.ts';
import { standInHost } from './stand-in-host.ts';

const { signal } = new AbortController();
const TLS = new URL('../fixtures/tls/', import.meta.url);
const answer: RequestListener = (_, response) =>
  response.end(JSON.stringify({ Version: '29.0', ApiVersion: '1.51', Os: 'linux', Arch: 'amd64' }));
let folder: string;
let cert: string;
let key: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'clparity-docker-'));
  [cert = '', key = ''] = await Promise.all(
    ['cert.pem', 'key.pem'].map((name) => readFile(new URL(name, TLS), 'utf8')),
  );
});
after(() => rm(folder, { recursive: true, force: true }));

/** A context's files as `docker context create` writes them (docker 28.2.2). */
function context(name: string, docker: object, tls: Readonly<Record<string, string>> = {}): Record<string, string> {
  const id = createHash('sha256').update(name).digest('hex');
  const base = '/home/me/.docker/contexts';
  return {
    [`${base}/meta/${id}/meta.json`]: JSON.stringify({ Name: name, Metadata: {}, Endpoints: { docker } }),
    ...Object.fromEntries(Object.entries(tls).map(([file, pem]) => [`${base}/tls/${id}/docker/${file}`, pem])),
  };
}
const current = (name: string) => ({ '/home/me/.docker/config.json': JSON.stringify({ currentContext: name }) });

test('DOCKER_HOST wins over DOCKER_CONTEXT, that over the current context, as for the docker command', async () => {
  const files = {
    ...context('a', { Host: 'unix:///a.sock' }),
    ...context('b', { Host: 'ssh://u@h:2222' }),
    ...current('a'),
  };
  const of = (env: Record<string, string>) => dockerEndpoint(standInHost({ files, env }));
  assert.deepEqual(await of({}), { source: 'the context a', address: 'unix:///a.sock' });
  assert.deepEqual(await of({ DOCKER_CONTEXT: 'b' }), { source: 'the context b', address: 'ssh://u@h:2222' });
  assert.deepEqual(await of({ DOCKER_CONTEXT: 'default' }), { source: 'the default' });
  assert.deepEqual(await of({ DOCKER_CONTEXT: 'b', DOCKER_HOST: 'x:2375' }), {
    source: 'DOCKER_HOST',
    address: 'tcp://x:2375',
  });
  await assert.rejects(of({ DOCKER_CONTEXT: 'c' }), { kind: 'input', message: /context c, chosen by DOCKER_CONTEXT/ });
});

test("a context's own TLS files open a daemon that wants to know its clients", async () => {
  const server = createHttps({ cert, key, ca: cert, requestCert: true, rejectUnauthorized: true }, answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const Host = `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const version = async (files: Record<string, string>, env: Record<string, string> = {}) => {
    const host = standInHost({ files, env });
    return (await pingDocker(await connectDocker(host, signal))).version;
  };
  const pems = { 'ca.pem': cert, 'cert.pem': cert, 'key.pem': key };
  assert.equal(await version({ ...context('far', { Host, SkipTLSVerify: false }, pems), ...current('far') }), '29.0');
  const unknown = { ...context('far', { Host }, { 'ca.pem': cert }), ...current('far') };
  await assert.rejects(version(unknown), { kind: 'environment' });
  const distrusted = { ...context('far', { Host }, { 'cert.pem': cert, 'key.pem': key }), ...current('far') };
  await assert.rejects(version(distrusted), /self.signed/);
  const skipped = context('far', { Host, SkipTLSVerify: true }, { 'cert.pem': cert, 'key.pem': key });
  assert.equal(await version({ ...skipped, ...current('far') }), '29.0');
  const certs = { '/certs/ca.pem': cert, '/certs/cert.pem': cert, '/certs/key.pem': key };
  assert.equal(await version(certs, { DOCKER_HOST: Host, DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: '/certs' }), '29.0');
  server.closeAllConnections();
  server.close();
});

/**
 * Stands in for ssh(1) and the machine behind it: options as its manual has them, then host and command, which the other
 * side's shell takes as one line; \`-W\` joins standard input and output to an address there.
 */
const SSH = `#!/usr/bin/env node
const { connect } = require('node:net');
const { writeFileSync } = require('node:fs');
const { join } = require('node:path');
const args = process.argv.slice(2);
writeFileSync(join(__dirname, 'asked.json'), JSON.stringify(args));
const end = args.indexOf('--');
const way = args.indexOf('-W');
if (args[end + 1] === 'locked') { console.error('me@locked: Permission denied (publickey).'); process.exit(255); }
const docker = args.slice(end + 2).join(' ') === 'docker system dial-stdio';
if (way < 0 && !docker) { console.error('sh: not found'); process.exit(127); }
const [host, port] = way < 0 ? [] : args[way + 1].split(':');
const socket = connect(way < 0 ? { path: join(__dirname, 'docker.sock') } : { host, port: Number(port) });
process.stdin.pipe(socket).pipe(process.stdout);
`.replaceAll('\\`', '`');

test("ssh: the user's own, never asking, to the daemon and to what is beside it", async () => {
  await writeFile(join(folder, 'ssh'), SSH, { mode: 0o755 });
  const env = { PATH: `${folder}:${process.env.PATH}`, HOME: folder };
  const server = createHttp(answer);
  await new Promise<void>((resolve) => server.listen(join(folder, 'docker.sock'), resolve));
  const beside = createHttp((_, response) => response.end('beside'));
  await new Promise<void>((resolve) => beside.listen(0, '127.0.0.1', resolve));
  const docker = await connectDocker(localHost({ ...env, DOCKER_HOST: 'ssh://me@far:2222' }), signal);
  assert.equal((await pingDocker(docker)).version, '29.0');
  const asked = JSON.parse(await readFile(join(folder, 'asked.json'), 'utf8')) as string[];
  assert.deepEqual(asked.slice(asked.indexOf('-l')), [
    ...['-l', 'me', '-p', '2222', '--', 'far', 'docker', 'system', 'dial-stdio'],
  ]);
  assert.ok(asked.includes('BatchMode=yes'));
  const dial = dialBeside(docker) ?? assert.fail('another machine is dialled');
  const { port } = beside.address() as AddressInfo;
  const stream = await dial({ host: '127.0.0.1', port });
  stream.end('GET / HTTP/1.0\r\n\r\n');
  assert.match(await text(stream), /beside$/);
  const locked = await connectDocker(localHost({ ...env, DOCKER_HOST: 'ssh://locked' }), signal);
  await assert.rejects(pingDocker(locked), {
    kind: 'environment',
    message: /ssh to locked failed: .*Permission denied \(publickey\)/,
    action: /"ssh locked docker version" works/,
  });
  for (const one of [server, beside]) {
    one.closeAllConnections();
    one.close();
  }
});

test('sockets that Docker Desktop, rootless Docker and Podman have without a context', async () => {
  const server = createHttp(answer);
  const path = join(folder, 'podman', 'podman.sock');

  await mkdir(join(folder, 'podman'));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const docker = await connectDocker(standInHost({ env: { XDG_RUNTIME_DIR: folder }, sockets: [path] }), signal);
  assert.equal((await pingDocker(docker)).version, '29.0');
  assert.equal(dialBeside(docker), undefined);
  server.closeAllConnections();
  server.close();
});
