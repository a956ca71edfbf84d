import * as vscode from 'vscode';
import type { PolicyFile, PolicyInFile, PolicyNote } from '../../insight/policies.ts';
import { loadCore } from '../core-api.ts';
import { settingsOf } from '../settings.ts';
import { plural } from '../text.ts';
import { targetFile } from './labels.ts';
import { type LiveDocuments, liveDocuments } from './live-documents.ts';
import type { Surroundings } from './surroundings.ts';

const SELECTOR: vscode.DocumentSelector = { language: 'yaml', scheme: 'file' };
/** A kind that some dialect may read; anything else never loads the core. */
const POLICY = /^\s*kind:\s*["']?\w*NetworkPolic/m;

/** Diagnostics, code lenses and hovers in files of policies, held against the target as it is known on this disk. */
export function watchPolicyFiles(surroundings: Surroundings, log: vscode.LogOutputChannel): vscode.Disposable {
  const problems = vscode.languages.createDiagnosticCollection('clparity.policies');
  const live = liveDocuments<PolicyFile>(
    SELECTOR,
    (document) => lookAt(document, surroundings),
    (document, file) => problems.set(document.uri, file?.notes.map((note) => diagnosticOf(document, note)) ?? []),
    log,
  );
  return vscode.Disposable.from(
    problems,
    live,
    surroundings.onDidChange(() => live.refresh()),
    vscode.languages.registerCodeLensProvider(SELECTOR, lenses(live)),
    vscode.languages.registerHoverProvider(SELECTOR, hovers(live)),
  );
}

async function lookAt(document: vscode.TextDocument, surroundings: Surroundings): Promise<PolicyFile | undefined> {
  const text = document.getText();
  const folder = vscode.workspace.getWorkspaceFolder(document.uri);
  if (!folder || !POLICY.test(text)) return undefined;
  const core = await loadCore();
  const known = await surroundings.of(core, folder);
  if (!known) return undefined;
  const settings = settingsOf(folder);
  return core.policyInsights(text, targetFile(folder, settings.snapshot, document.uri), { ...known, settings });
}

const SEVERITIES = {
  error: vscode.DiagnosticSeverity.Error,
  warning: vscode.DiagnosticSeverity.Warning,
  information: vscode.DiagnosticSeverity.Information,
} as const;

function diagnosticOf(document: vscode.TextDocument, { line, severity, code, text }: PolicyNote): vscode.Diagnostic {
  const { range, firstNonWhitespaceCharacterIndex } = document.lineAt(Math.min(line, document.lineCount) - 1);
  const words = range.with(range.start.translate(0, firstNonWhitespaceCharacterIndex));
  const diagnostic = new vscode.Diagnostic(words, text, SEVERITIES[severity]);
  diagnostic.source = 'Container Linux Parity';
  diagnostic.code = code;
  return diagnostic;
}

function lenses(live: LiveDocuments<PolicyFile>): vscode.CodeLensProvider {
  return {
    onDidChangeCodeLenses: live.onDidLook,
    async provideCodeLenses(document) {
      const file = await live.get(document);
      return (file?.policies ?? []).map(
        (policy) =>
          new vscode.CodeLens(lineRange(document, policy.line), { title: selectionText(policy), command: '' }),
      );
    },
  };
}

function lineRange(document: vscode.TextDocument, line: number): vscode.Range {
  return document.lineAt(Math.min(line, document.lineCount) - 1).range;
}

function selectionText({ pods, workloads }: PolicyInFile): string {
  if (pods === 0) return vscode.l10n.t('selects no pod at the target');
  const shown = workloads.slice(0, 3).join(', ');
  const who = workloads.length > 3 ? vscode.l10n.t('{0} and {1} more', shown, workloads.length - 3) : shown;
  return plural(pods, vscode.l10n.t('selects 1 pod: {0}', who), vscode.l10n.t('selects {0} pods: {1}', pods, who));
}

/** Lines of a hover before the rest is counted. */
const SHOWN = 20;

function hovers(live: LiveDocuments<PolicyFile>): vscode.HoverProvider {
  return {
    async provideHover(document, position) {
      const file = await live.get(document);
      const line = position.line + 1;
      const policy = file?.policies.find((one) => one.line <= line && line <= one.lastLine);
      return policy && new vscode.Hover(hoverText(policy));
    },
  };
}

function hoverText(policy: PolicyInFile): vscode.MarkdownString {
  const { entering, leaving } = policy.reach();
  const text = new vscode.MarkdownString();
  text.appendMarkdown('**').appendText(policy.object).appendMarkdown('**  \n');
  text.appendText(selectionText(policy)).appendMarkdown('\n\n');
  if (policy.pods === 0) return text;
  const side = (title: string, lines: readonly string[]) => {
    text.appendMarkdown(`${title}\n\n`);
    for (const line of lines.slice(0, SHOWN)) text.appendMarkdown('- ').appendText(line).appendMarkdown('\n');
    if (lines.length === 0) text.appendMarkdown(`- ${vscode.l10n.t('nobody in the cluster')}\n`);
    if (lines.length > SHOWN) text.appendMarkdown(`- ${vscode.l10n.t('… and {0} more', lines.length - SHOWN)}\n`);
    text.appendMarkdown('\n');
  };
  side(vscode.l10n.t('May reach it, under all policies:'), entering);
  side(vscode.l10n.t('It may reach:'), leaving);
  return text;
}
