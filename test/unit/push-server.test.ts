import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { digestOf } from '../../src/image/digest.ts';
import { startPushServer } from '../../src/image/push-server.ts';

/** Pushes a blob as Docker does where it doesn't know the size: begun, sent in one piece, ended with its digest. */
async function upload(base: string, authorization: string, body: Buffer<ArrayBuffer>): Promise<string> {
  const digest = digestOf(body);
  const headers = { authorization };
  const begun = await fetch(`${base}/v2/a/blobs/uploads/`, { method: 'POST', headers });
  const sent = await fetch(`${base}${begun.headers.get('location')}`, { method: 'PATCH', headers, body });
  const ended = await fetch(`${base}${sent.headers.get('location')}?digest=${digest}`, { method: 'PUT', headers });
  assert.deepEqual([begun.status, sent.status, ended.status], [202, 202, 201]);
  return digest;
}

test('of a pushed blob that is larger than any that is wanted nothing is kept, and it costs the others no room', async () => {
  const server = await startPushServer({ has: () => false, room: 100_000, largest: 60_000 });
  try {
    const authorization = `Basic ${Buffer.from(`${server.user}:${server.password}`).toString('base64')}`;
    const push = (size: number) => upload(`http://${server.host}`, authorization, randomBytes(size));
    await push(90_000);
    const wanted = [await push(50_000), await push(40_000)];
    assert.deepEqual([...server.pushed.blobs.keys()], wanted);
  } finally {
    await server.close();
  }
});
