import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { quietRun } from '../../src/host/run.ts';
import { makeReport } from '../../src/report/findings.ts';
import { saveReport } from '../../src/report/store.ts';
import { readTarget } from '../../src/snapshot/files.ts';
import { openWorkbench, settled, story, type Window, type Workbench } from './workbench.ts';

/** The first minutes with a folder of somebody else, as a clone of it is opened: no Docker, no cluster, no registry. */
let bench: Workbench;

before(async () => {
  bench = await openWorkbench({
    folders: {
      manifests: 'test/fixtures/shop',
      'south/manifests': 'test/fixtures/shop',
      north: 'test/fixtures/workspace',
    },
    settings: { 'clparity.image': 'none', 'clparity.target.snapshot': 'manifests', 'clparity.cluster': 'kind:none' },
    env: { DOCKER_HOST: 'unix:///nowhere/docker.sock' },
    askForTrust: true,
    async prepare(folder) {
      await leaveReport(folder, 'kind:none');
      await leaveReport(join(folder, 'south'), 'kind:south');
      const folders = [{ path: 'north' }, { path: 'south' }];
      writeFileSync(join(folder, 'two.code-workspace'), JSON.stringify({ folders }));
    },
  });
});
after(() => bench?.close());

/** What a run leaves in a folder whose `manifests` were its target. */
async function leaveReport(folder: string, cluster: string): Promise<void> {
  const target = await readTarget('manifests', quietRun(), folder);
  const report = makeReport({
    ...{ target: 'manifests', cluster, createdAt: new Date().toISOString(), changes: [] },
    findings: [{ layer: 'connections', state: 'differs', title: '1 of 1181 probed connections differs', evidence: [] }],
  });
  await saveReport(folder, report, target);
}

const step = story(() => bench);

step('a folder that nobody trusts: the view shows the last report, and says why it can do no more', async () => {
  await bench.status('Restricted Mode').waitFor();
  await bench.run('View: Show Container Linux Parity');
  await bench.row('1 difference').waitFor();
  await bench.page.locator('.part.sidebar .message', { hasText: 'Trust the workspace to run anything' }).waitFor();
  assert.match((await bench.row('Target').getAttribute('aria-label')) ?? '', /needs a workspace that you trust/);
  await bench.shot('restricted');
});

