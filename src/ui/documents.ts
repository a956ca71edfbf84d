import * as vscode from 'vscode';

/** Scheme of results: report, matrix, explanation. */
export const RESULT_SCHEME = 'clparity';
/** Scheme of the two sides of a planned change. */
export const PLAN_SCHEME = 'clparity-plan';

/** Read-only documents that exist in memory alone. */
export interface Documents extends vscode.Disposable {
  /** Sets a document's text and gives its address; an editor that shows it is refreshed. */
  put(scheme: typeof RESULT_SCHEME | typeof PLAN_SCHEME, path: string, text: string, query?: string): vscode.Uri;
}

/** Serves both schemes from one map. */
export function createDocuments(): Documents {
  const texts = new Map<string, string>();
  const changed = new vscode.EventEmitter<vscode.Uri>();
  const provider: vscode.TextDocumentContentProvider = {
    onDidChange: changed.event,
    provideTextDocumentContent: (uri) => texts.get(uri.toString()),
  };
  const registrations = vscode.Disposable.from(
    changed,
    vscode.workspace.registerTextDocumentContentProvider(RESULT_SCHEME, provider),
    vscode.workspace.registerTextDocumentContentProvider(PLAN_SCHEME, provider),
  );
  return {
    put(scheme, path, text, query = '') {
      const uri = vscode.Uri.from({ scheme, path: `/${path}`, query });
      texts.set(uri.toString(), text);
      changed.fire(uri);
      return uri;
    },
    dispose: () => registrations.dispose(),
  };
}

/**
 * Opens a Markdown document rendered. Without VS Code's own Markdown preview (it can be disabled) it opens as text.
 */
export async function openRendered(uri: vscode.Uri): Promise<void> {
  const preview = vscode.extensions.getExtension('vscode.markdown-language-features');
  if (preview) await vscode.commands.executeCommand('markdown.showPreview', uri);
  else await vscode.window.showTextDocument(uri, { preview: true });
}

/** Opens a document as text, not taking the place of one that the user has pinned. */
export async function openText(uri: vscode.Uri): Promise<void> {
  await vscode.window.showTextDocument(await vscode.workspace.openTextDocument(uri), { preview: true });
}
