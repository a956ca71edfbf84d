import { isCopyable, isVerifyMark, type Signature } from '../plan/ownership.ts';
import type { KubeObject, Resource } from '../target/rest.ts';

// `Signature.verify` marks what verify made: a label on service accounts and owners, so that they can be found; an
// annotation on pods and namespaces, whose labels are the workload's and nobody else's.

/** Name of the ConfigMap that owns our pods in a namespace. Owned pods are adopted by no ReplicaSet. */
export const OWNER = 'clparity-verify';

export const PODS: Resource = { group: '', version: 'v1', plural: 'pods' };
export const NAMESPACES: Resource = { group: '', version: 'v1', plural: 'namespaces' };
export const CONFIG_MAPS: Resource = { group: '', version: 'v1', plural: 'configmaps' };
export const SERVICE_ACCOUNTS: Resource = { group: '', version: 'v1', plural: 'serviceaccounts' };
export const NODES: Resource = { group: '', version: 'v1', plural: 'nodes' };
export const EVENTS: Resource = { group: '', version: 'v1', plural: 'events' };
export const NETWORK_POLICIES: Resource = { group: 'networking.k8s.io', version: 'v1', plural: 'networkpolicies' };

/** Whether verify made this object, for whatever mirror, in this run or in an earlier one. */
export function isMarked({ metadata }: KubeObject): boolean {
  return [metadata.labels, metadata.annotations].some((record) => Object.keys(record ?? {}).some(isVerifyMark));
}

/** Whether it made it for the mirror that signs so. */
export function isMarkedBy({ metadata }: KubeObject, { verify }: Signature): boolean {
  return metadata.labels?.[verify] !== undefined || metadata.annotations?.[verify] !== undefined;
}

/** A namespace of ours, with the target's labels as the mirror would copy them. */
export function ourNamespace(
  name: string,
  labels: Readonly<Record<string, string>>,
  { verify }: Signature,
): KubeObject {
  const copied = Object.fromEntries(Object.entries(labels).filter(([key]) => isCopyable(key)));
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: copied, annotations: { [verify]: 'true' } } };
}

/** An object of ours with nothing but its name, such as an owner or a service account. */
export function ourObject(
  kind: 'ConfigMap' | 'ServiceAccount',
  namespace: string,
  name: string,
  { verify }: Signature,
): KubeObject {
  return { apiVersion: 'v1', kind, metadata: { name, namespace, labels: { [verify]: 'true' } } };
}
