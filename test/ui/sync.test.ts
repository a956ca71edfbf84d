import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { startRegistry, type TestRegistry } from '../cluster/registry.ts';
import { pushStandInImage } from '../cluster/standin-image.ts';
import { openWorkbench, stored, story, testCluster, type Workbench } from './workbench.ts';

/**
 * The first run and what follows it, with the keyboard alone but for buttons of notifications (which have keys of their own).
 * The cluster enforces policies and is for this run alone.
 */
const cluster = testCluster() ?? '';
const skip = cluster === '' && 'CLPARITY_TEST_CLUSTER names no cluster';
/** Milliseconds for a whole sync: some thousand probes, on a small machine. */
const SYNC = 300_000;

let bench: Workbench;
let registry: TestRegistry | undefined;

before(async () => {
  if (skip) return;
  leaveNothing();
  registry = await startRegistry();
  const { reference } = await pushStandInImage(registry.host, 'base', '3.0', { note: `made at ${Date.now()}` });
  bench = await openWorkbench({
    folders: { manifests: 'test/fixtures/shop' },
    settings: { 'clparity.image': reference },
  });
});
after(async () => {
  await bench?.close();
  await registry?.close();
  if (!skip) leaveNothing();
});

/** Takes what an earlier run may have left out of the cluster. */
function leaveNothing(): void {
  execFileSync(process.execPath, ['dist/cli.js', 'remove', '--cluster', cluster, '--yes'], { stdio: 'ignore' });
}

const step = story(() => bench, skip);

step('the first sync asks for the target: a folder of manifests', async () => {
  await bench.run('Container Linux Parity: Sync');
  await bench.question('Select the target').waitFor();
  await bench.line('A folder of manifests').waitFor();
  await bench.shot('select-target');
  await bench.type('folder of manifests');
  await bench.press('Enter');
  await bench.openFolder('Folder of manifests', 'manifests', 'Use as Target');
  await stored(bench, 'clparity.target.snapshot', 'manifests');
});

step('then for the cluster, shows every change and asks before it writes', async () => {
  await bench.question('Select the local cluster').waitFor();
  await bench.line(cluster).waitFor();
  await bench.shot('select-cluster');
  await bench.type(cluster);
  await bench.press('Enter');
  await stored(bench, 'clparity.cluster', cluster);
  await bench.question(`Apply 27 changes to ${cluster}?`).waitFor({ timeout: SYNC });
  await bench.page.locator('.multiDiffEntry', { hasText: 'kind: Namespace' }).first().waitFor();
  await bench.shot('plan');
});

step('an Enter meant for somewhere else applies nothing; to choose a line first does', async () => {
  await bench.press('Enter');
  await bench.question(/^Apply/).waitFor();
  await bench.press('ArrowDown', 'Enter');
  // On a fast machine a step may be over before it is seen.
  await bench.toast(/Load|Change the local cluster|Start stand-ins|Probe connections/).waitFor({ timeout: SYNC });
});

step('progress counts, and the report opens rendered', async () => {
  await bench.toast(/(Start stand-ins|Probe connections): [1-9]\d* of \d+/).waitFor({ timeout: SYNC });
  await bench.shot('progress');
  await bench.toast(`Equal: ${cluster} is now like manifests.`).waitFor({ timeout: SYNC });
  const report = bench.preview();
  await report.locator('h1', { hasText: `Parity report: ${cluster} against manifests` }).waitFor();
  const findings = (await report.locator('table').first().textContent()) ?? '';
  assert.match(findings, /base image.*equal.*is on every node, bit for bit/s);
  assert.match(findings, /connections.*equal/s);
  await bench.shot('report');
});

step('a connection is explained with its rule and line', async () => {
  await bench.clear();
  await bench.run('Container Linux Parity: Explain Connection');
  await bench.question('Explain a connection').waitFor();
  await pick('shop-web/Deployment/');
  await bench.question('(2/3)').waitFor();
  await pick('shop-data/StatefulSet/');
  await bench.question('(3/3)').waitFor();
  await bench.line('TCP').waitFor();
  await bench.press('Enter');
  await bench.preview().locator('h1', { hasText: 'shop-web/Deployment/' }).waitFor();
  await bench
    .preview()
    .locator('h3', { hasText: /Entering .*(denied|allowed)/ })
    .waitFor();
  await bench.shot('explain');
});

