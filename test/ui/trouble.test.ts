import { after, before } from 'node:test';
import { openWorkbench, story, type Workbench } from './workbench.ts';

let bench: Workbench;

before(async () => {
  bench = await openWorkbench({
    folders: { manifests: 'test/fixtures/shop' },
    settings: { 'clparity.image': 'none', 'clparity.target.snapshot': 'manifests', 'clparity.cluster': 'kind:none' },
    env: { DOCKER_HOST: 'unix:///nowhere/docker.sock' },
  });
});
after(() => bench?.close());

const step = story(() => bench);

step('a dead Docker daemon is named, with the doctor a click away', async () => {
  await bench.run('Container Linux Parity: Sync');
  const error = bench.toast('/nowhere/docker.sock');
  await error.waitFor();
  await error.locator('.monaco-button', { hasText: 'Show Log' }).waitFor();
  await bench.shot('docker-unreachable');
  await error.locator('.monaco-button', { hasText: 'Run Doctor' }).click();
  await bench.question(/^Doctor: \d+ of \d+ need your attention/).waitFor();
  await bench.line('Docker daemon: needs attention').waitFor();
  await bench.shot('doctor');
});

step('a fault that is chosen offers what mends it', async () => {
  await bench.line('Docker daemon: needs attention').click();
  await bench.question(/^Docker daemon/).waitFor();
  await bench.line('Run Doctor again').waitFor();
  await bench.line('Copy').click();
  await bench.question(/^Docker daemon/).waitFor({ state: 'hidden' });
});

step('what needs no Docker still works: the matrix of a folder of manifests', async () => {
  await bench.run('Container Linux Parity: Show Connection Matrix');
  await bench.page.locator('.tab', { hasText: 'Connection Matrix' }).waitFor();
  await bench.page.locator('.view-line', { hasText: '"groups"' }).waitFor();
});

step('the walkthrough leads through the first sync', async () => {
  await bench.clear();
  await bench.run('Welcome: Open Walkthrough');
  await bench.line('Make a local cluster like production').click();
  await bench.page.locator('.getting-started-step', { hasText: 'Check this machine' }).waitFor();
  await bench.page.locator('.getting-started-step', { hasText: 'Choose what to be like' }).click();
  await bench.page.locator('.getting-started-step .monaco-button', { hasText: 'Select Target' }).waitFor();
  await bench.run('View: Toggle Primary Side Bar Visibility'); // the drawing needs its width
  await bench.preview().locator('svg', { hasText: 'snapshot' }).waitFor();
  await bench.shot('walkthrough');
});
