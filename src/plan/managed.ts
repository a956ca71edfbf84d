import type { NetworkPolicy } from '../snapshot/model.ts';
import type { KubeObject } from '../target/rest.ts';
import { canonicalSpec } from './canonical.ts';
import { ADDED_LABELS, CREATED, FIELD_MANAGER, isCopyable, MANAGED_BY, MIRROR, ourPart } from './ownership.ts';

type Labels = Readonly<Record<string, string>>;

/** The policy to write: allow-listed labels and ours, and the spec as the API server will store it. */
export function policyToWrite({ metadata, spec }: NetworkPolicy, mirror: string): KubeObject {
  const labels = Object.entries(metadata.labels ?? {}).filter(([key]) => isCopyable(key));
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: {
      name: metadata.name,
      namespace: metadata.namespace,
      labels: sorted({ ...Object.fromEntries(labels), [MANAGED_BY]: FIELD_MANAGER, [MIRROR]: mirror }),
    },
    spec: canonicalSpec(spec),
  };
}

/** What we say about a namespace: labels, and annotations that remember what is ours. Without either, it is released. */
export function namespaceToWrite(name: string, labels: Labels, mirror: string, created: boolean): KubeObject {
  const keys = Object.keys(labels).sort();
  const marked = created || keys.length > 0;
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: {
      name,
      ...(keys.length > 0 && { labels: sorted(labels) }),
      ...(marked && {
        annotations: sorted({
          ...(created && { [CREATED]: 'true' }),
          ...(keys.length > 0 && { [ADDED_LABELS]: keys.join(',') }),
          [MIRROR]: mirror,
        }),
      }),
    },
  };
}

/** The fields of a live object that we manage, in the shape in which we'd write them. */
export function managedPart(live: KubeObject): KubeObject {
  const { name, namespace } = live.metadata;
  const [labels, annotations] = [ourPart(live, 'labels'), ourPart(live, 'annotations')];
  const isNamespace = live.kind === 'Namespace';
  return {
    apiVersion: isNamespace ? 'v1' : 'networking.k8s.io/v1',
    kind: isNamespace ? 'Namespace' : 'NetworkPolicy',
    metadata: {
      name,
      ...(namespace !== undefined && { namespace }),
      ...(Object.keys(labels).length > 0 && { labels: sorted(labels) }),
      ...(Object.keys(annotations).length > 0 && { annotations: sorted(annotations) }),
    },
    ...(!isNamespace && { spec: canonicalSpec(live.spec) }),
  };
}

function sorted(record: Labels): Labels {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}
