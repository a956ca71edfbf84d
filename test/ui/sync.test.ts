import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openWorkbench, type Workbench } from './workbench.ts';

/** Named by whoever runs the tests; a cluster that enforces policies and that nobody else is using. */
const cluster = process.env.CLPARITY_TEST_CLUSTER;
/** Milliseconds for a whole sync: hundreds of probes on a small machine. */
const SYNC = 300_000;

let bench: Workbench;

before(async () => {
  assert.ok(cluster, 'CLPARITY_TEST_CLUSTER names the kind cluster to use, for example kind:dev');
  bench = await openWorkbench({ folders: { manifests: 'test/fixtures/shop' }, settings: { 'clparity.image': 'none' } });
});
after(() => bench?.close());

test('the target is chosen in the palette, as a folder of manifests', async () => {
  const { page } = bench;
  await bench.run('Container Linux Parity: Select Target');
  await bench.question('Select the target').waitFor();
  await bench.line('A folder of manifests').waitFor();
  await bench.shot('select-target');
  await bench.line('A folder of manifests').click();
  await bench.question('Folder of manifests').waitFor();
  const path = page.locator('.quick-input-widget input[type=text]');
  await path.fill(`${join(bench.folder, 'manifests')}/`);
  await page.locator('.quick-input-widget .monaco-button', { hasText: 'Use as Target' }).click();
  await stored('"clparity.target.snapshot": "manifests"');
});

test('sync asks for the cluster, shows every change, and asks before it writes', async () => {
  await bench.run('Container Linux Parity: Sync');
  await bench.question('Select the local cluster').waitFor();
  await bench.line(cluster ?? '').waitFor();
  await bench.shot('select-cluster');
  await bench.line(cluster ?? '').click();
  await stored(`"clparity.cluster": "${cluster}"`);
  await bench.question(/Apply \d+ changes? to/).waitFor({ timeout: SYNC });
  await bench.page.locator('.monaco-diff-editor').first().waitFor();
  await bench.shot('plan');
  await bench.line('Apply').click();
});

test('progress has steps, and the report opens rendered', async () => {
  await bench.toast('Sync').waitFor();
  await bench.shot('progress');
  await bench.preview().locator('h1', { hasText: 'Parity report' }).waitFor({ timeout: SYNC });
  await bench.toast(/Equal|difference/).waitFor();
  await bench.shot('report');
});

/** Waits for a line in the workspace's settings. */
async function stored(line: string): Promise<void> {
  const file = join(bench.folder, '.vscode', 'settings.json');
  for (let waited = 0; waited < 100; waited++) {
    if (existsSync(file) && readFileSync(file, 'utf8').includes(line)) return;
    await bench.page.waitForTimeout(100);
  }
  assert.fail(`${line} is not in ${existsSync(file) ? readFileSync(file, 'utf8') : file}`);
}
