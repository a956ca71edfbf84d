import type { LabelSelector, PolicyObject } from '../../snapshot/model.ts';
import { NAMESPACE_NAME_LABEL } from '../select.ts';
import { groupOf } from './origin.ts';
import type { Place, Placed } from './place.ts';
import { replaceAt } from './replace.ts';

const GROUP = 'policy.networking.k8s.io';

/**
 * An admin policy as another cluster is to have it: its subject confined, its networks in local ranges. Undefined where
 * the engine reads it otherwise: Cilium loses the values of matchExpressions (toSlimLabelSelector in
 * pkg/k8s/cluster_network_policy.go of 1.20), so there it becomes one a namespace, and only where it has none.
 */
export function placeAdmin(object: PolicyObject, place: Place): Placed {
  const apiVersion = groupOf(object) === GROUP ? place.apiVersion(object.kind, [GROUP]) : undefined;
  const located = apiVersion && withNetworks({ ...object, apiVersion }, place);
  if (!located) return undefined;
  const isCilium = place.engine === 'cilium';
  if (!isCilium) {
    const values = [...place.namespaces];
    return [
      confined(located, (s) => ({
        ...s,
        matchExpressions: [...(s.matchExpressions ?? []), { key: NAMESPACE_NAME_LABEL, operator: 'In', values }],
      })),
    ];
  }
  if (/"values":\[/.test(JSON.stringify(object.spec)) || /"nodes":\{/.test(JSON.stringify(object.spec)))
    return undefined;
  const { name } = object.metadata;
  return place.namespaces.map((namespace) => ({
    ...confined(located, (s) => ({ ...s, matchLabels: { ...s.matchLabels, [NAMESPACE_NAME_LABEL]: namespace } })),
    metadata: { ...object.metadata, name: `${name}-${namespace}`.slice(0, 253) },
  }));
}

function confined(object: PolicyObject, change: (selector: LabelSelector) => LabelSelector): PolicyObject {
  const edit = (value: unknown) => change(value as LabelSelector);
  const subject = (object.spec as { subject?: { pods?: object } }).subject;
  if (!subject?.pods) return replaceAt(object, ['spec', 'subject', 'namespaces'], edit) as PolicyObject;
  // v1alpha2 takes a missing namespaceSelector for an empty one.
  const pods = (value: unknown) => ({ namespaceSelector: {}, ...(value as object) });
  const whole = replaceAt(object, ['spec', 'subject', 'pods'], pods);
  return replaceAt(whole, ['spec', 'subject', 'pods', 'namespaceSelector'], edit) as PolicyObject;
}

/** A rule must name a network at least, so one that means nobody can't be said. */
function withNetworks(object: PolicyObject, { cidrs }: Place): PolicyObject | undefined {
  let unsaid = false;
  const change = (list: unknown) => {
    const found = (list as string[]).map(cidrs);
    const all = [...new Set(found.flatMap((blocks) => blocks ?? []))];
    unsaid ||= all.length === 0 || found.includes(undefined);
    return all;
  };
  const result = replaceAt(object, ['spec', 'egress', '*', 'to', '*', 'networks'], change) as PolicyObject;
  return unsaid ? undefined : result;
}
