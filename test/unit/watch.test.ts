import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ApiError, type KubeObject, type ReadClient, type Resource } from '../../src/target/rest.ts';
import { watchCollections } from '../../src/target/watch.ts';

const POLICIES: Resource = { group: 'networking.k8s.io', version: 'v1', plural: 'networkpolicies' };
const PACE = { again: 1, longest: 4, silent: 60_000 };

const object = (name: string, spec: object = {}, more: object = {}): KubeObject => ({
  metadata: { name, namespace: 'shop', resourceVersion: '7' },
  spec,
  ...more,
});
const error = (status: number) => new ApiError(status, `status ${status}`, undefined, undefined);

type Event = { type: string; object: KubeObject } | Error;

/** A server whose lists and watches are told beforehand; a watch with nothing to tell stays open. */
function server(lists: (KubeObject[] | Error)[], watches: Event[][]) {
  const asked: string[] = [];
  const client = {
    async collect() {
      asked.push('list');
      const items = lists.length > 1 ? lists.shift() : lists[0];
      if (items instanceof Error) throw items;
      return { items: items ?? [], resourceVersion: '5' };
    },
    async *watch(_: Resource, version: string, signal: AbortSignal) {
      asked.push(`watch ${version}`);
      const events = watches.shift();
      if (!events) await sleep(60_000, undefined, { signal });
      for (const event of events ?? []) {
        if (event instanceof Error) throw event;
        yield event;
      }
    },
  } as unknown as ReadClient;
  return { client, asked };
}

/** Watches until the server has been asked for a watch that stays open, and gives what was noticed. */
async function watched(lists: (KubeObject[] | Error)[], watches: Event[][]) {
  const { client, asked } = server(lists, watches);
  const end = new AbortController();
  let changes = 0;
  const log: string[] = [];
  const run = { signal: end.signal, log: (_: string, message: string) => void log.push(message) };
  const total = watches.length;
  const done = watchCollections(client, [POLICIES], () => changes++, run, PACE);
  const outcome = done.then(
    () => undefined,
    (e: unknown) => e,
  );
  let over = false;
  void outcome.finally(() => {
    over = true;
  });
  while (!over && asked.filter((a) => a.startsWith('watch')).length <= total) await sleep(1);
  end.abort();
  const failure = await outcome;
  return { changes, asked, log, failure };
}

describe('watching a collection', () => {
  test('what changes in labels or spec is told; status, scale and bookmarks are not', async () => {
    const { changes, asked } = await watched(
      [[object('web', { replicas: 1, port: 80 })]],
      [
        [
          { type: 'MODIFIED', object: object('web', { replicas: 5, port: 80 }, { status: { ready: 5 } }) },
          { type: 'BOOKMARK', object: { metadata: { name: '', resourceVersion: '9' } } },
          { type: 'MODIFIED', object: object('web', { replicas: 5, port: 81 }) },
          { type: 'ADDED', object: object('db') },
          { type: 'DELETED', object: object('db') },
          { type: 'DELETED', object: object('never-seen') },
        ],
        [{ type: 'BOOKMARK', object: { metadata: { name: '', resourceVersion: '11' } } }],
      ],
    );
    assert.equal(changes, 3);
    assert.deepEqual(asked, ['list', 'watch 5', 'watch 7', 'watch 11']);
  });

  test('a version that the server forgot (410) is listed anew, and what was missed is told once', async () => {
    const gone = { type: 'ERROR', object: { code: 410, message: 'too old' } as unknown as KubeObject };
    const missed = await watched([[object('web')], [object('web'), object('db')]], [[gone]]);
    assert.deepEqual([missed.changes, missed.asked], [1, ['list', 'watch 5', 'list', 'watch 5']]);
    const same = await watched([[object('web')]], [[gone], [error(410)]]);
    assert.deepEqual([same.changes, same.asked.filter((a) => a === 'list').length], [0, 3]);
  });

  test('a lost connection is tried again, later each time', async () => {
    const { changes, asked, failure } = await watched(
      [error(503), error(500), [object('web')]],
      [[new Error('reset')]],
    );
    assert.equal(failure, undefined);
    assert.deepEqual([changes, asked], [0, ['list', 'list', 'list', 'watch 5', 'list', 'watch 5']]);
  });

  test('a kind that may not be watched is left out, refused credentials end it all', async () => {
    const forbidden = await watched([error(403)], []);
    assert.equal(forbidden.failure, undefined);
    assert.match(forbidden.log.join(), /networkpolicies\.networking\.k8s\.io can't be watched: status 403/);
    const refused = await watched([[object('web')]], [[error(401)]]);
    assert.match(String(refused.failure), /status 401/);
  });
});
