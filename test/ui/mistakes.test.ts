import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { startRegistry, type TestRegistry } from '../cluster/registry.ts';
import { pushStandInImage } from '../cluster/standin-image.ts';
import { openWorkbench, stored, story, testCluster, type Workbench } from './workbench.ts';

/**
 * Somebody new, without the README, who makes a mistake at each step up to the plan: every one is named with its way out, and
 * that is a button. With the keyboard, but for notifications and the dialog of folders. Nothing is written to the cluster.
 */
const cluster = testCluster() ?? '';
const skip = cluster === '' && 'CLPARITY_TEST_CLUSTER names no cluster';
/** Milliseconds for a whole plan on a small machine. */
const PLAN = 180_000;

let bench: Workbench;
let registry: TestRegistry | undefined;
let reference = '';

before(async () => {
  if (skip) return;
  registry = await startRegistry();
  ({ reference } = await pushStandInImage(registry.host, 'base', '3.0', {}));
  bench = await openWorkbench({
    folders: { manifests: 'test/fixtures/shop' },
    settings: { 'clparity.image': reference.replace(/:3\.0$/, ':4.0') },
    env: { KUBECONFIG: '/nowhere/kubeconfig' },
    async prepare(folder) {
      mkdirSync(join(folder, 'empty'));
      writeFileSync(join(folder, 'empty', 'README.md'), '# Not a manifest\n');
    },
  });
});
after(async () => {
  await bench?.close();
  await registry?.close();
});

const step = story(() => bench, skip);

step('without a kubeconfig the list of targets says so, and files can be chosen', async () => {
  await bench.run('Container Linux Parity: Show Plan');
  await bench.question('Select the target').waitFor();
  await bench.line('Your kubeconfig has no contexts').waitFor();
  await bench.shot('m-no-contexts');
  await bench.type('folder of manifests');
  await bench.line('A folder of manifests').waitFor();
  await bench.press('Enter');
  await bench.openFolder('Folder of manifests', 'empty', 'Use as Target');
  await stored(bench, 'clparity.target.snapshot', 'empty');
});

step('a folder that holds no manifests leads back to the choice of the target', async () => {
  await bench.question('Select the local cluster').waitFor();
  await bench.line(cluster).waitFor();
  await bench.type(cluster);
  await bench.press('Enter');
  const error = bench.toast('empty holds no Kubernetes objects');
  await error.waitFor({ timeout: PLAN });
  await bench.shot('m-empty');
  await error.locator('.monaco-button', { hasText: 'Select Target' }).click();
  await bench.question('Select the target').waitFor();
  await bench.type('folder of manifests');
  await bench.line('A folder of manifests').waitFor();
  await bench.press('Enter');
  await bench.openFolder('Folder of manifests', 'manifests', 'Use as Target');
  await stored(bench, 'clparity.target.snapshot', 'manifests');
});

step('a tag that the registry does not have leads to the choice of the image', async () => {
  await bench.clear();
  await bench.run('Container Linux Parity: Show Plan');
  const error = bench.toast(/:4\.0/);
  await error.waitFor({ timeout: PLAN });
  await bench.shot('m-tag');
  await error.locator('.monaco-button', { hasText: 'Select Base Image' }).click();
  await bench.question('Select the base image').waitFor();
  await bench.type(reference);
  await bench.line(reference).waitFor();
  await bench.press('Enter');
  await stored(bench, 'clparity.image', reference);
});

// A name that is gone, one without its provider, and a cluster elsewhere that nobody has listed.
for (const wrong of ['kind:nowhere', 'production', 'remote:production']) {
  step(`a local cluster that is none of this machine's leads to the choice of one: ${wrong}`, async () => {
    await bench.clear();
    await setting('clparity.cluster', wrong);
    await bench.run('Container Linux Parity: Show Plan');
    const error = bench.toast(`There is no local cluster ${wrong}`);
    await error.waitFor({ timeout: PLAN });
    await bench.shot(`m-${wrong.replace(':', '-')}`);
    await error.locator('.monaco-button', { hasText: 'Select Local Cluster' }).click();
    await bench.question('Select the local cluster').waitFor();
    await bench.line(cluster).waitFor();
    await bench.type(cluster);
    await bench.press('Enter');
    await stored(bench, 'clparity.cluster', cluster);
  });
}

step('then the plan is there', async () => {
  await bench.clear();
  await bench.run('Container Linux Parity: Show Plan');
  await bench.toast(/changes planned for/).waitFor({ timeout: PLAN });
  await bench.shot('m-plan');
});

/** As somebody writes it by hand. */
async function setting(key: string, value: string): Promise<void> {
  const file = join(bench.folder, '.vscode', 'settings.json');
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), [key]: value }));
  await bench.run('View: Show Container Linux Parity');
  await bench.row(value).waitFor();
}
