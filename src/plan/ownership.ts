import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { KubeObject } from '../target/rest.ts';
import type { ObjectChange } from './model.ts';

/** Who we are, whatever the mirror: in labels, and as a field manager where there is no prefix. */
export const FIELD_MANAGER = 'clparity';
export const MANAGED_BY = 'app.kubernetes.io/managed-by';
/** The domain of the keys of our marks; with a prefix it has a part of its own. */
const DOMAIN = 'clparity.dev';

/**
 * How a mirror signs what it writes. Mirrors that share a cluster, each with a prefix, sign differently: to each, what
 * the others wrote is somebody else's, and a label that two of them want is held by both (server-side apply).
 */
export interface Signature {
  /** Our field manager: who we are in managedFields. */
  readonly manager: string;
  /** The Lease that a run holds while it writes: mirrors of other prefixes don't wait for it. */
  readonly lease: string;
  /** What the keys of our marks begin with. */
  readonly domain: string;
  /** A label on policies; an annotation on what selectors know by its labels. Value: the target. */
  readonly mirror: string;
  /** Annotation of a namespace that we made. */
  readonly created: string;
  /** Annotation of a namespace: the label keys that we set, for people; managedFields are what we go by. */
  readonly labels: string;
  /** What verify made: a label on owners and service accounts, an annotation on pods and namespaces. */
  readonly verify: string;
}

/** The signature of a mirror under a prefix such as `dev1-`; empty for the one that has none. */
export function signatureOf(prefix: string): Signature {
  const own = prefix.replace(/-$/, '');
  const domain = own === '' ? DOMAIN : `${own}.${DOMAIN}`;
  return {
    manager: own === '' ? FIELD_MANAGER : `${FIELD_MANAGER}/${own}`,
    lease: own === '' ? FIELD_MANAGER : `${FIELD_MANAGER}-${own}`,
    domain,
    mirror: `${domain}/mirror`,
    created: `${domain}/created`,
    labels: `${domain}/labels`,
    verify: `${domain}/verify`,
  };
}

/** Whether a key of labels or annotations says that verify made something, for whatever mirror. */
export function isVerifyMark(key: string): boolean {
  return isMark(key, 'verify');
}

function isMark(key: string, of: 'mirror' | 'verify'): boolean {
  return key === `${DOMAIN}/${of}` || key.endsWith(`.${DOMAIN}/${of}`);
}

/** The prefixes of the other mirrors than the one that signs so that have their mark on an object; empty for the one without. */
export function otherPrefixes({ metadata }: Pick<KubeObject, 'metadata'>, { mirror }: Signature): string[] {
  const keys = [metadata.labels, metadata.annotations].flatMap((record) => Object.keys(record ?? {}));
  return keys
    .filter((key) => key !== mirror && isMark(key, 'mirror'))
    .map((key) => (key === `${DOMAIN}/mirror` ? '' : `${key.slice(0, -`.${DOMAIN}/mirror`.length)}-`));
}

/** Whether another mirror than the one that signs so has its mark on an object. */
export function isOthersToo(object: Pick<KubeObject, 'metadata'>, signature: Signature): boolean {
  return otherPrefixes(object, signature).length > 0;
}

/** Whether a field manager is a mirror of ours, with a prefix or without. */
export function isMirror(manager: string): boolean {
  return manager === FIELD_MANAGER || manager.startsWith(`${FIELD_MANAGER}/`);
}

type Labels = Readonly<Record<string, string>>;

