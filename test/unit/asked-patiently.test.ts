import assert from 'node:assert/strict';
import { test } from 'node:test';
import { askedPatiently } from '../../src/cluster/seen.ts';

const never = new AbortController().signal;

test('a server that misses a deadline is asked again; one that fails three times has failed', async () => {
  let asked = 0;
  const failing = (times: number) => async () => {
    asked += 1;
    if (asked <= times) throw new Error(`late ${asked}`);
    return 'uid';
  };
  assert.equal(await askedPatiently(failing(2), never), 'uid');
  asked = 0;
  await assert.rejects(askedPatiently(failing(3), never), /late 3/);
  assert.equal(asked, 3);
});

test('a cancel ends the waiting at once', async () => {
  const stop = new AbortController();
  const reason = new Error('cancelled');
  setTimeout(() => stop.abort(reason), 20);
  const started = performance.now();
  await assert.rejects(
    askedPatiently(() => Promise.reject(new Error('late')), stop.signal),
    (error: Error) => error === reason || error.cause === reason,
  );
  assert.ok(performance.now() - started < 900);
});
