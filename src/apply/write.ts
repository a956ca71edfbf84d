import { setTimeout as sleep } from 'node:timers/promises';
import { environmentError, refusedError } from '../host/errors.ts';
import { titleOf } from '../plan/documents.ts';
import { managedPart, namespaceToWrite } from '../plan/managed.ts';
import type { ObjectChange } from '../plan/model.ts';
import { occupantsOf } from '../plan/occupants.ts';
import { FIELD_MANAGER, isMirror, isOurs, madeByUs, ownerOf, type Signature } from '../plan/ownership.ts';
import { NAMESPACE_NAME_LABEL } from '../policy/select.ts';
import type { KubeObject } from '../target/rest.ts';
import { resourceOf, type WriteClient } from './client.ts';

/** A write that has begun, and how to take it back. */
export interface Undo {
  readonly title: string;
  /** Brings the previous state back, whether the write came through or not; false where there was nothing to do. */
  undo(): Promise<boolean>;
}

/** How long a namespace may take to go: its content is deleted by controllers, after the request. */
const GONE_MS = 60_000;

/**
 * The object as it is now. Throws `refused` where it isn't the one the plan was made from, or isn't ours to change:
 * someone may have been here since.
 */
export async function recheck(
  client: WriteClient,
  change: ObjectChange,
  signal: AbortSignal,
): Promise<KubeObject | undefined> {
  const live = await client.get(resourceOf(change), change.name, change.namespace, signal);
  const wrong = live ? reasonToRefuse(change, live, client.signature) : missing(change);
  if (wrong === undefined) return live;
  throw refusedError(`${titleOf(change)} ${wrong}`, { action: 'Make a new plan: the cluster changed meanwhile.' });
}

function missing({ action }: ObjectChange): string | undefined {
  return action === 'update' ? 'is not there any more' : undefined;
}

function reasonToRefuse(
  { action, kind, uid }: ObjectChange,
  live: KubeObject,
  signature: Signature,
): string | undefined {
  if (action === 'create') return `is there by now and belongs to ${holderOf(live)}`;
  if (live.metadata.uid !== uid) return `was replaced by one that belongs to ${holderOf(live)}`;
  if (kind !== 'Namespace' && !isOurs(live, signature)) return `is not ours any more, it belongs to ${ownerOf(live)}`;
  if (kind === 'Namespace' && action === 'delete' && !madeByUs(live, signature))
    return 'does not carry our mark any more';
  return undefined;
}

/** The owner in words, seen from this run: what is ours came from another one. */
function holderOf(live: KubeObject): string {
  const owner = ownerOf(live);
  return isMirror(owner) ? 'another clparity run' : owner;
}

/** Carries one change out. `live` is what `recheck` found. Not cancellable: the outcome of each write is known. */
export async function write(client: WriteClient, change: ObjectChange, live: KubeObject | undefined): Promise<void> {
  const signal = new AbortController().signal;
  if (change.action !== 'delete') {
    if (change.after && (live || change.action === 'create')) {
      await client.apply(withUid(change.after, live), { signal });
    }
    return;
  }
  if (!live) return;
  if (change.kind === 'Namespace') {
    const others = (await occupantsOf(client, [change.name], client.signature, signal)).get(change.name) ?? [];
    if (others.length > 0) throw refusedError(`${titleOf(change)} holds ${others.join(', ')} by now`);
  }
  await client.delete(live, { signal, ...preconditions(live) });
}

/** How to take a change back, made before it is written. */
export function undoOf(client: WriteClient, change: ObjectChange, live: KubeObject | undefined): Undo {
  const title = titleOf(change);
  if (change.action === 'create') return { title, undo: () => takeAway(client, change) };
  if (!live) return { title, undo: async () => false };
  if (change.action === 'delete') return { title, undo: () => bringBack(client, change, live) };
  return {
    title,
    async undo() {
      await client.apply(withUid(managedPart(live, client.signature), live), { signal: new AbortController().signal });
      return true;
    },
  };
}

async function takeAway(client: WriteClient, change: ObjectChange): Promise<boolean> {
  const signal = new AbortController().signal;
  const live = await client.get(resourceOf(change), change.name, change.namespace, signal);
  if (!live || !isOurs(live, client.signature)) return false;
  if (change.kind === 'Namespace') {
    const others = (await occupantsOf(client, [change.name], client.signature, signal)).get(change.name) ?? [];
    if (others.length > 0) {
      await client.apply(withUid(namespaceToWrite(change.name, {}, '', false, client.signature), live), { signal });
      throw environmentError(`it holds ${others.join(', ')} by now; our labels are off it`);
    }
  }
  await client.delete(live, { signal, ...preconditions(live) });
  await demandGone(client, change, signal);
  return true;
}

async function bringBack(client: WriteClient, change: ObjectChange, live: KubeObject): Promise<boolean> {
  const signal = new AbortController().signal;
  const now = await client.get(resourceOf(change), change.name, change.namespace, signal);
  if (now && !now.metadata.deletionTimestamp) return false;
  await demandGone(client, change, signal);
  const ours = managedPart(live, client.signature);
  await client.apply(ours, { signal });
  const others = othersPart(live, client.signature);
  if (others) await client.apply(others, { signal, fieldManager: `${FIELD_MANAGER}-rollback` });
  return true;
}

/** Labels and annotations that others set on an object of ours: given back in another name, so as not to become ours. */
function othersPart(live: KubeObject, signature: Signature): KubeObject | undefined {
  const { apiVersion, kind, metadata } = managedPart(live, signature);
  const [labels, annotations] = (['labels', 'annotations'] as const).map((field) =>
    Object.entries(live.metadata[field] ?? {}).filter(
      ([key]) => key !== NAMESPACE_NAME_LABEL && !Object.hasOwn(metadata[field] ?? {}, key),
    ),
  );
  if (!labels?.length && !annotations?.length) return undefined;
  const { name, namespace } = metadata;
  return {
    ...(apiVersion && { apiVersion }),
    ...(kind && { kind }),
    metadata: {
      name,
      ...(namespace !== undefined && { namespace }),
      labels: Object.fromEntries(labels ?? []),
      annotations: Object.fromEntries(annotations ?? []),
    },
  };
}

async function demandGone(client: WriteClient, change: ObjectChange, signal: AbortSignal): Promise<void> {
  if (await waitUntilGone(client, change, signal)) return;
  throw environmentError(`${titleOf(change)} is still being deleted after ${GONE_MS / 1000} s`);
}

/** Waits until a deleted object has really gone; false where it takes longer than a minute. */
export async function waitUntilGone(client: WriteClient, change: ObjectChange, signal: AbortSignal): Promise<boolean> {
  const { namespace, name } = change;
  const resource = resourceOf(change);
  for (const end = Date.now() + GONE_MS; Date.now() < end; await sleep(300, undefined, { signal })) {
    if ((await client.get(resource, name, namespace, signal)) === undefined) return true;
  }
  return false;
}

/** With the UID in it, an apply to another object of that name is refused by the server itself. */
export function withUid(object: KubeObject, live: KubeObject | undefined): KubeObject {
  const uid = live?.metadata.uid;
  return uid === undefined ? object : { ...object, metadata: { ...object.metadata, uid } };
}

function preconditions({ metadata: { uid, resourceVersion } }: KubeObject) {
  return { ...(uid !== undefined && { uid }), ...(resourceVersion !== undefined && { resourceVersion }) };
}