step('a cancelled verify says what it left', async () => {
  await bench.clear();
  await bench.run('Container Linux Parity: Verify');
  const progress = bench.toast(/Start stand-ins|Check that policies|Probe connections/);
  await progress.waitFor({ timeout: SYNC });
  await progress.locator('.monaco-button', { hasText: 'Cancel' }).click();
  await bench.toast('Verify was cancelled while verifying').waitFor({ timeout: SYNC });
  await bench.shot('cancelled');
});

step('a rule that went away at the target is a change to prune; Cancel leaves it, a tick applies it', async () => {
  await bench.clear();
  const file = join(bench.folder, 'manifests', 'monitoring.yaml');
  const before = readFileSync(file, 'utf8');
  const documents = before
    .split(/^---$/m)
    .filter((document) => !/name: statsd/.test(document) || !/kind: NetworkPolicy/.test(document));
  writeFileSync(file, documents.join('---'));
  await bench.run('Container Linux Parity: Mirror Policies');
  await bench.question(`Apply 1 change to ${cluster}?`).waitFor({ timeout: SYNC });
  await bench.line('delete 1').waitFor();
  await bench.line('write nothing').click();
  await bench.question(/^Apply/).waitFor({ state: 'hidden' });
  await bench.toast('Mirror Policies').waitFor({ state: 'hidden' });
  await bench.run('Container Linux Parity: Mirror Policies');
  await bench.question(`Apply 1 change to ${cluster}?`).waitFor({ timeout: SYNC });
  await bench.press('ArrowDown', 'ArrowDown', 'Enter');
  await bench.question('untick what is to stay').waitFor();
  await bench.line('statsd').waitFor();
  await bench.shot('choose');
  await bench.page.keyboard.press('Enter');
  await bench.question('untick what is to stay').waitFor({ state: 'hidden' });
  await bench.toast('Mirror Policies').waitFor({ state: 'hidden', timeout: SYNC });
  writeFileSync(file, before);
});

step('undo shows what it brings back, and does', async () => {
  await bench.clear();
  await bench.run('Container Linux Parity: Undo Last Apply');
  await bench.question(`Apply 1 change to ${cluster}?`).waitFor({ timeout: SYNC });
  await bench.line('create 1').waitFor();
  await bench.shot('undo');
  await bench.press('ArrowDown', 'Enter');
  await bench.toast(`Undone in ${cluster}: create 1.`).waitFor({ timeout: SYNC });
});

step('a malformed manifest is named with its line, and the log is a click away', async () => {
  await bench.clear();
  const file = join(bench.folder, 'manifests', 'batch.yaml');
  const before = readFileSync(file, 'utf8');
  appendFileSync(file, '---\nkind: [unclosed\n');
  await bench.run('Container Linux Parity: Show Plan');
  const error = bench.toast(/batch\.yaml:\d+/);
  await error.waitFor({ timeout: SYNC });
  await bench.shot('error');
  await error.locator('.monaco-button', { hasText: 'Show Log' }).click();
  // The log's lines aren't there to see: this VS Code runs without its native log module.
  await bench.page.locator('.part.panel select, .part.panel .monaco-select-box').first().waitFor();
  writeFileSync(file, before);
  await bench.run('View: Hide Panel');
});

step('remove asks in a dialog and leaves the cluster as before', async () => {
  await bench.clear();
  await bench.run('Container Linux Parity: Remove from Local Cluster');
  const dialog = bench.page.locator('.monaco-dialog-box');
  await dialog.waitFor({ timeout: SYNC });
  assert.match((await dialog.textContent()) ?? '', new RegExp(`put into ${cluster}`));
  await bench.shot('remove');
  await dialog.locator('.monaco-button', { hasText: 'Remove' }).click();
  await bench.toast(`${cluster} is as before`).waitFor({ timeout: SYNC });
});

async function pick(text: string): Promise<void> {
  await bench.line(text).waitFor();
  await bench.type(text);
  await bench.press('Enter');
}
