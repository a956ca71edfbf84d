import { isDeepStrictEqual } from 'node:util';
import type { NetworkPolicy } from '../snapshot/model.ts';
import type { KubeObject } from '../target/rest.ts';
import { managedPart, policyToWrite } from './managed.ts';
import type { Conflict, ObjectChange } from './model.ts';
import { isOurs, otherManagers, ownerOf } from './ownership.ts';

/** A policy's change or the conflict that forbids it; neither where it is as it should be. */
export type PolicyPlan = { readonly change?: ObjectChange; readonly conflict?: Conflict };

/** The change that makes the local policy the target's. One that isn't ours is never adopted, equal or not. */
export function planPolicy(policy: NetworkPolicy, live: KubeObject | undefined, mirror: string): PolicyPlan {
  const { name, namespace } = policy.metadata;
  const id = { kind: 'NetworkPolicy' as const, namespace, name };
  const after = policyToWrite(policy, mirror);
  if (!live) return { change: { ...id, action: 'create', after } };
  if (!isOurs(live)) {
    const owner = ownerOf(live);
    const message = `NetworkPolicy ${namespace}/${name} is here already and belongs to ${owner}; it is left alone`;
    return { conflict: { ...id, owner, message } };
  }
  const before = managedPart(live);
  if (isDeepStrictEqual(before, after)) return {};
  const edited = editedFields(live, before, after);
  if (edited) {
    const message =
      `NetworkPolicy ${namespace}/${name} is ours, but ${edited.owner} changed ${edited.fields.join(', ')}; ` +
      `it is left alone: delete it (kubectl delete networkpolicy -n ${namespace} ${name}) to have it mirrored again`;
    return { conflict: { ...id, owner: edited.owner, message } };
  }
  const { uid } = live.metadata;
  return { change: { ...id, action: 'update', ...(uid !== undefined && { uid }), before, after } };
}

/** The deletion of a policy of ours. */
export function dropPolicy(live: KubeObject): ObjectChange {
  const { name, namespace, uid } = live.metadata;
  return {
    action: 'delete',
    kind: 'NetworkPolicy',
    ...(namespace !== undefined && { namespace }),
    name,
    ...(uid !== undefined && { uid }),
    before: managedPart(live),
  };
}

/** The parts of a policy of ours that differ from what we want because someone else wrote them. */
function editedFields(live: KubeObject, before: KubeObject, after: KubeObject) {
  const [here, wanted] = [before.spec, after.spec] as Record<string, unknown>[];
  const keys = new Set([...Object.keys(here ?? {}), ...Object.keys(wanted ?? {})]);
  const differing = [...keys].filter((key) => !isDeepStrictEqual(here?.[key], wanted?.[key]));
  const edited = differing.flatMap((key) => {
    const managers = otherManagers(live, ['spec', key]);
    return managers.length > 0 ? [{ field: `spec.${key}`, managers }] : [];
  });
  if (edited.length === 0) return undefined;
  return {
    fields: edited.map(({ field }) => field),
    owner: [...new Set(edited.flatMap(({ managers }) => managers))].join(', '),
  };
}

/** Whether a policy allows anything; one that doesn't only isolates. */
export function allowsAnything(policy: KubeObject | undefined): boolean {
  const spec = policy?.spec as { ingress?: unknown; egress?: unknown } | undefined;
  return spec?.ingress !== undefined || spec?.egress !== undefined;
}
