import { lastApply } from './apply/history.ts';
import type { Drift } from './drift/model.ts';
import { inputError } from './host/errors.ts';
import { readLock } from './image/lock.ts';
import type { ImageLock } from './image/model.ts';
import type { Project } from './pipeline.ts';
import { yamlOf } from './plan/documents.ts';
import { fidelityLines } from './plan/fidelity-text.ts';
import { chosenPair, placeOf } from './plan/place.ts';
import { originOf } from './policy/dialect/origin.ts';
import type { Fidelity, PolicyFidelity } from './policy/fidelity.ts';
import type { FindingState, Report } from './report/model.ts';
import { lastDrift, lastTarget, reportIfAny, type WantedPair } from './report/store.ts';
import { type ReportSummary, reportSummary } from './report/summary.ts';
import type { PolicyObject, Snapshot, Workload } from './snapshot/model.ts';

/**
 * What is known of a folder's parity without asking anybody: the last report of the target and cluster that the settings
 * choose, and what was kept beside it.
 */
export interface Overview {
  readonly report?: ReportSummary;
  /** The chosen pair, where it has no report and another has. */
  readonly uncompared?: WantedPair;
  readonly target?: TargetSummary;
  readonly image?: ImageSummary;
  readonly policies: readonly Grouped<PolicySummary>[];
  readonly workloads: readonly Grouped<WorkloadSummary>[];
  readonly drift?: Drift;
  /** The apply that `undo` would take back. */
  readonly undo?: { readonly appliedAt: string; readonly changes: number };
}

export interface TargetSummary {
  readonly name: string;
  readonly kubernetesVersion?: string;
  readonly engine: string;
  readonly capturedAt?: string;
  readonly namespaces: number;
  /** What couldn't be read. */
  readonly gaps: readonly string[];
}

export interface ImageSummary {
  readonly reference: string;
  readonly digest: string;
  /** ISO 8601. */
  readonly pinnedAt?: string;
  /** ISO 8601. */
  readonly built?: string;
  readonly os?: string;
  readonly endOfLife?: string;
  readonly state: FindingState;
  readonly title?: string;
}

/** Items of one namespace; without a name, those of the whole cluster. */
export interface Grouped<T> {
  readonly namespace?: string;
  /** How many of them aren't equal, and of how many nothing is known. */
  readonly differing: number;
  readonly unknown: number;
  readonly items: readonly T[];
}

export interface PolicySummary {
  /** As reports call it: `NetworkPolicy shop/web`. */
  readonly id: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
  /** Absent where the last run didn't compare it. */
  readonly fidelity?: Fidelity;
  /** In words: what differs, and why. */
  readonly notes: readonly string[];
  readonly file?: string;
  readonly line?: number;
}

export interface WorkloadSummary {
  /** `namespace/Kind/name`, as `explain` takes it. */
  readonly id: string;
  readonly kind: string;
  readonly name: string;
  /** `unknown`: no packet was sent from or to it. */
  readonly state: 'equal' | 'differs' | 'unknown';
  /** Connections from or to it that differ, in words. */
  readonly differences: readonly string[];
  readonly playedBy?: 'stand-in' | 'own pod';
}

/** Reads what the folder keeps. Contacts nothing. Throws an input error where a file of ours can't be read. */
export async function overview({ folder, settings }: Pick<Project, 'folder' | 'settings'>): Promise<Overview> {
  const pair = chosenPair(settings);
  const [report, target, drift, locks] = await Promise.all([
    reportIfAny(folder, pair),
    lastTarget(folder, pair),
    lastDrift(folder, pair),
    readLock(folder),
  ]);
  const cluster = settings.cluster === undefined ? report?.cluster : placeOf(settings.cluster, settings);
  const applied = cluster === undefined ? undefined : await lastApply(folder, cluster);
  const lock = locks.find(({ reference }) => reference === settings.image) ?? locks[0];
  const image = report?.image ?? (settings.image === 'none' ? undefined : lock);
  const isOther = !report && (await reportIfAny(folder)) !== undefined;
  return {
    ...(report && { report: reportSummary(report) }),
    ...(isOther && { uncompared: pair }),
    ...(target && { target: targetSummary(target) }),
    ...(image && {
      image: imageSummary(
        image,
        report,
        locks.find((l) => l.digest === image.digest),
      ),
    }),
    policies: target ? grouped(policySummaries(target.policies, report?.policies ?? []), policyState) : [],
    workloads: target ? grouped(workloadSummaries(target.workloads, report), ({ state }) => state) : [],
    ...(drift && { drift }),
    ...(applied && { undo: { appliedAt: applied.appliedAt, changes: applied.objects.length } }),
  };
}

