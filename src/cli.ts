#!/usr/bin/env node
import { main } from './cli/main.ts';
import { nodeTooOld } from './cli/node-version.ts';
import { CUT_SHORT } from './cli/terminal.ts';

// A warning of Node's about a library inside the bundle (docker-modem's url.parse) is nothing that a user could mend.
process.noDeprecation = true;

const cancel = new AbortController();
// Told to end, or the terminal was closed: tidied up as well.
for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => cancel.abort());

// Whoever reads may have had enough (`| head`): nothing is wrong with the answer then.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') return;
  process.stderr.write(`error: Can't write the result: ${error.message}\n`);
  process.exit(3);
});
process.stderr.on('error', () => {
  // Nobody is left to be told.
});

/** Runs the command line, with its answer to Ctrl+C. */
async function start(): Promise<void> {
  let mayHaveWritten = false;
  process.on('SIGINT', () => {
    // The first Ctrl+C cancels and tidies up; the second one ends at once.
    if (cancel.signal.aborted) {
      process.stderr.write(`\n${mayHaveWritten ? CUT_SHORT : 'Stopped at once.'}\n`);
      process.exit(130);
    }
    process.stderr.write('\nCancelling … (press Ctrl+C again to stop at once)\n');
    cancel.abort();
  });
  process.exitCode = await main(process.argv.slice(2), process, cancel.signal, () => {
    mayHaveWritten = true;
  });
}

const tooOld = nodeTooOld(process.versions.node);
if (tooOld) {
  process.stderr.write(`${tooOld}\n`);
  process.exitCode = 3;
} else {
  // No top-level await: the bundle is CommonJS.
  void start();
}
