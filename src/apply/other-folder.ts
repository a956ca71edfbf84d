import { isAbsolute } from 'node:path';
import { titleOf } from '../plan/documents.ts';
import type { ObjectChange, Plan } from '../plan/model.ts';
import { mirroredFrom, mirrorName, type Signature } from '../plan/ownership.ts';
import { refOf } from '../plan/plan-policies.ts';
import { lastLocal } from '../report/store.ts';
import type { Snapshot } from '../snapshot/model.ts';
import { lastApply } from './history.ts';

/** Objects that a warning names. */
const NAMED = 5;

/**
 * Warns of what a plan takes away although no run of this folder has left it there. Our marks say what a target is called,
 * and two projects that both keep theirs in `./k8s` call it the same: one's sync would clear away the other's mirror as what
 * its target no longer has.
 */
export async function fromOtherFolder(
  folder: string,
  { cluster, objects }: Pick<Plan, 'cluster' | 'objects'>,
  { kind, name }: Pick<Snapshot['source'], 'kind' | 'name'>,
  signature: Signature,
): Promise<string[]> {
  if (kind !== 'files' || isAbsolute(name)) return [];
  const mirror = mirrorName(name);
  const going = objects.filter((change) => isTakenAway(change) && fromOf(change, signature) === mirror);
  if (going.length === 0) return [];
  const left = await leftHere(folder, cluster, name);
  const others = going.map(titleOf).filter((title) => !left.has(title));
  if (others.length === 0) return [];
  const more = others.length > NAMED ? ` and ${others.length - NAMED} more` : '';
  const text = `This plan takes away what no run in ${folder} has left in ${cluster}: ${others.slice(0, NAMED).join(', ')}${more}. If another project calls its target ${name} too, give each its own --namespace-prefix, or name it by its full path`;
  return [text];
}

function isTakenAway({ action }: ObjectChange): boolean {
  return action === 'delete' || action === 'release';
}

function fromOf({ before }: ObjectChange, signature: Signature): string | undefined {
  return before && mirroredFrom(before, signature);
}

/** The objects that were there when this folder last ended a run for that target and cluster, and those of its last apply. */
async function leftHere(folder: string, cluster: string, target: string): Promise<ReadonlySet<string>> {
  const [local, applied] = await Promise.all([lastLocal(folder, { target, cluster }), lastApply(folder, cluster)]);
  const namespaces = local?.namespaces.map((namespace) => `Namespace ${namespace.name}`) ?? [];
  const policies = local?.policies.map((policy) => titleOf(refOf(policy))) ?? [];
  const changed = applied?.target === target ? applied.objects.map(titleOf) : [];
  return new Set([...namespaces, ...policies, ...changed]);
}