/** A policy of the target of a pair's last report as YAML. Throws an input error where it isn't there. */
export async function policyYaml(folder: string, id: string, pair: WantedPair = {}): Promise<string> {
  const found = (await lastTarget(folder, pair))?.policies.find((object) => originOf(object).object === id);
  if (!found) throw inputError(`The last report's target has no ${id}`, { action: 'Run "clparity verify" again.' });
  const { location: _, ...object } = found;
  return yamlOf(object);
}

function targetSummary({ source, engine, namespaces, gaps }: Snapshot): TargetSummary {
  return {
    name: source.name,
    ...(source.kubernetesVersion !== undefined && { kubernetesVersion: source.kubernetesVersion }),
    engine: engine.version === undefined ? engine.name : `${engine.name} ${engine.version}`,
    ...(source.capturedAt !== undefined && { capturedAt: source.capturedAt }),
    namespaces: namespaces.length,
    gaps: gaps.map(({ message }) => message),
  };
}

function imageSummary(
  image: { reference: string; digest: string; os?: string; endOfLife?: string },
  report: Report | undefined,
  pin: ImageLock | undefined,
): ImageSummary {
  const { reference, digest, os, endOfLife } = image;
  const finding = report?.findings.find(({ layer, title }) => layer === 'base image' && title.includes(digest));
  return {
    reference,
    digest,
    ...(pin && { pinnedAt: pin.resolvedAt }),
    ...(pin?.created !== undefined && { built: pin.created }),
    ...(os !== undefined && { os }),
    ...(endOfLife !== undefined && { endOfLife }),
    state: finding?.state ?? 'unknown',
    ...(finding && { title: finding.title }),
  };
}

function policySummaries(policies: readonly PolicyObject[], fidelity: readonly PolicyFidelity[]): PolicySummary[] {
  const known = new Map(fidelity.map((f) => [f.policy, f]));
  return policies.map((object) => {
    const { object: id, location } = originOf(object);
    const found = known.get(id);
    const { name, namespace } = object.metadata;
    return {
      id,
      kind: object.kind,
      name,
      ...(namespace !== undefined && { namespace }),
      ...(found && { fidelity: found.fidelity }),
      notes: found ? fidelityLines(found, SHOWN) : [],
      ...(location && { file: location.file, line: location.line }),
    };
  });
}

/** Differences of one item that are spelled out. */
const SHOWN = 10;

function policyState({ fidelity }: PolicySummary): WorkloadSummary['state'] {
  if (fidelity === undefined || fidelity === 'unknown') return 'unknown';
  return fidelity === 'exact' ? 'equal' : 'differs';
}

function workloadSummaries(
  workloads: readonly Workload[],
  report: Report | undefined,
): (WorkloadSummary & InNamespace)[] {
  const verify = report?.verify;
  const [standIns, ownPods] = [new Set(verify?.standIns), new Set(verify?.ownPods)];
  const differences = new Map<string, string[]>();
  for (const { from, to, protocol, port, expected, measured } of verify?.differences ?? []) {
    const line = `${from} to ${to} ${protocol} ${port}: ${expected} at the target, ${measured} here`;
    for (const id of new Set([from, to])) {
      const lines = differences.get(id) ?? [];
      lines.push(line);
      differences.set(id, lines);
    }
  }
  return workloads.map(({ namespace, kind, name }) => {
    const id = `${namespace}/${kind}/${name}`;
    const differing = differences.get(id) ?? [];
    const playedBy = ownPods.has(id) ? 'own pod' : standIns.has(id) ? 'stand-in' : undefined;
    const state = differing.length > 0 ? 'differs' : playedBy ? 'equal' : 'unknown';
    return { id, namespace, kind, name, state, differences: differing, ...(playedBy && { playedBy }) };
  });
}

interface InNamespace {
  readonly namespace?: string;
}

function grouped<T extends InNamespace>(
  items: readonly T[],
  stateOf: (item: T) => WorkloadSummary['state'],
): Grouped<T>[] {
  return [...Map.groupBy(items, ({ namespace }) => namespace)]
    .toSorted(([a = ''], [b = '']) => (a < b ? -1 : 1))
    .map(([namespace, own]) => ({
      ...(namespace !== undefined && { namespace }),
      differing: own.filter((item) => stateOf(item) === 'differs').length,
      unknown: own.filter((item) => stateOf(item) === 'unknown').length,
      items: own,
    }));
}
