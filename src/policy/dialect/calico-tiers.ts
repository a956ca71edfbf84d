import type { PolicyObject } from '../../snapshot/model.ts';
import { at, type Field, isAbsent, oneOf, onlyKeys } from '../../snapshot/shape.ts';
import type { Tier } from '../model.ts';
import { ADMIN_TIER, BASELINE_TIER, CALICO_DEFAULT_TIER } from '../tiers.ts';
import { groupOf, specOf } from './origin.ts';

/** Both groups hold the same kinds: the API, and how it is stored where there is no API server of Calico's. */
export const CALICO_GROUPS = ['projectcalico.org', 'crd.projectcalico.org'] as const;

/** Calico's names of the tiers that every engine knows, the older and the newer (libcalico-go/lib/names/policy.go). */
const KNOWN: Readonly<Record<string, Tier>> = {
  default: CALICO_DEFAULT_TIER,
  adminnetworkpolicy: ADMIN_TIER,
  'kube-admin': ADMIN_TIER,
  baselineadminnetworkpolicy: BASELINE_TIER,
  'kube-baseline': BASELINE_TIER,
};

/** Whether every Calico has a tier of this name. */
export function isBuiltInTier(name: string): boolean {
  return Object.hasOwn(KNOWN, name);
}

/** What a tier of Calico's is called here; its own `admin` or `baseline` isn't the one that every engine knows. */
export function tierName(name: string): string {
  if (Object.hasOwn(KNOWN, name)) return KNOWN[name]?.name ?? name;
  return name === ADMIN_TIER.name || name === BASELINE_TIER.name ? `${name} (Calico)` : name;
}

/**
 * Calico's tiers among the objects, sorted; `default` is always one. Without an order a tier comes last, and any default
 * action but Pass is Deny (felix/calc/policy_sorter.go; libcalico-go syncersv1/updateprocessors/tierprocessor.go).
 * Throws an input error, as for a built-in tier of another order.
 */
export function calicoTiers(objects: readonly PolicyObject[]): Tier[] {
  const tiers = new Map<string, Tier>([[CALICO_DEFAULT_TIER.name, CALICO_DEFAULT_TIER]]);
  for (const object of objects) {
    if (object.kind !== 'Tier' || !CALICO_GROUPS.some((group) => group === groupOf(object))) continue;
    const tier = parseTier(object);
    tiers.set(tier.name, tier);
  }
  return [...tiers.values()].sort((a, b) => (a.order === b.order ? (a.name < b.name ? -1 : 1) : a.order - b.order));
}

function parseTier(object: PolicyObject): Tier {
  const spec = specOf(object);
  if (!isAbsent(spec)) onlyKeys(spec, ['order', 'defaultAction']);
  const action = at(spec, 'defaultAction');
  const passes = !isAbsent(action) && oneOf(action, ['Deny', 'Pass'] as const) === 'Pass';
  const order = orderAt(at(spec, 'order'));
  const { name } = object.metadata;
  const known = Object.hasOwn(KNOWN, name) ? KNOWN[name] : undefined;
  if (known && order !== undefined && order !== known.order) {
    throw spec.fail(['spec', 'order'], `must be ${known.order} for this tier`);
  }
  return {
    name: tierName(name),
    order: known?.order ?? order ?? Number.POSITIVE_INFINITY,
    rules: 'ordered',
    otherwise: passes ? 'pass' : 'deny',
  };
}

/** A tier's or a policy's turn: any number. Throws what the field's `fail` makes. */
export function orderAt(order: Field): number | undefined {
  if (isAbsent(order)) return undefined;
  if (typeof order.value !== 'number' || !Number.isFinite(order.value))
    throw order.fail(order.path, 'must be a number');
  return order.value;
}
