import * as vscode from 'vscode';
import type { Approve } from '../pipeline.ts';
import type { ChangeAction, Conflict, ImageChange, ObjectChange, Plan } from '../plan/model.ts';
import type { Job } from './command.ts';
import type { Core } from './core-api.ts';
import { type Documents, PLAN_SCHEME } from './documents.ts';
import { type Choice, choose, chooseMany, separator } from './quick-pick.ts';
import { said } from './said.ts';
import { plural } from './text.ts';

/** Opens every object's before and after in the multi-file diff editor. Gives the tab's title; nothing to show: undefined. */
export async function openPlan(core: Core, documents: Documents, plan: Plan): Promise<string | undefined> {
  const resources = core.planDocuments(plan).map(({ path, before, after }) => {
    const old = before === '' ? undefined : documents.put(PLAN_SCHEME, path, before, 'before');
    const next = after === '' ? undefined : documents.put(PLAN_SCHEME, path, after, 'after');
    return [vscode.Uri.from({ scheme: PLAN_SCHEME, path: `/${path}` }), old, next];
  });
  if (resources.length === 0) return undefined;
  const title = vscode.l10n.t('Plan for {0}', plan.cluster);
  await vscode.commands.executeCommand('vscode.changes', title, resources);
  return title;
}

/** Takes a preview off the screen once it has been decided on: it would only show what was. */
async function closePlan(title: string | undefined): Promise<void> {
  if (title === undefined) return;
  // VS Code adds the number of files to the title.
  const tabs = vscode.window.tabGroups.all.flatMap((group) => group.tabs).filter((tab) => tab.label.startsWith(title));
  await vscode.window.tabGroups.close(tabs, true);
}

/** Shows the plan and asks beside it, so that it can be read and scrolled before the answer: all of it, a part, or nothing. */
export function approveBeside(job: Job): Approve {
  return async (plan) =>
    // To run the command is consent enough for stand-ins that go away again.
    !job.core.hasChanges(plan) ||
    job.run.step(vscode.l10n.t('Waiting for your answer'), async () => {
      const title = await openPlan(job.core, job.ui.documents, plan);
      try {
        const answer = await askAbout(plan, job);
        job.run.signal.throwIfAborted();
        return answer;
      } finally {
        await closePlan(title);
      }
    });
}

/** Comes back to the question when the choice of a part is dismissed. */
async function askAbout(plan: Plan, { core, run: { signal } }: Job): Promise<boolean | Plan> {
  for (;;) {
    const answer = await choose<'apply' | 'part' | 'cancel'>({
      title: vscode.l10n.t('Apply {0} to {1}?', changeCount(plan), plan.elsewhere ?? plan.cluster),
      placeholder: vscode.l10n.t('The changes are open below. Nothing is written before you choose Apply.'),
      choices: async () => [
        { label: `$(check) ${vscode.l10n.t('Apply')}`, description: summary(plan), value: 'apply' },
        {
          label: `$(checklist) ${vscode.l10n.t('Choose…')}`,
          description: vscode.l10n.t('apply some of it'),
          value: 'part',
        },
        {
          label: `$(close) ${vscode.l10n.t('Cancel')}`,
          description: vscode.l10n.t('write nothing'),
          value: 'cancel',
        },
        ...sideNotes(core, plan),
      ],
      signal,
      noDefault: true,
    });
    if (answer !== 'part') return answer === 'apply';
    const part = await choosePart(plan, core, signal);
    if (part || signal.aborted) return part ?? false;
  }
}

/** Every change with a tick to take away. What hangs on one that is left out is left out as well. */
async function choosePart(plan: Plan, core: Core, signal: AbortSignal): Promise<Plan | undefined> {
  const chosen = await chooseMany<ObjectChange | ImageChange>({
    title: vscode.l10n.t('Apply to {0}: untick what is to stay as it is', plan.cluster),
    placeholder: vscode.l10n.t('Enter applies what is ticked; the report names what was left out.'),
    choices: [
      ...plan.images.map((image) => ({
        label: `$(package) ${image.reference}`,
        description: image.nodes.join(', '),
        value: image,
      })),
      ...plan.objects.map((object) => ({ label: nameOf(object), description: object.action, value: object })),
    ],
    signal,
  });
  if (!chosen) return undefined;
  const wanted = new Set(chosen);
  return core.partOf(plan, (change) => wanted.has(change));
}

