import type { PolicyFidelity } from '../policy/fidelity.ts';
import { titleOf } from './documents.ts';
import type { ObjectPlan, ObjectRef } from './model.ts';

/**
 * How near policies come while objects that stand for them are not there as they should be: nothing is claimed of those
 * policies, for what was computed is true of all of it alone.
 */
export function withNotApplied(
  fidelity: readonly PolicyFidelity[],
  missing: readonly ObjectRef[],
): readonly PolicyFidelity[] {
  const titles = new Set(missing.map(titleOf));
  return fidelity.map((one) => {
    const objects = one.objects.filter((object) => !titles.has(object));
    if (objects.length === one.objects.length) return one;
    return { ...one, fidelity: 'not applied', objects, differences: [], differing: 0 };
  });
}

/** A plan as the account of what is in the cluster now: what it would still write is not applied. */
export function asItIs(plan: ObjectPlan): ObjectPlan {
  const left = plan.objects.filter(({ action }) => action === 'create' || action === 'update');
  return { ...plan, fidelity: withNotApplied(plan.fidelity, left) };
}
