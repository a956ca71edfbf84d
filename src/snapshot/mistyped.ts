import { DIALECTS } from '../policy/dialect/index.ts';
import { isNear } from '../policy/near.ts';
import { isOtherPolicy } from './other-policies.ts';
import type { PlacedObject } from './placed.ts';

interface KindOfGroup {
  readonly group: string;
  readonly kind: string;
}

/** Kinds of workloads that manifests are full of; the core group's are short, and near to too many others. */
const WORKLOADS: readonly KindOfGroup[] = [
  ...['Deployment', 'StatefulSet', 'DaemonSet', 'ReplicaSet'].map((kind) => ({ group: 'apps', kind })),
  ...['CronJob'].map((kind) => ({ group: 'batch', kind })),
];

/**
 * Throws an input error, with file and line, for an object that is passed over though it is hardly meant to be: of nearly
 * a kind that is read, or of one whose API group is nearly that. Kinds that are simply others stay passed over.
 */
export function mustNotBeMistyped(objects: readonly PlacedObject[]): void {
  const known = [...DIALECTS.flatMap(({ kinds }) => kinds), ...WORKLOADS];
  for (const { group, kind, object } of objects) {
    if (isOtherPolicy(group, kind) || known.some((k) => k.group === group && k.kind === kind)) continue;
    const meant = known.find((k) => isMeant(k, group, kind));
    if (!meant) continue;
    const path = meant.kind === kind ? 'apiVersion' : 'kind';
    const is = group === '' ? 'the core group' : group;
    throw object.fail(
      [path],
      `names ${kind} of ${is}, which isn't known: did you mean ${meant.kind} of ${meant.group}?`,
    );
  }
}

/** What a name may be away: three letters, as plurals are; one where it is short. */
function isMeant(known: KindOfGroup, group: string, kind: string): boolean {
  if (known.group === group) return isNear(known.kind, kind, known.kind.length < 8 ? 1 : 3);
  return known.kind === kind && (group === '' || isNear(known.group, group, 2));
}

/** Whether some dialect reads a kind of this name, whatever its group. */
export function isPolicyName(kind: string): boolean {
  return DIALECTS.some((dialect) => dialect.kinds.some((k) => k.kind === kind && k.kind.endsWith('Policy')));
}
