import { isDeepStrictEqual } from 'node:util';
import { refusedError } from '../host/errors.ts';
import type { KubeObject } from '../target/rest.ts';
import { titleOf } from './documents.ts';
import { managedPart } from './managed.ts';
import type { LocalState, ObjectChange, ObjectPlan } from './model.ts';
import { dropNamespace } from './plan-namespaces.ts';
import { dropPolicy, refOf } from './plan-policies.ts';

/**
 * The changes that take an apply back, the last first. What already is as it was before is passed over, so that the rest
 * of an apply that was cut short can be undone too. Throws `refused` naming the objects that somebody has changed since:
 * then nothing is to be undone.
 */
export function planUndo(applied: readonly ObjectChange[], local: LocalState): ObjectPlan {
  const lives = new Map([...local.namespaces, ...local.policies].map((o) => [titleOf(refOf(o)), o]));
  const objects: ObjectChange[] = [];
  const touched: string[] = [];
  const warnings: string[] = [];
  for (const change of applied.toReversed()) {
    const live = lives.get(titleOf(change));
    const now = live && managedPart(live, local.signature);
    if (isDeepStrictEqual(now, change.before)) continue;
    if (!isDeepStrictEqual(now, change.after)) {
      touched.push(`${titleOf(change)} ${live ? 'was changed' : 'is gone'}`);
      continue;
    }
    if (live && change.before === undefined) {
      const { change: dropped, warning } = drop(live, local);
      objects.push(dropped);
      if (warning !== undefined) warnings.push(warning);
    } else objects.push(restored(change, live, now));
  }
  if (touched.length > 0) {
    throw refusedError(`The last apply can't be undone: ${touched.join(', ')} since`, {
      action: 'Run "clparity plan" to see how the cluster stands to the target, or "clparity remove" to take all away.',
    });
  }
  return {
    objects,
    conflicts: [],
    unchanged: applied.length - objects.length,
    fidelity: [],
    warnings,
    notMirrored: [],
  };
}

function drop(live: KubeObject, local: LocalState): { change: ObjectChange; warning?: string } {
  return live.kind === 'Namespace' ? dropNamespace(live, local) : { change: dropPolicy(live, local.signature) };
}

/** Back to how it was: changed again, or made anew. */
function restored({ before, ...change }: ObjectChange, live?: KubeObject, now?: KubeObject): ObjectChange {
  const { apiVersion, kind, namespace, name } = change;
  const id = {
    apiVersion,
    kind,
    ...(namespace !== undefined && { namespace }),
    name,
    ...(before && { after: before }),
  };
  if (!live) return { ...id, action: 'create' };
  const { uid } = live.metadata;
  const released = kind === 'Namespace' && before?.metadata.annotations === undefined;
  return {
    ...id,
    action: released ? 'release' : 'update',
    ...(uid !== undefined && { uid }),
    ...(now && { before: now }),
  };
}
