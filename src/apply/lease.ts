import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { VouchedCluster } from '../cluster/provider.ts';
import { environmentError, messageOf } from '../host/errors.ts';
import type { Run } from '../host/run.ts';
import { ApiError, type KubeObject, type Resource } from '../target/rest.ts';
import { type WriteClient, withClient } from './client.ts';

const LEASES: Resource = { group: 'coordination.k8s.io', version: 'v1', plural: 'leases' };
/** Where leases of this kind are by custom; a mirror leaves it alone. */
const NAMESPACE = 'kube-system';
const RENEW_MS = 10_000;
/** A holder that has not renewed for so long is gone: killed, or asleep. */
const DURATION_S = 40;

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
export async function withLease<T>(client: WriteClient, run: Run, work: (run: Run) => Promise<T>): Promise<T> {
  const holder = [`${HOLDER}${process.pid}`, ...(run.owner === undefined ? [] : [run.owner])].join(', ');
  const lease = await take(client, holder, run.signal);
  const over = new AbortController();
  const lost = new AbortController();
  const renewing = renew(client, holder, over.signal).catch((cause) => {
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
    await release(client, lease, run);
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

async function take(client: WriteClient, holder: string, signal: AbortSignal): Promise<KubeObject> {
  const held = await client.get(LEASES, client.signature.lease, NAMESPACE, signal);
  const spec = (held?.spec ?? {}) as LeaseSpec;
  const age = Date.now() - Date.parse(spec.renewTime ?? held?.metadata.creationTimestamp ?? '');
  if (held && age < DURATION_S * 1000 && !isDead(spec.holderIdentity)) throw busy(spec.holderIdentity);
  if (held) {
    // Only in the state that was seen: whoever else found it stale may have taken it over by now.
    const { resourceVersion, uid } = held.metadata;
    await client
      .delete(leaseOf(client, holder), {
        signal,
        ...(uid === undefined ? {} : { uid }),
        ...(resourceVersion === undefined ? {} : { resourceVersion }),
      })
      .catch((error) => {
        throw error instanceof ApiError && error.status === 409 ? busy(undefined) : error;
      });
  }
  try {
    // Bare, since fields set here could not be applied later: to the server that is another manager. Only one can make it.
    await client.create({ ...leaseOf(client, holder), spec: {} }, { signal });
  } catch (error) {
    throw error instanceof ApiError && error.status === 409 ? busy(undefined) : error;
  }
  return client.apply(leaseOf(client, holder), { signal: AbortSignal.timeout(RENEW_MS) });
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

async function renew(client: WriteClient, holder: string, signal: AbortSignal): Promise<void> {
  for (;;) {
    await sleep(RENEW_MS, undefined, { signal });
    await client.apply(leaseOf(client, holder), { signal });
  }
}

/** Also after a cancel: nothing of ours is to stay. */
async function release(client: WriteClient, { metadata }: KubeObject, run: Run): Promise<void> {
  try {
    await client.delete(leaseOf(client, ''), {
      signal: AbortSignal.timeout(10_000),
      ...(metadata.uid ? { uid: metadata.uid } : {}),
    });
  } catch (error) {
    run.log('warn', `The lease ${NAMESPACE}/${metadata.name} stays for ${DURATION_S} s: ${messageOf(error)}`);
  }
}

function leaseOf({ signature }: Pick<WriteClient, 'signature'>, holderIdentity: string): KubeObject {
  // MicroTime: six digits of a second.
  const now = new Date().toISOString().replace('Z', '000Z');
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: signature.lease, namespace: NAMESPACE },
    spec: { holderIdentity, renewTime: now, leaseDurationSeconds: DURATION_S },
  };
}

function busy(holder: string | undefined) {
  return environmentError(`Another run of clparity is at work in this cluster${holder ? ` (${holder})` : ''}`, {
    action: `Wait until it has ended. Had it been killed, its hold would end by itself within ${DURATION_S} s.`,
  });
}
