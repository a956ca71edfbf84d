import * as vscode from 'vscode';
import { inputError, refusedError } from '../host/errors.ts';
import { type Core, loadCore } from './core-api.ts';
import { failureOf } from './errors.ts';
import { type Place, placeIn } from './place.ts';
import { settingsOf } from './settings.ts';
import { taskRun } from './task-run.ts';
import { sentences } from './text.ts';
import type { Ui } from './ui.ts';

interface Question {
  readonly from: string;
  readonly to: string;
  readonly port: number;
  readonly protocol?: string;
}

/** One tool: what it says while it works, what the user has to agree to, and its answer. */
interface Tool<I> {
  readonly working: () => string;
  /** What it contacts, as a question to the user; undefined where it only reads this disk. */
  confirm(folder: vscode.WorkspaceFolder): string | undefined;
  work(place: Place, run: ReturnType<typeof taskRun>, input: I): Promise<string>;
}

const explain: Tool<Question> = {
  working: () => vscode.l10n.t('Explaining a connection'),
  confirm(folder) {
    const { snapshot, context } = settingsOf(folder);
    return snapshot === undefined && context !== undefined
      ? vscode.l10n.t('Reads the policies and workloads of {0}, and changes nothing there.', context)
      : undefined;
  },
  async work({ core, project }, run, { from, to, port, protocol }) {
    const question = { from, to, port: String(port), ...(protocol === undefined ? {} : { protocol }) };
    return (await core.explain(run, project, question)).text;
  },
};

const report: Tool<object> = {
  working: () => vscode.l10n.t('Reading the last parity report'),
  confirm: () => undefined,
  work: async ({ core, project }) =>
    core.renderMarkdown(await core.lastReport(project.folder, core.chosenPair(project.settings))),
};

const plan: Tool<object> = {
  working: () => vscode.l10n.t('Planning'),
  confirm(folder) {
    const { snapshot, context, cluster } = settingsOf(folder);
    const target = snapshot ?? context ?? vscode.l10n.t('the target');
    const here = cluster ?? vscode.l10n.t('the local cluster');
    return vscode.l10n.t(
      "Reads {0}, {1} and, where the image isn't pinned yet, its registry. Changes nothing.",
      target,
      here,
    );
  },
  work: async ({ core, project }, run) => core.planText(await core.plan(run, project)),
};

/** Read-only tools for language models, as package.json describes them. None writes: only the user's commands do. */
export function registerTools(ui: Ui, load: () => Promise<Core> = loadCore): vscode.Disposable {
  return vscode.Disposable.from(
    vscode.lm.registerTool('clparity_explain_connection', toolOf(ui, load, explain)),
    vscode.lm.registerTool('clparity_get_report', toolOf(ui, load, report)),
    vscode.lm.registerTool('clparity_plan_changes', toolOf(ui, load, plan)),
  );
}

function toolOf<I>(ui: Ui, load: () => Promise<Core>, tool: Tool<I>): vscode.LanguageModelTool<I> {
  return {
    prepareInvocation() {
      const folder = vscode.workspace.workspaceFolders?.[0];
      const message = folder && tool.confirm(folder);
      const confirmationMessages = message && { title: tool.working(), message };
      return { invocationMessage: tool.working(), ...(confirmationMessages ? { confirmationMessages } : {}) };
    },
    async invoke({ input }, token) {
      const abort = new AbortController();
      token.onCancellationRequested(() => abort.abort());
      try {
        const place = await placeOf(load);
        const text = await tool.work(
          place,
          taskRun(abort.signal, ui.log, () => {}),
          input,
        );
        return new vscode.LanguageModelToolResult([new vscode.LanguageModelTextPart(ui.inPaletteWords(text))]);
      } catch (error) {
        // A model can only go on from what it is told: what happened, and what to do next.
        const { message, action } = failureOf(error);
        throw new Error(ui.inPaletteWords(sentences(message, action)), { cause: error });
      }
    },
  };
}

/** The first folder: a model can't be asked which. */
async function placeOf(load: () => Promise<Core>): Promise<Place> {
  const folder = vscode.workspace.workspaceFolders?.[0];
  if (!folder) {
    throw inputError(vscode.l10n.t('No folder is open'), { action: vscode.l10n.t('Ask the user to open one.') });
  }
  if (!vscode.workspace.isTrusted) {
    throw refusedError(vscode.l10n.t("The user hasn't trusted this workspace"), {
      action: vscode.l10n.t('Ask the user to trust it: clusters are contacted from trusted ones only.'),
    });
  }
  return placeIn(await load(), folder);
}
