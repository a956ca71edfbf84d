import type * as vscode from 'vscode';
import type { Progress, Run } from '../host/run.ts';
import { progressText } from './text.ts';

/** Milliseconds between two updates of the notification; more often is only flicker. */
const REPORT_EVERY = 100;

/** The run that a command's stages are given: the log channel, and steps shown in the notification. */
export function taskRun(
  signal: AbortSignal,
  log: vscode.LogOutputChannel,
  report: (message: string) => void,
  now: () => number = Date.now,
): Run {
  const active: { title: string; progress: Progress }[] = [];
  let reportedAt = 0;
  const show = () => {
    const latest = active.at(-1);
    if (latest) report(progressText(latest.title, latest.progress));
    reportedAt = now();
  };
  return {
    signal,
    log: (level, message) => log[level](message),
    async step(title, work) {
      const step = { title, progress: {} };
      const started = now();
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
