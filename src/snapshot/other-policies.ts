import type { ReadClient } from '../target/rest.ts';
import type { Snapshot } from './model.ts';

export type OtherPolicy = Snapshot['otherPolicies'][number];

/**
 * Policy kinds besides networking.k8s.io/v1 NetworkPolicy, by group; facts/policies.md §1. `cnp` and `networkpolicies`
 * are claimed by several groups, so nothing here goes by a short name or a plural alone.
 */
export const OTHER_POLICY_KINDS: Readonly<Record<string, readonly string[]>> = {
  'cilium.io': [
    'CiliumNetworkPolicy',
    'CiliumClusterwideNetworkPolicy',
    'CiliumCIDRGroup',
    'CiliumLocalRedirectPolicy',
    'CiliumEgressGatewayPolicy',
  ],
  'projectcalico.org': calicoKinds(),
  'crd.projectcalico.org': calicoKinds(),
  'policy.networking.k8s.io': ['AdminNetworkPolicy', 'BaselineAdminNetworkPolicy', 'ClusterNetworkPolicy'],
  'security.istio.io': ['AuthorizationPolicy', 'PeerAuthentication'],
  'crd.antrea.io': ['ClusterNetworkPolicy', 'NetworkPolicy', 'Tier'],
  'k8s.ovn.org': ['EgressFirewall', 'AdminPolicyBasedExternalRoute'],
  'networking.gke.io': ['FQDNNetworkPolicy'],
  // Gone from the API since 1.16, but still found in old folders.
  extensions: ['NetworkPolicy'],
};

/** Objects that an engine makes by itself, so that every cluster has them. */
const BUILT_IN: Readonly<Record<string, RegExp>> = {
  Tier: /^(default|adminnetworkpolicy|baselineadminnetworkpolicy|kube-admin|kube-baseline)$/,
  // Calico's own view of networking.k8s.io NetworkPolicies.
  NetworkPolicy: /^knp\.default\./,
};

export function isOtherPolicy(group: string, kind: string): boolean {
  return Object.hasOwn(OTHER_POLICY_KINDS, group) && (OTHER_POLICY_KINDS[group]?.includes(kind) ?? false);
}

export function isBuiltIn(kind: string, name: string): boolean {
  return Object.hasOwn(BUILT_IN, kind) && (BUILT_IN[kind]?.test(name) ?? false);
}

/** Runs one read, or records why it couldn't be done and gives undefined. */
export type Attempt = <T>(resource: string, reading: () => Promise<T>) => Promise<T | undefined>;

/** Counts the objects of every other policy kind that the cluster serves. Groups that aren't there are no gaps. */
export async function countOtherPolicies(
  client: ReadClient,
  attempt: Attempt,
  signal: AbortSignal,
): Promise<OtherPolicy[]> {
  const discovery = await attempt('API groups', () => client.raw('/apis', signal));
  const groups = (discovery as { groups?: ApiGroup[] } | undefined)?.groups ?? [];
  const served = groups.filter((group) => Object.hasOwn(OTHER_POLICY_KINDS, group.name));
  // The aggregated Calico API shows the same objects as its storage form: count them once.
  const aggregated = served.some((group) => group.name === 'projectcalico.org');
  const wanted = served.filter((group) => !(aggregated && group.name === 'crd.projectcalico.org'));
  const counts = await Promise.all(wanted.map((group) => countGroup(client, attempt, group, signal)));
  return counts.flat();
}

interface ApiGroup {
  readonly name: string;
  readonly preferredVersion?: { readonly version: string };
  readonly versions?: readonly { readonly version: string }[];
}

async function countGroup(
  client: ReadClient,
  attempt: Attempt,
  group: ApiGroup,
  signal: AbortSignal,
): Promise<OtherPolicy[]> {
  const counted = new Map<string, Promise<number | undefined>>();
  const preferred = group.preferredVersion?.version;
  // A kind may be served in another version than the group's preferred one only (policy.networking.k8s.io).
  const versions = [...new Set([preferred, ...(group.versions ?? []).map((v) => v.version)])].filter(
    (v) => v !== undefined,
  );
  for (const version of versions) {
    const path = `/apis/${group.name}/${version}`;
    const answer = await attempt(path.slice(6), () => client.raw(path, signal));
    const resources = (answer as { resources?: { name: string; kind: string }[] } | undefined)?.resources ?? [];
    for (const { name: plural, kind } of resources) {
      if (plural.includes('/') || !isOtherPolicy(group.name, kind) || counted.has(kind)) continue;
      const resource = { group: group.name, version, plural };
      const reading = () => client.list(resource, signal, { metadataOnly: true });
      const count = attempt(`${plural}.${group.name}`, reading).then(
        (found) => found?.filter((object) => !isBuiltIn(kind, object.metadata.name)).length,
      );
      counted.set(kind, count);
    }
  }
  const all = await Promise.all(
    [...counted].map(async ([kind, count]) => ({ group: group.name, kind, count: (await count) ?? 0 })),
  );
  return all.filter((entry) => entry.count > 0);
}

function calicoKinds(): string[] {
  return [
    'NetworkPolicy',
    'GlobalNetworkPolicy',
    'NetworkSet',
    'GlobalNetworkSet',
    'StagedNetworkPolicy',
    'StagedKubernetesNetworkPolicy',
    'StagedGlobalNetworkPolicy',
    'Tier',
    'HostEndpoint',
  ];
}