/** The target's name as a label value; names that don't fit are cut and told apart by a hash. */
export function mirrorName(target: string): string {
  if (/^[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?$/.test(target)) return target;
  const readable = target.replace(/[^\w.-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '');
  const hash = createHash('sha256').update(target).digest('hex').slice(0, 8);
  return `${readable.slice(0, 54)}-${hash}`.replace(/^-/, '');
}

/** Keys under `path` (such as metadata, labels) that a field manager owns, by `managedFields`. */
function ownedKeys(
  object: KubeObject,
  path: readonly string[],
  owner: (manager: ManagedFields) => boolean,
): Set<string> {
  const keys = new Set<string>();
  for (const entry of object.metadata.managedFields ?? []) {
    if (!owner(entry)) continue;
    let fields: unknown = entry.fieldsV1;
    for (const step of path) fields = (fields as Record<string, unknown> | undefined)?.[`f:${step}`];
    for (const key of Object.keys(fields ?? {})) if (key.startsWith('f:')) keys.add(key.slice(2));
  }
  return keys;
}

type ManagedFields = NonNullable<KubeObject['metadata']['managedFields']>[number];
const isEntryOf =
  (signature: Signature) =>
  ({ manager, operation }: ManagedFields) =>
    manager === signature.manager && operation === 'Apply';

/** The part of labels or annotations that our field manager set. */
export function ourPart(
  object: KubeObject,
  field: 'labels' | 'annotations',
  signature: Signature,
): Record<string, string> {
  const owned = ownedKeys(object, ['metadata', field], isEntryOf(signature));
  return Object.fromEntries(Object.entries(object.metadata[field] ?? {}).filter(([key]) => owned.has(key)));
}

/**
 * Whether an object is one that we made (policies) or marked (namespaces). The mark alone proves nothing, it can be
 * copied: our field manager must have set it.
 */
export function isOurs(object: KubeObject, signature: Signature): boolean {
  return signature.mirror in ourPart(object, markField(object), signature);
}

/** Where our mark is: an annotation on objects whose labels selectors see. */
export function markField({ kind = '' }: Pick<KubeObject, 'kind'>): 'labels' | 'annotations' {
  return LABELS_SELECTED.includes(kind) ? 'annotations' : 'labels';
}

const LABELS_SELECTED: readonly string[] = ['Namespace', 'CiliumCIDRGroup', 'NetworkSet', 'GlobalNetworkSet'];

/** Whether a change is of the target's name alone, with which an object of ours is marked. */
export function isMarkAlone({ before, after }: Pick<ObjectChange, 'before' | 'after'>): boolean {
  return before !== undefined && after !== undefined && isDeepStrictEqual(unmarked(before), unmarked(after));
}

function unmarked({ metadata, ...object }: KubeObject): unknown {
  const without = (keys: Labels = {}) => Object.entries(keys).filter(([key]) => !isMark(key, 'mirror'));
  const { labels, annotations, ...rest } = metadata;
  return { ...object, metadata: { ...rest, labels: without(labels), annotations: without(annotations) } };
}

/** Which target an object of ours was mirrored from. */
export function mirroredFrom(object: KubeObject, { mirror }: Signature): string | undefined {
  return object.metadata[markField(object)]?.[mirror];
}

/** Whether a namespace is one that we made, not one that was there. */
export function madeByUs(namespace: KubeObject, signature: Signature): boolean {
  return isOurs(namespace, signature) && signature.created in ourPart(namespace, 'annotations', signature);
}

/** Other managers that own a field, e.g. `['spec', 'ingress']` or `['metadata', 'labels', 'team']`. */
export function otherManagers(object: KubeObject, path: readonly string[], signature: Signature): string[] {
  const isOurEntry = isEntryOf(signature);
  const parents = path.slice(0, -1);
  const last = path.at(-1) ?? '';
  const managers = (object.metadata.managedFields ?? []).filter(
    (entry) => !isOurEntry(entry) && ownedKeys(object, parents, (e) => e === entry).has(last),
  );
  return [...new Set(managers.map(({ manager = 'an unnamed manager' }) => manager))];
}

/** Who owns a whole object, in words: what deployed it if that shows, else the tools that wrote it. */
export function ownerOf({ metadata }: KubeObject): string {
  const of = (labels: Labels | undefined, key: string) => labels?.[key];
  const argo =
    of(metadata.annotations, 'argocd.argoproj.io/tracking-id')?.split(':')[0] ??
    of(metadata.labels, 'argocd.argoproj.io/instance');
  if (argo) return `Argo CD application ${argo}`;
  const kustomization = of(metadata.labels, 'kustomize.toolkit.fluxcd.io/name');
  if (kustomization) return `Flux kustomization ${kustomization}`;
  const release =
    of(metadata.labels, 'helm.toolkit.fluxcd.io/name') ?? of(metadata.annotations, 'meta.helm.sh/release-name');
  if (release) return `Helm release ${release}`;
  const controller = metadata.ownerReferences?.find((owner) => owner.controller) ?? metadata.ownerReferences?.[0];
  if (controller) return `${controller.kind} ${controller.name}`;
  const managedBy = of(metadata.labels, MANAGED_BY);
  if (managedBy && managedBy !== FIELD_MANAGER) return managedBy;
  // Who keeps the status, such as an engine's operator, owns nothing else.
  const entries = (metadata.managedFields ?? []).filter((e) => Object.keys(e.fieldsV1 ?? {}).join() !== 'f:status');
  const managers = new Set(entries.map(({ manager }) => manager).filter((m) => m));
  return managers.size > 0 ? [...managers].join(', ') : 'an unknown owner';
}

/**
 * Labels that never leave the target: they'd change how pods are admitted (pod security) or make a deployment tool in
 * the local cluster take our objects for its own. Facts: policies.md §4.
 */
export function isCopyable(key: string): boolean {
  const domain = key.includes('/') ? key.slice(0, key.indexOf('/')) : '';
  return !NOT_COPIED_KEYS.includes(key) && !NOT_COPIED_DOMAINS.some((d) => domain === d || domain.endsWith(`.${d}`));
}

const NOT_COPIED_KEYS = ['kubernetes.io/metadata.name', 'app.kubernetes.io/instance', MANAGED_BY];
const NOT_COPIED_DOMAINS = [
  'pod-security.kubernetes.io',
  'argoproj.io',
  'fluxcd.io',
  'helm.sh',
  'applyset.kubernetes.io',
  'kubectl.kubernetes.io',
  'config.k8s.io',
  'kapp.k14s.io',
  'rio.cattle.io',
  DOMAIN,
];
