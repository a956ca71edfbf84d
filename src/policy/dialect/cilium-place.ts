import type { LabelSelector, PolicyObject } from '../../snapshot/model.ts';
import { contains, parseAddress, parseCidr } from '../addresses.ts';
import { confineEntities, confinePeers, namesUnclearly } from './cilium-confine.ts';
import { narrowed } from './confine.ts';
import { groupOf } from './origin.ts';
import { type Place, type Placed, wideName } from './place.ts';
import { replaceAt } from './replace.ts';

type Json = Readonly<Record<string, unknown>>;

const LISTS = ['ingress', 'ingressDeny', 'egress', 'egressDeny'] as const;
const NAMESPACE = 'k8s:io.kubernetes.pod.namespace';
/** Where AKS' LocalDNS answers: https://learn.microsoft.com/azure/aks/localdns-custom */
const LOCAL_DNS = '169.254.10.10';
const KUBE_DNS = { matchLabels: { [NAMESPACE]: 'kube-system', 'k8s:k8s-app': 'kube-dns' } };

/**
 * A policy or CIDR group of Cilium's as another Cilium is to have it: clusterwide ones confined, blocks of the target's
 * own ranges away (its CIDRs mean only what is outside), AKS' LocalDNS as the cluster's DNS, and without the rules that
 * need a proxy which isn't there. That an HTTP rule without Envoy keeps the pods from starting was seen with Cilium
 * 1.20.
 */
export function placeCilium(object: PolicyObject, place: Place): Placed {
  const apiVersion = groupOf(object) === 'cilium.io' ? place.apiVersion(object.kind, ['cilium.io']) : undefined;
  if (!apiVersion) return undefined;
  if (object.kind === 'CiliumCIDRGroup') {
    const blocks = (list: unknown) => (list as string[]).flatMap((cidr) => place.cidrs(cidr) ?? [cidr]);
    return [named({ ...(replaceAt(object, ['spec', 'externalCIDRs'], blocks) as PolicyObject), apiVersion }, place)];
  }
  if (place.shared && namesUnclearly(object)) return undefined;
  const isWide = object.metadata.namespace === undefined;
  const change = (spec: unknown) => placeSpec(spec as Json, isWide, place);
  const specs = replaceAt(replaceAt(object, ['spec'], change), ['specs', '*'], change) as PolicyObject;
  return [isWide ? named({ ...specs, apiVersion }, place) : { ...specs, apiVersion }];
}

function placeSpec(spec: Json, isWide: boolean, place: Place): Json {
  const confined = isWide
    ? replaceAt(spec, ['endpointSelector'], (s) => narrowed(s as LabelSelector, NAMESPACE, place.namespaces))
    : spec;
  return LISTS.reduce<Json>(
    (result, list) => replaceAt(result, [list], (rules) => placeRules(rules as Json[], list, isWide, place)) as Json,
    confined as Json,
  );
}

function named(object: PolicyObject, place: Place): PolicyObject {
  return { ...object, metadata: { ...object.metadata, name: wideName(object.metadata.name, place) } };
}

/** A list that loses all of its rules must go on denying: an empty rule does, an empty list says nothing. */
function placeRules(rules: readonly Json[], list: (typeof LISTS)[number], isWide: boolean, place: Place): Json[] {
  const placed = sharedRules(rules, list, isWide, place).flatMap((rule) =>
    withLocalDns(rule, list).flatMap((r) => provable(r, place)),
  );
  const known = placed.map((rule) => withBlocks(rule, place));
  return known.length === 0 && rules.length > 0 ? [{}] : known;
}

/** What allows means this mirror's namespaces; what denies may go on to mean everybody's. Groups go by their names here. */
function sharedRules(rules: readonly Json[], list: string, isWide: boolean, place: Place): readonly Json[] {
  const { shared } = place;
  if (!shared) return rules;
  const renamed = rules.map((rule) =>
    ['fromCIDRSet', 'toCIDRSet'].reduce<Json>(
      (r, side) => replaceAt(r, [side, '*', 'cidrGroupRef'], (name) => wideName(name as string, place)) as Json,
      rule,
    ),
  );
  if (list.endsWith('Deny')) return renamed;
  return renamed.flatMap((rule) => confineEntities(confinePeers(rule, isWide, shared.namespaces), shared.namespaces));
}

/** A rule that leads to AKS' LocalDNS leads to the cluster's DNS as well. */
function withLocalDns(rule: Json, list: string): Json[] {
  const blocks = [
    ...((rule.toCIDR ?? []) as string[]),
    ...((rule.toCIDRSet ?? []) as Json[]).flatMap(({ cidr }) => (typeof cidr === 'string' ? cidr : [])),
  ];
  if (list !== 'egress' || !blocks.some(isLocalDns)) return [rule];
  const { toCIDR: _, toCIDRSet: __, ...rest } = rule;
  return [rule, { ...rest, toEndpoints: [KUBE_DNS] }];
}

function isLocalDns(cidr: string): boolean {
  const [range, dns] = [parseCidr(cidr), parseAddress(LOCAL_DNS)];
  if (!range || !dns || range.family !== 4) return false;
  return contains(range, dns) && range.first >> 16n === dns.first >> 16n;
}

/** The rule as far as it can be enforced, or nothing. */
function provable(rule: Json, { missing, acceptWider }: Place): Json[] {
  const { authentication, ...plain } = rule;
  const asks = (authentication as Json | undefined)?.mode;
  const isAsking = missing.authentication !== undefined && asks !== undefined && asks !== 'disabled';
  if (isAsking && !acceptWider) return [];
  if (missing.dns !== undefined && rule.toFQDNs !== undefined) return [];
  const known = isAsking ? plain : rule;
  const toPorts = known.toPorts as Json[] | undefined;
  if (!toPorts || toPorts.length === 0) return [known];
  const kept = toPorts.flatMap((entry): Json[] => {
    if (missing.envoy !== undefined && needsEnvoy(entry)) return acceptWider ? [{ ports: entry.ports }] : [];
    const { rules, ...rest } = entry;
    // A look-up leads nowhere by itself, and without DNS nothing works: its names alone are given up.
    return missing.dns !== undefined && (rules as Json | undefined)?.dns !== undefined ? [rest] : [entry];
  });
  return kept.length === 0 ? [] : [{ ...known, toPorts: kept }];
}

function needsEnvoy({ rules, serverNames, terminatingTLS, originatingTLS, listener }: Json): boolean {
  const asked = Object.entries((rules ?? {}) as Json).some(([key, value]) => key !== 'dns' && value !== undefined);
  const names = Array.isArray(serverNames) && serverNames.length > 0;
  return (
    asked || names || [terminatingTLS, originatingTLS, listener].some((part) => part !== undefined && part !== null)
  );
}

/** An empty list of blocks means nobody, as it should. */
function withBlocks(rule: Json, { cidrs }: Place): Json {
  const plain = (list: unknown) => (list as string[]).flatMap((cidr) => cidrs(cidr) ?? [cidr]);
  const sets = (list: unknown) =>
    (list as Json[]).flatMap((set) =>
      typeof set.cidr !== 'string' ? [set] : (cidrs(set.cidr) ?? [set.cidr]).map((cidr) => ({ ...set, cidr })),
    );
  const changes = (['from', 'to'] as const).flatMap((side) => [
    { path: [`${side}CIDR`], change: plain },
    { path: [`${side}CIDRSet`], change: sets },
  ]);
  return changes.reduce<Json>((result, { path, change }) => replaceAt(result, path, change) as Json, rule);
}
