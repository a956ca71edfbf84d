import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format } from 'node:util';
import Mocha from 'mocha';

/** What the launcher believes; a host that died writes none. */
export interface SuiteResult {
  readonly passes: number;
  readonly failures: number;
  readonly pending: number;
}

/**
 * What both launchers name as extensionTestsPath. A rejection makes desktop VS Code and code-server alike exit
 * non-zero. Runs every dist-test/suite/*.test.js; CLPARITY_GREP picks by title.
 */
export async function run(): Promise<void> {
  printThroughWorkbench();
  const mocha = new Mocha({ ui: 'bdd', color: false, timeout: 60_000, reporter: 'spec' });
  if (process.env.CLPARITY_GREP) mocha.grep(process.env.CLPARITY_GREP);
  const suite = join(__dirname, 'suite');
  for (const file of readdirSync(suite).sort()) {
    if (file.endsWith('.test.js')) mocha.addFile(join(suite, file));
  }
  const result = await new Promise<SuiteResult>((resolve) => {
    const runner = mocha.run((failures) => {
      resolve({ passes: runner.stats?.passes ?? 0, failures, pending: runner.stats?.pending ?? 0 });
    });
  });
  if (process.env.CLPARITY_RESULT) writeFileSync(process.env.CLPARITY_RESULT, JSON.stringify(result));
  if (result.failures > 0) throw new Error(`${result.failures} test(s) failed`);
  if (result.passes === 0) throw new Error('no tests ran');
}

/** The workbench forwards console arguments unformatted: format here, and mark what the launcher shall print. */
function printThroughWorkbench(): void {
  const mark = process.env.CLPARITY_HOST === 'code-server' ? '[t] ' : '';
  const base: { consoleLog?: (...args: unknown[]) => void } = Mocha.reporters.Base;
  base.consoleLog = (...args) => {
    for (const line of format(...args).split('\n')) console.log(mark + line);
  };
}
