import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { VouchedCluster } from '../cluster/provider.ts';
import { environmentError, messageOf, ParityError } from '../host/errors.ts';
import type { Run } from '../host/run.ts';
import { ApiError, type KubeObject, type Resource } from '../target/rest.ts';
import { type WriteClient, withClient } from './client.ts';
import { withUid } from './write.ts';

const LEASES: Resource = { group: 'coordination.k8s.io', version: 'v1', plural: 'leases' };
/** Where leases of this kind are by custom; a mirror leaves it alone. */
const NAMESPACE = 'kube-system';

/** In milliseconds. */
export interface LeasePace {
  /** Between two renewals. */
  readonly renew: number;
  /** A holder that has not renewed for so long is gone: killed, or asleep. */
  readonly duration: number;
}

const PACE: LeasePace = { renew: 10_000, duration: 40_000 };
/** What a single request about the lease may take. */
const ANSWER_MS = 10_000;

/** Followed by the process id, and by whose run it is. */
const HOLDER = `${hostname()}, process `;

interface LeaseSpec {
  readonly holderIdentity?: string;
  readonly renewTime?: string;
  readonly leaseDurationSeconds?: number;
}

/**
 * Does work that changes a cluster as the only run that does so there for the client's mirror, by a Lease (coordination.k8s.io/v1) that
 * is renewed meanwhile and deleted after. `work` gets a run whose signal also fires when the lease is lost. Throws
 * `environment` naming the holder where another run is at work.
 */
export async function withLease<T>(
  client: WriteClient,
  run: Run,
  work: (run: Run) => Promise<T>,
  pace: LeasePace = PACE,
): Promise<T> {
  const holder = [`${HOLDER}${process.pid}`, ...(run.owner === undefined ? [] : [run.owner])].join(', ');
  const lease = await take(client, holder, run, pace);
  const over = new AbortController();
  const lost = new AbortController();
  const renewing = renew(client, lease, holder, over.signal, pace).catch((cause) => {
    if (over.signal.aborted) return;
    lost.abort(
      environmentError(`This run's hold on the cluster was lost: ${messageOf(cause)}`, {
        cause,
        action: 'Look whether the cluster answers ("clparity doctor"), and run it again.',
      }),
    );
  });
  try {
    return await work({ ...run, signal: AbortSignal.any([run.signal, lost.signal]) });
  } finally {
    over.abort();
    await renewing;
    await release(client, lease, run, pace);
  }
}

/** Does what writes to a cluster for the mirror under a prefix, with a client of its own and under its lease: see withLease. */
export async function alone<T>(
  cluster: VouchedCluster,
  prefix: string,
  run: Run,
  work: (client: WriteClient, held: Run) => Promise<T>,
): Promise<T> {
  return withClient(cluster, prefix, (client) => withLease(client, run, (held) => work(client, held)));
}

async function take(client: WriteClient, holder: string, run: Run, pace: LeasePace): Promise<KubeObject> {
  const { signal } = run;
  const held = await client.get(LEASES, client.signature.lease, NAMESPACE, signal);
  if (held) {
    if (await isAlive(client, held, run, pace)) throw busy(specOf(held).holderIdentity, pace);
    // Only in the state that was seen: whoever else found it stale may have taken it over by now.
    const { resourceVersion, uid } = held.metadata;
    await client
      .delete(leaseOf(client, holder, pace), {
        signal,
        ...(uid === undefined ? {} : { uid }),
        ...(resourceVersion === undefined ? {} : { resourceVersion }),
      })
      .catch((error) => {
        throw error instanceof ApiError && error.status === 409 ? busy(undefined, pace) : error;
      });
  }
  signal.throwIfAborted();
  let made: KubeObject;
  try {
    // Bare, since fields set here could not be applied later: to the server that is another manager. Only one can make it.
    // Not cancelled on the way: it would not be known whether it is there.
    const bare = { ...leaseOf(client, holder, pace), spec: {} };
    made = await client.create(bare, { signal: AbortSignal.timeout(ANSWER_MS) });
  } catch (error) {
    throw error instanceof ApiError && error.status === 409 ? busy(undefined, pace) : error;
  }
  try {
    return await client.apply(withUid(leaseOf(client, holder, pace), made), { signal: AbortSignal.timeout(ANSWER_MS) });
  } catch (error) {
    await release(client, made, run, pace);
    throw error;
  }
}

