import { resolve } from 'node:path';
import { Command, CommanderError } from 'commander';
import manifest from '../../package.json' with { type: 'json' };
import { inputError, ParityError } from '../host/errors.ts';
import { type Flags, OPTIONS, settingsOf, strict } from './options.ts';
import { emit, errorText, exitCodeOf } from './output.ts';
import { printable } from './printable.ts';
import { consent, type Terminal, terminalRun } from './terminal.ts';
import { type Register, registerVerbs } from './verbs.ts';

/** Options that every verb has. */
const COMMON: readonly (keyof typeof OPTIONS)[] = ['format', 'folder', 'verbose'];

/**
 * The command line: `argv` without node and script. Resolves to the exit code: 0 all equal, 1 differences found or changes
 * to make, 2 bad input or refused, 3 environment, 130 cancelled. `onWrite` is called before the first write that was
 * agreed to.
 */
export async function main(
  argv: readonly string[],
  terminal: Terminal,
  signal: AbortSignal,
  onWrite: () => void = () => {},
): Promise<number> {
  let exitCode = 0;
  const program = new Command('clparity')
    .description(
      'Make a local cluster like production: same base image bits, same network policies, proven with packets.',
    )
    .version(manifest.version)
    .exitOverride()
    .configureOutput({ writeErr: (s) => terminal.stderr.write(s), writeOut: (s) => terminal.stdout.write(s) });

  const verb: Register = (usage, summary, names, action, extra = []) => {
    const command = program.command(usage).description(summary).exitOverride();
    const own = [...new Set([...names, ...COMMON])].map((name) => OPTIONS[name]());
    for (const option of [...own, ...extra]) command.addOption(strict(option));
    command.action(async () => {
      const flags = command.opts<Flags>();
      if (command.args.includes(''))
        throw inputError('An argument is empty', { action: `See "clparity ${command.name()} --help".` });
      const core = await import('../core.ts');
      const folder = resolve(flags.folder ?? '.');
      const owner = `clparity ${command.name()} in ${folder}`;
      const run = { ...terminalRun(terminal, signal, flags.verbose === true), owner };
      const settings = settingsOf(flags);
      const given = new Set(Object.keys(flags).filter((name) => command.getOptionValueSource(name) === 'cli'));
      const host = await core.openHost(settings.host, signal);
      const json = (flags.format ?? (terminal.stdout.isTTY ? 'text' : 'json')) === 'json';
      // One result after the other.
      let printed = Promise.resolve();
      const canLook = names.includes('dryRun');
      const ask = async (question: string) => {
        if (!(await consent(terminal, { yes: flags.yes === true, canLook }, question, signal)))
          throw new ParityError('cancelled', 'nothing was changed');
        onWrite();
      };
      try {
        const code = await action(
          {
            core,
            run,
            flags,
            given,
            project: { host, folder, settings, given },
            show: (value, text) => {
              printed = printed.then(() => emit(terminal, json, value, text, signal));
            },
            approve: async (plan) => {
              terminal.stderr.write(`${printable(core.planText(plan, flags.yes === true))}\n`);
              // Nothing to write, no packets to send and no DNS to enable: a verb that takes away has nothing to ask.
              const onlyTakesAway = !names.includes('probeTimeout') && !names.includes('enableDns');
              if (!core.hasChanges(plan) && onlyTakesAway) return true;
              const cluster = plan.elsewhere ?? plan.cluster;
              await ask(
                core.hasChanges(plan)
                  ? `Apply this to ${cluster}?`
                  : `Put stand-ins into ${cluster} for the time of the probes?`,
              );
              return true;
            },
            agree: ask,
          },
          ...command.args,
        );
        exitCode = code ?? 0;
      } finally {
        // What there is of a result is printed before what went wrong is told.
        await printed;
      }
    });
  };
  registerVerbs(verb);

  try {
    await program.parseAsync([...argv], { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    terminal.stderr.write(`${printable(errorText(error, argv.includes('--verbose')))}\n`);
    return exitCodeOf(error);
  }
}
