import type { LabelSelector, PolicyObject } from '../../snapshot/model.ts';
import { NAMESPACE_NAME_LABEL } from '../select.ts';
import { narrowed, narrowedUnlessNamed } from './confine.ts';
import { groupOf } from './origin.ts';
import { type Place, type Placed, wideName } from './place.ts';
import { replaceAt } from './replace.ts';

const GROUP = 'policy.networking.k8s.io';

/**
 * An admin policy as another cluster is to have it: its subject confined, its networks in local ranges. Undefined where
 * that can't be said, and for nodes under Cilium, which knows these by labels of its own. (That Cilium loses the values of
 * matchExpressions was so in pre-releases of 1.20 alone: toSlimLabelSelector in pkg/k8s/cluster_network_policy.go.)
 */
export function placeAdmin(object: PolicyObject, place: Place): Placed {
  const apiVersion = groupOf(object) === GROUP ? place.apiVersion(object.kind, [GROUP]) : undefined;
  const networks = apiVersion && withNetworks({ ...object, apiVersion }, place);
  // There is but one of it in a cluster.
  if (!networks || (place.shared && object.kind === 'BaselineAdminNetworkPolicy')) return undefined;
  const located = place.shared ? withinPeers(networks, place.shared.namespaces) : networks;
  const name = wideName(object.metadata.name, place);
  if (place.engine === 'cilium' && /"nodes":\{/.test(JSON.stringify(located.spec))) return undefined;
  const only = confined(located, (s) => narrowed(s, NAMESPACE_NAME_LABEL, place.namespaces));
  return [{ ...only, metadata: { ...only.metadata, name } }];
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

/** Rules that allow mean pods of these namespaces alone; one that denies may go on to mean everybody's. */
function withinPeers(object: PolicyObject, namespaces: readonly string[]): PolicyObject {
  const narrow = (selector: unknown) =>
    narrowedUnlessNamed(selector as LabelSelector, NAMESPACE_NAME_LABEL, namespaces);
  const peer = (value: unknown) => {
    // v1alpha2 takes a missing namespaceSelector for an empty one.
    const pods = replaceAt(value, ['pods'], (p) => ({ namespaceSelector: {}, ...(p as object) }));
    return replaceAt(replaceAt(pods, ['namespaces'], narrow), ['pods', 'namespaceSelector'], narrow);
  };
  const rule = (side: string) => (value: unknown) =>
    ['Allow', 'Accept'].includes(`${(value as { action?: unknown }).action}`)
      ? replaceAt(value, [side, '*'], peer)
      : value;
  return replaceAt(
    replaceAt(object, ['spec', 'ingress', '*'], rule('from')),
    ['spec', 'egress', '*'],
    rule('to'),
  ) as PolicyObject;
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
