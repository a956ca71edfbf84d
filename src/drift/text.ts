import { diffMarkdown, diffText } from '../report/diff-text.ts';
import type { Drift, DriftSide } from './model.ts';

const TITLES = { target: 'The target since its snapshot', local: 'The local cluster since the apply' } as const;

/** What has moved, for a terminal. */
export function driftText({ checkedAt, target, local }: Drift): string {
  return [`Looked at ${checkedAt}`, ...sideText(TITLES.target, target), ...sideText(TITLES.local, local)].join('\n');
}

function sideText(title: string, { state, diff, reason }: DriftSide): string[] {
  if (state === 'unknown') return [`? ${title}: unknown: ${reason}`];
  return diff
    ? [
        `! ${title}:`,
        ...diffText(diff)
          .split('\n')
          .map((line) => `    ${line}`),
      ]
    : [`= ${title}: the same`];
}

/** The same for the editor. */
export function driftMarkdown({ checkedAt, target, local }: Drift): string {
  const side = (title: string, { state, diff, reason }: DriftSide) =>
    diff
      ? [`# ${title}`, '', diffMarkdown(diff).replace(/^#/gm, '##')]
      : [`# ${title}`, '', state === 'unknown' ? `❔ unknown: ${reason}` : '✅ the same', ''];
  return [...side(TITLES.target, target), ...side(TITLES.local, local), `Looked at ${checkedAt}.`, ''].join('\n');
}
