import { stat, watch as watchFiles } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { withClient } from '../apply/client.ts';
import { messageOf } from '../host/errors.ts';
import type { Run } from '../host/run.ts';
import { openLocal } from '../open.ts';
import type { Project } from '../pipeline.ts';
import { policyKinds } from '../snapshot/other-policies.ts';
import { connectionOf } from '../target/contexts.ts';
import { openTransport, type ReadClient, type Resource, readClient } from '../target/rest.ts';
import { watchCollections } from '../target/watch.ts';
import { checkSides, SIDES, type Side } from './check.ts';
import type { Drift } from './model.ts';

/** How soon and how often what changed is looked at, in milliseconds. */
export interface DriftPace {
  /** Changes come in bunches: so long after the last of them. */
  readonly settle: number;
  /** Between two readings of one side. */
  readonly between: number;
}

const PACE: DriftPace = { settle: 2_000, between: 15_000 };

/**
 * Compares both sides with the last report, then again whenever one of them changes, until the signal ends it. Asks
 * nothing while nothing changes: clusters are watched, files too. A side that can't be watched is compared once and its
 * reason logged. Never signs in anew: refused credentials end the watching of that side.
 */
export async function watchDrift(
  run: Run,
  project: Project,
  onDrift: (drift: Drift) => void,
  pace: DriftPace = PACE,
): Promise<void> {
  const over = new AbortController();
  const watched = { ...run, signal: AbortSignal.any([run.signal, over.signal]) };
  const dirty = new Set<Side>();
  let wake = Promise.withResolvers<void>();
  const changed = (side: Side) => {
    dirty.add(side);
    wake.resolve();
  };
  // Before the first comparison: what changes meanwhile is not missed.
  const watching = SIDES.map((side) =>
    watchers[side](watched, project, () => changed(side)).catch((error: unknown) => {
      if (!watched.signal.aborted) run.log('warn', `The ${NAMES[side]} is not watched: ${messageOf(error)}`);
    }),
  );
  try {
    let drift = await checkSides(run, project, SIDES);
    const readAt = new Map<Side, number>(SIDES.map((side) => [side, Date.now()]));
    onDrift(drift);
    for (;;) {
      await settled(dirty, () => wake.promise, run.signal);
      wake = Promise.withResolvers();
      await sleep(pace.settle, undefined, { signal: run.signal });
      const due = Math.max(...[...dirty].map((side) => (readAt.get(side) ?? 0) + pace.between));
      if (due > Date.now()) await sleep(due - Date.now(), undefined, { signal: run.signal });
      const sides = [...dirty];
      dirty.clear();
      drift = await checkSides(run, project, sides, drift);
      for (const side of sides) readAt.set(side, Date.now());
      onDrift(drift);
    }
  } catch (error) {
    if (!run.signal.aborted) throw error;
  } finally {
    // Also where a comparison failed: nobody would look at what else they see.
    over.abort();
    await Promise.all(watching);
  }
}

const NAMES: Readonly<Record<Side, string>> = { target: 'target', local: 'local cluster' };

/** Waits until something is dirty; rejects when the signal fires. */
async function settled(dirty: ReadonlySet<Side>, woken: () => Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  if (dirty.size > 0) return;
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await Promise.race([woken(), aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

type Watcher = (run: Run, project: Project, changed: () => void) => Promise<void>;

const watchers: Readonly<Record<Side, Watcher>> = {
  async target(run, { host, folder, settings }, changed) {
    if (settings.snapshot !== undefined) return watchPath(resolve(folder, settings.snapshot), run.signal, changed);
    if (settings.context === undefined) return;
    const client = readClient(openTransport(await connectionOf(host, settings.context, run.signal)));
    try {
      await watchCluster(client, [...POLICY_WORLD, ...CONTROLLERS], run, changed);
    } finally {
      await client.close();
    }
  },
  async local(run, project, changed) {
    const cluster = await openLocal(run, project);
    await withClient(cluster, project.settings.namespacePrefix, (client) =>
      watchCluster(client, POLICY_WORLD, run, changed),
    );
  },
};

const POLICY_WORLD: readonly Resource[] = [
  { group: '', version: 'v1', plural: 'namespaces' },
  { group: 'networking.k8s.io', version: 'v1', plural: 'networkpolicies' },
];

/** Pods come and go by the thousand; what they are like is said by what makes them. */
const CONTROLLERS: readonly Resource[] = [
  ...['deployments', 'statefulsets', 'daemonsets'].map((plural) => ({ group: 'apps', version: 'v1', plural })),
  { group: 'batch', version: 'v1', plural: 'cronjobs' },
  { group: '', version: 'v1', plural: 'services' },
];

async function watchCluster(client: ReadClient, kinds: readonly Resource[], run: Run, changed: () => void) {
  const attempt = async <T>(what: string, reading: () => Promise<T>) => {
    try {
      return await reading();
    } catch (error) {
      run.signal.throwIfAborted();
      run.log('debug', `${what}: ${messageOf(error)}`);
      return undefined;
    }
  };
  const others = (await policyKinds(client, attempt, run.signal)).filter(({ isRead }) => isRead);
  await watchCollections(client, [...kinds, ...others.map(({ resource }) => resource)], changed, run);
}

/** A folder with all in it, or a file: by its folder, since editors put a new file in the old one's place. */
async function watchPath(path: string, signal: AbortSignal, changed: () => void): Promise<void> {
  const whole = (await stat(path)).isDirectory();
  const events = watchFiles(whole ? path : dirname(path), { recursive: whole, signal });
  for await (const { filename } of events) if (whole || filename === basename(path)) changed();
}
