import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../host/errors.ts';
import type { Run } from '../host/run.ts';
import { ApiError, type KubeObject, type ReadClient, type Resource, WATCH_SECONDS } from './rest.ts';

/** How often a server may be asked, in milliseconds. */
export interface Pace {
  /** Before a watch that the server ended is begun anew, and before the first try after a failure. */
  readonly again: number;
  /** Doubled after each failure, up to this. */
  readonly longest: number;
  /** After which a watch without its end counts as cut off: longer than the server lets one last. */
  readonly silent: number;
}

export const PACE: Pace = { again: 1_000, longest: 60_000, silent: (WATCH_SECONDS + 30) * 1_000 };

type Watcher = Pick<Run, 'signal' | 'log'>;

/**
 * Watches collections until the signal ends it, and tells which one has changed in what its objects say: their labels
 * and specs, but not their status nor how many replicas there are. What was missed while a connection was down is found
 * by listing again. A kind that may not be watched, or isn't there, is left out with a line in the log. Rejects where the
 * credentials are refused (401): to sign in again is the user's to decide.
 */
export async function watchCollections(
  client: ReadClient,
  resources: readonly Resource[],
  changed: (resource: Resource) => void,
  run: Watcher,
  pace: Pace = PACE,
): Promise<void> {
  const failed = new AbortController();
  const own = { ...run, signal: AbortSignal.any([run.signal, failed.signal]) };
  const following = resources.map((resource) => follow(client, resource, () => changed(resource), own, pace));
  try {
    await Promise.all(following);
  } finally {
    failed.abort();
    await Promise.allSettled(following);
  }
}

async function follow(
  client: ReadClient,
  resource: Resource,
  changed: () => void,
  { signal, log }: Watcher,
  pace: Pace,
): Promise<void> {
  const name = `${resource.plural}${resource.group && `.${resource.group}`}`;
  let known: Map<string, string> | undefined;
  let version: string | undefined;
  let failures = 0;
  while (!signal.aborted) {
    try {
      if (known === undefined || version === undefined) {
        const listed = await client.collect(resource, signal);
        const now = new Map(listed.items.map((object) => [keyOf(object), meaningOf(object)]));
        if (known && !isSame(known, now)) changed();
        known = now;
        version = listed.resourceVersion;
      }
      const began = Date.now();
      version = await events(client, resource, version, known, changed, signal, pace);
      // A server that ends every watch at once is not asked any faster than one that fails.
      failures = Date.now() - began < pace.again ? failures + 1 : 0;
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApiError && error.status === 401) throw error;
      if (error instanceof ApiError && [403, 404, 405].includes(error.status)) {
        log('warn', `${name} can't be watched: ${messageOf(error)}`);
        return;
      }
      // The server no longer knows where we were, or we don't: list again.
      version = undefined;
      failures++;
      log('debug', `Watching ${name} was cut off: ${messageOf(error)}`);
    }
    await pause(Math.min(pace.again * 2 ** Math.max(failures - 1, 0), pace.longest), signal);
  }
}

/** Reads one watch to its end and gives the version to go on from. Throws what ends it early, 410 (Gone) among it. */
async function events(
  client: ReadClient,
  resource: Resource,
  from: string,
  known: Map<string, string>,
  changed: () => void,
  signal: AbortSignal,
  pace: Pace,
): Promise<string> {
  let version = from;
  const patience = AbortSignal.any([signal, AbortSignal.timeout(pace.silent)]);
  for await (const { type, object } of client.watch(resource, version, patience)) {
    if (type === 'ERROR') {
      const { code, message } = object as unknown as { code?: number; message?: string };
      throw new ApiError(code ?? 500, message ?? 'the watch failed', undefined, undefined);
    }
    version = object.metadata.resourceVersion ?? version;
    if (type === 'BOOKMARK') continue;
    const key = keyOf(object);
    const meaning = type === 'DELETED' ? undefined : meaningOf(object);
    if (known.get(key) === meaning) continue;
    if (meaning === undefined) known.delete(key);
    else known.set(key, meaning);
    changed();
  }
  return version;
}

function keyOf({ metadata: { namespace = '', name } }: KubeObject): string {
  return `${namespace}/${name}`;
}

/** A digest of what an object says, so that 10,000 of them are small; its status and scale don't count. */
function meaningOf({ metadata, spec, specs }: KubeObject): string {
  const { replicas: _, ...said } = (spec ?? {}) as Record<string, unknown>;
  return createHash('sha256')
    .update(JSON.stringify([metadata.labels ?? {}, said, specs ?? null]))
    .digest('base64');
}

function isSame(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([key, value]) => b.get(key) === value);
}

/** Ends early, without a fuss, when the signal fires. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}
