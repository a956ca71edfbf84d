import { isDeepStrictEqual } from 'node:util';
import type { PolicyObject } from '../snapshot/model.ts';
import type { KubeObject } from '../target/rest.ts';
import { titleOf } from './documents.ts';
import { managedPart, policyToWrite } from './managed.ts';
import type { Conflict, ObjectChange, ObjectRef } from './model.ts';
import { isOurs, otherManagers, ownerOf, type Signature } from './ownership.ts';

/** A policy's change or the conflict that forbids it; neither where it is as it should be. */
export type PolicyPlan = { readonly change?: ObjectChange; readonly conflict?: Conflict };

/**
 * The change that makes the local policy, or what one refers to, the target's. One that isn't ours is never adopted,
 * equal or not.
 */
export function planPolicy(
  policy: PolicyObject,
  live: KubeObject | undefined,
  mirror: string,
  signature: Signature,
): PolicyPlan {
  const after = policyToWrite(policy, mirror, signature);
  const id = refOf(after);
  if (!live) return { change: { ...id, action: 'create', after } };
  const before = managedPart(live, signature);
  if (!isOurs(live, signature)) {
    const owner = ownerOf(live);
    if (isDeepStrictEqual(partsOf(before), partsOf(after))) {
      const message = `${titleOf(id)} is here already, says the same and belongs to ${owner}; it is left alone`;
      return { conflict: { ...id, owner, message, alike: true } };
    }
    const message = `${titleOf(id)} is here already and belongs to ${owner}; it is left alone`;
    return { conflict: { ...id, owner, message } };
  }
  if (isDeepStrictEqual(before, after)) return {};
  const edited = editedFields(live, before, after, signature);
  if (edited) {
    const message =
      `${titleOf(id)} is ours, but ${edited.owner} changed ${edited.fields.join(', ')}; ` +
      `it is left alone: delete it (${deletion(id)}) to have it mirrored again`;
    return { conflict: { ...id, owner: edited.owner, message } };
  }
  const { uid } = live.metadata;
  return { change: { ...id, action: 'update', ...(uid !== undefined && { uid }), before, after } };
}

/** The deletion of a policy of ours. */
export function dropPolicy(live: KubeObject, signature: Signature): ObjectChange {
  const before = managedPart(live, signature);
  const { uid } = live.metadata;
  return { ...refOf(before), action: 'delete', ...(uid !== undefined && { uid }), before };
}

/** Which object it is. */
export function refOf({
  apiVersion = '',
  kind = '',
  metadata: { name, namespace },
}: Pick<KubeObject, 'apiVersion' | 'kind'> & Pick<PolicyObject, 'metadata'>): ObjectRef {
  return { apiVersion, kind, ...(namespace !== undefined && { namespace }), name };
}

/** With the group, for several groups have kinds of one name. */
function deletion({ apiVersion, kind, namespace, name }: ObjectRef): string {
  const [group = ''] = apiVersion.split('/');
  const type = group === 'networking.k8s.io' ? kind.toLowerCase() : `${kind.toLowerCase()}.${group}`;
  return ['kubectl delete', type, ...(namespace === undefined ? [] : ['-n', namespace]), name].join(' ');
}

/** The parts of a policy of ours that differ from what we want because someone else wrote them. */
function editedFields(live: KubeObject, before: KubeObject, after: KubeObject, signature: Signature) {
  const [here, wanted] = [partsOf(before), partsOf(after)];
  const differing = [...new Set([...here.keys(), ...wanted.keys()])].filter(
    (path) => !isDeepStrictEqual(here.get(path), wanted.get(path)),
  );
  const edited = differing.flatMap((path) => {
    const managers = otherManagers(live, path.split('.'), signature);
    return managers.length > 0 ? [{ path, managers }] : [];
  });
  if (edited.length === 0) return undefined;
  return {
    fields: edited.map(({ path }) => path),
    owner: [...new Set(edited.flatMap(({ managers }) => managers))].join(', '),
  };
}

/** What a policy says, by the paths of its parts. */
function partsOf({ spec, specs }: KubeObject): Map<string, unknown> {
  return new Map<string, unknown>([
    ...Object.entries(spec ?? {}).map(([key, value]): [string, unknown] => [`spec.${key}`, value]),
    ...(specs === undefined ? [] : [['specs', specs] as const]),
  ]);
}

/** The other managers that own a part of what a policy says. */
export function editorsOf(live: KubeObject, signature: Signature): string[] {
  const paths = [...partsOf(live).keys()];
  return [...new Set(paths.flatMap((path) => otherManagers(live, path.split('.'), signature)))];
}

/** Whether a policy allows anything; one that doesn't only isolates. */
export function allowsAnything(policy: KubeObject | undefined): boolean {
  const specs = [policy?.spec, ...((policy?.specs as unknown[] | undefined) ?? [])];
  return specs.some((spec) => {
    const { ingress, egress } = (spec ?? {}) as { ingress?: unknown; egress?: unknown };
    return ingress !== undefined || egress !== undefined;
  });
}
