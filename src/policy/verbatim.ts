import type { PolicyObject } from '../snapshot/model.ts';
import { isReferred } from '../snapshot/policy-object.ts';
import { placeAdmin } from './dialect/admin-place.ts';
import { placeCalico } from './dialect/calico-place.ts';
import { placeCilium } from './dialect/cilium-place.ts';
import { groupOf, originOf } from './dialect/origin.ts';
import { confinedNote, type Place, type Placed } from './dialect/place.ts';
import { whyIgnored } from './engine.ts';
import { localCidrs } from './local-cidrs.ts';
import type { OwnKinds } from './local-world.ts';
import type { DialectName, Policy } from './model.ts';
import { isAccepted, type TranslatedObject, type TranslateInput } from './translate.ts';
import { partsOf } from './translate-cells.ts';

const PLACERS: Readonly<Record<string, (object: PolicyObject, place: Place) => Placed>> = {
  cilium: placeCilium,
  calico: placeCalico,
  admin: placeAdmin,
};

/**
 * The target's policies of other dialects than Kubernetes' that the local engine enforces in their own kinds, as they are
 * to be applied there, by `SourceRef.object`. Whether they mean the same there is for fidelityOf to tell. Pure.
 */
export function verbatimForms(input: TranslateInput): ReadonlyMap<string, readonly TranslatedObject[]> {
  const { model, local, namespaces, confineTo = namespaces } = input;
  const byObject = Map.groupBy(model.policies, (policy) => policy.source.object);
  return new Map(
    input.objects.flatMap((object): [string, TranslatedObject[]][] => {
      const origin = originOf(object).object;
      const from = byObject.get(origin) ?? [];
      const { namespace } = object.metadata;
      const isChosen = namespace === undefined ? confineTo.length > 0 : namespaces.includes(namespace);
      const acts = from.some((p) => partsOf(p, model).length > 0);
      if (!isChosen || !acts || from.some((p) => whyIgnored(p, local.engine) !== undefined)) return [];
      const place = from[0] && placeOf(from[0], input);
      const placed = place && PLACERS[from[0]?.dialect ?? '']?.(object, place);
      if (!placed || placed.length === 0) return [];
      const note = namespace === undefined ? { note: confinedNote({ namespaces: confineTo }) } : {};
      return [[origin, placed.map((o) => ({ object: o, from, verbatim: true, ...note }))]];
    }),
  );
}

/** What the chosen policies refer to: CIDR groups, network sets, tiers. */
export function referredForms(input: TranslateInput, chosen: readonly TranslatedObject[]): readonly TranslatedObject[] {
  const groups = new Set(chosen.map(({ object }) => groupOf(object)));
  const tiers = new Set(chosen.map(({ object }) => (object.spec as { tier?: unknown } | undefined)?.tier));
  const text = JSON.stringify(chosen.map(({ object }) => [object.spec, object.specs]));
  const isAsked = ({ kind, metadata: { name } }: PolicyObject) => {
    if (kind === 'Tier') return tiers.has(name);
    return kind === 'CiliumCIDRGroup'
      ? groups.has('cilium.io') &&
          (text.includes(`"cidrGroupRef":${JSON.stringify(name)}`) || text.includes('"cidrGroupSelector":'))
      : [...groups].some((group) => group.endsWith('projectcalico.org'));
  };
  const referred = input.objects.filter(
    ({ kind, metadata: { namespace } }) =>
      isReferred(kind) && (namespace === undefined || input.namespaces.includes(namespace)),
  );
  return referred.flatMap((object) => {
    const dialect = groupOf(object) === 'cilium.io' ? 'cilium' : 'calico';
    const place = placeOf({ dialect }, input);
    // By the names that they have there, as those that name them do.
    const placed = (place && PLACERS[dialect]?.(object, place)) ?? [];
    return placed.filter(isAsked).map((o) => ({ object: o, from: [], verbatim: true }));
  });
}

function placeOf(policy: Pick<Policy, 'dialect'> & Partial<Policy>, input: TranslateInput): Place | undefined {
  const { local, namespaces, confineTo = namespaces, acceptWider, shared } = input;
  const { own } = local;
  if (!own) return undefined;
  const accepted = policy.source !== undefined && isAccepted(policy as Policy, acceptWider);
  return {
    engine: local.engine.name,
    namespaces: confineTo,
    missing: own.missing,
    ...(shared && { shared }),
    acceptWider: accepted,
    cidrs: localCidrs(input, policy.dialect satisfies DialectName),
    apiVersion: (kind, groups) => servedAs(own, kind, groups),
  };
}

function servedAs({ kinds }: OwnKinds, kind: string, groups: readonly string[]): string | undefined {
  const found = kinds.find((k) => k.kind === kind && groups.includes(k.resource.group));
  return found && `${found.resource.group}/${found.resource.version}`;
}
