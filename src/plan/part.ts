import type { ImageChange, ObjectChange, Plan } from './model.ts';

/** A change of a plan as its user chooses it: an object or an image. */
export type Choosable = ObjectChange | ImageChange;

/**
 * The part of a plan that its user wants. What can't be done without a change that was left out is left out as well:
 * nothing is created in a namespace that isn't, and a namespace stays while a policy of ours in it does.
 */
export function partOf(plan: Plan, wanted: (change: Choosable) => boolean): Plan {
  const left = plan.objects.filter((change) => !wanted(change));
  const absent = new Set(left.filter(isNamespace('create')).map(({ name }) => name));
  const kept = new Set(left.filter(({ action }) => action === 'delete').flatMap(({ namespace }) => namespace ?? []));
  const objects = plan.objects.filter(
    (change) =>
      wanted(change) &&
      !(change.namespace !== undefined && absent.has(change.namespace)) &&
      !(isNamespace('delete')(change) && kept.has(change.name)),
  );
  return { ...plan, objects, images: plan.images.filter(wanted) };
}

function isNamespace(wanted: ObjectChange['action']) {
  return ({ kind, action }: ObjectChange) => kind === 'Namespace' && action === wanted;
}
