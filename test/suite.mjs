// Runs one test program and counts what it did.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A step that passes or fails as a whole, counted as one test. */
export async function check(name, argv) {
  console.log(`\n== ${name}`);
  const how = await finished(argv, { limitMs: 300_000 });
  if (how !== 0) console.log(`${name} failed (${how})`);
  return how === 0 ? { passed: 1, failed: 0, skipped: 0 } : { passed: 0, failed: 1, skipped: 0 };
}

/**
 * A suite under node:test (argv `node --test …`) or one that takes `--tally FILE` as test/host/run.ts does. Its own
 * tally is the count; where it left none, or says that all is well and the exit code says otherwise, that is a failure.
 * With `whole`, what it prints comes in one piece when it is over: another one runs beside it. `failures` of what is
 * returned are the tests that failed by name, with what each said.
 */
export async function suite(name, argv, { limitMs, env = {}, whole = false }) {
  const title = `\n== ${name}`;
  console.log(whole ? `\n-- ${name} begins` : title);
  const dir = mkdtempSync(join(tmpdir(), 'clparity-tally-'));
  const file = join(dir, 'tally.json');
  try {
    const program = [...argv.slice(0, 2), ...tallyOptions(argv, file), ...argv.slice(2)];
    const how = await finished(program, { limitMs, env, ...(whole && { title }) });
    const counts = existsSync(file) ? counted(readFileSync(file, 'utf8')) : undefined;
    if (!counts) console.log(`${name} left no count (${how})`);
    const { passed, failed, skipped, names } = counts ?? { passed: 0, failed: 1, skipped: 0 };
    for (const skip of names?.skipped ?? []) console.log(`skipped: ${skip}`);
    if (failed === 0 && how !== 0) console.log(`${name} ended with ${how} though no test failed`);
    if (passed + failed + skipped === 0) console.log(`${name} ran no tests`);
    const unsaid = failed === 0 && (how !== 0 || passed + skipped === 0);
    const failures = (names?.failed ?? []).map((failure) => `${name}: ${failure}`);
    return { passed, failed: unsaid ? 1 : failed, skipped, failures };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function tallyOptions([, option], file) {
  if (option !== '--test') return ['--tally', file];
  return [
    ...['--test-reporter=spec', '--test-reporter-destination=stdout'],
    ...['--test-reporter=./test/tally-reporter.mjs', `--test-reporter-destination=${file}`],
  ];
}

/** Both tallies in one shape: node:test's by tally-reporter.mjs and mocha's by test/host/entry.ts. */
function counted(text) {
  if (text === '') return undefined;
  const { passed, passes, failed, failures, skipped, pending, names } = JSON.parse(text);
  return { passed: passed ?? passes, failed: failed ?? failures, skipped: skipped ?? pending, names };
}

/**
 * Runs a program in its own process group, ended at the limit. With a `title`, what it prints is held until it ends and
 * comes below that. Resolves with its exit code, or with what ended it.
 */
async function finished([program, ...args], { limitMs, env = {}, title }) {
  const how = title === undefined ? 'inherit' : 'pipe';
  const child = spawn(program, args, {
    stdio: ['ignore', how, how],
    env: { ...process.env, ...env },
    detached: true,
  });
  const endGroup = (signal) => {
    try {
      process.kill(-child.pid, signal);
    } catch (error) {
      if (error.code !== 'ESRCH') throw error; // ESRCH: already gone
    }
  };
  const held = [];
  const streams = [child.stdout, child.stderr].filter((stream) => stream !== null);
  for (const stream of streams) stream.on('data', (bytes) => held.push(bytes));
  const started = Date.now();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    endGroup('SIGTERM');
    setTimeout(endGroup, 5000, 'SIGKILL').unref();
  }, limitMs);
  const forward = (signal) => endGroup(signal);
  process.on('SIGINT', forward);
  process.on('SIGTERM', forward);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    // Not 'exit': what it printed last is still to come then. What it has left running may hold its output for ever.
    const letGo = () => {
      for (const stream of streams) stream.destroy();
    };
    child.on('exit', () => setTimeout(letGo, 2000).unref());
    child.on('close', (code, signal) => resolve(late ? `no end within ${limitMs / 60_000} min` : (code ?? signal)));
  }).finally(() => {
    if (title !== undefined) console.log(`${title}\n${Buffer.concat(held).toString()}`);
    console.log(`== ${Math.round((Date.now() - started) / 1000)} s`);
    clearTimeout(timer);
    process.off('SIGINT', forward);
    process.off('SIGTERM', forward);
  });
}
