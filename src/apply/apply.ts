import { environmentError, isCancelled, messageOf, ParityError, whatEnded } from '../host/errors.ts';
import type { Run } from '../host/run.ts';
import { titleOf } from '../plan/documents.ts';
import type { ObjectChange, Plan } from '../plan/model.ts';
import { ApiError } from '../target/rest.ts';
import type { WriteClient } from './client.ts';
import { dryRun } from './dry-run.ts';
import { recheck, type Undo, undoOf, waitUntilGone, write } from './write.ts';

const DONE = { create: 'created', update: 'updated', delete: 'deleted', release: 'released' } as const;

/**
 * Carries out the object changes of a plan, in its order, all or none: everything is tried by server dry run first; a
 * failure or a cancel rolls back what was done, and the error says what became of it. Conflicts stay untouched, images
 * are another stage's. Returns one line per change. What it deletes may still be going: see settle.
 */
export async function applyPlan(client: WriteClient, plan: Pick<Plan, 'objects'>, run: Run): Promise<string[]> {
  const { objects } = plan;
  if (objects.length === 0) return [];
  let current: ObjectChange | undefined;
  await run.step('Try the changes without storing them', async (progress) => {
    try {
      await dryRun(client, objects, run, (index) => {
        run.signal.throwIfAborted();
        current = objects[index];
        progress({ done: index, total: objects.length, unit: 'items' });
      });
    } catch (error) {
      throw ended(error, current, 'Nothing was changed.', run);
    }
  });
  await run.step('Change the local cluster', async (progress) => {
    const begun: Undo[] = [];
    try {
      for (const [index, change] of objects.entries()) {
        run.signal.throwIfAborted();
        current = change;
        progress({ done: index, total: objects.length, unit: 'items', note: titleOf(change) });
        const live = await recheck(client, change, run.signal);
        begun.push(undoOf(client, change, live));
        await writeOrForget(client, change, live, begun);
        run.log('info', `${DONE[change.action]} ${titleOf(change)}`);
      }
    } catch (error) {
      run.log('warn', 'Rolling back');
      throw ended(error, current, await rollBack(begun, run), run);
    }
  });
  return objects.map((change) => `${DONE[change.action]} ${titleOf(change)}`);
}

/** A write that the server turned down for sure needs no undo; after any other failure it may have come through. */
async function writeOrForget(
  client: WriteClient,
  change: ObjectChange,
  live: Parameters<typeof write>[2],
  begun: Undo[],
): Promise<void> {
  try {
    await write(client, change, live);
  } catch (error) {
    const certain =
      error instanceof ApiError ? error.status < 500 : error instanceof ParityError && error.kind === 'refused';
    if (certain) begun.pop();
    throw error;
  }
}

/** Undoes in reverse, as far as it goes, and says in a sentence what became of it. Never stopped by the user's cancel. */
async function rollBack(begun: readonly Undo[], run: Run): Promise<string> {
  let undone = 0;
  const left: string[] = [];
  for (const { title, undo } of [...begun].reverse()) {
    try {
      if (await undo()) undone++;
    } catch (error) {
      run.log('error', `${title} can't be rolled back: ${messageOf(error)}`);
      left.push(`${title} (${messageOf(error)})`);
    }
  }
  const changes = undone === 1 ? '1 change was rolled back' : `${undone} changes were rolled back`;
  if (left.length > 0) return `${changes}; left as changed: ${left.join('; ')}.`;
  return undone === 0 ? 'Nothing was changed.' : `${changes}.`;
}

/** The error of a run that ended early: the object, the reason, and what became of the changes. */
function ended(thrown: unknown, change: ObjectChange | undefined, outcome: string, run: Run): ParityError {
  const error = whatEnded(run.signal, thrown);
  if (isCancelled(error)) return new ParityError('cancelled', `Cancelled. ${outcome}`, { cause: error });
  const [kind, action] =
    error instanceof ParityError ? [error.kind, error.action] : ['environment' as const, undefined];
  const title = change ? titleOf(change) : '';
  const message = messageOf(error);
  const named = message.includes(title) ? message : `${title}: ${message}`;
  return new ParityError(kind, `${named.replace(/\.$/, '')}. ${outcome}`, { cause: error, ...(action && { action }) });
}

/**
 * After an apply: waits until deleted namespaces have gone, so that the next run meets the cluster as the plan meant it.
 * Returns a line for each that takes longer. By itself, for whatever becomes of the waiting, the changes were made.
 */
export async function settle(client: WriteClient, { objects }: Pick<Plan, 'objects'>, run: Run): Promise<string[]> {
  const leaving = objects.filter(({ kind, action }) => kind === 'Namespace' && action === 'delete');
  if (leaving.length === 0) return [];
  return run.step('Wait until deleted namespaces have gone', async () => {
    const late: string[] = [];
    for (const change of leaving) {
      try {
        if (!(await waitUntilGone(client, change, run.signal))) late.push(`${titleOf(change)} is still being deleted`);
      } catch (error) {
        const made = objects.length === 1 ? 'The change was made' : `All ${objects.length} changes were made`;
        const what = `${made}; ${titleOf(change)} may still be going`;
        const cause = whatEnded(run.signal, error);
        if (isCancelled(cause)) throw new ParityError('cancelled', `Cancelled. ${what}.`, { cause });
        throw environmentError(`${what}: ${messageOf(cause)}`, { cause });
      }
    }
    return late;
  });
}
