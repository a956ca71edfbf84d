import * as vscode from 'vscode';
import { refusedError } from '../host/errors.ts';
import type { Run } from '../host/run.ts';
import { type Core, loadCore } from './core-api.ts';
import { showFailure } from './errors.ts';
import { pickCluster } from './pick-cluster.ts';
import { pickTarget } from './pick-target.ts';
import { folderOf, type Place, placeHere, placeIn, workFolder } from './place.ts';
import { settingsOf } from './settings.ts';
import { taskRun } from './task-run.ts';
import type { RunningTask, Ui } from './ui.ts';

/** A command at work: where, and the run its stages are given. */
export interface Job extends Place {
  readonly ui: Ui;
  readonly run: Run;
  readonly token: vscode.CancellationToken;
}

/** Choices that must be made before the work. */
export interface Needs {
  readonly target?: boolean;
  readonly cluster?: boolean;
}

/**
 * What a command is made of. `ask` is the talk before the work (dialogs, input), `work` runs under progress with
 * cancel, `show` presents the outcome once the progress is gone. Each may be left with undefined: the user dismissed it.
 */
export interface CommandSpec<I, R> {
  /** As the notification calls it: "Sync". Called late, when translations are loaded. */
  readonly title: () => string;
  /** Choices that must be made first; asked for only where the settings don't decide. */
  readonly needs: Needs;
  /** It only shows what is on disk, so that it may be run in a folder that nobody trusts. */
  readonly harmless?: true;
  /** It asks for the host itself, so that one which can't be opened is no hindrance to choosing another. */
  readonly choosesHost?: true;
  ask(place: Place, argument: unknown, ui: Ui): Promise<I | undefined>;
  /** Whether this call works on the local cluster, where not every call does. */
  usesCluster?(input: I): boolean;
  work(job: Job, input: I): Promise<R | undefined>;
  show(result: R, place: Place, ui: Ui): Promise<void>;
}

/** A handler as VS Code calls it, and its result for callers by `executeCommand`. */
export type Handler = (argument?: unknown) => Promise<unknown>;

/**
 * The one way a command runs: core loaded on first use, choices asked, one command at a time on a cluster, progress
 * with cancel, log, and errors shown with what to do next. Resolves undefined when dismissed, cancelled or failed.
 */
export function command<I, R>(spec: CommandSpec<I, R>): (ui: Ui, load?: () => Promise<Core>) => Handler {
  return (ui, load = loadCore) =>
    async (argument) => {
      try {
        return await execute(spec, ui, load, argument);
      } catch (error) {
        showFailure(ui, spec.title(), error);
        return undefined;
      }
    };
}

async function execute<I, R>(
  spec: CommandSpec<I, R>,
  ui: Ui,
  load: () => Promise<Core>,
  argument: unknown,
): Promise<R | undefined> {
  refuseUntrusted(spec);
  const folder = folderOf(argument) ?? (await workFolder());
  if (!folder) return undefined;
  const core = await load();
  const first = spec.choosesHost ? placeHere(core, folder) : await placeIn(core, folder);
  if (!(await decide(spec.needs, first))) return undefined;
  const input = await spec.ask(await placeIn(core, folder, first), argument, ui);
  if (input === undefined) return undefined;
  const onCluster = spec.needs.cluster ?? spec.usesCluster?.(input) ?? false;
  if (!(await decide({ cluster: onCluster }, await placeIn(core, folder, first)))) return undefined;
  const place = await placeIn(core, folder, first);
  const result = await tracked(spec, place, ui, input, onCluster);
  if (result !== undefined) await spec.show(result, place, ui);
  return result;
}

/** Links run commands whether their enablement holds or not. Throws a ParityError of kind `refused`. */
function refuseUntrusted({ harmless, title }: Pick<CommandSpec<never, never>, 'harmless' | 'title'>): void {
  if (harmless || vscode.workspace.isTrusted) return;
  throw refusedError(vscode.l10n.t('This workspace is not trusted'), {
    action: vscode.l10n.t('Run "Workspaces: Manage Workspace Trust", then {0} again.', title()),
  });
}

/** Asks what the settings leave open. False when dismissed. */
async function decide(needs: Needs, place: Place): Promise<boolean> {
  const { context, snapshot, cluster } = place.project.settings;
  if (needs.target && context === undefined && snapshot === undefined && !(await pickTarget(place))) return false;
  if (!needs.cluster || cluster !== undefined) return true;
  const answer = await pickCluster(place);
  if (answer !== 'create') return answer === 'chosen';
  await vscode.commands.executeCommand('clparity.create');
  return settingsOf(place.folder).cluster !== undefined;
}

/** Runs the work under progress, known to `ui.running` while it lasts. */
async function tracked<I, R>(
  spec: CommandSpec<I, R>,
  place: Place,
  ui: Ui,
  input: I,
  onCluster: boolean,
): Promise<R | undefined> {
  const cluster = onCluster ? place.project.settings.cluster : undefined;
  refuseSecond(spec.title(), cluster, ui.running);
  const abort = new AbortController();
  const finished = withProgress(spec, place, ui, input, abort);
  const task: RunningTask = { title: spec.title(), cluster, abort: () => abort.abort(), finished };
  return ui.track(task, finished);
}

/** Two commands on one cluster would undo each other's work; throws a ParityError of kind `refused`. */
function refuseSecond(title: string, cluster: string | undefined, running: ReadonlySet<RunningTask>): void {
  const other = [...running].find((task) => cluster !== undefined && task.cluster === cluster);
  if (!other) return;
  throw refusedError(vscode.l10n.t('{0} is still running on {1}', other.title, other.cluster ?? ''), {
    action: vscode.l10n.t('Wait for it or cancel it, then run {0} again.', title),
  });
}

async function withProgress<I, R>(
  spec: CommandSpec<I, R>,
  place: Place,
  ui: Ui,
  input: I,
  abort: AbortController,
): Promise<R | undefined> {
  const details = vscode.l10n.t('details');
  const options = {
    location: vscode.ProgressLocation.Notification,
    title: `${spec.title()} ([${details}](command:clparity.showLog))`,
    cancellable: true,
  };
  return vscode.window.withProgress(options, async (progress, token) => {
    token.onCancellationRequested(() => {
      progress.report({ message: vscode.l10n.t('cancelling…') });
      abort.abort();
    });
    const report = (message: string) => {
      if (!abort.signal.aborted) progress.report({ message });
    };
    ui.log.info(`--- ${spec.title()} ---`);
    const owner = vscode.l10n.t('{0} in the window of {1}', spec.title(), place.folder.uri.fsPath);
    return spec.work({ ...place, ui, token, run: { ...taskRun(abort.signal, ui.log, report), owner } }, input);
  });
}

/** For commands that ask nothing of their own. */
export async function nothingToAsk(): Promise<true> {
  return true;
}

/** For commands whose work shows its own outcome. */
export async function nothingToShow(): Promise<void> {}
