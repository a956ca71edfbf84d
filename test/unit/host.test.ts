import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isCancelled, ParityError } from '../../src/host/errors.ts';
import { localHost } from '../../src/host/local.ts';

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
