import type { LabelSelector } from '../../snapshot/model.ts';
import type { Field, Path } from '../../snapshot/shape.ts';
import type { Entity, Peer, Selector } from '../model.ts';
import type { Scope } from './cilium-scope.ts';
import { inNamespace } from './kubernetes.ts';
import { ANY, allOf, parseLabelSelector } from './selector.ts';

// Cilium's label selectors: labels have a source, and some keys are not a pod's labels but what Cilium adds to them
// (pkg/k8s/apis/cilium.io/const.go, pkg/labels, pkg/k8s/apis/cilium.io/utils/utils.go, all of v1.18.6 and v1.20.2).
export const NAMESPACE = 'io.kubernetes.pod.namespace';
export const NAMESPACE_LABELS = 'io.cilium.k8s.namespace.labels.';
const SERVICE_ACCOUNT = 'io.cilium.k8s.policy.serviceaccount';
const CLUSTER = 'io.cilium.k8s.policy.cluster';

/** Without a source, and with `any`, a label of any source matches. */
const POD_SOURCES = ['', 'any', 'k8s'];
const NODE_SOURCES = ['', 'any', 'node'];

const NONE: Selector = { op: 'any', of: [] };
const NOBODY: Peer = { type: 'entity', entity: 'none' };
const RESERVED: readonly Entity[] = [
  'world',
  'world-ipv4',
  'world-ipv6',
  'host',
  'remote-node',
  'kube-apiserver',
  'ingress',
  'init',
  'health',
  'unmanaged',
  'none',
];

interface Requirement {
  readonly source: string;
  readonly key: string;
  /** Undefined: the label is there, with whatever value. */
  readonly values: readonly string[] | undefined;
  readonly negated: boolean;
  readonly path: Path;
}

/** The pods that a policy speaks for, and why it speaks for none where its selector wants what no pod has. */
export function parseSubject(field: Field, scope: Scope): { readonly subject: Selector; readonly inert?: string } {
  const requirements = requirementsOf(field, scope).filter((r) => !isForeignNamespace(r, scope));
  const reserved = requirements.find((r) => r.source === 'reserved' && !r.negated);
  const subject = allOf(
    ...(scope.namespace === undefined ? [] : [inNamespace(scope.namespace)]),
    ...requirements.map((r) => podSelector(r, scope)),
  );
  if (!reserved) return { subject };
  return { subject: NONE, inert: `speaks for reserved:${reserved.key}, which no pod is` };
}

/** `k8s:io.kubernetes.pod.namespace` among matchLabels is overwritten with the policy's own (ParseToCiliumRule). */
function isForeignNamespace({ source, key, values, path }: Requirement, scope: Scope): boolean {
  const overwritten = scope.namespace !== undefined && source === 'k8s' && key === NAMESPACE;
  if (!overwritten || path.at(-2) !== 'matchLabels') return false;
  if (values?.[0] !== scope.namespace) scope.caveat(path, `is ignored: Cilium takes the policy's own namespace`);
  return true;
}

/**
 * One of fromEndpoints or toEndpoints. What doesn't name a namespace is in the policy's own, or in any of a clusterwide
 * policy; a selector with a `reserved:` key is taken as it is (getEndpointSelector).
 */
export function parseEndpoint(field: Field, scope: Scope): Peer {
  const requirements = requirementsOf(field, scope);
  if (requirements.some((r) => r.source === 'reserved')) return both(requirements.map((r) => peer(r, scope)));
  const ofPods = requirements.filter((r) => POD_SOURCES.includes(r.source));
  const named = ofPods.some((r) => r.key === NAMESPACE);
  const implicit = !named && (scope.namespace === undefined || !ofPods.some((r) => r.key.startsWith(NAMESPACE_LABELS)));
  const own = implicit && scope.namespace !== undefined ? [inNamespace(scope.namespace)] : [];
  const match = allOf(...own, ...requirements.map((r) => podSelector(r, scope)));
  if (implicit || !requirements.every((r) => r.negated)) return { type: 'pods', match };
  if (!scope.options) {
    scope.caveat(field.path, 'also matches what is no pod, the world too, unless policy-default-local-cluster is on');
  }
  return { type: 'pods', match, strangers: ofPods.some((r) => r.key === CLUSTER) ? 'always' : 'unlessLocal' };
}

/** One of fromNodes or toNodes: other nodes only, for Cilium adds `reserved:remote-node`. */
export function parseNode(field: Field, scope: Scope): Peer {
  const requirements = requirementsOf(field, scope);
  const match = allOf(
    ...requirements.filter((r) => r.source !== 'reserved').map((r) => negatedIf(r, nodeTest(r, scope))),
  );
  const reserved = requirements.filter((r) => r.source === 'reserved').map((r) => peer(r, scope));
  return both([{ type: 'nodes', match }, { type: 'entity', entity: 'remote-node' }, ...reserved]);
}

function both(of: readonly Peer[]): Peer {
  const [only] = of;
  return of.length === 1 && only ? only : { type: 'every', of };
}

function peer(requirement: Requirement, scope: Scope): Peer {
  const positive: Peer =
    requirement.source === 'reserved'
      ? reservedPeer(requirement, scope)
      : { type: 'pods', match: podTest(requirement, scope) };
  return requirement.negated ? { type: 'not', of: positive } : positive;
}

/** Reserved labels have no value. */
function reservedPeer({ key, values, path }: Requirement, scope: Scope): Peer {
  const entity = RESERVED.find((e) => e === key);
  if (entity === undefined) scope.caveat(path, `names reserved:${key}, which isn't known: taken to be nobody`);
  return entity !== undefined && (values === undefined || values.includes(''))
    ? { type: 'entity', entity, byLabel: true }
    : NOBODY;
}

