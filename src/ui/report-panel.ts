import { readFile } from 'node:fs/promises';
import * as vscode from 'vscode';
import type { Language } from '../report/in-language.ts';
import type { Report } from '../report/model.ts';
import type { ReportView, ViewQuestion } from '../report/view.ts';
import type { Snapshot } from '../snapshot/model.ts';
import type { FromPage, ToPage } from '../webview/messages.ts';
import { loadCore } from './core-api.ts';
import { failureOf } from './errors.ts';
import { interpreter } from './in-language.ts';
import { type Place, placeIn } from './place.ts';
import { openPolicyLine } from './policy-line.ts';
import { sentences } from './text.ts';

/** The kind of editor that shows a report. */
export const REPORT_VIEW = 'clparity.report';

/** The pages of reports: one a folder, which survives a reload of the window. */
export interface ReportPanels extends vscode.WebviewPanelSerializer, vscode.Disposable {
  /** Shows a report in the folder's page, and the page to the user. */
  open(place: Place, report: Report): Promise<void>;
}

/** Makes no page yet. Pages name commands and settings by `inPaletteWords`. */
export function createReportPanels(
  extension: vscode.Uri,
  log: vscode.LogOutputChannel,
  inPaletteWords: (text: string) => string,
): ReportPanels {
  const pages = new Map<string, Page>();

  /** The folder's page. A new one is known at once, so that whoever asks while it is being filled gets the same. */
  const pageOf = (folder: vscode.WorkspaceFolder, make: () => vscode.WebviewPanel): Page => {
    const key = folder.uri.toString();
    const known = pages.get(key);
    if (known) return known;
    const page: Page = { panel: make(), filling: new AbortController() };
    pages.set(key, page);
    page.panel.onDidDispose(() => {
      pages.delete(key);
      page.filling.abort();
      page.listener?.dispose();
    });
    return page;
  };

  /** Resolves early where the page is closed meanwhile, or shown another report. */
  const fill = async (page: Page, place: Place, report: Report): Promise<void> => {
    page.filling.abort();
    const filling = new AbortController();
    page.filling = filling;
    try {
      const location = vscode.ProgressLocation.Window;
      const title = vscode.l10n.t('Preparing the report');
      await vscode.window.withProgress({ location, title }, () => draw(page, place, report, filling.signal));
    } catch (error) {
      if (filling.signal.aborted) return;
      if (!page.listener) page.panel.dispose();
      throw error;
    }
  };

  const draw = async (page: Page, { core, folder }: Place, report: Report, signal: AbortSignal) => {
    const { panel } = page;
    const target = await core.lastTarget(folder.uri.fsPath, report);
    const script = await readFile(vscode.Uri.joinPath(extension, 'dist', 'report.js').fsPath, 'utf8');
    const view = await core.reportView(report, target, signal, language(inPaletteWords));
    signal.throwIfAborted();
    page.listener?.dispose();
    page.listener = panel.webview.onDidReceiveMessage((message: unknown) =>
      answer({ panel, view, folder, report, target }, message).catch((error: unknown) => {
        const { message: text, action } = failureOf(error);
        log.error(`Report: ${sentences(text, action)}`);
        void vscode.window.showErrorMessage(sentences(text, action));
      }),
    );
    panel.webview.html = view.html({ script, nonce: crypto.randomUUID(), state: { folder: folder.uri.toString() } });
  };

  return {
    async open(place, report) {
      const page = pageOf(place.folder, () => makePanel(extension));
      await fill(page, place, report);
      // Closed while it was filled: there is nothing to show, and nobody waits for it.
      if (pages.get(place.folder.uri.toString()) === page) page.panel.reveal();
    },
    async deserializeWebviewPanel(panel, state) {
      panel.webview.options = OPTIONS;
      const folder = vscode.workspace.workspaceFolders?.find((f) => f.uri.toString() === folderIn(state));
      const page = folder && pageOf(folder, () => panel);
      if (!folder || page?.panel !== panel) {
        // Its folder is no longer open: a page without one could answer nothing. Or the folder has its page by now.
        panel.dispose();
        return;
      }
      try {
        const core = await loadCore();
        const place = await placeIn(core, folder);
        await fill(page, place, await core.lastReport(folder.uri.fsPath, core.chosenPair(place.project.settings)));
      } catch (error) {
        log.warn(`The report can't be shown again: ${failureOf(error).message}`);
        panel.dispose();
      }
    },
    dispose() {
      for (const { panel } of pages.values()) panel.dispose();
    },
  };
}

/** The editor's, where it has texts for it: the page goes with what stands around it, and calls things as the palette does. */
function language(inPaletteWords: (text: string) => string): Language {
  const { bundle } = vscode.l10n;
  const say = interpreter(bundle);
  return { tag: bundle ? vscode.env.language : 'en', say: (text) => inPaletteWords(say(text)) };
}

/** A folder's page. */
interface Page {
  readonly panel: vscode.WebviewPanel;
  /** Ends the filling that is under way. */
  filling: AbortController;
  /** Hears the page; there once it shows a report. */
  listener?: vscode.Disposable;
}

/** The page loads nothing: its script and style stand in it. */
const OPTIONS: vscode.WebviewOptions = { enableScripts: true, localResourceRoots: [] };

function makePanel(extension: vscode.Uri): vscode.WebviewPanel {
  const title = vscode.l10n.t('Parity Report');
  const panel = vscode.window.createWebviewPanel(REPORT_VIEW, title, vscode.ViewColumn.Active, {
    ...OPTIONS,
    enableFindWidget: true,
  });
  panel.iconPath = vscode.Uri.joinPath(extension, 'media', 'icon.png');
  return panel;
}

function folderIn(state: unknown): unknown {
  return typeof state === 'object' && state !== null && 'folder' in state ? state.folder : undefined;
}

interface Shown {
  readonly panel: vscode.WebviewPanel;
  readonly view: ReportView;
  readonly folder: vscode.WorkspaceFolder;
  readonly report: Report;
  readonly target: Snapshot | undefined;
}

async function answer({ panel, view, folder, report, target }: Shown, message: unknown): Promise<void> {
  if (!isFromPage(message)) throw new TypeError(`The report's page said ${JSON.stringify(message)}`);
  if (message.type === 'export') {
    await vscode.commands.executeCommand('clparity.exportReport', { folder, format: message.format });
  } else if (message.type === 'open') {
    await openPolicyLine({ folder, name: report.target, target }, message.file, message.line);
  } else {
    const html = view.explain({ from: message.from, to: message.to, ...portIn(message) });
    await panel.webview.postMessage({ type: 'explained', html } satisfies ToPage);
  }
}

function isFromPage(value: unknown): value is FromPage {
  if (typeof value !== 'object' || value === null) return false;
  const { type, from, to, file, format } = value as Record<string, unknown>;
  if (type === 'explain') return typeof from === 'string' && typeof to === 'string';
  return (type === 'open' && typeof file === 'string') || (type === 'export' && typeof format === 'string');
}

function portIn({ port }: Extract<FromPage, { type: 'explain' }>): Pick<ViewQuestion, 'port'> {
  const protocol = (['TCP', 'UDP', 'SCTP'] as const).find((name) => name === port?.protocol);
  return port && protocol ? { port: { protocol, port: port.port } } : {};
}
