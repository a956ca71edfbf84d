import { randomBytes } from 'node:crypto';
import type { Run } from '../host/run.ts';
import { titleOf } from '../plan/documents.ts';
import type { ObjectChange } from '../plan/model.ts';
import type { KubeObject } from '../target/rest.ts';
import type { WriteClient } from './client.ts';
import { recheck, withUid } from './write.ts';

/**
 * Sends every change as a server dry run: validated and admitted, not stored. A policy of a namespace that is yet to be
 * made is tried in `default` under a throw-away name; what refers to a tier that is yet to be made can't be tried, for
 * Calico's API server asks for it. Rejects with the first refusal, after naming its object.
 */
export async function dryRun(
  client: WriteClient,
  changes: readonly ObjectChange[],
  run: Run,
  onTry: (index: number) => void,
): Promise<void> {
  const { signal } = run;
  const coming = new Set(changes.filter((c) => c.kind === 'Namespace' && c.action === 'create').map((c) => c.name));
  const tiers = new Set(changes.filter((c) => c.kind === 'Tier' && c.action === 'create').map((c) => c.name));
  for (const [index, change] of changes.entries()) {
    onTry(index);
    const live = await recheck(client, change, signal);
    run.log('debug', `dry run: ${change.action} ${titleOf(change)}`);
    if (change.action === 'delete') {
      if (live) await client.delete(live, { dryRun: true, signal });
    } else if (change.after && (live || change.action === 'create') && !tiers.has(tierOf(change.after))) {
      const elsewhere = change.namespace !== undefined && coming.has(change.namespace);
      const object = elsewhere ? throwAway(change.after) : withUid(change.after, live);
      await client.apply(object, { dryRun: true, signal });
    }
  }
}

function tierOf({ spec }: KubeObject): string {
  return (spec as { tier?: string } | undefined)?.tier ?? '';
}

function throwAway(object: KubeObject): KubeObject {
  const name = `clparity-dry-run-${randomBytes(4).toString('hex')}`;
  return { ...object, metadata: { ...object.metadata, name, namespace: 'default' } };
}
