import { DIALECTS } from '../policy/dialect/index.ts';
import { fieldOf, groupOf } from '../policy/dialect/origin.ts';
import type { Gap, NetworkPolicy, PolicyObject, SourceLocation } from './model.ts';
import { networkPolicy } from './network-policy.ts';
import { namespaceOf } from './redact.ts';
import { at, type Field, isAbsent, maybe, objectName, type Path, pathText, textMap } from './shape.ts';

/** What a kind is called where it is served or written. */
export interface ObjectType {
  readonly apiVersion: string;
  readonly kind: string;
}

export const NETWORK_POLICY: ObjectType = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy' };

/** Every other kind that a dialect reads belongs to the whole cluster. */
const NAMESPACED = [
  'NetworkPolicy',
  'CiliumNetworkPolicy',
  'NetworkSet',
  'StagedNetworkPolicy',
  'StagedKubernetesNetworkPolicy',
];

/** Whether policies refer to objects of a kind, which say nothing by themselves. */
export function isReferred(kind: string): boolean {
  return ['CiliumCIDRGroup', 'NetworkSet', 'GlobalNetworkSet', 'Tier'].includes(kind);
}

/** Whether some dialect reads a kind: then its objects are part of a snapshot. */
export function isPolicyKind(group: string, kind: string): boolean {
  return DIALECTS.some((dialect) => dialect.kinds.some((k) => k.group === group && k.kind === kind));
}

/**
 * Whether policies may be at the target that a snapshot lacks because of this gap: those of a kind that some dialect
 * reads, or of an API group whose kinds couldn't be listed. What isn't served there hides nothing.
 */
export function mayHidePolicies({ resource, reason }: Gap): boolean {
  if (resource === 'API groups' || /^networkpolicies\b/.test(resource)) return true;
  const groups = DIALECTS.flatMap((dialect) => dialect.kinds.map(({ group }) => group));
  // `ciliumnetworkpolicies.cilium.io`, or `cilium.io/v2` where not even the kinds could be listed.
  return reason !== 'absent' && groups.some((g) => resource.endsWith(`.${g}`) || resource.startsWith(`${g}/`));
}

/** Kubernetes' own NetworkPolicies among the policies of all dialects. Throws as `policyObject` does. */
export function networkPolicies(policies: readonly PolicyObject[]): NetworkPolicy[] {
  return policies.filter(isNetworkPolicy).map((object) => ({
    ...networkPolicy(fieldOf(object)),
    ...maybe('location', object.location),
  }));
}

export function isNetworkPolicy(object: PolicyObject): boolean {
  return object.kind === NETWORK_POLICY.kind && groupOf(object) === 'networking.k8s.io';
}

/**
 * A policy, or what one refers to, cut down to what a snapshot may hold: name, namespace, labels, spec. The structure
 * of a NetworkPolicy is checked here, of others by their dialect. Throws what the field's `fail` makes.
 */
export function policyObject(object: Field, { apiVersion, kind }: ObjectType): PolicyObject {
  if (apiVersion === NETWORK_POLICY.apiVersion) return { apiVersion, kind, ...networkPolicy(object) };
  const metadata = at(object, 'metadata');
  const labels = textMap(at(metadata, 'labels'));
  const part = (key: 'spec' | 'specs') => (isAbsent(at(object, key)) ? undefined : at(object, key).value);
  return {
    apiVersion,
    kind,
    metadata: {
      name: objectName(at(metadata, 'name')),
      ...maybe('namespace', NAMESPACED.includes(kind) ? namespaceOf(object) : undefined),
      ...maybe('labels', labels),
    },
    ...maybe('spec', part('spec')),
    ...maybe('specs', part('specs')),
  };
}

/** A policy with the lines of every part of its spec in the file it was read from. */
export function locatedPolicy(
  object: Field,
  type: ObjectType,
  file: string,
  lineOf: (path: Path) => number,
): PolicyObject {
  const policy = policyObject(object, type);
  const paths: Path[] = [];
  collectPaths(policy.spec, ['spec'], paths);
  if (policy.specs !== undefined) collectPaths(policy.specs, ['specs'], paths);
  const lines = Object.fromEntries(paths.map((path) => [pathText(path), lineOf(path)]));
  const location: SourceLocation = { file, line: lineOf([]), lines };
  return { ...policy, location };
}

function collectPaths(value: unknown, path: Path, paths: Path[]): void {
  paths.push(path);
  if (typeof value !== 'object' || value === null) return;
  const keys = Array.isArray(value) ? value.keys() : Object.keys(value);
  for (const key of keys) collectPaths((value as Record<string | number, unknown>)[key], [...path, key], paths);
}
