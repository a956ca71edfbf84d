import { chosenOf, localPart } from '../plan/chosen.ts';
import { diff, type NameDifference, type SnapshotDiff } from '../policy/diff.ts';
import type { Settings } from '../settings.ts';
import type { Snapshot } from '../snapshot/model.ts';
import type { DriftSide } from './model.ts';

type Scope = Pick<Settings, 'namespaces' | 'excludeNamespaces' | 'namespaceMap' | 'namespacePrefix'>;

/** The target against what it was when the last report was made, in the chosen namespaces. */
export function targetDrift(before: Snapshot, now: Snapshot, scope: Scope): DriftSide {
  return sideOf(diff(chosenOf(before, scope), chosenOf(now, scope)));
}

/**
 * The local cluster against what it was then. What the developer runs there comes and goes as it pleases: only policies,
 * the labels of namespaces and what becomes of connections count.
 */
export function localDrift(before: Snapshot, now: Snapshot, scope: Scope): DriftSide {
  const all = diff(localPart(before, scope), localPart(now, scope));
  const namespaces = { ...all.namespaces, added: [] };
  const moved = [all.policies, namespaces].some((names) => !isSame(names)) || all.connections.length > 0;
  return sideOf({ ...all, namespaces, workloads: NONE, images: NONE, equal: !moved });
}

const NONE: NameDifference = { added: [], removed: [], changed: [] };

function isSame({ added, removed, changed }: NameDifference): boolean {
  return added.length + removed.length + changed.length === 0;
}

function sideOf(found: SnapshotDiff): DriftSide {
  return found.equal && found.engines === undefined ? { state: 'same' } : { state: 'moved', diff: found };
}
