import { isDeepStrictEqual } from 'node:util';
import type { NamespaceFacts } from '../snapshot/model.ts';
import type { KubeObject } from '../target/rest.ts';
import { managedPart, NAMESPACE, namespaceToWrite } from './managed.ts';
import type { Conflict, LocalState, ObjectChange } from './model.ts';
import {
  isCopyable,
  isMirror,
  isOthersToo,
  madeByUs,
  otherManagers,
  ourPart,
  ownerOf,
  type Signature,
} from './ownership.ts';

/** What is to be done about one namespace: at most one change, and labels that others hold. */
export interface NamespacePlan {
  readonly change?: ObjectChange;
  readonly conflicts: readonly Conflict[];
  /** Labels as they'll be here. */
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * The change that gives a namespace the target's labels. One that is there only gets labels that it lacks; a label that
 * someone else set to another value stays and is a conflict, one that another mirror set to the same value is held by
 * both. `keep`: labels that we set earlier stay, wanted or not.
 */
export function planNamespace(
  facts: NamespaceFacts,
  live: KubeObject | undefined,
  mirror: string,
  keep: boolean,
  signature: Signature,
): NamespacePlan {
  const { name } = facts;
  const wanted = Object.entries(facts.labels).filter(([key]) => isCopyable(key));
  if (!live) {
    const labels = Object.fromEntries(wanted);
    const after = namespaceToWrite(name, labels, mirror, true, signature);
    return { change: { action: 'create', ...NAMESPACE, name, after }, conflicts: [], labels };
  }
  const ours = ourPart(live, 'labels', signature);
  const present = live.metadata.labels ?? {};
  const labels: Record<string, string> = keep ? { ...ours } : {};
  const conflicts: Conflict[] = [];
  for (const [key, value] of wanted) {
    const here = Object.hasOwn(present, key) ? present[key] : undefined;
    const others = otherManagers(live, ['metadata', 'labels', key], signature);
    const ourAlone = Object.hasOwn(ours, key) && others.length === 0;
    const held = Object.hasOwn(ours, key) || (others.length > 0 && others.every(isMirror));
    if (here === undefined || ourAlone || (here === value && held)) labels[key] = value;
    else if (here !== value) conflicts.push(labelConflict(live, key, value, here, others));
  }
  const after = namespaceToWrite(name, labels, mirror, madeByUs(live, signature), signature);
  return { ...changeTo(live, after, signature), conflicts, labels: { ...without(present, ours), ...labels } };
}

function changeTo(live: KubeObject, after: KubeObject, signature: Signature): { change?: ObjectChange } {
  const before = managedPart(live, signature);
  if (isDeepStrictEqual(before, after)) return {};
  const marked = after.metadata.annotations !== undefined;
  const { name, uid } = live.metadata;
  return {
    change: {
      action: marked ? 'update' : 'release',
      ...NAMESPACE,
      name,
      ...(uid !== undefined && { uid }),
      before,
      after,
    },
  };
}

/**
 * What to do about a namespace with our mark that isn't needed any more: delete it if we made it, nothing else lives in
 * it and no other mirror needs it; otherwise take our labels off it.
 */
export function dropNamespace(live: KubeObject, local: LocalState): { change: ObjectChange; warning?: string } {
  const { name, uid } = live.metadata;
  const { signature } = local;
  const base = { ...NAMESPACE, name, ...(uid !== undefined && { uid }), before: managedPart(live, signature) };
  const release: ObjectChange = { ...base, action: 'release', after: namespaceToWrite(name, {}, '', false, signature) };
  if (!madeByUs(live, signature) || isOthersToo(live, signature)) return { change: release };
  const others = local.occupants.get(name) ?? [];
  if (others.length === 0) return { change: { ...base, action: 'delete' } };
  const some = others.length > 5 ? `${others.slice(0, 5).join(', ')} and ${others.length - 5} more` : others.join(', ');
  return { change: release, warning: `Namespace ${name} was made by us but stays, since it holds ${some}` };
}

function labelConflict(
  live: KubeObject,
  key: string,
  value: string,
  here: string,
  managers: readonly string[],
): Conflict {
  const { name } = live.metadata;
  const owner = managers.length > 0 ? managers.join(', ') : ownerOf(live);
  return {
    ...NAMESPACE,
    name,
    owner,
    // What another mirror has set is that one's to take away.
    message: managers.some(isMirror)
      ? `Namespace ${name} has the label ${key}=${here}, set by ${owner}; at the target it is ${key}=${value}`
      : `Namespace ${name} has the label ${key}=${here}, set by ${owner}; at the target it is ${key}=${value}. To mirror that, take it away: kubectl label namespace ${name} ${key}-`,
  };
}

function without(labels: Readonly<Record<string, string>>, keys: object): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).filter(([key]) => !Object.hasOwn(keys, key)));
}
