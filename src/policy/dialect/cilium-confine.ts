import type { LabelSelector, PolicyObject } from '../../snapshot/model.ts';
import { bareKey, NAMESPACE, NAMESPACE_LABELS } from './cilium-selector.ts';
import { narrowed, narrowedUnlessNamed } from './confine.ts';
import { replaceAt } from './replace.ts';

type Json = Readonly<Record<string, unknown>>;

const KEY = `k8s:${NAMESPACE}`;
/** What `cluster` means besides pods (pkg/policy/api/entity.go of Cilium 1.18 and 1.20). */
const REST_OF_CLUSTER = ['host', 'remote-node', 'init', 'ingress', 'health', 'unmanaged', 'kube-apiserver'];

/**
 * Whether a policy goes by labels of what may be another mirror's: CIDR groups, or Services of whatever namespace. Where
 * several share a cluster, that can't be told apart.
 */
export function namesUnclearly({ spec, specs }: Pick<PolicyObject, 'spec' | 'specs'>): boolean {
  const text = JSON.stringify([spec, specs]);
  if (text.includes('"cidrGroupSelector":')) return true;
  const services = [spec, ...((specs ?? []) as unknown[])].flatMap((s) =>
    ['egress', 'egressDeny'].flatMap((list) => (((s as Json | undefined)?.[list] ?? []) as Json[]).flatMap(servicesOf)),
  );
  return services.some(({ k8sService, k8sServiceSelector }) => {
    const { namespace } = (k8sServiceSelector ?? k8sService ?? {}) as Json;
    return namespace === undefined || namespace === '';
  });
}

function servicesOf({ toServices }: Json): Json[] {
  return (toServices ?? []) as Json[];
}

/**
 * A rule whose fromEndpoints or toEndpoints mean pods of these namespaces alone, where they mean any namespace's or any
 * but some. What names none is in the policy's own, unless it is clusterwide; what is `reserved:` is no pod (see
 * parseEndpoint in cilium-selector.ts).
 */
export function confinePeers(rule: Json, isWide: boolean, namespaces: readonly string[]): Json {
  const change = (value: unknown) => {
    const selector = value as LabelSelector;
    const isKey = (key: string) => bareKey(key) === NAMESPACE;
    const keys = [...Object.keys(selector.matchLabels ?? {}), ...(selector.matchExpressions ?? []).map((e) => e.key)];
    const isOwn = !isWide && !keys.some((key) => isKey(key) || bareKey(key).startsWith(NAMESPACE_LABELS));
    const isReserved = keys.some((key) => key.startsWith('reserved:'));
    return isOwn || isReserved ? value : narrowedUnlessNamed(selector, KEY, namespaces, isKey);
  };
  return ['fromEndpoints', 'toEndpoints'].reduce<Json>((r, side) => replaceAt(r, [side, '*'], change) as Json, rule);
}

/** A rule about the entity `cluster` as two: about the pods of these namespaces, and about what is no pod. */
export function confineEntities(rule: Json, namespaces: readonly string[]): Json[] {
  for (const side of ['from', 'to']) {
    const { [`${side}Entities`]: entities, ...rest } = rule;
    if (!Array.isArray(entities) || !entities.includes('cluster') || entities.includes('all')) continue;
    const others = [...new Set([...entities.filter((e) => e !== 'cluster'), ...REST_OF_CLUSTER])];
    return [
      { ...rest, [`${side}Endpoints`]: [narrowed({}, KEY, namespaces)] },
      { ...rest, [`${side}Entities`]: others },
    ];
  }
  return [rule];
}
