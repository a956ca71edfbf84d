import { Option } from 'commander';
import type { Drift } from '../core.ts';
import { LOCAL, SCOPE, TARGET } from './options.ts';
import type { Register } from './verbs.ts';

/** The verbs about what has changed since the last run. */
export function registerChangeVerbs(verb: Register): void {
  verb(
    'undo',
    'take back what the last sync, mirror or remove changed in the local cluster',
    [...LOCAL, 'namespacePrefix', 'dryRun', 'yes'],
    async (v) => {
      const look = async (plan: Parameters<typeof v.approve>[0]) => {
        v.show(plan, () => v.core.planText(plan));
        return false;
      };
      const done = await v.core.undo(v.run, v.project, v.flags.dryRun ? look : v.approve);
      if (done) v.show(done, () => `${done.cluster} is as ${done.target}: ${done.objects.length} changes taken back.`);
      return 0;
    },
  );
  verb(
    'drift',
    'what has moved since the last report, by its target and cluster where none is named',
    [...TARGET, ...LOCAL, ...SCOPE],
    async (v) => {
      const show = (drift: Drift) => v.show(drift, () => v.core.driftText(drift));
      if ((v.flags as { watch?: boolean }).watch) {
        await v.core.watchDrift(v.run, v.project, show);
        return 0;
      }
      const drift = await v.core.drift(v.run, v.project);
      show(drift);
      return drift.target.state === 'same' && drift.local.state === 'same' ? 0 : 1;
    },
    [new Option('--watch', 'go on, and show it again whenever something moves, until interrupted')],
  );
}
