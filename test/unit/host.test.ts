import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { isServer, ProgramStream } from '../../src/host/duplex.ts';
import { environmentError, isCancelled, ParityError } from '../../src/host/errors.ts';
import { localHost } from '../../src/host/local.ts';
import { besides, quietRun } from '../../src/host/run.ts';

const host = localHost();

test('exec passes argv as it is, gives exit code, stdout and stderr apart', async () => {
  const script = 'process.stdout.write(process.argv[1]); process.stderr.write("e"); process.exitCode = 3';
  const odd = 'a b"$(id)\'ü';
  assert.deepEqual(await host.exec([process.execPath, '-e', script, odd]), { exitCode: 3, stdout: odd, stderr: 'e' });
});

test('a program that is not there is an environment error with a way out', async () => {
  await assert.rejects(host.exec(['clparity-no-such-program']), (error: ParityError) => {
    assert.equal(error.kind, 'environment');
    assert.match(error.message, /not found on the PATH/);
    assert.ok(error.action);
    return true;
  });
});

test('cancel and time limit end the program', async () => {
  const sleep = [process.execPath, '-e', 'setTimeout(() => {}, 60000)'];
  const cancel = new AbortController();
  const running = host.exec(sleep, { signal: cancel.signal });
  cancel.abort();
  await assert.rejects(running, isCancelled);
  await assert.rejects(host.exec(sleep, { timeoutMs: 50 }), /did not finish within 50 ms/);
});

test('a program that reads no input may still be given some', async () => {
  const result = await host.exec([process.execPath, '-e', 'process.exit(0)'], { stdin: 'x'.repeat(1_000_000) });
  assert.equal(result.exitCode, 0);
});

test('readFile says undefined for a missing file and fails for a folder', async () => {
  assert.equal(await host.readFile('/no/such/file'), undefined);
  await assert.rejects(host.readFile('/'), ParityError);
});

test('a cancel is known however deep it lies', () => {
  const abort = new DOMException('x', 'AbortError');
  assert.ok(isCancelled(new ParityError('environment', 'x', { cause: abort })));
  assert.ok(!isCancelled(new ParityError('environment', 'x')));
});

test('spawn hands over streams: output waits until it is read, input until the program reads', async () => {
  const script = 'process.stdin.pipe(process.stdout)';
  const program = host.spawn([process.execPath, '-e', script]);
  const sent = 8_000_000;
  let written = 0;
  const source = Readable.from(
    (async function* () {
      for (; written < sent; written += 100_000) yield Buffer.alloc(100_000, 'x');
    })(),
  );
  source.pipe(program.stdin);
  await once(program.stdout, 'readable');
  await delay(200);
  assert.ok(written < sent / 2, `${written} bytes went although nobody read`);
  let read = 0;
  for await (const chunk of program.stdout) read += (chunk as Buffer).length;
  assert.equal(read, sent);
  assert.equal(await program.ended, 0);
});

test('a program that does not end when told to is ended, and does not hold the caller up', async () => {
  const script = 'process.on("SIGTERM", () => {}); setTimeout(() => {}, 60000); console.log("up")';
  const cancel = new AbortController();
  const program = host.spawn([process.execPath, '-e', script], { signal: cancel.signal });
  await once(program.stdout, 'data');
  cancel.abort();
  await assert.rejects(program.ended, isCancelled);
});

test('input that breaks off is no input that ends', async () => {
  const broken = new Readable({
    read() {
      this.destroy(new Error('the source broke'));
    },
  });
  await assert.rejects(
    host.exec([process.execPath, '-e', 'process.stdin.resume()'], { stdin: broken }),
    /source broke/,
  );
});

test('connect reaches a socket, keeps its halves apart, and names what it cannot reach', async () => {
  const path = join(await mkdtemp(join(tmpdir(), 'clparity-socket-')), 's');
  const server = createServer({ allowHalfOpen: true }, async (socket) => socket.end(`got ${await text(socket)}`));
  server.listen(path);
  await once(server, 'listening');
  const socket = await host.connect({ path });
  socket.end('all');
  assert.equal(await text(socket), 'got all');
  server.close();
  await assert.rejects(host.connect({ path: `${path}.gone` }), {
    kind: 'environment',
    message: /Can't connect to .*s\.gone/,
  });
  await assert.rejects(host.connect({ path }, AbortSignal.abort()), isCancelled);
});

test('a temporary folder is there for the time of the work, and gone after a failure', async () => {
  let folder = '';
  const work = host.withTemporaryFolder(async (path) => {
    folder = path;
    await writeFile(join(path, 'x'), '');
    throw new Error('in the middle');
  });
  await assert.rejects(work, /in the middle/);
  assert.equal(existsSync(folder), false);
});

test('what a run is whole without fails in the log alone; a cancel and a fault of ours come through', async () => {
  const log: string[] = [];
  const run = quietRun(undefined, (level, message) => log.push(`${level}: ${message}`));
  const fail = (error: Error) => besides(run, 'Shown but not kept', () => Promise.reject(error));
  await fail(environmentError("Can't write x: ENOSPC", { action: 'Make room.' }));
  assert.deepEqual(log, ["error: Shown but not kept: Can't write x: ENOSPC. Make room."]);
  await assert.rejects(fail(new ParityError('cancelled', 'Cancelled.')), { kind: 'cancelled' });
  await assert.rejects(fail(new TypeError('undefined is no function')), TypeError);
});

test('what a program says where a server should is why its stream fails, not what the stream holds', async () => {
  const through = (script: string) =>
    new ProgramStream(localHost().spawn(['sh', '-c', script]), 'x', (code, said) => new Error(`${code}: ${said}`));
  await assert.rejects(
    text(through('echo Catastrophic failure; sleep 0.1; exit 255')),
    /^Error: 255: Catastrophic failure/,
  );
  // Of what isn't known nothing is lost.
  assert.equal(await text(through('printf SSH-2; sleep 0.6; printf .0')), 'SSH-2.0');
  assert.equal(await text(through('printf SSH-2')), 'SSH-2');
  assert.equal(await text(through("printf 'HTTP/1.1 200 OK'")), 'HTTP/1.1 200 OK');
  assert.deepEqual(
    [
      [22, 3, 3],
      [23, 3, 4],
      [67, 97, 116],
    ].map((b) => isServer(Buffer.from(b))),
    [true, true, false],
  );
});
