import { resolve } from 'node:path';
import * as vscode from 'vscode';
import { inputError } from '../../host/errors.ts';
import { quietRun } from '../../host/run.ts';
import { command, type Handler, nothingToAsk } from '../command.ts';
import { openRendered, openText, RESULT_SCHEME } from '../documents.ts';
import { snapshots } from '../pick-target.ts';
import type { Place } from '../place.ts';
import { openPolicyLine } from '../policy-line.ts';
import { BACK, type Choice, choose, separator } from '../quick-pick.ts';
import { isTreeNode, type NodeData } from '../tree/node.ts';
import type { Ui } from '../ui.ts';

/** What a line of the tree is about, where the command was called from one. */
function dataOf(argument: unknown): NodeData {
  return isTreeNode(argument) ? argument.data : {};
}

/** The base image by what it holds. */
export const image = command<true, string>({
  title: () => vscode.l10n.t('Base Image Facts'),
  needs: {},
  ask: nothingToAsk,
  work: async ({ core, run, project }) => core.factsText(await core.image(run, project)),
  show: (text, _place, ui) => openText(ui.documents.put(RESULT_SCHEME, 'Base Image.txt', `${text}\n`)),
});

export const images = command<true, string>({
  title: () => vscode.l10n.t("Production's Images"),
  needs: { target: true },
  ask: nothingToAsk,
  work: async ({ core, run, project }) => core.imagesText(await core.images(run, project)),
  show: (text, _place, ui) => openText(ui.documents.put(RESULT_SCHEME, 'Production Images.txt', `${text}\n`)),
});

type Other = { readonly path: string } | { readonly local: true };

export const diff = command<Other, string>({
  title: () => vscode.l10n.t('Difference'),
  needs: { target: true },
  ask: askOther,
  usesCluster: (other) => 'local' in other,
  async work({ core, run, project }, other) {
    if ('local' in other) return core.diffMarkdown(await core.diff(run, project, {}));
    return core.diffMarkdown(await core.diff(run, project, { before: resolve(project.folder, other.path), now: true }));
  },
  show: (text, _place, ui) => openRendered(ui.documents.put(RESULT_SCHEME, 'Difference.md', text)),
});

/** What the target is compared with: this cluster, or an earlier snapshot. */
async function askOther(place: Place): Promise<Other | undefined> {
  const answer = await choose<Other>({
    title: vscode.l10n.t('Compare the target with'),
    placeholder: vscode.l10n.t('By meaning: who may reach whom, then what there is.'),
    choices: async () => [
      { label: `$(server-environment) ${vscode.l10n.t('The local cluster')}`, value: { local: true } },
      ...(await snapshots()).map((choice) => ofSnapshot(choice)),
      separator(''),
      { label: `$(file) ${vscode.l10n.t('A snapshot or manifest file…')}`, value: { path: '' } },
    ],
  });
  if (answer === undefined || answer === BACK) return undefined;
  if ('local' in answer || answer.path !== '') return answer;
  const [uri] = (await vscode.window.showOpenDialog({ defaultUri: place.folder.uri })) ?? [];
  return uri && { path: uri.fsPath };
}

function ofSnapshot({ value, ...line }: Awaited<ReturnType<typeof snapshots>>[number]): Choice<Other> {
  return { ...line, ...(value && 'snapshot' in value && { value: { path: value.snapshot } }) };
}

/** The policies that select a workload of the target. */
export const explainPod = command<string, string>({
  title: () => vscode.l10n.t('Explain Workload'),
  needs: { target: true },
  ask: async (place, argument) =>
    dataOf(argument).peer ??
    (await pick(place, vscode.l10n.t('Which policies select this workload?'), ({ workloads }) =>
      workloads.map(({ namespace, kind, name }) => `${namespace}/${kind}/${name}`),
    )),
  work: async ({ core, run, project }, peer) => (await core.explainPod(run, project, peer)).text,
  show: (text, _place, ui) => openText(ui.documents.put(RESULT_SCHEME, 'Workload.txt', `${text}\n`)),
});

/** The workloads that a policy of the target selects. */
export const explainPolicy = command<string, string>({
  title: () => vscode.l10n.t('Explain Policy'),
  needs: { target: true },
  ask: async (place, argument) =>
    dataOf(argument).policy?.id ??
    (await pick(place, vscode.l10n.t('Which workloads does this policy select?'), ({ policies }) =>
      policies.map(({ metadata: { namespace, name } }) => (namespace === undefined ? name : `${namespace}/${name}`)),
    )),
  work: async ({ core, run, project }, name) => (await core.explainPolicy(run, project, name)).text,
  show: (text, _place, ui) => openText(ui.documents.put(RESULT_SCHEME, 'Policy.txt', `${text}\n`)),
});

async function pick(
  { core, project }: Place,
  placeholder: string,
  namesIn: (snapshot: Awaited<ReturnType<typeof core.capture>>) => readonly string[],
): Promise<string | undefined> {
  const answer = await choose<string>({
    title: vscode.l10n.t('Explain'),
    placeholder,
    choices: async (signal) =>
      namesIn(await core.capture(quietRun(signal), project)).map((label) => ({ label, value: label })),
  });
  return answer === BACK ? undefined : answer;
}

/** A policy where it was read: its line in the file, or the object as the target has it. */
export const openPolicy = command<string, true>({
  title: () => vscode.l10n.t('Open Policy'),
  needs: {},
  harmless: true,
  async ask({ core, folder, project }, argument, ui) {
    const { policy } = dataOf(argument);
    if (!policy) throw inputError(vscode.l10n.t('Choose a policy in the view first'));
    if (policy.file === undefined) return policy.id;
    const target = await core.lastTarget(folder.uri.fsPath, core.chosenPair(project.settings));
    await openPolicyLine({ folder, name: target?.source.name ?? '', target }, policy.file, policy.line);
    ui.log.debug(`opened ${policy.id}`);
    return undefined;
  },
  async work({ core, project, ui }, id) {
    const text = await core.policyYaml(project.folder, id, core.chosenPair(project.settings));
    const name = id.replace(/^\S+ /, '').replaceAll('/', '.');
    await openText(ui.documents.put(RESULT_SCHEME, `${name}.yaml`, text));
    return true;
  },
  show: async () => {},
});

/** Needs no core: the line says it all. */
export const copyDigest =
  ({ log }: Ui): Handler =>
  async (argument) => {
    const { digest } = dataOf(argument);
    if (digest === undefined) return undefined;
    await vscode.env.clipboard.writeText(digest);
    log.info(`Copied ${digest}`);
    return digest;
  };

/** Asks about a connection with one end given. */
const explainWith =
  (end: 'from' | 'to') =>
  (_: Ui): Handler =>
  async (argument) =>
    vscode.commands.executeCommand('clparity.explain', { [end]: dataOf(argument).peer });

export const explainFrom = explainWith('from');
export const explainTo = explainWith('to');
