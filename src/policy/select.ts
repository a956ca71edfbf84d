import type { LabelSelector } from '../snapshot/model.ts';
import type { Endpoint, PodEndpoint, PodMatch, PolicyModel } from './model.ts';

type Labels = Readonly<Record<string, string>>;
type Requirement = NonNullable<LabelSelector['matchExpressions']>[number];

/** Set by the API server on every namespace, and nobody can set it to anything else (Kubernetes 1.21 and later). */
export const NAMESPACE_NAME_LABEL = 'kubernetes.io/metadata.name';

/** Whether labels meet a selector; an empty selector is met by all. */
export function matchesLabels(selector: LabelSelector, labels: Labels): boolean {
  return (
    Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labelOf(labels, key) === value) &&
    (selector.matchExpressions ?? []).every((requirement) => meets(requirement, labelOf(labels, requirement.key)))
  );
}

/** NotIn holds for an absent key as well: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/ */
function meets({ operator, values = [] }: Requirement, value: string | undefined): boolean {
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
  }
}

/** Label keys come from manifests: `constructor` must not be found on every object. */
function labelOf(labels: Labels, key: string): string | undefined {
  return Object.hasOwn(labels, key) ? labels[key] : undefined;
}

/** A namespace's labels with the one that the API server adds, also where no manifest declares the namespace. */
export function namespaceLabels(model: PolicyModel, namespace: string): Labels {
  return { ...model.namespaces.get(namespace), [NAMESPACE_NAME_LABEL]: namespace };
}

/** Whether a pod, with its namespace's labels, is one of those that `match` names. Says nothing about hostNetwork. */
export function matchesPod(match: PodMatch, pod: PodEndpoint, labelsOfNamespace: Labels): boolean {
  if (match.namespace !== undefined && match.namespace !== pod.namespace) return false;
  if (match.namespaceSelector && !matchesLabels(match.namespaceSelector, labelsOfNamespace)) return false;
  return matchesLabels(match.podSelector, pod.labels);
}

/** Whether two endpoints are one. Workloads of two kinds that were never run may count as pods of the same name. */
export function isSame(a: Endpoint, b: Endpoint): boolean {
  if (a.type === 'address' || b.type === 'address') return a.id === b.id;
  return a.id === b.id && a.workload === b.workload;
}