function podSelector(requirement: Requirement, scope: Scope): Selector {
  return negatedIf(requirement, podTest(requirement, scope));
}

function negatedIf({ negated }: Requirement, selector: Selector): Selector {
  return negated ? { op: 'not', of: selector } : selector;
}

/** Which pods have the label that a requirement wants to be there, or not to be. */
function podTest(requirement: Requirement, scope: Scope): Selector {
  const { source, key, values, path } = requirement;
  if (source === 'reserved') return NONE;
  if (!POD_SOURCES.includes(source)) {
    scope.caveat(path, `wants a label of source ${source}, which isn't known: taken to be absent`);
    return NONE;
  }
  if (key === NAMESPACE) return values ? { op: 'namespace', names: values } : ANY;
  if (key === SERVICE_ACCOUNT) return values ? { op: 'serviceAccount', names: values } : ANY;
  if (key === CLUSTER) return ownCluster(requirement, scope);
  if (key.startsWith(NAMESPACE_LABELS)) return labelTest('namespace', key.slice(NAMESPACE_LABELS.length), values);
  if (!scope.isIdentity(key)) {
    const how = scope.options ? 'here' : 'by default';
    scope.caveat(path, `wants the label ${key}, which Cilium leaves out of identities ${how}: taken to be absent`);
    return NONE;
  }
  return labelTest('pod', key, values);
}

function nodeTest(requirement: Requirement, scope: Scope): Selector {
  const { source, key, values, path } = requirement;
  if (key === CLUSTER) return ownCluster(requirement, scope);
  if (NODE_SOURCES.includes(source)) return labelTest('node', key, values);
  scope.caveat(path, `wants a label of source ${source}, which isn't known on nodes: taken to be absent`);
  return NONE;
}

/**
 * What a cluster calls itself for Cilium may not be known; `default` is what one without a name is called. Of other
 * names, the wanted ones are taken for its own, the unwanted ones for others'.
 */
function ownCluster({ values, negated, path }: Requirement, scope: Scope): Selector {
  const known = scope.options && (scope.options['cluster-name'] ?? 'default');
  if (values === undefined || values.includes(known ?? 'default')) return ANY;
  if (known !== undefined) return NONE;
  scope.caveat(path, `names the cluster ${values.join(', ')}: taken to be ${negated ? 'another' : 'this one'}`);
  return negated ? NONE : ANY;
}

function labelTest(of: 'pod' | 'namespace' | 'node', key: string, values: readonly string[] | undefined): Selector {
  return { op: 'label', of, key, test: values ? 'in' : 'exists', values: values ?? [] };
}

/** Pods with certain labels, as the selector of a Service wants them. */
export function podLabels(labels: Readonly<Record<string, string>>, path: Path, scope: Scope): Selector {
  const wanted = Object.entries(labels).map(([key, value]): Requirement => {
    return { source: 'k8s', key, values: [value], negated: false, path };
  });
  return allOf(...wanted.map((r) => podSelector(r, scope)));
}

/** A selector as a list of requirements that all must hold; keys and values as `ValidateLabelSelector` wants them. */
function requirementsOf(field: Field, scope: Scope): Requirement[] {
  const { matchLabels = {}, matchExpressions = [] }: LabelSelector = parseLabelSelector(field) ?? {};
  const exact = Object.entries(matchLabels).map(([label, value]): Requirement => {
    const path = [...field.path, 'matchLabels', label];
    if (!isLabelValue(value)) throw field.fail(path, 'must be the value of a label');
    return { ...splitKey(label, path, scope), values: [value], negated: false, path };
  });
  const expressions = matchExpressions.map(({ key, operator, values }, index): Requirement => {
    const path = [...field.path, 'matchExpressions', index];
    if (!(values ?? []).every(isLabelValue)) scope.refuse(path, 'has a value that no label can have');
    return {
      ...splitKey(key, path, scope),
      values,
      negated: operator === 'NotIn' || operator === 'DoesNotExist',
      path,
    };
  });
  return [...exact, ...expressions];
}

/** `k8s:app` is the label `app` of source `k8s` (IsValidCiliumLabelKey in pkg/labels/validation.go). */
function splitKey(text: string, path: Path, scope: Scope): { readonly source: string; readonly key: string } {
  const colon = text.indexOf(':');
  const [source, key] = colon < 0 ? ['', text] : [text.slice(0, colon), text.slice(colon + 1)];
  if (!isLabelKey(key) || (colon >= 0 && !/^[A-Za-z0-9]+$/.test(source))) {
    scope.refuse(path, `has a key that no label can have: ${JSON.stringify(text)}`);
  }
  return { source, key };
}

/** The key of a label without its source. */
export function bareKey(text: string): string {
  return text.slice(text.indexOf(':') + 1);
}

/** apimachinery, IsQualifiedName. */
function isLabelKey(key: string): boolean {
  const [, prefix, name = ''] = /^(?:([a-z0-9]+(?:[.-]+[a-z0-9]+)*)\/)?([^/]*)$/.exec(key) ?? [];
  return (prefix?.length ?? 0) <= 253 && name !== '' && isLabelValue(name);
}

/** apimachinery, IsValidLabelValue. */
function isLabelValue(value: string): boolean {
  return value.length <= 63 && /^([A-Za-z0-9]([\w.-]*[A-Za-z0-9])?)?$/.test(value);
}