step('in Restricted Mode the report opens and is exported; trust is given by hand', async () => {
  await bench.row('1 difference').click();
  await bench.preview().locator('h1', { hasText: 'kind:none against manifests' }).waitFor();
  assert.match(await exported('markdown', 'parity-report.md'), /^# .*kind:none/);
  await bench.run('Workspaces: Manage Workspace Trust');
  await bench.page
    .locator('.workspace-trust-editor .monaco-button', { hasText: /^Trust/ })
    .first()
    .click();
  await bench.status('Restricted Mode').waitFor({ state: 'hidden' });
  await bench.page.locator('.monaco-modal-editor-block .codicon-close').last().click();
  await bench.page.locator('.part.sidebar .message', { hasText: 'Trust the workspace' }).waitFor({ state: 'hidden' });
});

step('a line of the tree has the menu that fits it', async () => {
  assert.deepEqual(await menuOf('1 difference'), ['Sync', 'Verify', 'Select Target and Cluster…']);
  const target = ['Select Target…', 'Capture Snapshot…', 'Show Difference…', 'Show Connection Matrix'];
  assert.deepEqual(await menuOf('Target'), target);
  assert.ok((await menuOf('Local cluster')).includes('Remove from Local Cluster…'));
  await bench.row('Policies').click();
  await bench.row('batch').click();
  assert.deepEqual(await menuOf('not compared'), ['Open Policy', 'Explain Policy…']);
});

step('expected connections that cannot be read say where', async () => {
  writeFileSync(join(bench.folder, 'shop.clparity.yaml'), '- { from: shop-web/Deployment/storefront, port: 5432 }\n');
  await bench.run('Testing: Focus on Test Explorer View');
  await bench.row('shop.clparity.yaml').click();
  await bench.page.keyboard.press('ArrowRight');
  await bench.page.locator('.part.sidebar', { hasText: /shop\.clparity\.yaml:1/ }).waitFor();
  await bench.shot('malformed-expectations');
});

step('a window of several folders asks which one, and the page of a report knows its own', async () => {
  const window = await bench.window(join(bench.folder, 'two.code-workspace'));
  await window.run('Container Linux Parity: Show Last Report');
  await window.line('south').click();
  await window.preview().locator('h1', { hasText: 'kind:south against manifests' }).waitFor();
  await window.preview().locator('[data-export=markdown]').click();
  await window.question('Save the report').waitFor();
  await window.shot('several-folders');
  await window.page.close();
});

step('a folder without anything is welcomed by buttons that work', async () => {
  const fresh = await bench.window(join(bench.folder, 'north'));
  await fresh.run('View: Show Container Linux Parity');
  await welcomed(fresh, 'It asks for what it needs', ['Sync', 'Select Target', 'Select Local Cluster', 'Run Doctor']);
  await fresh.shot('welcome');
  await fresh.welcome('Select Target').click();
  await fresh.question('Select the target').waitFor();
  await fresh.page.close();
});

step('what was done before the walkthrough was opened is ticked in it, and nothing else', async () => {
  await bench.run('View: Show Container Linux Parity');
  await bench.row('1 difference').waitFor();
  await bench.run('Welcome: Open Walkthrough');
  await bench.line('Make a local cluster like production').click();
  for (const title of ['Choose what to be like', 'Choose a local cluster', 'Sync']) await bench.ticked(title).waitFor();
  for (const title of ['Check this machine', 'Ask why']) assert.equal(await bench.ticked(title).count(), 0, title);
  await bench.shot('ticked-before');
});

step('a window without a folder says what it needs one for', async () => {
  const empty = await bench.window();
  await empty.run('View: Show Container Linux Parity');
  await welcomed(empty, 'kept in a folder', ['Open Folder']);
  await empty.shot('welcome-no-folder');
  await empty.page.close();
});

step('a folder without anything that nobody trusts asks for trust, and for nothing that needs it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'fresh-'));
  writeFileSync(join(folder, 'README.md'), '# Fresh\n');
  const fresh = await bench.window(folder);
  await fresh.run('View: Show Container Linux Parity');
  await welcomed(fresh, 'needs a workspace that you trust', ['Manage Workspace Trust']);
  await fresh.shot('welcome-untrusted');
  await fresh.welcome('Manage Workspace Trust').click();
  await fresh.page.locator('.workspace-trust-editor').waitFor();
  await fresh.page.close();
  rmSync(folder, { recursive: true });
});

/** The view's welcome: its words, and exactly these buttons. */
async function welcomed(window: Window, words: string, buttons: readonly string[]): Promise<void> {
  await window.page.locator('.part.sidebar .welcome-view-content', { hasText: words }).waitFor();
  const shown = await window.welcome('').allTextContents();
  assert.deepEqual(
    shown.map((text) => text.trim()),
    buttons,
  );
  await window.page.locator('.part.sidebar .welcome-view-content a', { hasText: 'walkthrough' }).waitFor();
}

/** What a button of the page has written, by the name that is proposed. */
async function exported(format: string, name: string): Promise<string> {
  const file = join(bench.folder, name);
  await bench.preview().locator(`[data-export=${format}]`).click();
  await bench.question('Save the report').waitFor();
  await bench.saveAs(name);
  await bench.toast(`The report is in ${name}`).waitFor();
  await settled(`${name} to be written`, () => existsSync(file) && readFileSync(file).length > 0);
  return readFileSync(file, 'utf8');
}

/** The commands in the menu of a line of the tree. */
async function menuOf(row: string): Promise<string[]> {
  await bench.row(row).click({ button: 'right' });
  const menu = bench.page.locator('.context-view .monaco-menu');
  await menu.waitFor();
  const labels = await menu.locator('.action-label').allTextContents();
  await bench.page.keyboard.press('Escape');
  await menu.waitFor({ state: 'hidden' });
  return labels.filter((label) => label !== '');
}
