import * as vscode from 'vscode';

/** How long ago: "3 days ago". Roughly, for the eye. */
export function sinceText(iso: string, now = Date.now()): string {
  const minutes = Math.max(0, Math.floor((now - Date.parse(iso)) / 60_000));
  if (minutes < 2) return vscode.l10n.t('just now');
  if (minutes < 120) return vscode.l10n.t('{0} minutes ago', minutes);
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return vscode.l10n.t('{0} hours ago', hours);
  return vscode.l10n.t('{0} days ago', Math.floor(hours / 24));
}

/** A moment in the reader's own way of writing it. */
export function dateText(iso: string): string {
  return new Date(iso).toLocaleString();
}
