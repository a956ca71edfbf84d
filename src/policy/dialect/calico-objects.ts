import { inputError } from '../../host/errors.ts';
import type { PolicyObject } from '../../snapshot/model.ts';
import { CALICO_GROUPS } from './calico-tiers.ts';
import { canonicalPolicy } from './canonical.ts';
import { groupOf, originOf, sourceRef } from './origin.ts';

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
 * Kubernetes policy that is there itself. Throws an input error where files say one thing of an object's API form and
 * another of its stored form, for a cluster has them as one.
 */
export function calicoObjects(objects: readonly PolicyObject[]): PolicyObject[] {
  const all = new Set(objects.map((o) => identity(groupOf(o), o.kind, o.metadata.namespace, o.metadata.name)));
  const [api, storage] = CALICO_GROUPS;
  const shown = new Map(objects.filter((o) => groupOf(o) === api).map((o) => [identityOf(o), o]));
  return objects.filter((object) => {
    const { name, namespace } = object.metadata;
    if (groupOf(object) !== api) {
      if (groupOf(object) !== storage) return false;
      const same = shown.get(identityOf(object));
      if (same) {
        demandAlike(same, object);
        return false;
      }
    }
    const copy = COPIES.find(({ prefix }) => name.startsWith(prefix));
    return !copy || !all.has(identity(copy.group, copy.kind, namespace, name.slice(copy.prefix.length)));
  });
}

/** What Calico's API fills in before it stores an object: a manifest needn't say it. */
const FILLED_IN = ['tier', 'types'];

function demandAlike(shown: PolicyObject, stored: PolicyObject): void {
  const [one, other] = [shown, stored].map((o) => canonicalPolicy(o).spec ?? {}) as [object, object];
  const specs = [without(one, missingIn(other)), without(other, missingIn(one))].map((spec) => JSON.stringify(spec));
  if (specs[0] === specs[1]) return;
  const [first, second] = [shown, stored].map((object) => {
    const { object: name, file, line } = sourceRef(originOf(object));
    return file === undefined ? name : `${file}:${line}: ${name}`;
  });
  throw inputError(`${second} is the stored form of ${first}, and they differ`, {
    action: 'Leave out the one that is not meant: a cluster has one object of that name.',
  });
}

const missingIn = (spec: object) => FILLED_IN.filter((key) => !Object.hasOwn(spec, key));

const without = (spec: object, keys: readonly string[]) =>
  Object.fromEntries(Object.entries(spec).filter(([key]) => !keys.includes(key)));

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
