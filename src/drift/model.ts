import type { SnapshotDiff } from '../policy/diff.ts';

/** One side since the last report. `unknown` where it couldn't be looked at; `reason` then says why. */
export interface DriftSide {
  readonly state: 'same' | 'moved' | 'unknown';
  readonly diff?: SnapshotDiff;
  readonly reason?: string;
}

/** What has moved since the last report: the target since its snapshot, the local cluster since the apply. */
export interface Drift {
  readonly schema: 'clparity/drift/v1';
  /** ISO 8601. */
  readonly checkedAt: string;
  readonly target: DriftSide;
  readonly local: DriftSide;
}

/** Whether anything is known to have moved. */
export function hasMoved({ target, local }: Pick<Drift, 'target' | 'local'>): boolean {
  return target.state === 'moved' || local.state === 'moved';
}
