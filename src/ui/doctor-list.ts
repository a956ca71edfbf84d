import * as vscode from 'vscode';
import type { Diagnosis } from '../doctor.ts';
import { titleOf } from './palette-words.ts';
import { BACK, type Choice, choose, separator } from './quick-pick.ts';
import { type Remedy, remediesOf } from './remedies.ts';
import { said } from './said.ts';

/** Shows what was looked at as a list, faults first; one that is chosen offers what mends it. */
export async function showDiagnoses(
  diagnoses: readonly Diagnosis[],
  inPaletteWords: (text: string) => string,
  commands: ReadonlySet<string>,
): Promise<void> {
  const faults = diagnoses.filter(({ ok }) => !ok);
  const title =
    faults.length === 0
      ? vscode.l10n.t('Doctor: everything is in place')
      : vscode.l10n.t('Doctor: {0} of {1} need your attention', faults.length, diagnoses.length);
  const line = (diagnosis: Diagnosis): Choice<Diagnosis> => {
    const { ok, title: label, detail, fix } = inTheirLanguage(diagnosis);
    return {
      label: `$(${ok ? 'pass' : 'error'}) ${label}: ${ok ? vscode.l10n.t('in place') : vscode.l10n.t('needs attention')}`,
      description: ok ? inPaletteWords(detail) : '',
      ...(ok ? {} : { detail: inPaletteWords([detail, fix].filter(Boolean).join(' — ')) }),
      value: diagnosis,
    };
  };
  const lines = [...faults.map(line), separator(''), ...diagnoses.filter(({ ok }) => ok).map(line)];
  for (;;) {
    const answer = await choose<Diagnosis>({
      title,
      placeholder: faults.length === 0 ? vscode.l10n.t('Nothing to mend.') : vscode.l10n.t('Choose a line to mend it.'),
      choices: async () => lines,
    });
    if (answer === undefined || answer === BACK || answer.ok) return;
    if (await mend(answer, inPaletteWords, commands)) return;
  }
}

type Way = Remedy | { readonly kind: 'copy'; readonly text: string } | { readonly kind: 'again' };

function inTheirLanguage(diagnosis: Diagnosis): Diagnosis {
  const { title, detail, fix } = diagnosis;
  return { ...diagnosis, title: said(title), detail: said(detail), ...(fix === undefined ? {} : { fix: said(fix) }) };
}

/** False to go back to the list. */
async function mend(
  diagnosis: Diagnosis,
  inPaletteWords: (text: string) => string,
  commands: ReadonlySet<string>,
): Promise<boolean> {
  const remedies = remediesOf(diagnosis.fix ?? '', commands);
  const { title, detail, fix = '' } = inTheirLanguage(diagnosis);
  const copied = remedies.flatMap((r) => (r.kind === 'terminal' ? [r.line] : []));
  const ways: Choice<Way>[] = [
    ...remedies.map((remedy) => ({ ...labelOf(remedy, inPaletteWords), value: remedy })),
    ...(copied.length > 0 ? copied : [fix || detail]).map(
      (text): Choice<Way> => ({
        label: `$(copy) ${vscode.l10n.t('Copy')}`,
        description: text,
        value: { kind: 'copy', text },
      }),
    ),
    { label: `$(refresh) ${vscode.l10n.t('Run Doctor again')}`, value: { kind: 'again' } },
  ];
  const way = await choose<Way>({
    title,
    placeholder: inPaletteWords(fix || detail),
    step: 2,
    totalSteps: 2,
    choices: async () => ways,
  });
  if (way === BACK) return false;
  if (way) await take(way);
  return true;
}

function labelOf(remedy: Remedy, inPaletteWords: (text: string) => string): { label: string; description: string } {
  if (remedy.kind === 'command') {
    return { label: `$(play) ${titleOf(remedy.command, inPaletteWords)}`, description: '' };
  }
  if (remedy.kind === 'setting') return { label: `$(gear) ${vscode.l10n.t('Open Settings')}`, description: remedy.key };
  if (remedy.kind === 'page')
    return { label: `$(link-external) ${vscode.l10n.t('Open the page')}`, description: remedy.url };
  return { label: `$(terminal) ${vscode.l10n.t('Put into a terminal')}`, description: remedy.line };
}

async function take(way: Way): Promise<void> {
  if (way.kind === 'again') await vscode.commands.executeCommand('clparity.doctor');
  else if (way.kind === 'command') await vscode.commands.executeCommand(way.command);
  else if (way.kind === 'setting') await vscode.commands.executeCommand('workbench.action.openSettings', way.key);
  else if (way.kind === 'copy') await vscode.env.clipboard.writeText(way.text);
  else if (way.kind === 'page') await vscode.env.openExternal(vscode.Uri.parse(way.url));
  else {
    const terminal = vscode.window.createTerminal(vscode.l10n.t('Container Linux Parity'));
    terminal.show();
    // Not run: the Enter is the user's.
    terminal.sendText(way.line, false);
  }
}
