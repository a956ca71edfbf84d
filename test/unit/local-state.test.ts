import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readLocalState } from '../../src/plan/local-state.ts';
import { signatureOf } from '../../src/plan/ownership.ts';
import { openTransport, readClient } from '../../src/target/rest.ts';
import { apiServer, CERT } from './api-server.ts';

const VERSION = '/apis/cilium.io/v2';
const LIST = `${VERSION}/ciliumnetworkpolicies`;
const ANSWERS: Readonly<Record<string, object>> = {
  '/apis': { groups: [{ name: 'cilium.io', versions: [{ version: 'v2' }], preferredVersion: { version: 'v2' } }] },
  [VERSION]: { resources: [{ name: 'ciliumnetworkpolicies', kind: 'CiliumNetworkPolicy' }] },
  [LIST]: { items: [{ metadata: { name: 'web', namespace: 'shop' } }] },
};

/** A server whose paths answer with a status for so many times before they are served. */
async function stateWhere(first: Readonly<Record<string, { status: number; times: number }>>) {
  const asked = new Map<string, number>();
  await using server = await apiServer((request, response) => {
    const path = (request.url ?? '').split('?')[0] ?? '';
    const count = (asked.get(path) ?? 0) + 1;
    asked.set(path, count);
    const late = first[path];
    if (late && count <= late.times) return response.writeHead(late.status).end(JSON.stringify({ message: 'not now' }));
    return response.end(JSON.stringify(ANSWERS[path] ?? { items: [] }));
  });
  const client = readClient(openTransport({ server: server.url, ca: CERT }));
  try {
    const { kinds, policies } = await readLocalState(
      { ...client, signature: signatureOf('') },
      new AbortController().signal,
    );
    return [kinds.map((k) => k.kind), policies.map((p) => p.metadata.name)];
  } finally {
    await client.close();
  }
}

const THERE = [['CiliumNetworkPolicy'], ['web']];

test('a kind that was made a moment ago is waited for: its group, then its list, answer 404 at first', async () => {
  assert.deepEqual(await stateWhere({}), THERE);
  assert.deepEqual(
    await stateWhere({ [VERSION]: { status: 404, times: 2 }, [LIST]: { status: 404, times: 1 } }),
    THERE,
  );
});

test('a kind that stays away is not there, and neither is any object of it', async () => {
  assert.deepEqual(await stateWhere({ [VERSION]: { status: 404, times: 99 } }), [[], []]);
  assert.deepEqual(await stateWhere({ [LIST]: { status: 404, times: 99 } }), [[], []]);
});

test('whatever else cannot be read is an error: what is not seen could not be pruned', async () => {
  for (const path of [VERSION, LIST, '/api/v1/namespaces'])
    await assert.rejects(stateWhere({ [path]: { status: 403, times: 99 } }), /403|not now/);
  await assert.rejects(stateWhere({ '/api/v1/namespaces': { status: 404, times: 99 } }), /not now|404/);
});
