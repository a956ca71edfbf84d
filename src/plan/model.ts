import type { PolicyFidelity } from '../policy/fidelity.ts';
import type { PolicyObject, Snapshot } from '../snapshot/model.ts';
import type { KubeObject } from '../target/rest.ts';

/**
 * What of a target is mirrored: a snapshot that holds the policies of the chosen namespaces only, everything in local
 * names (see scope.ts).
 */
export interface ScopedTarget extends Snapshot {
  /** All of the target, in local names: what its connections really hang on, mirrored or not. */
  readonly whole: Snapshot;
  /** Namespaces (local names) without policies of their own, kept because rules mention them. */
  readonly peers: readonly string[];
  /** Globs of local namespaces in which what the target no longer has is pruned; `*` unless the scope was narrowed. */
  readonly pruneIn: readonly string[];
  /** What of the target was left out and why, one line each. */
  readonly leftOut: readonly string[];
}

/** The target's policies as this cluster can enforce them, and how near that comes (see mirrored.ts). */
export interface Mirrored {
  /** networking.k8s.io/v1 NetworkPolicies in local names. */
  readonly objects: readonly PolicyObject[];
  readonly fidelity: readonly PolicyFidelity[];
}

/** What a plan is compared with, read from the local cluster (see local-state.ts). */
export interface LocalState {
  readonly namespaces: readonly KubeObject[];
  readonly policies: readonly KubeObject[];
  /** By namespace that we made: what lives in it and isn't ours, such as `Pod web-0`. */
  readonly occupants: ReadonlyMap<string, readonly string[]>;
}

export type ChangeAction = 'create' | 'update' | 'delete' | 'release';

/**
 * One object's change. `release` takes our labels off an object that isn't ours to delete. `before` and `after` are
 * what the preview compares: the fields we manage, nothing else.
 */
export interface ObjectChange {
  readonly action: ChangeAction;
  readonly kind: 'Namespace' | 'NetworkPolicy';
  readonly namespace?: string;
  readonly name: string;
  /** UID of the object that the plan was made from; absent for `create`. */
  readonly uid?: string;
  readonly before?: KubeObject;
  readonly after?: KubeObject;
}

/** An object that stands in the way because someone else owns it; it is left alone and named. */
export interface Conflict {
  readonly kind: 'Namespace' | 'NetworkPolicy';
  readonly namespace?: string;
  readonly name: string;
  readonly owner: string;
  readonly message: string;
}

export interface ImageChange {
  readonly reference: string;
  readonly digest: string;
  /** Nodes that lack it under this digest. */
  readonly nodes: readonly string[];
}

/** Every change to make, as a value. Preview, dry run and apply read this and nothing else. */
export interface Plan {
  readonly cluster: string;
  readonly target: string;
  readonly images: readonly ImageChange[];
  readonly objects: readonly ObjectChange[];
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
