import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createServer as createSocket } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { isCancelled } from '../../src/host/errors.ts';
import { openHost } from '../../src/host/open.ts';
import { relayCommand } from '../../src/host/relay.ts';
import { listDistros, type WslHost, wslHost } from '../../src/host/wsl.ts';
import { decodeWsl, distrosOf } from '../../src/host/wsl-text.ts';
import { connectDocker, pingDocker } from '../../src/image/docker.ts';
import { type WslMachine, wslMachine } from '../standins/wsl.ts';

const { signal } = new AbortController();
const DISTROS = [
  'Ubuntu-24.04 Running 2',
  'docker-desktop Running 2',
  'rancher-desktop-data Stopped 2',
  'Alt Stopped 1',
];
const onLinux = process.platform === 'linux' ? {} : { skip: 'the stand-in for wsl.exe is a Linux program' };

test('text of wsl.exe: both encodings, with and without a mark, before the words of a program', () => {
  const words = 'Es ist keine Distribution vorhanden.\r\nFehler: ü\r\n';
  const wide = Buffer.from(words, 'utf16le');
  const clean = words.replaceAll('\r', '');
  assert.equal(decodeWsl(wide), clean);
  assert.equal(decodeWsl(Buffer.concat([Buffer.from([0xff, 0xfe]), wide])), clean);
  assert.equal(decodeWsl(Buffer.from(words)), clean);
  assert.equal(decodeWsl(Buffer.from('日本語', 'utf8')), '日本語');
  assert.equal(decodeWsl(Buffer.concat([wide, Buffer.from('env: „x“: nicht da\n')])), `${clean}env: „x“: nicht da\n`);
  assert.equal(decodeWsl(Buffer.alloc(0)), '');
});

test('lists: whatever the language, and without the desktops’ own distros', () => {
  const verbose =
    '  NAME      ÉTAT                VERSION\n* Debian    En cours d’exécution    2\n  Alt       Arrêté              1\n';
  assert.deepEqual(distrosOf('Debian\nAlt\ndocker-desktop\n\n', verbose), [
    { name: 'Debian', default: true, version: 2 },
    { name: 'Alt', default: false, version: 1 },
  ]);
});

