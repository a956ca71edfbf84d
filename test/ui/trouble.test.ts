import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { quietRun } from '../../src/host/run.ts';
import { makeReport } from '../../src/report/findings.ts';
import { saveReport } from '../../src/report/store.ts';
import { readTarget } from '../../src/snapshot/files.ts';
import { openShop, story, type Workbench } from './workbench.ts';

let bench: Workbench;

before(async () => {
  bench = await openShop();
});
after(() => bench?.close());

const step = story(() => bench);

step('a dead Docker daemon is named, with the doctor a click away', async () => {
  // Open before anything is done, as somebody new has it.
  await bench.run('Welcome: Open Walkthrough');
  await bench.line('Make a local cluster like production').click();
  await bench.page.locator('.getting-started-step', { hasText: 'Check this machine' }).waitFor();
  await bench.run('Container Linux Parity: Sync');
  const error = bench.toast('/nowhere/docker.sock');
  await error.waitFor();
  await error.locator('.monaco-button', { hasText: 'Show Log' }).waitFor();
  await bench.shot('docker-unreachable');
  await error.locator('.monaco-button', { hasText: 'Run Doctor' }).click();
  await bench.question(/^Doctor: \d of \d need your attention/).waitFor();
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

step('the walkthrough ticks what has succeeded, and nothing else', async () => {
  await bench.ticked('Check this machine').waitFor();
  assert.equal(await bench.ticked('Ask why').count(), 0);
  await bench.shot('ticked');
});

step('what needs no Docker still works: the matrix of a folder of manifests', async () => {
  await bench.run('Container Linux Parity: Show Connection Matrix');
  await bench.page.locator('.tab', { hasText: 'Connection Matrix' }).waitFor();
  await bench.page.locator('.view-line', { hasText: '"groups"' }).waitFor();
});

step('a target that is not there, and an export of what was never reported, are named with what to do', async () => {
  const file = join(bench.folder, '.vscode', 'settings.json');
  const before = readFileSync(file, 'utf8');
  writeFileSync(file, before.replace('"manifests"', '"nowhere"'));
  await bench.run('View: Show Container Linux Parity');
  await bench.row('nowhere').waitFor();
  await bench.run('Container Linux Parity: Show Connection Matrix');
  await bench.toast(/Can't read nowhere.*Check the path/s).waitFor();
  await bench.shot('no-target');
  writeFileSync(file, before);
  await bench.row('manifests').waitFor();
  await bench.run('Container Linux Parity: Export Last Report');
  await bench.toast(/Export Report: There is no report.*Sync/s).waitFor();
});

step('what a run has left fills it, and the status bar, without any Docker', async () => {
  await bench.row('Not compared yet').waitFor();
  const target = await readTarget('manifests', quietRun(), bench.folder);
  const report = makeReport({
    target: 'manifests',
    cluster: 'kind:none',
    createdAt: new Date().toISOString(),
    findings: [
      {
        layer: 'policies',
        state: 'equal',
        title: '12 namespaces and policies are as at the target',
        evidence: [],
      },
    ],
    changes: [],
    policies: target.policies.map(({ kind, metadata: { namespace, name } }) => ({
      ...{
        policy: `${kind} ${namespace}/${name}`,
        fidelity: 'exact',
        objects: [`${namespace}/${name}`],
        verbatim: true,
      },
      ...{ differences: [], differing: 0, notes: [] },
    })),
  });
  await saveReport(bench.folder, report, target);
  // Nobody has sent a packet in it.
  await bench.row('Not proven').waitFor();
  await bench.status('manifests → kind:none: not proven').waitFor();
  await bench.row('Policies').click();
  await bench.row('shop-web').click();
  await bench.row('exact').waitFor();
  await bench.row('exact').click();
  await bench.page.locator('.tab', { hasText: 'shop-web.yaml' }).waitFor();
  await bench.clear();
  await bench.shot('view');
});

step('a rule that goes away at the target shows as drift by itself, by meaning', async () => {
  const file = join(bench.folder, 'manifests', 'monitoring.yaml');
  const documents = readFileSync(file, 'utf8').split(/^---$/m);
  const isRule = (document: string) => /name: statsd/.test(document) && /kind: NetworkPolicy/.test(document);
  writeFileSync(file, documents.filter((document) => !isRule(document)).join('---'));
  await bench.status('manifests → kind:none: drifted').waitFor();
  await bench.row(/Drift.*moved/).waitFor();
  await bench.row('policy removed').waitFor();
  await bench.shot('drift');
  await bench.row('policy removed').click();
  await bench.preview().locator('h1', { hasText: 'The target since its snapshot' }).waitFor();
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
