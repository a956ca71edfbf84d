import type { PolicyObject } from '../../snapshot/model.ts';
import { apiName } from './calico-objects.ts';
import { CALICO_GROUPS } from './calico-tiers.ts';
import { groupOf } from './origin.ts';
import type { Place, Placed } from './place.ts';
import { replaceAt } from './replace.ts';

type Json = Readonly<Record<string, unknown>>;

const DIRECTIONS = ['ingress', 'egress'] as const;

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
  const located = withNets(object, place);
  if (!located) return undefined;
  if (!object.kind.endsWith('NetworkPolicy')) return [{ ...located, apiVersion }];
  const spec = (located.spec ?? {}) as Json;
  const tier = typeof spec.tier === 'string' && spec.tier !== '' ? spec.tier : 'default';
  const name = apiName(object);
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
        ...(object.metadata.namespace === undefined && { namespaceSelector: confined(spec.namespaceSelector, place) }),
      },
    },
  ];
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

function confined(selector: unknown, { namespaces }: Place): string {
  const own = `projectcalico.org/name in {${namespaces.map((name) => `'${name}'`).join(', ')}}`;
  return typeof selector === 'string' && selector.trim() !== '' ? `(${selector}) && ${own}` : own;
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
