import type { KubeObject } from '../target/rest.ts';

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
  /** What the target has that isn't mirrored, one line each. */
  readonly notMirrored: readonly string[];
  readonly warnings: readonly string[];
}
