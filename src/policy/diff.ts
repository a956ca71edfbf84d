import { atOnce } from '../host/slices.ts';
import type { Snapshot } from '../snapshot/model.ts';
import { isNetworkPolicy } from '../snapshot/policy-object.ts';
import { canonicalSpec } from './dialect/canonical.ts';
import { originOf } from './dialect/origin.ts';
import { type ConnectionDifference, connectionSteps } from './diff-connections.ts';
import { modelOf } from './endpoints.ts';
import type { PolicyModel } from './model.ts';

/** What one side has and the other doesn't, by name; `changed` where both have it and it isn't the same. */
export interface NameDifference {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly string[];
}

export interface SnapshotDiff {
  readonly equal: boolean;
  readonly before: string;
  readonly after: string;
  /** Of the workloads that both have; what came or went is in `workloads`. */
  readonly connections: readonly ConnectionDifference[];
  readonly workloads: NameDifference;
  readonly policies: NameDifference;
  readonly namespaces: NameDifference;
  /** `namespace/Kind/name container: image`. */
  readonly images: NameDifference;
  /** Set where the engines differ: the same policy may mean something else. */
  readonly engines?: string;
}

/** Two snapshots by meaning: who may reach whom, then what there is. Throws an input error for a malformed policy. */
export function diff(before: Snapshot, after: Snapshot): SnapshotDiff {
  return atOnce(diffSteps(before, after));
}

/** The same, with pauses: see inSlices. `read` makes each side's model. */
export function* diffSteps(
  before: Snapshot,
  after: Snapshot,
  read: (snapshot: Snapshot) => PolicyModel = modelOf,
): Generator<undefined, SnapshotDiff> {
  const workloads = compareNames(workloadTexts(before), workloadTexts(after));
  const connections = yield* connectionSteps(read(before), read(after));
  const policies = compareNames(policyTexts(before), policyTexts(after));
  const namespaces = compareNames(namespaceTexts(before), namespaceTexts(after));
  const images = compareNames(imageTexts(before), imageTexts(after));
  const names = [workloads, policies, namespaces, images];
  const equal =
    connections.length === 0 && names.every((n) => n.added.length + n.removed.length + n.changed.length === 0);
  const engines =
    before.engine.name === after.engine.name ? undefined : `${before.engine.name} to ${after.engine.name}`;
  return {
    equal,
    before: before.source.name,
    after: after.source.name,
    connections,
    workloads,
    policies,
    namespaces,
    images,
    ...(engines !== undefined && { engines }),
  };
}

type Texts = ReadonlyMap<string, string>;

function compareNames(before: Texts, after: Texts): NameDifference {
  const names = (texts: Texts, keep: (name: string) => boolean) => [...texts.keys()].filter(keep).sort();
  return {
    added: names(after, (name) => !before.has(name)),
    removed: names(before, (name) => !after.has(name)),
    changed: names(after, (name) => before.has(name) && before.get(name) !== after.get(name)),
  };
}

function workloadTexts({ workloads }: Snapshot): Map<string, string> {
  return new Map(
    workloads.map((w) => {
      const { labels, serviceAccount, hostNetwork, ports } = w;
      return [`${w.namespace}/${w.kind}/${w.name}`, canonical({ labels, serviceAccount, hostNetwork, ports })];
    }),
  );
}

function policyTexts({ policies }: Snapshot): Map<string, string> {
  return new Map(
    policies.map((policy) => {
      // Written out or not, a default is the same.
      const spec = isNetworkPolicy(policy) ? canonicalSpec(policy.spec) : policy.spec;
      return [originOf(policy).object, canonical({ spec, specs: policy.specs })];
    }),
  );
}

function namespaceTexts({ namespaces }: Snapshot): Map<string, string> {
  return new Map(namespaces.map(({ name, labels }) => [name, canonical(labels)]));
}

/** Digests where they are known: a tag says little of what runs. */
function imageTexts({ workloads }: Snapshot): Map<string, string> {
  return new Map(
    workloads.flatMap((w) =>
      w.images.map(({ container, image, digest }) => [
        `${w.namespace}/${w.kind}/${w.name} ${container}: ${image}`,
        digest ?? '',
      ]),
    ),
  );
}

/** JSON with sorted keys, so that order says nothing. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, v: unknown) =>
    typeof v === 'object' && v !== null && !Array.isArray(v) ? Object.fromEntries(Object.entries(v).sort(byKey)) : v,
  );
}

function byKey([a]: [string, unknown], [b]: [string, unknown]): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
