import { setTimeout as sleep } from 'node:timers/promises';
import { whyNotReady } from '../cluster/node-ready.ts';
import { counted } from '../host/counted.ts';
import { environmentError } from '../host/errors.ts';
import { ifAllowed } from '../target/api-error.ts';
import type { KubeObject, ReadClient } from '../target/rest.ts';
import { EVENTS, NODES, PODS } from './ours.ts';

/** A pod of the local cluster, as far as probing needs it. */
export interface LocalPod {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly ip: string;
}

/** A pod as the API server sends it, as far as it is read here. */
export interface PodObject extends KubeObject {
  readonly spec?: { readonly hostNetwork?: boolean; readonly nodeName?: string };
  readonly status?: {
    readonly phase?: string;
    readonly podIP?: string;
    readonly message?: string;
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly message?: string;
      readonly reason?: string;
    }[];
    readonly containerStatuses?: readonly {
      readonly state?: { readonly waiting?: { readonly reason?: string; readonly message?: string } };
    }[];
  };
}

/** A pod that runs and has an address, or undefined. */
export function runningPod(pod: PodObject): LocalPod | undefined {
  const { uid, namespace, name, labels = {}, deletionTimestamp } = pod.metadata;
  const ip = pod.status?.podIP;
  if (!uid || !namespace || !ip || deletionTimestamp || pod.status?.phase !== 'Running') return undefined;
  return { uid, namespace, name, labels, ip };
}

/**
 * Waits until all pods of `namespace/name`, created before, run and have addresses. Throws with the reasons of those
 * that don't after `timeoutMs`, or at once where one was deleted.
 */
export async function waitForPods(
  client: ReadClient,
  names: readonly string[],
  signal: AbortSignal,
  onProgress: (running: number) => void = () => {},
  timeoutMs = 90_000,
): Promise<Map<string, LocalPod>> {
  const end = Date.now() + timeoutMs;
  const namespaces = [...new Set(names.map((name) => name.slice(0, name.indexOf('/'))))];
  for (;;) {
    const lists = await Promise.all(namespaces.map((namespace) => client.list(PODS, signal, { namespace })));
    const pods = new Map(
      lists.flat().map((p): [string, PodObject] => [`${p.metadata.namespace}/${p.metadata.name}`, p]),
    );
    const running = new Map<string, LocalPod>();
    for (const name of names) {
      const pod = pods.get(name);
      const local = pod && runningPod(pod);
      if (local) running.set(name, local);
    }
    onProgress(running.size);
    if (running.size === names.length) return running;
    // A pod that was deleted doesn't come back.
    if (Date.now() > end || names.some((name) => !pods.has(name))) {
      const late = names.filter((name) => !running.has(name)).map((name) => ({ name, pod: pods.get(name) }));
      throw await notStarted(client, late, names.length, signal);
    }
    await sleep(500, undefined, { signal });
  }
}

interface LatePod {
  readonly name: string;
  readonly pod: PodObject | undefined;
}

/** What to tell of pods that did not start. More room doesn't help where they wait for a node that isn't ready. */
async function notStarted(client: ReadClient, late: readonly LatePod[], all: number, signal: AbortSignal) {
  const reasons = await Promise.all(late.slice(0, 5).map(({ name, pod }) => whyNot(client, name, pod, signal)));
  const message = `${late.length} of ${counted(all, 'stand-in')} did not start: ${reasons.join('; ')}`;
  const room =
    'Make room in the cluster (nodes, pods per node, CPU, memory) or choose fewer namespaces, then try again.';
  const sick = await sickNodes(client, late, signal);
  if (sick.length === 0) return environmentError(message, { action: room });
  const nodes = sick.map(({ name, why }) => `node ${name} is not ready${why === '' ? '' : `: ${why}`}`).join('; ');
  const names = sick.map(({ name }) => name).join(' ');
  return environmentError(`${message}; ${nodes}`, {
    action: `Start what is stopped ("docker start ${names}" where nodes are containers), else see "kubectl describe node ${names}"; then try again.`,
  });
}

/** The nodes that aren't ready and that such pods are on; where one is on none, each may be what it waits for. */
async function sickNodes(client: ReadClient, late: readonly LatePod[], signal: AbortSignal) {
  const nodes = (await ifAllowed(client.list(NODES, signal))) ?? [];
  const sick = nodes.flatMap((node) => {
    const why = whyNotReady(node);
    return why === undefined ? [] : [{ name: node.metadata.name, why }];
  });
  const places = late.flatMap(({ pod }) => (pod ? [pod.spec?.nodeName] : []));
  return places.includes(undefined) ? sick : sick.filter(({ name }) => places.includes(name));
}

async function whyNot(client: ReadClient, name: string, pod: PodObject | undefined, signal: AbortSignal) {
  if (!pod) return `${name} was deleted by somebody else (a controller, or another run)`;
  const waiting = pod.status?.containerStatuses?.find((s) => s.state?.waiting)?.state?.waiting;
  const unmet = pod.status?.conditions?.find((c) => c.status === 'False' && c.type === 'PodScheduled');
  const events = await client.list(EVENTS, signal, { namespace: pod.metadata.namespace ?? '' });
  const last = events.findLast(
    (e) => e.type === 'Warning' && (e.involvedObject as { uid?: string } | undefined)?.uid === pod.metadata.uid,
  );
  const reason = waiting?.message ?? waiting?.reason ?? unmet?.message ?? pod.status?.message ?? pod.status?.phase;
  return `${name}: ${[...new Set([reason, last?.message])].filter(Boolean).join(', ')}`;
}
