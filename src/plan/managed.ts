import { canonicalPolicy } from '../policy/dialect/canonical.ts';
import type { PolicyObject } from '../snapshot/model.ts';
import type { KubeObject } from '../target/rest.ts';
import { FIELD_MANAGER, isCopyable, MANAGED_BY, markField, ourPart, type Signature } from './ownership.ts';

type Labels = Readonly<Record<string, string>>;

export const NAMESPACE = { apiVersion: 'v1', kind: 'Namespace' } as const;

/** The policy to write: allow-listed labels and our marks, and the rest as the API server will store it. */
export function policyToWrite(policy: PolicyObject, mirror: string, signature: Signature): KubeObject {
  const { apiVersion, kind, metadata } = policy;
  const labels = Object.fromEntries(Object.entries(metadata.labels ?? {}).filter(([key]) => isCopyable(key)));
  const marks = { [MANAGED_BY]: FIELD_MANAGER, [signature.mirror]: mirror };
  const marked = markField(policy) === 'labels' ? { labels: { ...labels, ...marks } } : { labels, annotations: marks };
  return {
    apiVersion,
    kind,
    metadata: {
      name: metadata.name,
      ...(metadata.namespace !== undefined && { namespace: metadata.namespace }),
      ...sortedMaps(marked),
    },
    ...canonicalPolicy(policy),
  };
}

/** What we say about a namespace: labels, and annotations that remember what is ours. Without either, it is released. */
export function namespaceToWrite(
  name: string,
  labels: Labels,
  mirror: string,
  created: boolean,
  signature: Signature,
): KubeObject {
  const keys = Object.keys(labels).sort();
  const marked = created || keys.length > 0;
  const annotations = {
    ...(created && { [signature.created]: 'true' }),
    ...(keys.length > 0 && { [signature.labels]: keys.join(',') }),
    [signature.mirror]: mirror,
  };
  return { ...NAMESPACE, metadata: { name, ...sortedMaps({ labels, annotations: marked ? annotations : {} }) } };
}

/** The fields of a live object that we manage, in the shape in which we'd write them. */
export function managedPart(live: KubeObject, signature: Signature): KubeObject {
  const { name, namespace } = live.metadata;
  const type =
    live.kind === 'Namespace' ? NAMESPACE : { apiVersion: live.apiVersion ?? '', kind: live.kind ?? 'NetworkPolicy' };
  const metadata = {
    name,
    ...(namespace !== undefined && { namespace }),
    ...sortedMaps({ labels: ourPart(live, 'labels', signature), annotations: ourPart(live, 'annotations', signature) }),
  };
  if (live.kind === 'Namespace') return { ...type, metadata };
  return { ...type, metadata, ...canonicalPolicy({ ...live, ...type }) };
}

/** Labels and annotations, each sorted, and left out where there are none. */
function sortedMaps(maps: { labels?: Labels; annotations?: Labels }): { labels?: Labels; annotations?: Labels } {
  const kept = Object.entries(maps).filter(([, map]) => Object.keys(map).length > 0);
  return Object.fromEntries(kept.map(([field, map]) => [field, sorted(map)]));
}

function sorted(record: Labels): Labels {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}
