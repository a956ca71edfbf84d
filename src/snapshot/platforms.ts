import type { NodeFacts, Snapshot, Workload } from './model.ts';

/** Why a workload of a Windows node pool takes no part here. */
export const NOT_FOR_LINUX = 'runs on Windows, not for a Linux cluster';

/** Workloads of a target that a Linux cluster can't run: their own template says so, or the nodes that run their pods. */
export function windowsWorkloads(target: Pick<Snapshot, 'workloads' | 'nodes'>): Workload[] {
  const nodes = new Set(target.nodes.filter((n) => n.os === 'windows').map((n) => n.name));
  return target.workloads.filter(
    ({ os, pods }) => os === 'windows' || pods.some(({ node }) => node !== undefined && nodes.has(node)),
  );
}

/** The architectures that the target has nodes of and this cluster has not; none where either isn't known. */
export function foreignArchitectures(target: readonly NodeFacts[], local: readonly NodeFacts[]): string[] {
  const of = (nodes: readonly NodeFacts[]) =>
    nodes.filter(({ os }) => os !== 'windows').flatMap((n) => n.architecture ?? []);
  const here = new Set(of(local));
  return here.size === 0 ? [] : [...new Set(of(target))].filter((architecture) => !here.has(architecture));
}

/** What it means, in a line: the digest of an index is the same for all, the bits behind it are not. */
export function architecturesText(foreign: readonly string[], local: readonly NodeFacts[]): string {
  const here = [...new Set(local.flatMap((n) => n.architecture ?? []))].join(', ');
  return `The target also has ${foreign.join(', ')} nodes; this cluster runs ${here}, for which the same digest may stand for other bits`;
}

/** The same as a warning before anything is pulled; none where all architectures are here. */
export function architectureWarnings(target: Pick<Snapshot, 'nodes'>, local: Pick<Snapshot, 'nodes'>): string[] {
  const foreign = foreignArchitectures(target.nodes, local.nodes);
  return foreign.length === 0 ? [] : [architecturesText(foreign, local.nodes)];
}

/** What of a target a Linux cluster leaves out, one line each. */
export function windowsLines(target: Pick<Snapshot, 'workloads' | 'nodes'>): string[] {
  return windowsWorkloads(target).map(({ namespace, kind, name }) => `${namespace}/${kind}/${name}: ${NOT_FOR_LINUX}`);
}