/** Asks with a modal dialog: taking things away deserves one. */
export function approveRemoval(job: Job): Approve {
  return (plan) =>
    job.run.step(vscode.l10n.t('Waiting for your answer'), async () => {
      const remove = vscode.l10n.t('Remove');
      const answer = await vscode.window.showWarningMessage(
        vscode.l10n.t('Remove what Container Linux Parity put into {0}?', plan.elsewhere ?? plan.cluster),
        { modal: true, detail: removalDetail(plan) },
        remove,
      );
      job.run.signal.throwIfAborted();
      return answer === remove;
    });
}

/** Objects named in the modal dialog before the rest is only counted. */
const NAMED = 10;

function removalDetail(plan: Plan): string {
  const images = plan.images.map(({ reference }) => vscode.l10n.t('image {0}', reference));
  const names = [...images, ...plan.objects.map(nameOf), ...(plan.standIns ?? [])];
  const more = names.length > NAMED ? [vscode.l10n.t('… and {0} more', names.length - NAMED)] : [];
  const paragraphs = [
    summary(plan),
    [...names.slice(0, NAMED), ...more].join('\n'),
    plan.warnings.map(said).join('\n'),
  ];
  return paragraphs.filter((text) => text !== '').join('\n\n');
}

/** "12 changes". */
export function changeCount(plan: Plan): string {
  const n = plan.objects.length + plan.images.length;
  return plural(n, vscode.l10n.t('1 change'), vscode.l10n.t('{0} changes', n));
}

/** "create 9, update 2, delete 1; load 1 image". */
export function summary(plan: Plan): string {
  const verbs: Record<ChangeAction, (n: number) => string> = {
    create: (n) => vscode.l10n.t('create {0}', n),
    update: (n) => vscode.l10n.t('update {0}', n),
    delete: (n) => vscode.l10n.t('delete {0}', n),
    release: (n) => vscode.l10n.t('release {0}', n),
  };
  const objects = Object.entries(verbs).flatMap(([action, say]) => {
    const n = plan.objects.filter((object) => object.action === action).length;
    return n > 0 ? [say(n)] : [];
  });
  const images = [
    imageCount(plan, undefined, (n) => plural(n, vscode.l10n.t('load 1 image'), vscode.l10n.t('load {0} images', n))),
    imageCount(plan, 'remove', (n) =>
      plural(n, vscode.l10n.t('remove 1 image'), vscode.l10n.t('remove {0} images', n)),
    ),
  ];
  const count = plan.standIns?.length ?? 0;
  const leftovers = plural(
    count,
    vscode.l10n.t('remove 1 leftover of a proof'),
    vscode.l10n.t('remove {0} leftovers of proofs', count),
  );
  return [objects.join(', '), ...images, count > 0 ? leftovers : ''].filter((part) => part !== '').join('; ');
}

function imageCount({ images }: Plan, action: ImageChange['action'], say: (n: number) => string): string {
  const n = images.filter((image) => image.action === action).length;
  return n > 0 ? say(n) : '';
}

/** What else the plan says, as lines that can be read but not chosen. */
export function sideNotes(core: Core, plan: Plan): Choice<never>[] {
  return [
    ...section(
      vscode.l10n.t('Images to load'),
      plan.images.map(({ reference, nodes }) => ({ label: `$(package) ${reference}`, description: nodes.join(', ') })),
    ),
    ...section(vscode.l10n.t('Left alone, owned by someone else'), plan.conflicts.map(conflictLine)),
    ...section(
      vscode.l10n.t('Not mirrored'),
      plan.notMirrored.map((line) => ({ label: `$(info) ${said(line)}` })),
    ),
    ...section(
      vscode.l10n.t('Warnings'),
      [...plan.warnings, ...core.cautions(plan.fidelity)].map((line) => ({ label: `$(warning) ${said(line)}` })),
    ),
  ];
}

function section(label: string, lines: readonly Choice<never>[]): Choice<never>[] {
  return lines.length > 0 ? [separator(label), ...lines] : [];
}

function conflictLine(conflict: Conflict): Choice<never> {
  return { label: `$(warning) ${nameOf(conflict)}`, description: conflict.owner, detail: said(conflict.message) };
}

function nameOf({ kind, namespace, name }: { kind: string; namespace?: string; name: string }): string {
  return `${kind} ${namespace === undefined ? name : `${namespace}/${name}`}`;
}