/**
 * Whether a lease's holder still renews it. One that did so lately is believed; for the rest its clock may be another one
 * than ours, so a lease whose time is over is watched for longer than a holder leaves it alone.
 */
async function isAlive(client: WriteClient, held: KubeObject, run: Run, pace: LeasePace): Promise<boolean> {
  const { holderIdentity, renewTime } = specOf(held);
  if (isDead(holderIdentity)) return false;
  const age = Date.now() - Date.parse(renewTime ?? held.metadata.creationTimestamp ?? '');
  if (Math.abs(age) < pace.duration) return true;
  return run.step('See whether the run that held the cluster is still there', async () => {
    await sleep(pace.renew * 1.5, undefined, { signal: run.signal });
    const now = await client.get(LEASES, client.signature.lease, NAMESPACE, run.signal);
    return now !== undefined && now.metadata.resourceVersion !== held.metadata.resourceVersion;
  });
}

function specOf({ spec }: KubeObject): LeaseSpec {
  return (spec ?? {}) as LeaseSpec;
}

/** Whether the holder was a process of this machine that has ended without giving the lease back: it was killed. */
function isDead(holder = ''): boolean {
  const pid = holder.startsWith(HOLDER) ? Number.parseInt(holder.slice(HOLDER.length), 10) : Number.NaN;
  if (!Number.isInteger(pid)) return false;
  try {
    // Signal 0 only asks whether the process is there.
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

/** Renews until the signal ends it. Rejects once the lease is another's, or can't be renewed for longer than others wait. */
async function renew(
  client: WriteClient,
  lease: KubeObject,
  holder: string,
  signal: AbortSignal,
  pace: LeasePace,
): Promise<void> {
  let renewed = Date.now();
  for (;;) {
    await sleep(pace.renew, undefined, { signal });
    try {
      const patience = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]);
      // With its UID: where another run has taken its place, that one's is not renewed for it.
      await client.apply(withUid(leaseOf(client, holder, pace), lease), { signal: patience });
      renewed = Date.now();
    } catch (error) {
      if (error instanceof ApiError && error.status === 409)
        throw new Error('another run has taken it', { cause: error });
      const isRefused = error instanceof ApiError ? error.status < 500 && error.status !== 429 : isRefusal(error);
      // A server that stumbles is asked again, while nobody else may take the lease.
      if (isRefused || Date.now() - renewed > pace.duration - 2 * pace.renew) throw error;
    }
  }
}

/** Whether somebody else holds a field of it. */
function isRefusal(error: unknown): boolean {
  return error instanceof ParityError && error.kind === 'refused';
}

/** Also after a cancel: nothing of ours is to stay. */
async function release(client: WriteClient, { metadata }: KubeObject, run: Run, pace: LeasePace): Promise<void> {
  try {
    await client.delete(leaseOf(client, '', pace), {
      signal: AbortSignal.timeout(ANSWER_MS),
      ...(metadata.uid ? { uid: metadata.uid } : {}),
    });
  } catch (error) {
    run.log('warn', `The lease ${NAMESPACE}/${metadata.name} stays for ${pace.duration / 1000} s: ${messageOf(error)}`);
  }
}

function leaseOf(
  { signature }: Pick<WriteClient, 'signature'>,
  holderIdentity: string,
  { duration }: LeasePace,
): KubeObject {
  // MicroTime: six digits of a second.
  const now = new Date().toISOString().replace('Z', '000Z');
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: signature.lease, namespace: NAMESPACE },
    spec: { holderIdentity, renewTime: now, leaseDurationSeconds: Math.ceil(duration / 1000) },
  };
}

function busy(holder: string | undefined, { duration }: LeasePace) {
  return environmentError(`Another run of clparity is at work in this cluster${holder ? ` (${holder})` : ''}`, {
    action: `Wait until it has ended. Had it been killed, its hold would end by itself within ${duration / 1000} s.`,
  });
}
