import { setTimeout as sleep } from 'node:timers/promises';
import { environmentError } from '../host/errors.ts';
import type { KubeObject, ReadClient } from '../target/rest.ts';
import { EVENTS, PODS } from './ours.ts';

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
      const late = names.filter((name) => !running.has(name));
      const reasons = await Promise.all(late.slice(0, 5).map((name) => whyNot(client, name, pods.get(name), signal)));
      throw environmentError(`${late.length} of ${names.length} stand-ins did not start: ${reasons.join('; ')}`, {
        action:
          'Make room in the cluster (nodes, pods per node, CPU, memory) or choose fewer namespaces, then try again.',
      });
    }
    await sleep(500, undefined, { signal });
  }
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
