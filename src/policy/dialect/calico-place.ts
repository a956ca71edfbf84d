import type { PolicyObject } from '../../snapshot/model.ts';
import { DIRECTIONS } from '../directions.ts';
import { confineCalico, namesGlobal, narrowedExpression, ownTier } from './calico-confine.ts';
import { apiName } from './calico-objects.ts';
import { CALICO_GROUPS } from './calico-tiers.ts';
import { groupOf } from './origin.ts';
import { type Place, type Placed, wideName } from './place.ts';
import { replaceAt } from './replace.ts';

type Json = Readonly<Record<string, unknown>>;

/**
 * A policy, set or tier of Calico's as another Calico is to have it, by its API or in the form in which that is stored
 * (libcalico-go lib/names: storage has the tier before the name): global ones confined to pods of the mirrored
 * namespaces, `types` and `tier` written out, since what is left out means another thing in either form, and nets in
 * local ranges. Undefined where these can't be said.
 */
export function placeCalico(object: PolicyObject, place: Place): Placed {
  if (!CALICO_GROUPS.some((group) => group === groupOf(object))) return undefined;
  const apiVersion = place.apiVersion(object.kind, CALICO_GROUPS);
  if (!apiVersion) return undefined;
  const { shared } = place;
  const placed = withNets(object, place);
  if (!placed || (shared && namesGlobal(placed))) return undefined;
  const located = shared ? confineCalico(placed, shared.namespaces) : placed;
  const isWide = object.metadata.namespace === undefined;
  if (!object.kind.endsWith('NetworkPolicy')) {
    const { name } = object.metadata;
    const own = object.kind === 'Tier' ? ownTier(name, shared) : isWide ? wideName(name, place) : name;
    return [{ ...located, apiVersion, metadata: { ...object.metadata, name: own } }];
  }
  const spec = (located.spec ?? {}) as Json;
  const there = typeof spec.tier === 'string' && spec.tier !== '' ? spec.tier : 'default';
  const tier = ownTier(there, shared);
  const name = policyName(object, there, place);
  const isStored = apiVersion.startsWith('crd.');
  return [
    {
      ...located,
      apiVersion,
      metadata: { ...object.metadata, name: isStored && tier === 'default' ? `default.${name}` : name },
      spec: {
        ...spec,
        tier,
        types: typesOf(object),
        ...(isWide && { namespaceSelector: narrowedExpression(spec.namespaceSelector, place.namespaces) }),
      },
    },
  ];
}

/** Behind its tier's name, in any tier but `default`. */
function policyName(object: PolicyObject, tier: string, place: Place): string {
  const name = apiName(object);
  const inTier = name.startsWith(`${tier}.`) ? name.slice(tier.length + 1) : undefined;
  const bare = inTier ?? name;
  const own = object.metadata.namespace === undefined ? wideName(bare, place) : bare;
  return inTier === undefined ? own : `${ownTier(tier, place.shared)}.${own}`;
}

/** As the target reads it: see parseTypes in calico.ts. */
function typesOf(object: PolicyObject): unknown {
  const { types, ...lists } = (object.spec ?? {}) as Json;
  if (Array.isArray(types) && types.length > 0) return types;
  if (groupOf(object) === 'crd.projectcalico.org') return ['Ingress', 'Egress'];
  const has = (list: unknown) => Array.isArray(list) && list.length > 0;
  const present = DIRECTIONS.filter((direction) => has(lists[direction]));
  return (present.length > 0 ? present : ['ingress']).map((d) => (d === 'ingress' ? 'Ingress' : 'Egress'));
}

/** In a rule, an empty list of nets would mean everybody. */
function withNets(object: PolicyObject, { cidrs }: Place): PolicyObject | undefined {
  let unsaid = false;
  const isPolicy = object.kind.endsWith('NetworkPolicy');
  const change = (list: unknown) => {
    const found = (list as string[]).map(cidrs);
    const all = [...new Set(found.flatMap((blocks) => blocks ?? []))];
    unsaid ||= (isPolicy && all.length === 0 && found.length > 0) || found.includes(undefined);
    return all;
  };
  const ends = DIRECTIONS.flatMap((d) =>
    ['source', 'destination'].flatMap((end) => ['nets', 'notNets'].map((nets) => [d, '*', end, nets])),
  );
  const result = [...ends, ['nets']].reduce<unknown>((o, path) => replaceAt(o, ['spec', ...path], change), object);
  return unsaid ? undefined : (result as PolicyObject);
}
