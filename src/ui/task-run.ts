import type * as vscode from 'vscode';
import type { Progress, Run } from '../host/run.ts';
import { said } from './said.ts';
import { progressText } from './text.ts';

/** Milliseconds between two updates of the notification; more often is only flicker. */
const REPORT_EVERY = 100;

/** Milliseconds after which the time of a step is shown anew. */
const TICK = 1_000;

/** The run that a command's stages are given: the log channel, and steps shown in the notification. */
export function taskRun(
  signal: AbortSignal,
  log: vscode.LogOutputChannel,
  report: (message: string) => void,
  now: () => number = Date.now,
): Run {
  const active: { title: string; progress: Progress; started: number }[] = [];
  let reportedAt = 0;
  let ticking: NodeJS.Timeout | undefined;
  const show = () => {
    const latest = active.at(-1);
    if (latest) report(progressText(latest.title, latest.progress, now() - latest.started));
    reportedAt = now();
    clearTimeout(ticking);
    // A step that has nothing to count still shows that time goes by.
    ticking = latest && setTimeout(show, TICK).unref();
  };
  return {
    signal,
    log: (level, message) => log[level](message),
    async step(title, work) {
      const started = now();
      const step = { title: said(title), progress: {}, started };
      active.push(step);
      show();
      log.info(title);
      try {
        return await work((progress) => {
          const at = active.indexOf(step);
          if (at < 0) return;
          step.progress = progress;
          // Steps may run side by side: the one that moved last is the one shown.
          active.push(...active.splice(at, 1));
          if (now() - reportedAt >= REPORT_EVERY) show();
        });
      } finally {
        active.splice(active.indexOf(step), 1);
        show();
        log.debug(`${title}: ${now() - started} ms`);
      }
    },
  };
}
