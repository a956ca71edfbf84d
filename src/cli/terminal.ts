import { createInterface } from 'node:readline/promises';
import { ParityError } from '../host/errors.ts';
import type { LogLevel, Progress, Run } from '../host/run.ts';
import { printable } from './printable.ts';

/** What the CLI talks to. Results go to stdout alone; log, progress and questions to stderr. */
export interface Terminal {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

/** What there is to know when a run that writes is ended before it has tidied up. */
export const CUT_SHORT = `Stopped at once: the clean-up was cut short, and what was changed is not rolled back.
  In the cluster there may be left: changes, which "clparity undo" takes back; stand-ins (marked clparity.dev/verify), which
  the next "clparity sync" or "clparity verify" takes away; and for up to 40 s the lease that keeps other runs out.
  "clparity remove" takes everything of ours away.`;

/** A run that shows its steps on stderr: one live line on a terminal, plain lines in a log. */
export function terminalRun(terminal: Terminal, signal: AbortSignal, verbose: boolean): Run {
  const { stderr } = terminal;
  const live = stderr.isTTY === true;
  const clear = () => live && stderr.write('\r\x1b[K');
  const log = (level: LogLevel, text: string) => {
    if (level === 'debug' && !verbose) return;
    const message = printable(text);
    clear();
    stderr.write(level === 'info' || level === 'debug' ? `${message}\n` : `${level}: ${message}\n`);
  };
  return {
    signal,
    log,
    async step(name, work) {
      signal.throwIfAborted();
      const title = printable(name);
      const start = Date.now();
      if (!live) stderr.write(`${title} …\n`);
      else stderr.write(`\r\x1b[K${title} …`);
      let shown = 0;
      const result = await work((p) => {
        if (!live || Date.now() - shown < 100) return;
        shown = Date.now();
        stderr.write(
          `\r\x1b[K${`${title} … ${printable(describeProgress(p))}`.slice(0, Math.max(20, (stderr.columns ?? 80) - 1))}`,
        );
      }).catch((error: unknown) => {
        // What is said of it next begins on a line of its own.
        if (live) stderr.write(`\r\x1b[K${title}: stopped\n`);
        throw error;
      });
      clear();
      stderr.write(`${title}: done in ${((Date.now() - start) / 1000).toFixed(1)} s\n`);
      return result;
    },
  };
}

/** `12.3 of 80.1 MB`, `3 of 7`, or the note alone. */
function describeProgress(p: Progress): string {
  const amount = (n: number) => (p.unit === 'bytes' ? (n / 1e6).toFixed(1) : String(n));
  const parts = [
    p.done === undefined ? '' : p.total === undefined ? amount(p.done) : `${amount(p.done)} of ${amount(p.total)}`,
    p.unit === 'bytes' && p.done !== undefined ? 'MB' : '',
    p.note ?? '',
  ];
  return parts.filter(Boolean).join(' ');
}

/**
 * Asks on stderr whether to go on. With `yes` nothing is asked; without a terminal and without `yes` the write is
 * refused: a script must say that it means it. `canLook`: the verb has a --dry-run.
 */
export async function consent(
  terminal: Terminal,
  { yes, canLook }: { readonly yes: boolean; readonly canLook: boolean },
  question: string,
  signal: AbortSignal,
): Promise<boolean> {
  if (yes) return true;
  if (!terminal.stdin.isTTY) {
    throw new ParityError('refused', `${question} There is no terminal to ask on, so nothing was changed`, {
      action: `Add --yes to go ahead without a question${canLook ? ', or --dry-run to only look' : ''}.`,
    });
  }
  const ask = createInterface({ input: terminal.stdin, output: terminal.stderr });
  try {
    return /^y(es)?$/i.test((await ask.question(`${printable(question)} [y/N] `, { signal })).trim());
  } finally {
    ask.close();
  }
}
