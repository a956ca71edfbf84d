import * as vscode from 'vscode';
import type { Run } from '../../host/run.ts';
import type { Approve, Project } from '../../pipeline.ts';
import type { Plan } from '../../plan/model.ts';
import type { Report } from '../../report/model.ts';
import { type CommandSpec, command, nothingToAsk } from '../command.ts';
import type { Core } from '../core-api.ts';
import { openText, RESULT_SCHEME } from '../documents.ts';
import { approveBeside, approveRemoval, changeCount, openPlan, summary } from '../plan-preview.ts';
import { presentReport } from '../report-view.ts';
import type { Ui } from '../ui.ts';

type Verb = (core: Core, run: Run, project: Project, approve: Approve) => Promise<Report | undefined>;

/** Commands that end in a report: they differ in their verb alone. */
const reporting = (title: () => string, verb: Verb): CommandSpec<true, Report> => ({
  title,
  needs: { target: true, cluster: true },
  ask: nothingToAsk,
  work: (job) => verb(job.core, job.run, job.project, approveBeside(job)),
  show: (report, place, ui) => presentReport(ui, place, report),
});

export const sync = command(
  reporting(
    () => vscode.l10n.t('Sync'),
    (core, run, project, approve) => core.sync(run, project, approve),
  ),
);

export const mirror = command(
  reporting(
    () => vscode.l10n.t('Mirror Policies'),
    (core, run, project, approve) => core.mirror(run, project, approve),
  ),
);

export const verify = command(
  reporting(
    () => vscode.l10n.t('Verify'),
    (core, run, project) => core.verify(run, project),
  ),
);

export const plan = command<true, Plan>({
  title: () => vscode.l10n.t('Plan'),
  needs: { target: true, cluster: true },
  ask: nothingToAsk,
  work: ({ core, run, project }) => core.plan(run, project),
  async show(plan, { core }, ui) {
    await openPlan(core, ui.documents, plan);
    void announcePlan(plan, core, ui);
  },
});

async function announcePlan(plan: Plan, core: Core, ui: Ui): Promise<void> {
  const asText = vscode.l10n.t('Show as Text');
  const text = core.hasChanges(plan)
    ? vscode.l10n.t('{0} planned for {1}: {2}.', changeCount(plan), plan.cluster, summary(plan))
    : vscode.l10n.t('No changes: {0} already is as {1} asks.', plan.cluster, plan.target);
  if ((await vscode.window.showInformationMessage(text, asText)) !== asText) return;
  await openText(ui.documents.put(RESULT_SCHEME, 'Plan.txt', core.planText(plan)));
}

export const remove = command<true, Plan>({
  title: () => vscode.l10n.t('Remove'),
  needs: { cluster: true },
  ask: nothingToAsk,
  work: (job) => job.core.remove(job.run, job.project, approveRemoval(job)),
  async show(plan, { core }) {
    const text = !core.hasChanges(plan)
      ? vscode.l10n.t('Nothing of ours is in {0}.', plan.cluster)
      : vscode.l10n.t('{0} is as before: {1}.', plan.cluster, summary(plan));
    void vscode.window.showInformationMessage(text);
  },
});

export const report = command<true, Report>({
  title: () => vscode.l10n.t('Last Report'),
  needs: {},
  harmless: true,
  ask: nothingToAsk,
  work: ({ core, project }) => core.lastReport(project.folder, core.chosenPair(project.settings)),
  show: (report, place, ui) => ui.reports.open(place, report),
});
