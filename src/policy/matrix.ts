import { counted } from '../host/counted.ts';
import { atOnce } from '../host/slices.ts';
import type { EngineName, Protocol } from '../snapshot/model.ts';
import { type CompiledModel, compile } from './compile.ts';
import { groupsOf, otherReplica, type PodGroup, unscheduledMember } from './groups.ts';
import type { PolicyModel } from './model.ts';
import { formatPorts, PROTOCOLS } from './ports.ts';
import { type Reach, reachAmong, reachOf } from './reach.ts';

export interface MatrixConnection {
  /** Group ids; equal where it is between different pods of one group. */
  readonly from: string;
  readonly to: string;
  readonly protocol: Protocol;
  /** All ports and only those: `["80", "443-445"]`; `["1-65535"]` is any. */
  readonly ports: readonly string[];
}

export interface Matrix {
  readonly engine: EngineName;
  readonly groups: readonly Omit<PodGroup, 'members'>[];
  /** Only what is allowed; what isn't listed is denied. */
  readonly connections: readonly MatrixConnection[];
  /** To and from addresses outside, where asked for: see outsideConnections. Absent where nobody asked. */
  readonly outside?: readonly MatrixConnection[];
  /** The policies that decide nothing under this engine, and why: one line each. */
  readonly ignored: readonly string[];
}

/**
 * Who may reach whom, exactly: the port sets come from the rules themselves. Between groups it says what holds wherever
 * the pods are scheduled; what a pod's own node may do besides shows only with `pods`, where every pod stands alone.
 * Sorted by from, to, protocol.
 */
export function matrix(model: PolicyModel, options: MatrixOptions = {}): Matrix {
  return atOnce(matrixSteps(model, options));
}

export interface MatrixOptions {
  /** Every pod by itself. */
  readonly pods?: boolean;
}

/** The same, with pauses: see inSlices. */
export function* matrixSteps(model: PolicyModel, options: MatrixOptions = {}): Generator<undefined, Matrix> {
  const compiled = compile(model);
  const groups = groupsOf(compiled, false);
  const between = reachAmong(compiled, groups.map(unscheduledMember));
  const { shown, pairs } = options.pods === true ? ofPods(compiled, groups, between) : ofGroups(groups, between);
  const written = new Map<Reach, readonly (readonly string[])[]>();
  const textsOf = (reach: Reach) => {
    const known = written.get(reach) ?? reach.map(formatPorts);
    written.set(reach, known);
    return known;
  };
  const connections: MatrixConnection[] = [];
  let row = '';
  for (const { from, to, reach } of pairs) {
    if (from !== row) yield;
    row = from;
    for (const [i, ports] of textsOf(reach).entries()) {
      const protocol = PROTOCOLS[i];
      if (protocol && ports.length > 0) connections.push({ from, to, protocol, ports });
    }
  }
  return {
    engine: model.engine.name,
    groups: shown.map(({ members: _, ...group }) => group),
    connections,
    ignored: compiled.ignored.map(({ policy, why }) => `${policy.source.object}: ${why}`),
  };
}

interface Pairs {
  readonly shown: readonly PodGroup[];
  readonly pairs: Iterable<{ readonly from: string; readonly to: string; readonly reach: Reach }>;
}

type Between = (from: number, to: number) => Reach;

function ofGroups(groups: readonly PodGroup[], between: Between): Pairs {
  function* pairs() {
    for (const [i, from] of groups.entries()) {
      for (const [j, to] of groups.entries()) {
        // Between pods of one group there is a connection only where it has two.
        if (i !== j || from.count > 1) yield { from: from.id, to: to.id, reach: between(i, j) };
      }
    }
  }
  return { shown: groups, pairs: pairs() };
}

/** Pods of a group differ only in the nodes they run on, which matters only where one end is a node itself. */
function ofPods(compiled: CompiledModel, groups: readonly PodGroup[], between: Between): Pairs {
  const home = new Map(groups.flatMap((group, i) => group.members.map((pod) => [pod, i] as const)));
  const single = groupsOf(compiled, true).flatMap((group) => {
    const [pod] = group.members;
    const index = pod && home.get(pod);
    return pod && index !== undefined ? [{ group, pod, index }] : [];
  });
  function* pairs() {
    for (const from of single) {
      for (const to of single) {
        if (from === to && from.group.count < 2) continue;
        const isNode = from.pod.hostNetwork || to.pod.hostNetwork;
        const reach = isNode
          ? reachOf(compiled, from.pod, from === to ? otherReplica(to.pod) : to.pod)
          : between(from.index, to.index);
        yield { from: from.group.id, to: to.group.id, reach };
      }
    }
  }
  return { shown: single.map(({ group }) => group), pairs: pairs() };
}

/** A matrix as lines, one a pair. */
export function matrixText({ engine, groups, connections, outside = [], ignored }: Matrix): string {
  const lines = pairLines(connections);
  const total = groups.filter((g) => g.count > 1).length + groups.length * (groups.length - 1);
  return [
    `${counted(groups.length, 'group')} of pods, engine ${engine}; ${lines.length} of ${counted(total, 'pair')} may connect`,
    ...lines,
    ...pairLines(outside),
    ...ignored.map((line) => `decides nothing: ${line}`),
  ].join('\n');
}

function pairLines(connections: readonly MatrixConnection[]): string[] {
  return [...runsOf(connections)].map((list) => {
    const all = list.length === PROTOCOLS.length && list.every((c) => c.ports.join() === '1-65535');
    const ports = all ? 'all ports' : list.map((c) => `${c.protocol} ${c.ports.join(',')}`).join('; ');
    return `${list[0]?.from} -> ${list[0]?.to}: ${ports}`;
  });
}

/** The connections of one pair after another: they stand together. */
function* runsOf(connections: readonly MatrixConnection[]): Generator<readonly MatrixConnection[]> {
  let run: MatrixConnection[] = [];
  for (const connection of connections) {
    const [first] = run;
    if (first && (first.from !== connection.from || first.to !== connection.to)) {
      yield run;
      run = [];
    }
    run.push(connection);
  }
  if (run.length > 0) yield run;
}
