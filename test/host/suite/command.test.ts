import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import { environmentError, ParityError } from '../../../src/host/errors.ts';
import type { Run } from '../../../src/host/run.ts';
import { command, nothingToAsk, nothingToShow } from '../../../src/ui/command.ts';
import type { Core } from '../../../src/ui/core-api.ts';
import { createUi, stopAll, type Ui } from '../../../src/ui/ui.ts';

/** What the user would have been shown: the texts and buttons, by kind. */
interface Shown {
  readonly kind: 'error' | 'information';
  readonly text: string;
  readonly buttons: readonly string[];
}

describe('every command', () => {
  const shown: Shown[] = [];
  const { showErrorMessage, showInformationMessage } = vscode.window;
  const core = { openHost: async () => ({ name: 'local' }) } as unknown as Core;
  let ui: Ui;

  before(() => {
    const extension = vscode.extensions.getExtension('container-linux-parity.container-linux-parity');
    assert.ok(extension);
    ui = createUi({ subscriptions: [], extension });
    const note =
      (kind: Shown['kind']) =>
      async (text: string, ...buttons: string[]) => {
        shown.push({ kind, text, buttons });
        return undefined;
      };
    Object.assign(vscode.window, {
      showErrorMessage: note('error'),
      showInformationMessage: note('information'),
    });
  });
  after(() => {
    Object.assign(vscode.window, { showErrorMessage, showInformationMessage });
    ui.documents.dispose(); // not the log: by its name it is the extension's own
  });
  beforeEach(() => {
    shown.length = 0;
  });

  /** A command called Work that does `work`. */
  const handler = (work: (run: Run) => Promise<unknown>, needs: { cluster?: true } = {}) =>
    command<true, unknown>({
      title: () => 'Work',
      needs,
      ask: nothingToAsk,
      work: ({ run }) => work(run),
      show: nothingToShow,
    })(ui, async () => core);

  it('gives its result to callers', async () => {
    assert.equal(await handler(async () => 42)(), 42);
    assert.deepEqual(shown, []);
  });

  it('shows what failed and what to do next', async () => {
    const dead = environmentError('The Docker daemon does not answer', { action: 'Start Docker.' });
    assert.equal(await handler(() => Promise.reject(dead))(), undefined);
    assert.deepEqual(shown, [
      {
        kind: 'error',
        text: 'Work: The Docker daemon does not answer. Start Docker.',
        buttons: ['Run Doctor', 'Show Log'],
      },
    ]);
  });

  it('names our commands as the palette does, not as the command line does', async () => {
    const none = environmentError('There is no cluster', {
      action: 'Run "clparity create", or see "clparity --help".',
    });
    await handler(() => Promise.reject(none))();
    const action = 'Run "Container Linux Parity: Create Local Cluster", or see "clparity --help".';
    assert.equal(shown[0]?.text, `Work: There is no cluster. ${action}`);
  });

  it('reads the errors of another bundle too', async () => {
    class Foreign extends Error {
      override name = 'ParityError';
      kind = 'input';
      action = 'Mend line 3.';
    }
    await handler(() => Promise.reject(new Foreign('policies.yaml is not YAML')))();
    assert.deepEqual(shown, [
      { kind: 'error', text: 'Work: policies.yaml is not YAML. Mend line 3.', buttons: ['Show Log'] },
    ]);
  });

  it('says that an unexpected failure is one', async () => {
    await handler(() => Promise.reject(new TypeError('x is undefined')))();
    assert.deepEqual(shown, [
      { kind: 'error', text: 'Work failed unexpectedly: x is undefined.', buttons: ['Show Log'] },
    ]);
  });

  it('says what a cancel left', async () => {
    const left = 'The policies are in place; the stand-ins are gone.';
    await handler(() => Promise.reject(new ParityError('cancelled', left)))();
    assert.deepEqual(shown, [{ kind: 'information', text: `Work was cancelled. ${left}`, buttons: ['Show Log'] }]);
  });

  it('goes on in the sentence of the stage that was cancelled', async () => {
    await handler(() =>
      Promise.reject(new ParityError('cancelled', 'while mirroring. Nothing was changed before that.')),
    )();
    assert.equal(shown[0]?.text, 'Work was cancelled while mirroring. Nothing was changed before that.');
  });

  it('takes a bare abort for a cancel, however deep it lies', async () => {
    const abort = new DOMException('gone', 'AbortError');
    await handler(() => Promise.reject(new Error('request failed', { cause: abort })))();
    assert.deepEqual(shown, [{ kind: 'information', text: 'Work was cancelled.', buttons: ['Show Log'] }]);
  });

  it('is refused in a folder that nobody trusts, though a link runs it, unless it only shows what is there', async () => {
    const trusted = Object.getOwnPropertyDescriptor(vscode.workspace, 'isTrusted');
    assert.ok(trusted);
    Object.defineProperty(vscode.workspace, 'isTrusted', { configurable: true, get: () => false });
    try {
      assert.equal(await handler(async () => 1)(), undefined);
      const text = 'Work: This workspace is not trusted. Run "Workspaces: Manage Workspace Trust", then Work again.';
      assert.deepEqual(shown, [{ kind: 'error', text, buttons: ['Show Log'] }]);
      const show = command<true, unknown>({
        title: () => 'Show',
        needs: {},
        harmless: true,
        ask: nothingToAsk,
        work: async () => 2,
        show: nothingToShow,
      });
      assert.equal(await show(ui, async () => core)(), 2);
    } finally {
      Object.defineProperty(vscode.workspace, 'isTrusted', trusted);
    }
  });

  it('refuses a second run on the same cluster and names the first', async () => {
    const config = vscode.workspace.getConfiguration('clparity');
    await config.update('cluster', 'kind:dev', vscode.ConfigurationTarget.Workspace);
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    const { promise: started, resolve: start } = Promise.withResolvers<void>();
    try {
      const first = handler(
        async () => {
          start();
          await held;
          return 1;
        },
        { cluster: true },
      )();
      await started;
      assert.equal(await handler(async () => 2, { cluster: true })(), undefined);
      assert.equal(await handler(async () => 3)(), 3, 'a command without a cluster goes on');
      release();
      assert.equal(await first, 1);
      const text = 'Work: Work is still running on kind:dev. Wait for it or cancel it, then run Work again.';
      assert.deepEqual(shown, [{ kind: 'error', text, buttons: ['Show Log'] }]);
      assert.equal(await handler(async () => 4, { cluster: true })(), 4, 'free again');
    } finally {
      release();
      await config.update('cluster', undefined, vscode.ConfigurationTarget.Workspace);
    }
  });

  it('is stopped, and waited for, when the window closes', async () => {
    let cleaned = false;
    const { promise: started, resolve: start } = Promise.withResolvers<void>();
    const running = handler(async ({ signal }) => {
      const aborted = new Promise((resolve) => signal.addEventListener('abort', resolve));
      start();
      await aborted;
      cleaned = true;
      signal.throwIfAborted();
    })();
    await started;
    await stopAll(ui);
    assert.equal(cleaned, true);
    assert.equal(await running, undefined);
    assert.equal(ui.running.size, 0);
  });
});
