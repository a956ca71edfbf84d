import * as vscode from 'vscode';
import type { Report } from '../../report/model.ts';
import { command } from '../command.ts';
import type { Core } from '../core-api.ts';
import type { Place } from '../place.ts';
import { BACK, choose } from '../quick-pick.ts';

type Format = 'html' | 'markdown' | 'json';

interface Export {
  readonly format: Format;
  readonly file: vscode.Uri;
}

const EXTENSIONS: Readonly<Record<Format, string>> = { html: 'html', markdown: 'md', json: 'json' };

/** Writes the last report to a file. A format, its folder, or a file as well may come as an argument. */
export const exportReport = command<Export, vscode.Uri>({
  title: () => vscode.l10n.t('Export Report'),
  needs: {},
  harmless: true,
  async ask({ core, project }, argument) {
    if (isExport(argument)) return argument;
    // Nobody should choose a file first, and hear then that there is nothing to write.
    await core.lastReport(project.folder, core.chosenPair(project.settings));
    const format = formatIn(argument) ?? (await askFormat());
    if (format === undefined) return undefined;
    const file = await vscode.window.showSaveDialog({
      title: vscode.l10n.t('Save the report'),
      defaultUri: vscode.Uri.joinPath(vscode.Uri.file(project.folder), `parity-report.${EXTENSIONS[format]}`),
      filters: { [format]: [EXTENSIONS[format]] },
    });
    return file && { format, file };
  },
  async work({ core, folder, project, run }, { format, file }) {
    const report = await core.lastReport(project.folder, core.chosenPair(project.settings));
    const text = await rendered(core, folder, format, report, run.signal);
    await vscode.workspace.fs.writeFile(file, new TextEncoder().encode(text));
    return file;
  },
  async show(file) {
    void offerOpen(file);
  },
});

async function offerOpen(file: vscode.Uri): Promise<void> {
  const open = vscode.l10n.t('Open');
  const text = vscode.l10n.t('The report is in {0}.', vscode.workspace.asRelativePath(file));
  if ((await vscode.window.showInformationMessage(text, open)) === open) await vscode.window.showTextDocument(file);
}

async function rendered(
  core: Core,
  folder: Place['folder'],
  format: Format,
  report: Report,
  signal: AbortSignal,
): Promise<string> {
  if (format === 'json') return `${JSON.stringify(report, null, 2)}\n`;
  if (format === 'markdown') return core.renderMarkdown(report);
  return core.reportPage(report, await core.lastTarget(folder.uri.fsPath, report), signal);
}

async function askFormat(): Promise<Format | undefined> {
  const answer = await choose<Format>({
    title: vscode.l10n.t('Export the last report'),
    placeholder: vscode.l10n.t('As which kind of file?'),
    choices: async () => [
      { label: 'HTML', description: vscode.l10n.t('with the matrix and the rules behind it'), value: 'html' },
      { label: 'Markdown', description: vscode.l10n.t('for a pull request'), value: 'markdown' },
      { label: 'JSON', description: vscode.l10n.t('for programs'), value: 'json' },
    ],
  });
  return answer === BACK ? undefined : answer;
}

function isFormat(value: unknown): value is Format {
  return typeof value === 'string' && Object.hasOwn(EXTENSIONS, value);
}

function formatIn(argument: unknown): Format | undefined {
  const value = typeof argument === 'object' && argument !== null && 'format' in argument ? argument.format : argument;
  return isFormat(value) ? value : undefined;
}

function isExport(value: unknown): value is Export {
  return (
    typeof value === 'object' &&
    value !== null &&
    'format' in value &&
    isFormat(value.format) &&
    'file' in value &&
    value.file instanceof vscode.Uri
  );
}
