import { counted } from '../host/counted.ts';
import { DIALECTS } from '../policy/dialect/index.ts';
import type { KubeObject, ReadClient, Resource } from '../target/rest.ts';
import type { Snapshot } from './model.ts';
import { isPolicyKind, type ObjectType } from './policy-object.ts';

export type OtherPolicy = Snapshot['otherPolicies'][number];

/**
 * Policy kinds that no dialect reads, by group, and why they aren't mirrored; facts/policies.md §1. Nothing here goes by
 * a short name or a plural alone: several groups claim `cnp` and `networkpolicies`.
 */
const OTHER_POLICY_KINDS: Readonly<Record<string, { readonly kinds: readonly string[]; readonly why: string }>> = {
  'cilium.io': {
    kinds: ['CiliumLocalRedirectPolicy', 'CiliumEgressGatewayPolicy'],
    why: 'they say where packets go, not which may pass',
  },
  'security.istio.io': {
    kinds: ['AuthorizationPolicy', 'PeerAuthentication'],
    why: 'a service mesh enforces them, not the network',
  },
  'crd.antrea.io': { kinds: ['ClusterNetworkPolicy', 'NetworkPolicy', 'Tier'], why: 'Antrea’s policies are not read' },
  'k8s.ovn.org': {
    kinds: ['EgressFirewall', 'AdminPolicyBasedExternalRoute'],
    why: 'OVN-Kubernetes’ policies are not read',
  },
  'networking.gke.io': { kinds: ['FQDNNetworkPolicy'], why: 'GKE’s own policies are not read' },
  // Gone from the API since 1.16, but still found in old folders.
  extensions: { kinds: ['NetworkPolicy'], why: 'no API server takes this version: make it networking.k8s.io/v1' },
};

/** `CiliumEgressGatewayPolicy.cilium.io: not mirrored (why): 2 objects`. */
export function notMirrored({ group, kind, count }: OtherPolicy): string {
  const why = isOtherPolicy(group, kind) ? ` (${OTHER_POLICY_KINDS[group]?.why})` : ' yet';
  return `${kind}.${group}: not mirrored${why}: ${counted(count, 'object')}`;
}

/** Objects that an engine makes by itself, so that every cluster has them. */
const BUILT_IN: Readonly<Record<string, RegExp>> = {
  Tier: /^(default|adminnetworkpolicy|baselineadminnetworkpolicy|kube-admin|kube-baseline)$/,
  // Calico's own view of networking.k8s.io NetworkPolicies.
  NetworkPolicy: /^knp\.default\./,
};

export function isOtherPolicy(group: string, kind: string): boolean {
  return Object.hasOwn(OTHER_POLICY_KINDS, group) && (OTHER_POLICY_KINDS[group]?.kinds.includes(kind) ?? false);
}

export function isBuiltIn(kind: string, name: string): boolean {
  return Object.hasOwn(BUILT_IN, kind) && (BUILT_IN[kind]?.test(name) ?? false);
}

/** Runs one read, or records why it couldn't be done and gives undefined. */
export type Attempt = <T>(resource: string, reading: () => Promise<T>) => Promise<T | undefined>;

/** What a cluster holds besides networking.k8s.io/v1 NetworkPolicies. */
export interface FoundPolicies {
  /** Of the kinds that some dialect reads: each with what it is, for an item of a list doesn't say it. */
  readonly objects: readonly (ObjectType & { readonly object: KubeObject })[];
  readonly others: readonly OtherPolicy[];
}

/**
 * Reads the objects of every served kind that a dialect reads, and counts those of the other policy kinds. Groups that
 * aren't there are no gaps.
 */
export async function findPolicies(client: ReadClient, attempt: Attempt, signal: AbortSignal): Promise<FoundPolicies> {
  const kinds = await policyKinds(client, attempt, signal);
  const found = await Promise.all(kinds.map((kind) => findKind(client, attempt, kind, signal)));
  return { objects: found.flatMap((f) => f.objects), others: found.flatMap((f) => f.others) };
}

/** A policy kind that an API server serves, and whether some dialect reads it. */
export interface ServedKind {
  readonly resource: Resource;
  readonly kind: string;
  readonly isRead: boolean;
}

/** The policy kinds that a server serves besides Kubernetes' own. */
export async function policyKinds(client: ReadClient, attempt: Attempt, signal: AbortSignal): Promise<ServedKind[]> {
  const discovery = await attempt('API groups', () => client.raw('/apis', signal));
  const groups = (discovery as { groups?: ApiGroup[] } | undefined)?.groups ?? [];
  const served = groups.filter((group) => isPolicyGroup(group.name));
  // The aggregated Calico API shows the same objects as its storage form: read them once.
  const aggregated = served.some((group) => group.name === 'projectcalico.org');
  const wanted = served.filter((group) => !(aggregated && group.name === 'crd.projectcalico.org'));
  return (await Promise.all(wanted.map((group) => kindsInGroup(client, attempt, group, signal)))).flat();
}

/** NetworkPolicies themselves are read apart: without them nothing else is worth much. */
function isPolicyGroup(name: string): boolean {
  if (name === 'networking.k8s.io') return false;
  return Object.hasOwn(OTHER_POLICY_KINDS, name) || DIALECTS.some((d) => d.kinds.some((k) => k.group === name));
}

interface ApiGroup {
  readonly name: string;
  readonly preferredVersion?: { readonly version: string };
  readonly versions?: readonly { readonly version: string }[];
}

async function kindsInGroup(
  client: ReadClient,
  attempt: Attempt,
  group: ApiGroup,
  signal: AbortSignal,
): Promise<ServedKind[]> {
  const preferred = group.preferredVersion?.version;
  // A kind may be served in another version than the group's preferred one only (policy.networking.k8s.io).
  const versions = [...new Set([preferred, ...(group.versions ?? []).map((v) => v.version)])].filter(
    (v) => v !== undefined,
  );
  const kinds = new Map<string, ServedKind>();
  for (const version of versions) {
    const path = `/apis/${group.name}/${version}`;
    const answer = await attempt(path.slice(6), () => client.raw(path, signal));
    const resources = (answer as { resources?: { name: string; kind: string }[] } | undefined)?.resources ?? [];
    for (const { name: plural, kind } of resources) {
      const isRead = isPolicyKind(group.name, kind);
      if (plural.includes('/') || kinds.has(kind) || !(isRead || isOtherPolicy(group.name, kind))) continue;
      kinds.set(kind, { resource: { group: group.name, version, plural }, kind, isRead });
    }
  }
  return [...kinds.values()];
}

async function findKind(
  client: ReadClient,
  attempt: Attempt,
  { resource, kind, isRead }: ServedKind,
  signal: AbortSignal,
): Promise<FoundPolicies> {
  const { group, version, plural } = resource;
  const list = () => client.list(resource, signal, isRead ? undefined : { metadataOnly: true });
  const all = (await attempt(`${plural}.${group}`, list)) ?? [];
  const own = all.filter((object) => !isBuiltIn(kind, object.metadata.name));
  const type = { apiVersion: `${group}/${version}`, kind };
  if (isRead) return { objects: own.map((object) => ({ ...type, object })), others: [] };
  return { objects: [], others: own.length > 0 ? [{ group, kind, count: own.length }] : [] };
}
