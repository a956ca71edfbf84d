import type { LocalState, ObjectPlan, ScopedTarget } from '../../src/plan/model.ts';
import { isMirror, type Signature, signatureOf } from '../../src/plan/ownership.ts';
import { type Scope, scopeTarget } from '../../src/plan/scope.ts';
import { SYSTEM_NAMESPACES } from '../../src/settings.ts';
import type { NetworkPolicy, NetworkPolicyPeer, Snapshot } from '../../src/snapshot/model.ts';
import type { KubeObject } from '../../src/target/rest.ts';

type Labels = Readonly<Record<string, string>>;

export const NAME_LABEL = 'kubernetes.io/metadata.name';
export const ALL = { namespaces: [], excludeNamespaces: SYSTEM_NAMESPACES, namespaceMap: {}, namespacePrefix: '' };

/** A target with the given namespaces and policies and nothing else. */
export function snapshotOf(
  namespaces: Readonly<Record<string, Labels>>,
  policies: readonly NetworkPolicy[] = [],
  more: Partial<Snapshot> = {},
): Snapshot {
  return {
    schema: 'clparity/v1',
    source: { kind: 'context', name: 'prod' },
    engine: { name: 'unknown', evidence: [] },
    ranges: { pods: [], services: [], nodes: [] },
    nodes: [],
    namespaces: Object.entries(namespaces).map(([name, labels]) => ({ name, labels })),
    workloads: [],
    services: [],
    policies: policies.map((p) => ({ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', ...p })),
    otherPolicies: [],
    gaps: [],
    ...more,
  };
}

export function policy(
  namespace: string,
  name: string,
  spec: NetworkPolicy['spec'] = { podSelector: {} },
): NetworkPolicy {
  return { metadata: { namespace, name }, spec };
}

/** A policy that lets the peers in. */
export function ingressFrom(namespace: string, name: string, ...from: NetworkPolicyPeer[]): NetworkPolicy {
  return policy(namespace, name, { podSelector: {}, policyTypes: ['Ingress'], ingress: [{ from }] });
}

export function scoped(snapshot: Snapshot, scope: Partial<Scope> = {}): ScopedTarget {
  return scopeTarget(snapshot, { ...ALL, ...scope });
}

/** A live object whose labels, annotations and spec `manager` set. */
export function live(kind: string, metadata: KubeObject['metadata'], manager = 'kubectl', spec?: object): KubeObject {
  const keys = (record: object = {}) => Object.fromEntries(Object.keys(record).map((key) => [`f:${key}`, {}]));
  return {
    apiVersion: kind === 'Namespace' ? 'v1' : 'networking.k8s.io/v1',
    kind,
    metadata: {
      uid: `uid-of-${metadata.namespace ?? ''}-${metadata.name}`,
      managedFields: [
        {
          manager,
          operation: isMirror(manager) ? 'Apply' : 'Update',
          fieldsV1: {
            'f:metadata': { 'f:labels': keys(metadata.labels), 'f:annotations': keys(metadata.annotations) },
            ...(spec && { 'f:spec': keys(spec) }),
          },
        },
      ],
      ...metadata,
    },
    ...(spec && { spec }),
  };
}

export function localOf(
  objects: readonly KubeObject[],
  occupants: Readonly<Record<string, readonly string[]>> = {},
  prefix = '',
): LocalState {
  return {
    signature: signatureOf(prefix),
    namespaces: objects.filter(({ kind }) => kind === 'Namespace'),
    policies: objects.filter(({ kind }) => kind !== 'Namespace'),
    kinds: [],
    occupants: new Map(Object.entries(occupants)),
  };
}

/** What the API server would hold after a plan: server-side apply of whole objects, for objects with few managers. */
export function applied(plan: ObjectPlan, local: LocalState): LocalState {
  const id = (kind: string | undefined, { namespace, name }: { namespace?: string; name: string }) =>
    `${kind} ${namespace ?? ''}/${name}`;
  const objects = new Map([...local.namespaces, ...local.policies].map((o) => [id(o.kind, o.metadata), o]));
  for (const change of plan.objects) {
    const key = id(change.kind, change);
    const before = objects.get(key);
    if (change.action === 'delete') objects.delete(key);
    else if (change.after) objects.set(key, merged(before, change.after, local.signature));
  }
  return { ...localOf([...objects.values()], Object.fromEntries(local.occupants)), signature: local.signature };
}

function merged(before: KubeObject | undefined, after: KubeObject, { manager: own }: Signature): KubeObject {
  const { name, namespace, labels = {}, annotations = {} } = after.metadata;
  const mine = live(
    after.kind ?? '',
    { name, ...(namespace !== undefined && { namespace }), labels, annotations },
    own,
    after.spec as object | undefined,
  );
  const others = (before?.metadata.managedFields ?? []).filter(({ manager }) => manager !== own);
  const kept = (field: 'labels' | 'annotations') =>
    Object.fromEntries(
      Object.entries(before?.metadata[field] ?? {}).filter(([key]) =>
        others.some(({ fieldsV1 }) => {
          const fields = fieldsV1 as Record<string, Record<string, object>>;
          return `f:${key}` in (fields['f:metadata']?.[`f:${field}`] ?? {});
        }),
      ),
    );
  return {
    ...mine,
    metadata: {
      ...mine.metadata,
      labels: { ...kept('labels'), ...labels },
      annotations: { ...kept('annotations'), ...annotations },
      managedFields: [...others, ...(mine.metadata.managedFields ?? [])],
    },
  };
}
