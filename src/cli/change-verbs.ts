import { Option } from 'commander';
import type { Drift, Plan } from '../core.ts';
import { counted } from '../host/counted.ts';
import type { Run } from '../host/run.ts';
import type { Approve, Project } from '../pipeline.ts';
import { LOCAL, SCOPE, TARGET } from './options.ts';
import type { Register, Verb } from './verbs.ts';

/** The verbs that take changes back, or say what has changed since the last run. */
export function registerChangeVerbs(verb: Register): void {
  verb(
    'remove',
    'take everything of ours out of the local cluster',
    [...LOCAL, 'namespacePrefix', 'dryRun', 'yes'],
    async (v) => {
      if (v.flags.dryRun) return lookOnly(v, v.core.remove);
      const done = await v.core.remove(v.run, v.project, v.approve);
      if (done)
        v.show(done, () => {
          const { objects, images, standIns = [] } = done;
          const more = [
            ...(images.length > 0 ? [counted(images.length, 'image')] : []),
            ...(standIns.length > 0 ? [`${counted(standIns.length, 'leftover')} of verify`] : []),
          ];
          return `Removed from ${done.cluster}: ${[counted(objects.length, 'object'), ...more].join(', ')}.`;
        });
      return 0;
    },
  );
  verb(
    'undo',
    'take back what the last sync, mirror or remove changed in the local cluster',
    [...LOCAL, 'namespacePrefix', 'dryRun', 'yes'],
    async (v) => {
      if (v.flags.dryRun) return lookOnly(v, v.core.undo);
      const done = await v.core.undo(v.run, v.project, v.approve);
      if (done) {
        const taken = counted(done.objects.length, 'change');
        v.show(done, () =>
          [
            `${done.cluster} is as ${done.target}, but for the images in its nodes: ${taken} taken back.`,
            ...done.warnings.map((warning) => `! ${warning}`),
          ].join('\n'),
        );
      }
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

/** Shows a plan; the exit code says whether there is anything to change. */
export function showPlan({ core, show }: Verb, plan: Plan): number {
  show(plan, () => core.planText(plan));
  return core.hasChanges(plan) || plan.conflicts.length > 0 ? 1 : 0;
}

/** Shows the plan that a verb asks about, and declines it. */
async function lookOnly(v: Verb, work: (run: Run, project: Project, approve: Approve) => Promise<unknown>) {
  let code = 0;
  await work(v.run, v.project, async (plan) => {
    code = showPlan(v, plan);
    return false;
  });
  return code;
}
