import type { PolicyObject } from '../../snapshot/model.ts';
import { CALICO_GROUPS } from './calico-tiers.ts';
import { groupOf } from './origin.ts';

/** Calico's copies of Kubernetes' policies, as its API lists them: name prefix and what they are of (lib/names). */
const COPIES = [
  { prefix: 'knp.default.', group: 'networking.k8s.io', kind: 'NetworkPolicy' },
  { prefix: 'kanp.adminnetworkpolicy.', group: 'policy.networking.k8s.io', kind: 'AdminNetworkPolicy' },
  {
    prefix: 'kbanp.baselineadminnetworkpolicy.',
    group: 'policy.networking.k8s.io',
    kind: 'BaselineAdminNetworkPolicy',
  },
  { prefix: 'kcnp.kube-admin.', group: 'policy.networking.k8s.io', kind: 'ClusterNetworkPolicy' },
  { prefix: 'kcnp.kube-baseline.', group: 'policy.networking.k8s.io', kind: 'ClusterNetworkPolicy' },
] as const;

/**
 * Calico's objects, each once: not again as they are stored where its API shows them as well, and no copy of a
 * Kubernetes policy that is there itself.
 */
export function calicoObjects(objects: readonly PolicyObject[]): PolicyObject[] {
  const all = new Set(objects.map((o) => identity(groupOf(o), o.kind, o.metadata.namespace, o.metadata.name)));
  const [api, storage] = CALICO_GROUPS;
  const shown = new Set(objects.filter((o) => groupOf(o) === api).map((o) => identityOf(o)));
  return objects.filter((object) => {
    const { name, namespace } = object.metadata;
    if (groupOf(object) !== api && (groupOf(object) !== storage || shown.has(identityOf(object)))) return false;
    const copy = COPIES.find(({ prefix }) => name.startsWith(prefix));
    return !copy || !all.has(identity(copy.group, copy.kind, namespace, name.slice(copy.prefix.length)));
  });
}

/** Storage puts the tier before the name; the API leaves `default.` out (lib/names, ClientTieredPolicyName). */
export function apiName({ kind, metadata: { name } }: PolicyObject): string {
  return kind.endsWith('NetworkPolicy') && name.startsWith('default.') ? name.slice('default.'.length) : name;
}

function identityOf(object: PolicyObject): string {
  return identity('', object.kind, object.metadata.namespace, apiName(object));
}

function identity(group: string, kind: string, namespace: string | undefined, name: string): string {
  return `${group} ${kind} ${namespace ?? ''}/${name}`;
}
