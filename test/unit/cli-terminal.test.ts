import assert from 'node:assert/strict';
import { test } from 'node:test';
import { consent, type Terminal, terminalRun } from '../../src/cli/terminal.ts';
import { ParityError } from '../../src/host/errors.ts';
import { startStages } from '../../src/host/stages.ts';
import { clparityIn } from './in-process.ts';

/** What the command line says on a terminal's stderr, and where none is there to ask on. */

function terminalOf(isTTY: boolean) {
  const said: string[] = [];
  const stream = { isTTY, write: (text: string) => said.push(text) > 0 };
  const terminal = { stdin: { isTTY }, stdout: stream, stderr: stream } as unknown as Terminal;
  return { terminal, text: () => said.join('') };
}

test('an error after a live line begins on a line of its own', async () => {
  const { terminal, text } = terminalOf(true);
  const { step } = terminalRun(terminal, new AbortController().signal, false);
  const failing = step('Change the cluster', async (progress) => {
    progress({ done: 0, total: 3, unit: 'items' });
    throw new Error('no');
  });
  await assert.rejects(failing, /no/);
  assert.match(text(), /0 of 3.*Change the cluster: stopped\n$/s);
});

test('--dry-run is advised to a verb that has it', async () => {
  const { signal } = new AbortController();
  const { terminal } = terminalOf(false);
  for (const canLook of [true, false]) {
    await assert.rejects(consent(terminal, { yes: false, canLook }, 'Go?', signal), (error: unknown) => {
      assert.ok(error instanceof ParityError);
      assert.equal(/--dry-run/.test(error.action ?? ''), canLook, error.action);
      return true;
    });
  }
  const { code, stderr } = await clparityIn('.', 'load');
  assert.equal(code, 2, stderr);
  assert.match(stderr, /Add --yes to go ahead without a question\.\n/);
});

test('a cancel says once that nothing was changed, and what was', async () => {
  const run = terminalRun(terminalOf(false).terminal, new AbortController().signal, false);
  const cancelled = (outcome: string) => Promise.reject(new ParityError('cancelled', `Cancelled. ${outcome}`));
  const { stage, changed } = startStages(run);
  const said = (outcome: string) =>
    stage('mirroring', () => cancelled(outcome)).then(
      () => '',
      (error: Error) => error.message,
    );
  assert.equal(await said('Nothing was changed.'), 'while mirroring. Nothing was changed before that.');
  assert.equal(
    await said('1 change was rolled back.'),
    'while mirroring: 1 change was rolled back. Nothing was changed before that.',
  );
  changed('loaded x');
  assert.equal(await said('Nothing was changed.'), 'while mirroring: Nothing was changed. Done before that: loaded x.');
});
