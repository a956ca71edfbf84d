import * as vscode from 'vscode';
import { inLanguage } from './in-language.ts';

/** A text of the core in the editor's language. */
export function said(text: string): string {
  return inLanguage(text, vscode.l10n.bundle);
}