describe('a WSL distro from outside', onLinux, () => {
  let machine: WslMachine;
  let host: WslHost;

  before(async () => {
    machine = await wslMachine(DISTROS, 'plain');
    await writeFile(
      join(machine.state, 'home', '.profile'),
      `echo "Welcome to the distro"\nexport DOCKER_HOST="unix://${machine.state}/docker.sock"\nexport KUBECONFIG="/a b:/ü"\nPATH="$PATH:${machine.state}/bin"\n`,
    );
    host = await wslHost('Ubuntu-24.04', { signal, env: machine.env });
  });
  after(() => machine.remove());

  for (const [encoding, file] of [
    ['UTF-8', undefined],
    ['UTF-16LE', 'utf8-ignored'],
  ] as const) {
    test(`distros are listed in ${encoding}, in German`, async () => {
      await machine.set('language', 'de');
      if (file) await machine.set(file);
      try {
        assert.deepEqual(await listDistros({ signal, env: machine.env }), [
          { name: 'Ubuntu-24.04', default: true, version: 2 },
          { name: 'Alt', default: false, version: 1 },
        ]);
        await assert.rejects(wslHost('Nope', { signal, env: machine.env }), {
          kind: 'input',
          message: 'There is no WSL distro Nope',
          action: 'Choose one of: Ubuntu-24.04, Alt.',
        });
      } finally {
        await machine.unset('language');
        if (file) await machine.unset(file);
      }
    });
  }

  test('no distro at all is an empty list', async () => {
    const empty = await wslMachine([], 'plain');
    assert.deepEqual(await listDistros({ signal, env: empty.env }), []);
    await empty.remove();
  });

  test('its login shell tells its variables, whatever its profile prints', () => {
    assert.equal(host.name, 'wsl:Ubuntu-24.04');
    assert.equal(host.home, join(machine.state, 'home'));
    assert.equal(host.env.KUBECONFIG, '/a b:/ü');
    assert.equal(host.env.WSL_DISTRO_NAME, 'Ubuntu-24.04');
  });

  test('argv goes as it is; variables and input too', async () => {
    const odd = ['a b', '$(id) `id` $HOME', `'"'"`, '\\', '"', 'ü日本', '', '*', '--exec', 'x=y', '\n'];
    const print = await host.exec(['printf', '[%s]', ...odd]);
    assert.equal(print.stdout, odd.map((word) => `[${word}]`).join(''));
    const env = await host.exec(['sh', '-c', 'printf "%s|%s|%s" "$SECRET" "$KUBECONFIG" "$DOCKER_HOST"; cat; exit 3'], {
      env: { SECRET: 'a "b" $c ü' },
      stdin: 'input',
    });
    assert.deepEqual([env.exitCode, env.stdout], [3, `a "b" $c ü|/a b:/ü|unix://${machine.state}/docker.sockinput`]);
    const where = await host.exec(['pwd'], { cwd: machine.state });
    assert.equal(where.stdout.trim(), machine.state);
    await mkdir(join(machine.state, 'bin'), { recursive: true });
    await writeFile(join(machine.state, 'bin', 'mine'), '#!/bin/sh\necho "found $0"\n', { mode: 0o755 });
    assert.match((await host.exec(['mine'])).stdout, /^found /, "the login shell's PATH");
  });

  test('no value of a variable stands in a command line', async () => {
    const seen = await host.exec(
      ['sh', '-c', 'tr "\\0" " " </proc/$PPID/cmdline; cat /proc/*/cmdline | tr "\\0" " "'],
      {
        env: { TOKEN: 'hunter2-value' },
      },
    );
    assert.doesNotMatch(seen.stdout, /hunter2-value/);
  });

  test('a program that is not there is named with the distro', async () => {
    await assert.rejects(host.exec(['no-such-program']), {
      kind: 'environment',
      message: 'no-such-program was not found on the PATH in the WSL distro Ubuntu-24.04',
    });
  });

  test('files of the distro: text, missing, unreadable; folders for a time', async () => {
    const folder = join(machine.state, 'Mein Ordner ü');
    await mkdir(folder);
    await writeFile(join(folder, "it's $x"), 'inhalt ü');
    assert.equal(await host.readFile(join(folder, "it's $x")), 'inhalt ü');
    assert.equal(await host.readFile(join(folder, 'none')), undefined);
    await assert.rejects(host.readFile(folder), { kind: 'environment', message: /Can't read .*Ubuntu-24\.04/ });
    const lent = await host.withTemporaryFolder(async (path) => {
      assert.equal((await host.exec(['touch', `${path}/x`])).exitCode, 0);
      return path;
    });
    assert.equal((await host.exec(['test', '-e', lent])).exitCode, 1);
  });

  test('a cancel ends the program inside as well', async () => {
    const mark = `${machine.state}/alive`;
    const cancel = new AbortController();
    const work = host.exec(['sh', '-c', 'trap "" HUP; while :; do touch "$1"; sleep 0.1; done', 'sh', mark], {
      signal: cancel.signal,
    });
    while ((await host.exec(['test', '-e', mark])).exitCode !== 0) await delay(50);
    cancel.abort();
    await assert.rejects(work, isCancelled);
    for (let left = 100; left > 0; left--) {
      await host.exec(['rm', '-f', mark]);
      await delay(300);
      if ((await host.exec(['test', '-e', mark])).exitCode !== 0) return;
    }
    assert.fail('it still runs');
  });

  test('wsl.exe that hangs, is missing, or has no such name', async () => {
    await machine.set('hangs');
    try {
      const action = /wsl --shutdown/;
      await assert.rejects(wslHost('Alt', { signal, env: machine.env, patienceMs: 300 }), {
        kind: 'environment',
        message: 'The WSL distro Alt did not start within 0.3 s',
        action,
      });
      await assert.rejects(listDistros({ signal, env: machine.env, patienceMs: 300 }), { kind: 'environment', action });
      const cancelled = AbortSignal.timeout(200);
      await assert.rejects(wslHost('Alt', { signal: cancelled, env: machine.env }));
    } finally {
      await machine.unset('hangs');
    }
    await assert.rejects(openHost('wsl:Alt', signal, { PATH: '/nowhere' }), {
      message: 'wsl.exe was not found: there is no WSL here',
      action: /wsl --install/,
    });
    await assert.rejects(openHost('wsl:a"b', signal, machine.env), { kind: 'input' });
    await assert.rejects(openHost('ssh:x', signal, machine.env), { kind: 'input', message: '"ssh:x" is no host' });
    assert.equal((await openHost('wsl:Here', signal, { ...machine.env, WSL_DISTRO_NAME: 'Here' })).name, 'local');
  });

  test('sockets of the distro, by each relay that may be there', async () => {
    const path = join(machine.state, 'a b.sock');
    const server = createSocket({ allowHalfOpen: true }, async (socket) =>
      socket.end(`got ${(await text(socket)).length}`),
    );
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const tcp = createSocket({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
    await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve));
    const { port } = tcp.address() as { port: number };
    for (const relay of ['python3', 'perl'] as const) {
      if ((await host.exec(['sh', '-c', 'command -v "$1"', 'sh', relay])).exitCode !== 0) continue;
      const [one, two] = [relayCommand(relay, { path }), relayCommand(relay, { host: '127.0.0.1', port })];
      const sent = 'x'.repeat(3_000_000);
      assert.equal((await host.exec(one, { stdin: sent, timeoutMs: 20_000 })).stdout, `got ${sent.length}`, relay);
      assert.equal((await host.exec(two, { stdin: sent, timeoutMs: 20_000 })).stdout, sent, relay);
    }
    const socket = await host.connect({ path });
    socket.end('hello');
    assert.equal(await text(socket), 'got 5');
    const nowhere = await host.connect({ path: `${path}.none` });
    await assert.rejects(text(nowhere), { kind: 'environment', message: /Can't connect to .*none in the WSL distro/ });
    server.close();
    tcp.close();
  });

  test('Docker through a relay where the distro has no docker command; a daemon that restarts is found again', async () => {
    const path = join(machine.state, 'docker.sock');
    const daemon = () =>
      new Promise<ReturnType<typeof createServer>>((resolve) => {
        const server = createServer((_, response) =>
          response.end(JSON.stringify({ Version: '29.0', ApiVersion: '1.51', Os: 'linux', Arch: 'amd64' })),
        );
        server.listen(path, () => resolve(server));
      });
    const bare: WslHost = { ...host, programs: new Set([...host.programs].filter((name) => name !== 'docker')) };
    const docker = await connectDocker(bare, signal);
    let server = await daemon();
    let warned = '';
    const onWarning = (warning: Error) => {
      warned += warning.message;
    };
    process.on('warning', onWarning);
    for (let round = 0; round < 15; round++) assert.equal((await pingDocker(docker)).version, '29.0');
    assert.equal(await promisify(server.getConnections.bind(server))(), 1, 'one connection serves them all');
    process.off('warning', onWarning);
    assert.equal(warned, '');
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await assert.rejects(pingDocker(docker), { kind: 'environment', message: /The Docker daemon does not answer/ });
    server = await daemon();
    assert.equal((await pingDocker(docker)).version, '29.0');
    server.closeAllConnections();
    server.close();
  });
});
