import type { PolicyFidelity } from '../policy/fidelity.ts';
import type { PolicyObject, Snapshot } from '../snapshot/model.ts';
import type { ServedKind } from '../snapshot/other-policies.ts';
import type { KubeObject } from '../target/rest.ts';
import type { Signature } from './ownership.ts';

/**
 * What of a target is mirrored: a snapshot that holds the policies of the chosen namespaces only, everything in local
 * names (see scope.ts).
 */
export interface ScopedTarget extends Snapshot {
  /** All of the target, in local names: what its connections really hang on, mirrored or not. */
  readonly whole: Snapshot;
  /** Namespaces (local names) without policies of their own, kept because rules mention them. */
  readonly peers: readonly string[];
  /** What the local names of its namespaces begin with; empty where the local cluster isn't shared by prefixes. */
  readonly prefix: string;
  /** Local names of all of the target's namespaces, by the target's. */
  readonly localNames: ReadonlyMap<string, string>;
  /** Globs of local namespaces in which what the target no longer has is pruned; `*` unless the scope was narrowed. */
  readonly pruneIn: readonly string[];
  /** What of the target was left out and why, one line each. */
  readonly leftOut: readonly string[];
}

/** The target's policies as this cluster can enforce them, and how near that comes (see mirrored.ts). */
export interface Mirrored {
  /** In local names; of the kinds that the local cluster serves. */
  readonly objects: readonly PolicyObject[];
  readonly fidelity: readonly PolicyFidelity[];
  /** Set where no one engine enforces all of the target's: see mixedDialects. */
  readonly mixed?: string;
}

/** What a plan is compared with, read from the local cluster (see local-state.ts). */
export interface LocalState {
  /** By which we know our own. */
  readonly signature: Signature;
  readonly namespaces: readonly KubeObject[];
  /** Policies of every served kind, and what they refer to, each with its apiVersion and kind. */
  readonly policies: readonly KubeObject[];
  /** The kinds besides networking.k8s.io NetworkPolicies that the API server takes, and some dialect reads. */
  readonly kinds: readonly ServedKind[];
  /** By namespace that we made: what lives in it and isn't ours, such as `Pod web-0`. */
  readonly occupants: ReadonlyMap<string, readonly string[]>;
}

/** Which object a line of a plan is about. */
export interface ObjectRef {
  readonly apiVersion: string;
  readonly kind: string;
  /** Absent for an object of the whole cluster. */
  readonly namespace?: string;
  readonly name: string;
}

export type ChangeAction = 'create' | 'update' | 'delete' | 'release';

/**
 * One object's change. `release` takes our labels off an object that isn't ours to delete. `before` and `after` are
 * what the preview compares: the fields we manage, nothing else.
 */
export interface ObjectChange extends ObjectRef {
  readonly action: ChangeAction;
  /** UID of the object that the plan was made from; absent for `create`. */
  readonly uid?: string;
  readonly before?: KubeObject;
  readonly after?: KubeObject;
}

/** An object that stands in the way because someone else owns it; it is left alone and named. */
export interface Conflict extends ObjectRef {
  readonly owner: string;
  readonly message: string;
  /** It says the same as ours would. */
  readonly alike?: true;
}

export interface ImageChange {
  /** Absent for one to load. */
  readonly action?: 'remove';
  readonly reference: string;
  readonly digest: string;
  /** Nodes that lack it under this digest, or from which it is to go. */
  readonly nodes: readonly string[];
}

/** Every change to make, as a value. Preview, dry run and apply read this and nothing else. */
export interface Plan {
  readonly cluster: string;
  /** Names the cluster in full where it isn't on this machine, for the question before the write. */
  readonly elsewhere?: string;
  readonly target: string;
  readonly images: readonly ImageChange[];
  readonly objects: readonly ObjectChange[];
  /** What a proof that was cut short, or kept its stand-ins, left behind and a removal takes away: one line each. */
  readonly standIns?: readonly string[];
  readonly conflicts: readonly Conflict[];
  /** How many objects already are as they should be. */
  readonly unchanged: number;
  /** How near each of the target's policies comes here; none in a removal. */
  readonly fidelity: readonly PolicyFidelity[];
  /** What the target has that isn't mirrored, one line each. */
  readonly notMirrored: readonly string[];
  readonly warnings: readonly string[];
}

/** The part of a plan that concerns objects of the API server. */
export type ObjectPlan = Pick<Plan, 'objects' | 'conflicts' | 'unchanged' | 'warnings' | 'notMirrored' | 'fidelity'>;
