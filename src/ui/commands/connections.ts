import * as vscode from 'vscode';
import { quietRun } from '../../host/run.ts';
import type { Snapshot, Workload } from '../../snapshot/model.ts';
import { command, nothingToAsk } from '../command.ts';
import type { Core } from '../core-api.ts';
import { openRendered, openText, RESULT_SCHEME } from '../documents.ts';
import { checkedMarkdown, type Explained, explainedMarkdown } from '../markdown.ts';
import type { Place } from '../place.ts';
import { askInTurn, BACK, type Choice, choose } from '../quick-pick.ts';

interface Connection {
  readonly from: string;
  readonly to: string;
  readonly protocol: string;
  readonly port: string;
}

type Checked = Awaited<ReturnType<Core['check']>>;

export const matrix = command<true, object>({
  title: () => vscode.l10n.t('Connection Matrix'),
  needs: { target: true },
  ask: nothingToAsk,
  work: ({ core, run, project }) => core.matrix(run, project),
  show: async (matrix, _place, ui) =>
    openText(ui.documents.put(RESULT_SCHEME, 'Connection Matrix.json', `${JSON.stringify(matrix, null, 2)}\n`)),
});

export const explain = command<Connection, Explained>({
  title: () => vscode.l10n.t('Explain Connection'),
  needs: { target: true },
  ask: (place, argument) =>
    isConnection(argument) ? Promise.resolve(argument) : askConnection(place, endsOf(argument)),
  work: ({ core, run, project }, connection) => core.explain(run, project, connection),
  show: async (explained, _place, ui) =>
    openRendered(ui.documents.put(RESULT_SCHEME, 'Explanation.md', explainedMarkdown(explained))),
});

function isConnection(value: unknown): value is Connection {
  return typeof value === 'object' && value !== null && 'from' in value && 'to' in value && 'port' in value;
}

type Ends = Pick<Partial<Connection>, 'from' | 'to'>;

/** The ends that the caller knows already. */
function endsOf(argument: unknown): Ends {
  const { from, to } = (typeof argument === 'object' && argument !== null ? argument : {}) as Record<string, unknown>;
  return { ...(typeof from === 'string' && { from }), ...(typeof to === 'string' && { to }) };
}

/** Up to three questions: from, to, port. The target is read once, while the first is on screen. */
async function askConnection(place: Place, known: Ends): Promise<Connection | undefined> {
  const abort = new AbortController();
  let snapshot: Promise<Snapshot> | undefined;
  const read = () => {
    snapshot ??= place.core.capture(quietRun(abort.signal), place.project);
    return snapshot;
  };
  const ends = (['from', 'to'] as const).filter((end) => known[end] === undefined);
  const endsIn = (answers: readonly string[]): Ends => ({
    ...known,
    ...Object.fromEntries(ends.map((end, i) => [end, answers[i]])),
  });
  const title = vscode.l10n.t('Explain a connection');
  const totalSteps = ends.length + 1;
  const placeholders = {
    from: vscode.l10n.t('From: a workload, or type namespace/pod, ip:ADDRESS or dns:NAME'),
    to: vscode.l10n.t('To: a workload, or type namespace/pod, ip:ADDRESS or dns:NAME'),
  };
  const answers = await askInTurn<string>([
    ...ends.map(
      (end) => (_: readonly string[], step: number) =>
        choose<string>({
          title,
          placeholder: placeholders[end],
          step,
          totalSteps,
          choices: async () => (await read()).workloads.map(workloadChoice),
          typed: (text) => (PEER.test(text) ? { label: `$(edit) ${text}`, value: text } : undefined),
        }),
    ),
    (given, step) =>
      choose<string>({
        title,
        placeholder: vscode.l10n.t('Port: choose one, or type for example 8080 or UDP 53'),
        step,
        totalSteps,
        choices: async () => portChoices(await read(), endsIn(given).to),
        typed: (text) => portChoice(text),
      }),
  ]);
  abort.abort();
  if (!answers) return undefined;
  const { from, to } = endsIn(answers);
  const [protocol, number] = answers.at(-1)?.split(' ') ?? [];
  if (from === undefined || to === undefined || protocol === undefined || number === undefined) return undefined;
  return { from, to, protocol, port: number };
}

/** `namespace/pod`, `namespace/Kind/name`, `ip:ADDRESS` or `dns:NAME`. */
const PEER = /^((ip|dns):\S+|[^/\s]+\/[^/\s]+(\/[^/\s]+)?)$/;

function workloadChoice({ namespace, kind, name, ports }: Workload): Choice<string> {
  const id = `${namespace}/${kind}/${name}`;
  return { label: id, description: ports.map((p) => `${p.protocol} ${p.port}`).join(', '), value: id };
}

function portChoices({ workloads }: Snapshot, peer: string | undefined): Choice<string>[] {
  const workload = workloads.find(({ namespace, kind, name }) => `${namespace}/${kind}/${name}` === peer);
  return (workload?.ports ?? []).map(({ name, port, protocol }) => ({
    label: `${protocol} ${port}`,
    ...(name === undefined ? {} : { description: name }),
    value: `${protocol} ${port}`,
  }));
}

/** Reads "8080", "udp 53" or "53/UDP"; undefined for anything else. */
export function portChoice(text: string): Choice<string> | undefined {
  const [, before, number, after] = /^(?:(tcp|udp|sctp)[ /])?(\d{1,5})(?:[ /](tcp|udp|sctp))?$/i.exec(text) ?? [];
  if (number === undefined || Number(number) < 1 || Number(number) > 65_535) return undefined;
  const value = `${(before ?? after ?? 'TCP').toUpperCase()} ${Number(number)}`;
  return { label: `$(edit) ${value}`, value };
}

export const check = command<{ file: string; live: boolean }, Checked>({
  title: () => vscode.l10n.t('Check'),
  needs: { target: true },
  async ask(_place, argument) {
    const file = argument instanceof vscode.Uri ? argument : await askFile();
    if (!file) return undefined;
    const live = await askLive();
    return live === undefined ? undefined : { file: file.fsPath, live };
  },
  usesCluster: ({ live }) => live,
  work: ({ core, run, project }, { file, live }) => core.check(run, project, file, live),
  async show(checked, _place, ui) {
    await openRendered(ui.documents.put(RESULT_SCHEME, 'Checked Connections.md', checkedMarkdown(checked)));
  },
});

async function askFile(): Promise<vscode.Uri | undefined> {
  const active = vscode.window.activeTextEditor?.document.uri;
  const [file] =
    (await vscode.window.showOpenDialog({
      title: vscode.l10n.t('File of expected connections'),
      openLabel: vscode.l10n.t('Check'),
      filters: { [vscode.l10n.t('YAML or JSON')]: ['yaml', 'yml', 'json'] },
      ...(active?.scheme === 'file' ? { defaultUri: active } : {}),
    })) ?? [];
  return file;
}

async function askLive(): Promise<boolean | undefined> {
  const answer = await choose<'rules' | 'packets'>({
    title: vscode.l10n.t('Check against what?'),
    placeholder: vscode.l10n.t('Expected connections are compared with'),
    choices: async () => [
      {
        label: vscode.l10n.t("The target's policies"),
        description: vscode.l10n.t('computed, offline'),
        value: 'rules',
      },
      {
        label: vscode.l10n.t('Real packets'),
        description: vscode.l10n.t('sent in the local cluster'),
        value: 'packets',
      },
    ],
  });
  return answer === undefined || answer === BACK ? undefined : answer === 'packets';
}
