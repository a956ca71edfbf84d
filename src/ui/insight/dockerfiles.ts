import * as vscode from 'vscode';
import type { FromInsight } from '../../insight/from.ts';
import { loadCore } from '../core-api.ts';
import { settingsOf } from '../settings.ts';
import { type LiveDocuments, liveDocuments } from './live-documents.ts';
import type { Surroundings } from './surroundings.ts';

const SELECTOR: vscode.DocumentSelector = { language: 'dockerfile', scheme: 'file' };
const FROM = /^\s*FROM\s/im;

/** Code lenses, hovers and quick fixes on the FROMs of Dockerfiles, held against what production runs. Asks no registry. */
export function watchDockerfiles(surroundings: Surroundings, log: vscode.LogOutputChannel): vscode.Disposable {
  const problems = vscode.languages.createDiagnosticCollection('clparity.dockerfiles');
  const live = liveDocuments<readonly FromInsight[]>(
    SELECTOR,
    lookAt,
    (document, froms) => problems.set(document.uri, froms?.flatMap((from) => diagnosticOf(document, from)) ?? []),
    log,
  );
  return vscode.Disposable.from(
    problems,
    live,
    surroundings.onDidChange(() => live.refresh()),
    vscode.languages.registerCodeLensProvider(SELECTOR, lenses(live)),
    vscode.languages.registerHoverProvider(SELECTOR, hovers(live)),
    vscode.languages.registerCodeActionsProvider(SELECTOR, fixes(live), {
      providedCodeActionKinds: [vscode.CodeActionKind.QuickFix],
    }),
  );
}

async function lookAt(document: vscode.TextDocument): Promise<readonly FromInsight[] | undefined> {
  const folder = vscode.workspace.getWorkspaceFolder(document.uri);
  if (!folder || !FROM.test(document.getText())) return undefined;
  const core = await loadCore();
  return core.fromInsights(document.getText(), folder.uri.fsPath, settingsOf(folder));
}

/** Where the image stands; the whole line where an instruction goes on over several. */
function rangeOf(document: vscode.TextDocument, { line, written }: FromInsight): vscode.Range {
  const { text, range } = document.lineAt(Math.min(line, document.lineCount) - 1);
  const at = text.indexOf(written, (/^\s*FROM\s+/i.exec(text)?.[0] ?? '').length);
  return at < 0 ? range : new vscode.Range(range.start.line, at, range.start.line, at + written.length);
}

function short(digest: string): string {
  return digest.slice(0, 'sha256:'.length + 12);
}

/** In a few words, as a code lens. */
function summary({ state, production }: FromInsight): string {
  if (!production) return vscode.l10n.t('production is not seen to use this repository');
  const there = vscode.l10n.t('{0} ({1})', short(production.digest), production.use);
  const words: Readonly<Record<FromInsight['state'], string>> = {
    same: vscode.l10n.t('same digest as production: {0}', there),
    older: vscode.l10n.t('older than production: {0}', there),
    newer: vscode.l10n.t('newer than production: {0}', there),
    other: vscode.l10n.t('another digest than production: {0}', there),
    unknown: vscode.l10n.t('production: {0}; what this one stands for is not known yet', there),
  };
  return words[state];
}

function diagnosticOf(document: vscode.TextDocument, from: FromInsight): vscode.Diagnostic[] {
  const { Warning, Information, Hint } = vscode.DiagnosticSeverity;
  const severities = { older: Warning, other: Warning, newer: Information, same: Hint, unknown: Hint } as const;
  if (!from.production || !from.pinned) return [];
  const text = from.state === 'same' ? vscode.l10n.t('not pinned to the digest that production runs') : summary(from);
  const diagnostic = new vscode.Diagnostic(rangeOf(document, from), text, severities[from.state]);
  diagnostic.source = 'Container Linux Parity';
  diagnostic.code = `from-${from.state}`;
  return [diagnostic];
}

function lenses(live: LiveDocuments<readonly FromInsight[]>): vscode.CodeLensProvider {
  return {
    onDidChangeCodeLenses: live.onDidLook,
    async provideCodeLenses(document) {
      const froms = (await live.get(document)) ?? [];
      return froms.map((from) => new vscode.CodeLens(rangeOf(document, from), { title: summary(from), command: '' }));
    },
  };
}

function hovers(live: LiveDocuments<readonly FromInsight[]>): vscode.HoverProvider {
  return {
    async provideHover(document, position) {
      const from = (await live.get(document))?.find((one) => rangeOf(document, one).contains(position));
      if (!from) return undefined;
      const text = new vscode.MarkdownString();
      text.appendMarkdown('**').appendText(summary(from)).appendMarkdown('**\n\n').appendText(from.detail);
      if (from.production) text.appendMarkdown('\n\n').appendCodeblock(from.production.digest, 'text');
      return new vscode.Hover(text, rangeOf(document, from));
    },
  };
}

function fixes(live: LiveDocuments<readonly FromInsight[]>): vscode.CodeActionProvider {
  return {
    async provideCodeActions(document, range, { diagnostics }) {
      const froms = (await live.get(document)) ?? [];
      return froms.flatMap((from) => {
        const place = rangeOf(document, from);
        const { pinned, production, written } = from;
        if (!pinned || !production || !place.intersection(range) || document.getText(place) !== written) return [];
        const title = vscode.l10n.t("Pin production's digest {0}", short(production.digest));
        const fix = new vscode.CodeAction(title, vscode.CodeActionKind.QuickFix);
        fix.edit = new vscode.WorkspaceEdit();
        fix.edit.replace(document.uri, place, pinned);
        fix.isPreferred = true;
        fix.diagnostics = diagnostics.filter(
          ({ range: at, code }) => `${code}`.startsWith('from-') && at.isEqual(place),
        );
        return [fix];
      });
    },
  };
}
