import type { PolicyObject } from '../../snapshot/model.ts';
import { DIRECTIONS, OTHER_END } from '../directions.ts';
import { NAMESPACE_NAME_LABEL } from '../select.ts';
import { groupOf } from './origin.ts';
import { type Change, replaceAt } from './replace.ts';

type Rename = (namespace: string) => string;

/** Source and key of Cilium's label for a namespace (see cilium-selector.ts), and of the label that the API server adds. */
const CILIUM_KEY =
  /^((any|k8s)?:)?(io\.kubernetes\.pod\.namespace|io\.cilium\.k8s\.namespace\.labels\.kubernetes\.io\/metadata\.name)$/;
/** Calico's labels with a namespace's name (see calico-labels.ts); behind `pcns.` where the selector is one of pods. */
const CALICO_KEYS = '(?:pcns\\.)?(?:projectcalico\\.org/name(?:space)?|kubernetes\\.io/metadata\\.name)';
const CALICO_TEST = new RegExp(`(?<![\\w./-])(${CALICO_KEYS}[ \\t]*[=!]=[ \\t]*)(?:"([^"]*)"|'([^']*)')`, 'g');
const CALICO_SET = new RegExp(`(?<![\\w./-])(${CALICO_KEYS}[ \\t]*(?:not[ \\t]*)?in[ \\t]*)\\{([^}]*)\\}`, 'g');

/** A name in the cluster's DNS, of a Service or of a pod behind one, or a pattern of such: what is before the namespace, and after it. */
const CLUSTER_NAME = /^((?:[^.]+\.)+)([^.*]+)(?=\.svc(?:\.(?:[^.]+\.)*local)?\.?$)/i;

/**
 * A policy with the names of namespaces in it changed: in selectors, in Services and their DNS names, and where it is itself. Pure, and
 * without a check: what isn't where it belongs stays as it is.
 */
export function renamed(object: PolicyObject, rename: Rename): PolicyObject {
  const { metadata } = object;
  const moved: PolicyObject =
    metadata.namespace === undefined
      ? object
      : { ...object, metadata: { ...metadata, namespace: rename(metadata.namespace) } };
  return placesOf(object, rename).reduce<PolicyObject>(
    (result, { path, change }) => replaceAt(result, path, change) as PolicyObject,
    moved,
  );
}

interface Place {
  readonly path: readonly string[];
  readonly change: Change;
}

/** Where a policy of a group may name namespaces. */
function placesOf(object: PolicyObject, rename: Rename): Place[] {
  const name: Change = (value) => (typeof value === 'string' && value !== '' ? rename(value) : value);
  const dns: Change = (value) =>
    typeof value === 'string' ? value.replace(CLUSTER_NAME, (_, head: string, ns: string) => head + rename(ns)) : value;
  const labels =
    (isName: (key: string) => boolean): Change =>
    (value) =>
      renamedIn(value, isName, rename);
  const byName = labels((key) => key === NAMESPACE_NAME_LABEL);
  switch (groupOf(object)) {
    case 'networking.k8s.io':
      return DIRECTIONS.map((d) => ({
        path: ['spec', d, '*', OTHER_END[d], '*', 'namespaceSelector'],
        change: byName,
      }));
    case 'policy.networking.k8s.io': {
      const heads = [['subject'], ...DIRECTIONS.map((d) => [d, '*', OTHER_END[d], '*'])];
      const tails = [['namespaces'], ['pods', 'namespaceSelector']];
      return [
        ...heads.flatMap((head) => tails.map((tail) => ({ path: ['spec', ...head, ...tail], change: byName }))),
        { path: ['spec', 'egress', '*', 'to', '*', 'domainNames', '*'], change: dns },
      ];
    }
    case 'cilium.io':
      return ciliumPlaces(
        labels((key) => CILIUM_KEY.test(key)),
        name,
        dns,
      );
    case 'projectcalico.org':
    case 'crd.projectcalico.org':
      return calicoPlaces((value) => (typeof value === 'string' ? renamedInText(value, rename) : value), name, dns);
    default:
      return [];
  }
}

function ciliumPlaces(selector: Change, name: Change, dns: Change): Place[] {
  const endpoints = ['fromEndpoints', 'toEndpoints', 'fromRequires', 'toRequires'];
  const rules = DIRECTIONS.flatMap((d) => [d, `${d}Deny`]).flatMap((list): Place[] => [
    ...endpoints.map((peers) => ({ path: [list, '*', peers, '*'], change: selector })),
    ...['k8sService', 'k8sServiceSelector'].map((by) => ({
      path: [list, '*', 'toServices', '*', by, 'namespace'],
      change: name,
    })),
    ...[['toFQDNs'], ['toPorts', '*', 'rules', 'dns']].flatMap((names) =>
      ['matchName', 'matchPattern'].map((by) => ({ path: [list, '*', ...names, '*', by], change: dns })),
    ),
    { path: [list, '*', 'toPorts', '*', 'serverNames', '*'], change: dns },
  ]);
  const own = [{ path: ['endpointSelector'], change: selector }, ...rules];
  return [['spec'], ['specs', '*']].flatMap((head) =>
    own.map(({ path, change }) => ({ path: [...head, ...path], change })),
  );
}

function calicoPlaces(text: Change, name: Change, dns: Change): Place[] {
  const ends = DIRECTIONS.flatMap((d) => [['source'], ['destination']].map((end) => ['spec', d, '*', ...end]));
  return [
    ...['selector', 'namespaceSelector'].map((field) => ({ path: ['spec', field], change: text })),
    ...ends.flatMap((end): Place[] => [
      ...['selector', 'notSelector', 'namespaceSelector'].map((field) => ({ path: [...end, field], change: text })),
      { path: [...end, 'services', 'namespace'], change: name },
      { path: [...end, 'domains', '*'], change: dns },
    ]),
    { path: ['spec', 'allowedEgressDomains', '*'], change: dns },
  ];
}

function renamedIn(value: unknown, isName: (key: string) => boolean, rename: Rename): unknown {
  const name: Change = (v) => (typeof v === 'string' ? rename(v) : v);
  const listed: Change = (requirement) => {
    const { key } = (requirement ?? {}) as { readonly key?: unknown };
    return typeof key === 'string' && isName(key) ? replaceAt(requirement, ['values', '*'], name) : requirement;
  };
  const exact: Change = (labels) =>
    typeof labels === 'object' && labels !== null && !Array.isArray(labels)
      ? Object.fromEntries(Object.entries(labels).map(([key, v]) => [key, isName(key) ? name(v) : v]))
      : labels;
  return replaceAt(replaceAt(value, ['matchLabels'], exact), ['matchExpressions', '*'], listed);
}

function renamedInText(selector: string, rename: Rename): string {
  const quoted = (list: string) => list.replace(/"([^"]*)"|'([^']*)'/g, (_, a, b) => `'${rename(a ?? b)}'`);
  return selector
    .replace(CALICO_TEST, (_, test: string, a?: string, b?: string) => `${test}'${rename(a ?? b ?? '')}'`)
    .replace(CALICO_SET, (_, test: string, list: string) => `${test}{${quoted(list)}}`);
}
