import type { Snapshot, Workload } from '../snapshot/model.ts';
import { NOT_FOR_LINUX, windowsWorkloads } from '../snapshot/platforms.ts';
import { type LocalPod, type PodObject, runningPod } from './local-pods.ts';
import { isMarked } from './ours.ts';

/** Who plays which workload. */
export interface Cast {
  /** The developer's own pods, by workload. */
  readonly ownPods: ReadonlyMap<string, LocalPod>;
  /** Workloads that need a stand-in. */
  readonly standIns: readonly Workload[];
  /** Workloads that nobody plays, and why, one line each. */
  readonly notPlayed: readonly string[];
}

/** `namespace/Kind/name`, as results name a workload. */
export function workloadId(workload: Pick<Workload, 'namespace' | 'kind' | 'name'>): string {
  return `${workload.namespace}/${workload.kind}/${workload.name}`;
}

/**
 * Casts each workload: a pod of the developer's own (running, ready, not on the host's network, with all of the
 * workload's labels), else a stand-in. A pod that has the labels of several workloads plays the one with the most.
 */
export function castWorkloads(target: Pick<Snapshot, 'workloads' | 'nodes'>, pods: readonly PodObject[]): Cast {
  const windows = new Set(windowsWorkloads(target));
  const notPlayed: string[] = [];
  const playable: Workload[] = [];
  for (const workload of target.workloads) {
    const reason = unplayable(workload, windows);
    if (reason) notPlayed.push(`${workloadId(workload)}: ${reason}`);
    else playable.push(workload);
  }
  const ownPods = new Map<string, LocalPod>();
  for (const pod of pods) {
    const local = ownPod(pod);
    if (!local) continue;
    const fitting = playable.filter((w) => w.namespace === local.namespace && fits(w, local));
    const most = Math.max(...fitting.map((w) => Object.keys(w.labels).length));
    for (const workload of fitting) {
      const id = workloadId(workload);
      if (Object.keys(workload.labels).length === most && !ownPods.has(id)) ownPods.set(id, local);
    }
  }
  const standIns: Workload[] = [];
  for (const workload of playable) {
    const id = workloadId(workload);
    if (ownPods.has(id)) continue;
    // A stand-in with the labels of, say, the DNS server would be mistaken for it.
    if (workload.namespace !== 'kube-system') standIns.push(workload);
    else notPlayed.push(`${id}: doesn't run here, and kube-system gets no stand-ins`);
  }
  return { ownPods, standIns, notPlayed };
}

function unplayable(workload: Workload, windows: ReadonlySet<Workload>): string | undefined {
  if (workload.hostNetwork) return "on its node's network, which no policy selects";
  if (windows.has(workload)) return NOT_FOR_LINUX;
  return undefined;
}

/** A workload without labels fits no pod: every pod would do. */
function fits(workload: Workload, pod: LocalPod): boolean {
  const labels = Object.entries(workload.labels);
  return labels.length > 0 && labels.every(([key, value]) => pod.labels[key] === value);
}

function ownPod(pod: PodObject): LocalPod | undefined {
  const ready = pod.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True');
  return ready && !pod.spec?.hostNetwork && !isMarked(pod) ? runningPod(pod) : undefined;
}
