import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import { taskRun } from '../../../src/ui/task-run.ts';
import { progressText, sentences } from '../../../src/ui/text.ts';

describe('progress', () => {
  const messages: string[] = [];
  let clock = 0;
  let log: vscode.LogOutputChannel;
  const run = () =>
    taskRun(
      new AbortController().signal,
      log,
      (message) => messages.push(message),
      () => clock,
    );

  before(() => {
    log = vscode.window.createOutputChannel('progress test', { log: true });
  });
  after(() => log.dispose());
  beforeEach(() => {
    messages.length = 0;
    clock = 0;
  });

  it('shows counts, bytes and notes', () => {
    assert.equal(progressText('Pull', {}), 'Pull');
    assert.equal(progressText('Probe', { done: 3, total: 60, unit: 'items', note: 'TCP' }), 'Probe: 3 of 60, TCP');
    assert.equal(progressText('Load', { done: 1_250_000, total: 4e6, unit: 'bytes' }), 'Load: 1.3 of 4.0 MB');
    assert.equal(progressText('Load', { done: 0, unit: 'bytes' }), 'Load: 0.0 MB');
    const bytes = { done: 30e6, total: 90e6, unit: 'bytes', note: 'dev-worker' } as const;
    assert.equal(progressText('Load', bytes, 65_400), 'Load: 30.0 of 90.0 MB, 0.5 MB/s, dev-worker, 1 min 5 s');
    assert.equal(progressText('Wait', {}, 4_000), 'Wait: 4 s');
  });

  it('updates the notification at most ten times a second', async () => {
    await run().step('Load', async (progress) => {
      for (let done = 1; done <= 1000; done++) {
        clock += 1;
        progress({ done });
      }
    });
    assert.deepEqual(messages.slice(0, 2), ['Load', 'Load: 100']);
    assert.equal(messages.length, 11);
  });

  it('shows that time goes by where nothing is counted', async () => {
    await run().step('Wait', async () => {
      clock = 12_000;
      await new Promise((resolve) => setTimeout(resolve, 1_500));
    });
    assert.deepEqual(messages.slice(0, 2), ['Wait', 'Wait: 12 s']);
  });

  it('shows the step that moved last, and the outer one again afterwards', async () => {
    const steps = run();
    await steps.step('Outer', async () => {
      await steps.step('Inner', async () => undefined);
    });
    assert.deepEqual(messages, ['Outer', 'Inner', 'Outer']);
  });

  it('rejects as the work does and ignores progress that comes late', async () => {
    let late: (p: { done: number }) => void = () => {};
    const work = run().step('Work', async (progress) => {
      late = progress;
      throw new Error('broken');
    });
    await assert.rejects(work, /broken/);
    clock += 1000;
    late({ done: 1 });
    assert.deepEqual(messages, ['Work']);
  });

  it('puts sentences together', () => {
    assert.equal(sentences('No folder is open', undefined, 'Open one.', ''), 'No folder is open. Open one.');
  });
});
