import assert from 'node:assert/strict';
import { hostname } from 'node:os';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WriteClient } from '../../src/apply/client.ts';
import { type LeasePace, withLease } from '../../src/apply/lease.ts';
import { quietRun } from '../../src/host/run.ts';
import { signatureOf } from '../../src/plan/ownership.ts';
import { ApiError } from '../../src/target/api-error.ts';
import type { KubeObject } from '../../src/target/rest.ts';

const PACE: LeasePace = { renew: 40, duration: 400 };
const ELSEWHERE = 'elsewhere, process 1';
const conflict = () => new ApiError(409, 'uid mismatch', 'Conflict', undefined);

/** One lease as an API server keeps it; `faults` are thrown by the applies to come. */
function leaseServer(faults: Error[] = []) {
  let lease: KubeObject | undefined;
  let version = 0;
  const store = (spec: unknown, uid: string | undefined) => {
    version++;
    const metadata = { name: 'clparity', uid: uid ?? `u${version}`, resourceVersion: `${version}` };
    lease = { metadata, ...{ spec } };
    return lease;
  };
  const client = {
    signature: signatureOf(''),
    get: async () => lease,
    async create({ spec }: KubeObject) {
      if (lease) throw conflict();
      return store(spec, undefined);
    },
    async apply({ metadata: { uid }, spec }: KubeObject) {
      const fault = faults.shift();
      if (fault) throw fault;
      if (uid !== undefined && uid !== lease?.metadata.uid) throw conflict();
      return store(spec, lease?.metadata.uid);
    },
    async delete(_: KubeObject, { uid, resourceVersion }: { uid?: string; resourceVersion?: string }) {
      if (!lease) return false;
      const { metadata } = lease;
      if ((uid ?? metadata.uid) !== metadata.uid) throw conflict();
      if ((resourceVersion ?? metadata.resourceVersion) !== metadata.resourceVersion) throw conflict();
      lease = undefined;
      return true;
    },
  } as unknown as WriteClient;
  return {
    client,
    now: () => lease,
    /** As another machine renews it, whose clock is so many milliseconds behind ours. */
    renewElsewhere: (behind: number, holderIdentity = ELSEWHERE) =>
      store({ holderIdentity, renewTime: new Date(Date.now() - behind).toISOString() }, lease?.metadata.uid),
    /** Another run finds it stale and takes it over. */
    takeOver: () => store({ holderIdentity: ELSEWHERE, renewTime: new Date().toISOString() }, undefined),
  };
}

for (const behind of [60_000, -60_000])
  test(`a run whose clock is ${behind} ms behind is not robbed while it renews`, async () => {
    const { client, renewElsewhere } = leaseServer();
    renewElsewhere(behind);
    const stop = new AbortController();
    const other = (async () => {
      for (; !stop.signal.aborted; await sleep(PACE.renew)) renewElsewhere(behind);
    })();
    try {
      await assert.rejects(
        withLease(client, quietRun(), async () => {}, PACE),
        /at work in this cluster \(elsewhere, process 1\)/,
      );
    } finally {
      stop.abort();
      await other;
    }
    // It has been killed: what it left is taken, whatever its clock said.
    assert.equal(await withLease(client, quietRun(), async () => 'done', PACE), 'done');
  });

test('a fresh one of another machine is believed; one of a process that has ended here is not waited for', async () => {
  const { client, renewElsewhere, now } = leaseServer();
  renewElsewhere(0);
  await assert.rejects(
    withLease(client, quietRun(), async () => {}, PACE),
    /at work/,
  );
  renewElsewhere(0, `${hostname()}, process 4194305, sync in shop`);
  await withLease(client, quietRun(), async () => {}, { ...PACE, renew: 60_000 });
  assert.equal(now(), undefined);
});

test('a run whose lease was taken over while it slept is told so, and does not renew the other one', async () => {
  const { client, takeOver, now } = leaseServer();
  await assert.rejects(
    withLease(
      client,
      quietRun(),
      async ({ signal }) => {
        takeOver();
        await sleep(10 * PACE.renew, undefined, { signal }).catch(() => signal.throwIfAborted());
      },
      PACE,
    ),
    /hold on the cluster was lost: another run has taken it/,
  );
  assert.deepEqual({ ...(now()?.spec ?? {}), renewTime: '' }, { holderIdentity: ELSEWHERE, renewTime: '' });
});

test('a server that stumbles costs nothing, one that stays away costs the hold before others may take it', async () => {
  const stumble = () => new ApiError(503, 'PATCH: 503 wait', 'ServiceUnavailable', undefined);
  const faults: Error[] = [];
  const { client } = leaseServer(faults);
  const workAfter = async (stumbles: number, { signal }: { signal: AbortSignal }) => {
    faults.push(...Array.from({ length: stumbles }, stumble));
    await sleep(PACE.duration, undefined, { signal }).catch(() => signal.throwIfAborted());
  };
  await withLease(client, quietRun(), (run) => workAfter(2, run), PACE);
  await assert.rejects(
    withLease(client, quietRun(), (run) => workAfter(50, run), PACE),
    /hold on the cluster was lost: .*503 wait/,
  );
});

test('a lease that was made and could not be signed does not stay', async () => {
  const { client, now } = leaseServer([new ApiError(500, 'PATCH: 500', undefined, undefined)]);
  await assert.rejects(
    withLease(client, quietRun(), async () => {}, PACE),
    /PATCH: 500/,
  );
  assert.equal(now(), undefined);
});
