import type { LocalWorld, OwnKinds } from '../../src/policy/local-world.ts';
import type { EngineName } from '../../src/snapshot/model.ts';

const KINDS: Readonly<Record<string, readonly string[]>> = {
  'cilium.io/v2': ['CiliumNetworkPolicy', 'CiliumClusterwideNetworkPolicy', 'CiliumCIDRGroup'],
  'projectcalico.org/v3': ['NetworkPolicy', 'GlobalNetworkPolicy', 'NetworkSet', 'GlobalNetworkSet', 'Tier'],
  'crd.projectcalico.org/v1': ['NetworkPolicy', 'GlobalNetworkPolicy', 'NetworkSet', 'GlobalNetworkSet', 'Tier'],
  'policy.networking.k8s.io/v1alpha2': ['ClusterNetworkPolicy'],
  'policy.networking.k8s.io/v1alpha1': ['AdminNetworkPolicy', 'BaselineAdminNetworkPolicy'],
};

/** A local cluster whose engine enforces the kinds of these groups and versions. */
export function localWorldOf(
  name: EngineName,
  versions: readonly string[],
  missing: OwnKinds['missing'] = {},
): LocalWorld {
  const kinds = versions.flatMap((apiVersion) =>
    (KINDS[apiVersion] ?? []).map((kind) => {
      const [group = '', version = ''] = apiVersion.split('/');
      return { resource: { group, version, plural: `${kind.toLowerCase()}s` }, kind, isRead: true };
    }),
  );
  return {
    engine: { name, evidence: [] },
    podRanges: ['10.244.0.0/16'],
    nodes: new Map([['local', ['172.19.0.2']]]),
    own: { kinds, missing },
  };
}

/** Two namespaces of a target, and their pods. */
export const PODS = `
{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {team: shop}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: ops, labels: {team: ops}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop, labels: {app: web}}, spec: {serviceAccountName: web, containers: [{name: c, image: x, ports: [{containerPort: 80, name: http}]}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: db, namespace: shop, labels: {app: db}}, spec: {containers: [{name: c, image: x}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: tool, namespace: ops, labels: {app: tool}}, spec: {containers: [{name: c, image: x}]}}
`;
