import type { LabelSelector, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from './model.ts';
import { namespaceOf } from './redact.ts';
import {
  at,
  type Field,
  integer,
  integerOrText,
  isAbsent,
  items,
  maybe,
  objectName,
  oneOf,
  onlyKeys,
  text,
  textMap,
  texts,
} from './shape.ts';

const PROTOCOLS = ['TCP', 'UDP', 'SCTP'] as const;

/**
 * A networking.k8s.io/v1 NetworkPolicy: its structure and types checked, its metadata cut down to name, namespace and
 * labels (annotations may hold anything, `last-applied-configuration` included). What its values mean is checked by
 * src/policy. Throws what the field's `fail` makes.
 */
export function networkPolicy(object: Field): NetworkPolicy {
  const metadata = at(object, 'metadata');
  return {
    metadata: {
      name: objectName(at(metadata, 'name')),
      namespace: namespaceOf(object),
      ...maybe('labels', textMap(at(metadata, 'labels'))),
    },
    spec: specOf(at(object, 'spec')),
  };
}

function specOf(spec: Field): NetworkPolicy['spec'] {
  onlyKeys(spec, ['podSelector', 'policyTypes', 'ingress', 'egress']);
  const ingress = items(at(spec, 'ingress'))?.map((rule) => {
    onlyKeys(rule, ['from', 'ports']);
    return { ...maybe('from', peersOf(at(rule, 'from'))), ...maybe('ports', portsOf(at(rule, 'ports'))) };
  });
  const egress = items(at(spec, 'egress'))?.map((rule) => {
    onlyKeys(rule, ['to', 'ports']);
    return { ...maybe('to', peersOf(at(rule, 'to'))), ...maybe('ports', portsOf(at(rule, 'ports'))) };
  });
  return {
    ...maybe('podSelector', labelSelector(at(spec, 'podSelector'))),
    ...maybe(
      'policyTypes',
      items(at(spec, 'policyTypes'))?.map((type) => oneOf(type, ['Ingress', 'Egress'] as const)),
    ),
    ...maybe('ingress', ingress),
    ...maybe('egress', egress),
  };
}

function peersOf(list: Field): NetworkPolicyPeer[] | undefined {
  return items(list)?.map((peer) => {
    onlyKeys(peer, ['podSelector', 'namespaceSelector', 'ipBlock']);
    const block = at(peer, 'ipBlock');
    if (!isAbsent(block)) onlyKeys(block, ['cidr', 'except']);
    return {
      ...maybe('podSelector', labelSelector(at(peer, 'podSelector'))),
      ...maybe('namespaceSelector', labelSelector(at(peer, 'namespaceSelector'))),
      ...(isAbsent(block)
        ? {}
        : { ipBlock: { cidr: text(at(block, 'cidr')), ...maybe('except', texts(at(block, 'except'))) } }),
    };
  });
}

function portsOf(list: Field): NetworkPolicyPort[] | undefined {
  return items(list)?.map((port) => {
    onlyKeys(port, ['protocol', 'port', 'endPort']);
    const [protocol, number, endPort] = [at(port, 'protocol'), at(port, 'port'), at(port, 'endPort')];
    return {
      ...(isAbsent(protocol) ? {} : { protocol: oneOf(protocol, PROTOCOLS) }),
      ...(isAbsent(number) ? {} : { port: integerOrText(number) }),
      ...(isAbsent(endPort) ? {} : { endPort: integer(endPort) }),
    };
  });
}

/** A label selector of Kubernetes, its structure checked; undefined where absent. Throws what the field's `fail` makes. */
export function labelSelector(selector: Field): LabelSelector | undefined {
  if (isAbsent(selector)) return undefined;
  onlyKeys(selector, ['matchLabels', 'matchExpressions']);
  const expressions = items(at(selector, 'matchExpressions'))?.map((expression) => {
    onlyKeys(expression, ['key', 'operator', 'values']);
    return {
      key: text(at(expression, 'key')),
      operator: oneOf(at(expression, 'operator'), ['In', 'NotIn', 'Exists', 'DoesNotExist'] as const),
      ...maybe('values', texts(at(expression, 'values'))),
    };
  });
  return { ...maybe('matchLabels', textMap(at(selector, 'matchLabels'))), ...maybe('matchExpressions', expressions) };
}

/** Every selector, of subjects and peers, of pods and namespaces. */
export function selectorsOf(policies: readonly NetworkPolicy[]): LabelSelector[] {
  const peers = policies.flatMap(({ spec }) => [
    ...(spec.ingress ?? []).flatMap((rule) => rule.from ?? []),
    ...(spec.egress ?? []).flatMap((rule) => rule.to ?? []),
  ]);
  const all = [
    ...policies.map((policy) => policy.spec.podSelector),
    ...peers.flatMap((peer) => [peer.podSelector, peer.namespaceSelector]),
  ];
  return all.filter((selector) => selector !== undefined);
}
