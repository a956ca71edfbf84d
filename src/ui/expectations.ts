import { basename } from 'node:path';
import * as vscode from 'vscode';
import { inputError, refusedError } from '../host/errors.ts';
import type { Project } from '../pipeline.ts';
import type { Assertion } from '../policy/assertions.ts';
import type { CheckReport, CheckResult } from '../policy/check.ts';
import type { Snapshot } from '../snapshot/model.ts';
import { type Core, loadCore } from './core-api.ts';
import { failureOf } from './errors.ts';
import { EXPECTATIONS } from './expectation-files.ts';
import { placeIn } from './place.ts';
import { taskRun } from './task-run.ts';
import { sentences } from './text.ts';
import type { Ui } from './ui.ts';

/**
 * Expected connections in the Test Explorer: a file is a suite, each of its items a test, run by the target's policies
 * (offline) or with real packets in the local cluster. Files are found when the view is opened, or one of them.
 */
export function expectations(ui: Ui, load: () => Promise<Core> = loadCore): vscode.Disposable {
  const controller = vscode.tests.createTestController('clparity', vscode.l10n.t('Container Linux Parity'));
  const known = new WeakMap<vscode.TestItem, Assertion>();
  const watcher = vscode.workspace.createFileSystemWatcher(EXPECTATIONS);
  const read = async (uri: vscode.Uri) => {
    if (!vscode.workspace.getWorkspaceFolder(uri)) return;
    const text = new TextDecoder().decode(await vscode.workspace.fs.readFile(uri));
    // A snapshot may be called so too.
    if (/^"?schema"?: *"?clparity\//m.test(text)) return;
    const item = controller.items.get(uri.toString()) ?? controller.createTestItem(uri.toString(), nameOf(uri), uri);
    controller.items.add(item);
    try {
      const assertions = (await load()).parseAssertions(text, nameOf(uri));
      item.error = undefined;
      item.children.replace(assertions.map((assertion, i) => itemOf(controller, uri, assertion, i, known)));
    } catch (error) {
      const { message, action } = failureOf(error);
      item.error = sentences(message, action);
      item.children.replace([]);
    }
  };
  const readAgain = (uri: vscode.Uri) => {
    read(uri).catch((error: unknown) => ui.log.warn(`${uri.fsPath}: ${failureOf(error).message}`));
  };
  controller.resolveHandler = async (item) => {
    if (item?.uri) return read(item.uri);
    for (const uri of await vscode.workspace.findFiles(EXPECTATIONS, '**/node_modules/**')) await read(uri);
  };
  controller.refreshHandler = () => controller.resolveHandler?.(undefined);
  const runOf = (live: boolean) => (request: vscode.TestRunRequest, token: vscode.CancellationToken) =>
    execute({ ui, load, controller, known, live }, request, token);
  controller.createRunProfile(vscode.l10n.t('Offline'), vscode.TestRunProfileKind.Run, runOf(false), true);
  controller.createRunProfile(vscode.l10n.t('Live'), vscode.TestRunProfileKind.Run, runOf(true), false);
  return vscode.Disposable.from(
    controller,
    watcher,
    watcher.onDidCreate(readAgain),
    watcher.onDidChange(readAgain),
    watcher.onDidDelete((uri) => controller.items.delete(uri.toString())),
  );
}

function nameOf(uri: vscode.Uri): string {
  return vscode.workspace.asRelativePath(uri, false);
}

function itemOf(
  controller: vscode.TestController,
  uri: vscode.Uri,
  assertion: Assertion,
  index: number,
  known: WeakMap<vscode.TestItem, Assertion>,
): vscode.TestItem {
  const { from, to, protocol, port, allowed, where } = assertion;
  const word = allowed ? vscode.l10n.t('allowed') : vscode.l10n.t('denied');
  // The peers' names are long and the list is narrow: what is expected comes first.
  const label = vscode.l10n.t('{0} {1} {2}: {3} to {4}', protocol, port, word, from, to);
  const item = controller.createTestItem(`${uri.toString()}#${index}`, label, uri);
  const line = Math.max(0, Number(/:(\d+)$/.exec(where)?.[1] ?? 1) - 1);
  item.range = new vscode.Range(line, 0, line, 0);
  // In the file's order.
  item.sortText = String(index).padStart(6, '0');
  known.set(item, assertion);
  return item;
}

interface Runner {
  readonly ui: Ui;
  readonly load: () => Promise<Core>;
  readonly controller: vscode.TestController;
  readonly known: WeakMap<vscode.TestItem, Assertion>;
  readonly live: boolean;
}

async function execute(
  { ui, load, controller, known, live }: Runner,
  request: vscode.TestRunRequest,
  token: vscode.CancellationToken,
): Promise<void> {
  const run = controller.createTestRun(request);
  const chosen = request.include ?? [...controller.items].map(([, item]) => item);
  for (const item of chosen) if (item.children.size === 0 && !known.has(item)) await controller.resolveHandler?.(item);
  const excluded = new Set(request.exclude);
  const items = [...new Set(chosen.flatMap((item) => leaves(item)))].filter(
    (item) => known.has(item) && !excluded.has(item) && !(item.parent && excluded.has(item.parent)),
  );
  const abort = new AbortController();
  token.onCancellationRequested(() => abort.abort());
  for (const item of items) run.started(item);
  try {
    const core = await load();
    for (const [folder, own] of Map.groupBy(items, folderOf)) {
      if (!folder) continue;
      const work = judge(
        ui,
        core,
        folder,
        own.flatMap((item) => known.get(item) ?? []),
        live,
        abort,
      );
      for (const [i, result] of (await work).results.entries()) show(run, own[i], result, live);
    }
  } catch (error) {
    const { message, action, kind } = failureOf(error);
    const text = ui.inPaletteWords(sentences(message, action));
    for (const item of items) {
      if (kind === 'cancelled') run.skipped(item);
      else run.errored(item, new vscode.TestMessage(text));
    }
    run.appendOutput(`${text}\r\n`);
  } finally {
    run.end();
  }
}

function leaves(item: vscode.TestItem): vscode.TestItem[] {
  return item.children.size === 0 ? [item] : [...item.children].flatMap(([, child]) => leaves(child));
}

function folderOf(item: vscode.TestItem): vscode.WorkspaceFolder | undefined {
  return item.uri && vscode.workspace.getWorkspaceFolder(item.uri);
}

/** A live run counts as a command at work on its cluster: it may be waited for, and ends with the window. */
async function judge(
  ui: Ui,
  core: Core,
  folder: vscode.WorkspaceFolder,
  assertions: readonly Assertion[],
  live: boolean,
  abort: AbortController,
): Promise<CheckReport> {
  if (live && !vscode.workspace.isTrusted) {
    throw refusedError(vscode.l10n.t('Packets are sent in trusted workspaces only'), {
      action: vscode.l10n.t('Run "Workspaces: Manage Workspace Trust", or run it offline.'),
    });
  }
  const { project } = await placeIn(core, folder);
  const target = live ? undefined : await offlineTarget(core, project);
  const run = taskRun(abort.signal, ui.log, () => {});
  const finished = core.judgeAssertions(run, project, assertions, { live, target });
  const title = vscode.l10n.t('Check');
  const task = { title, cluster: live ? project.settings.cluster : undefined, abort: () => abort.abort(), finished };
  return ui.track(task, finished);
}

/** Offline means that no cluster is asked: a live target is the one of the last report. */
async function offlineTarget(core: Core, { settings, folder }: Project): Promise<Snapshot | undefined> {
  if (settings.snapshot !== undefined) return undefined;
  const kept = await core.lastTarget(folder, core.chosenPair(settings));
  if (kept) return kept;
  throw inputError(vscode.l10n.t('There is no target on this disk to judge by'), {
    action: vscode.l10n.t('Choose files as the target, capture a snapshot of it, or verify once.'),
  });
}

function show(run: vscode.TestRun, item: vscode.TestItem | undefined, result: CheckResult, live: boolean): void {
  if (!item) return;
  const at = item.uri && item.range ? new vscode.Location(item.uri, item.range) : undefined;
  const say = (text: string) => run.appendOutput(`${text.replace(/\n/g, '\r\n')}\r\n`, at, item);
  const { expected, actual, because } = result;
  const how = live ? vscode.l10n.t('measured') : vscode.l10n.t("by the target's policies");
  say([`${item.label} (${basename(item.uri?.fsPath ?? '')}): ${actual}, ${how}`, ...because].join('\n  '));
  if (expected === actual) {
    run.passed(item);
    return;
  }
  if (actual === 'unknown') {
    run.errored(item, new vscode.TestMessage(because.join('\n')));
    return;
  }
  const message = vscode.TestMessage.diff([actual, ...because].join('\n'), expected, actual);
  if (at) message.location = at;
  run.failed(item, message);
}
