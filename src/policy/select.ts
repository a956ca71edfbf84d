import type { LabelSelector } from '../snapshot/model.ts';
import { fromLabelSelector } from './dialect/selector.ts';
import { semanticsOf } from './engine.ts';
import type { Endpoint, LabelTest, PodEndpoint, PolicyModel, Selector } from './model.ts';

export type Labels = Readonly<Record<string, string>>;

/** Undefined where what is known doesn't tell. */
export type Truth = boolean | undefined;

/** What is known of a pod or a node, as selectors see it; labels and names that nobody knows are undefined. */
export interface Known {
  readonly labels: { readonly [Of in LabelTest['of']]: Labels | undefined };
  readonly namespace: string | undefined;
  readonly serviceAccount: string | undefined;
}

/** Set by the API server on every namespace, and nobody can set it to anything else (Kubernetes 1.21 and later). */
export const NAMESPACE_NAME_LABEL = 'kubernetes.io/metadata.name';

/** Whether a selector holds for what is known. */
export function holds(selector: Selector, known: Known): Truth {
  switch (selector.op) {
    case 'all':
      return every(selector.of, (s) => holds(s, known));
    case 'any':
      return some(selector.of, (s) => holds(s, known));
    case 'not':
      return negated(holds(selector.of, known));
    case 'namespace':
    case 'serviceAccount': {
      const name = known[selector.op];
      return name === undefined ? undefined : selector.names.includes(name);
    }
    case 'label': {
      const labels = known.labels[selector.of];
      return labels === undefined ? undefined : passes(selector, labelOf(labels, selector.key));
    }
  }
}

function passes({ test, values }: LabelTest, value: string | undefined): boolean {
  if (value === undefined) return false;
  switch (test) {
    case 'exists':
      return true;
    case 'in':
      return values.includes(value);
    case 'contains':
      return values.some((v) => value.includes(v));
    case 'startsWith':
      return values.some((v) => value.startsWith(v));
    case 'endsWith':
      return values.some((v) => value.endsWith(v));
  }
}

export function negated(truth: Truth): Truth {
  return truth === undefined ? undefined : !truth;
}

/** Whether all are true: false as soon as one is, unknown where one may be. */
export function every<T>(list: readonly T[], test: (item: T) => Truth): Truth {
  let result: Truth = true;
  for (const item of list) {
    const truth = test(item);
    if (truth === false) return false;
    if (truth === undefined) result = undefined;
  }
  return result;
}

/** Whether one is true: true as soon as one is, unknown where one may be. */
export function some<T>(list: readonly T[], test: (item: T) => Truth): Truth {
  let result: Truth = false;
  for (const item of list) {
    const truth = test(item);
    if (truth === true) return true;
    if (truth === undefined) result = undefined;
  }
  return result;
}

/** Label keys come from manifests: `constructor` must not be found on every object. */
function labelOf(labels: Labels, key: string): string | undefined {
  return Object.hasOwn(labels, key) ? labels[key] : undefined;
}

/** A namespace's labels with the one that the API server adds, also where no manifest declares the namespace. */
export function namespaceLabels(model: Pick<PolicyModel, 'namespaces'>, namespace: string): Labels {
  return { ...model.namespaces.get(namespace), [NAMESPACE_NAME_LABEL]: namespace };
}

/** What `knowing` looks at. */
type Knowledge = Pick<PolicyModel, 'namespaces' | 'serviceAccounts'> & {
  readonly engine: Pick<PolicyModel['engine'], 'name' | 'options' | 'version'>;
};

/**
 * Pods as selectors of the model's engine see them, each worked out once: without the labels that the engine leaves
 * aside, with those of its namespace and its service account. Says nothing about hostNetwork.
 */
export function knowing(model: Knowledge): (pod: PodEndpoint) => Known {
  const { seesLabel } = semanticsOf(model.engine);
  const namespaces = new Map<string, Labels>();
  const labelsOf = (namespace: string) => {
    const labels = namespaces.get(namespace) ?? namespaceLabels(model, namespace);
    namespaces.set(namespace, labels);
    return labels;
  };
  const known = new WeakMap<PodEndpoint, Known>();
  return (pod) => {
    const found = known.get(pod);
    if (found) return found;
    const made = {
      labels: {
        pod: seesLabel ? picked(pod.labels, seesLabel) : pod.labels,
        namespace: labelsOf(pod.namespace),
        serviceAccount: accountLabels(model, pod),
        node: undefined,
      },
      namespace: pod.namespace,
      serviceAccount: pod.serviceAccount,
    };
    known.set(pod, made);
    return made;
  };
}

/** Those of the labels whose keys are wanted. */
export function picked(labels: Labels, isWanted: (key: string) => boolean): Labels {
  const entries = Object.entries(labels);
  return entries.every(([key]) => isWanted(key))
    ? labels
    : Object.fromEntries(entries.filter(([key]) => isWanted(key)));
}

/** The API server makes `default` without labels, in every namespace. */
function accountLabels({ serviceAccounts }: Knowledge, { namespace, serviceAccount }: PodEndpoint): Labels | undefined {
  const own = serviceAccounts?.get(`${namespace}/${serviceAccount}`) ?? (serviceAccount === 'default' ? {} : undefined);
  return serviceAccounts && own && { ...own, [CALICO_NAME_LABEL]: serviceAccount };
}

/** Calico's, of a service account's name. */
const CALICO_NAME_LABEL = 'projectcalico.org/name';

/** Whether labels meet a selector of Kubernetes; an empty selector is met by all. */
export function matchesLabels(selector: LabelSelector, labels: Labels): boolean {
  const known = { pod: labels, namespace: undefined, serviceAccount: undefined, node: undefined };
  return holds(fromLabelSelector(selector, 'pod'), { labels: known, namespace: '', serviceAccount: '' }) === true;
}

/** Whether two endpoints are one. Workloads of two kinds that were never run may count as pods of the same name. */
export function isSame(a: Endpoint, b: Endpoint): boolean {
  if (a.type === 'address' || b.type === 'address') return a.id === b.id;
  return a.id === b.id && a.workload === b.workload;
}
