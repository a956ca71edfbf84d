import { isCancelled, isParityError, ParityError } from './errors.ts';
import type { Run } from './run.ts';

/** A verb's stages in order, and what they have changed so far. */
export interface Stages {
  /** One line for each lasting change; what the report lists. */
  readonly changes: readonly string[];
  /**
   * Runs a stage. A cancel inside comes out as one that names the stage, what it left, and what earlier ones had done;
   * a failure comes out as it is, with what earlier stages had done in the log.
   */
  stage<T>(name: string, work: () => Promise<T>): Promise<T>;
  /** Records what a stage has changed for good. */
  changed(...lines: string[]): void;
}

/** Starts a verb. */
export function startStages(run: Run): Stages {
  const changes: string[] = [];
  const before = () =>
    changes.length === 0 ? 'Nothing was changed before that.' : `Done before that: ${changes.join('; ')}.`;
  return {
    changes,
    changed: (...lines) => void changes.push(...lines),
    async stage(name, work) {
      try {
        run.signal.throwIfAborted();
        return await work();
      } catch (error) {
        if (isCancelled(error)) {
          const said = isParityError(error) && error.kind === 'cancelled' ? error.message : '';
          const outcome = said.replace(/^Cancelled\. /, '').replace(/\.$/, '');
          // That nothing was changed is said once.
          const isSaid = changes.length === 0 && /^nothing was changed$/i.test(outcome);
          const left = outcome === '' || isSaid ? '' : `: ${outcome}`;
          throw new ParityError('cancelled', `while ${name}${left}. ${before()}`, { cause: error });
        }
        if (changes.length > 0) run.log('warn', `${name} failed. ${before()}`);
        throw error;
      }
    },
  };
}
