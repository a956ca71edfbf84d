import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Locator } from 'playwright-core';
import { makeReport } from '../../src/report/findings.ts';
import { saveReport } from '../../src/report/store.ts';
import { worldOfSize } from '../bench/policy-world.ts';
import { processorTime } from '../host/browser.ts';
import { openWorkbench, settled, story, type Workbench } from './workbench.ts';

/** The view and the report of a large cluster in the workbench: no key that is pressed is lost. No cluster and no Docker. */
const PRESSES = 150;
/** Milliseconds after which a key that is held down comes again: one that took longer would pile up. */
const REPEAT_MS = 33;

let bench: Workbench;

before(async () => {
  const world = worldOfSize({ namespaces: 200, pods: 5000, labelSets: 400, policies: 2000 }, 'kindnet');
  bench = await openWorkbench({
    // Nothing of this is to be found: what is shown is what the report has.
    settings: { 'clparity.image': 'none', 'clparity.target.snapshot': 'large', 'clparity.drift.watch': false },
    env: { DOCKER_HOST: 'unix:///nowhere/docker.sock' },
    async prepare(folder) {
      const report = makeReport({
        ...{ target: 'large', cluster: 'kind:none', createdAt: new Date().toISOString(), changes: [], findings: [] },
        policies: world.policies.map(({ kind, metadata: { namespace, name } }) => ({
          ...{ policy: `${kind} ${namespace}/${name}`, fidelity: 'exact', objects: [`${namespace}/${name}`] },
          ...{ verbatim: true, differences: [], differing: 0, notes: [] },
        })),
      });
      await saveReport(folder, report, world);
    },
  });
});
after(() => bench?.close());

const step = story(() => bench);

step('the view of 5,000 pods under 2,000 policies opens, and every key counts', async () => {
  const opened = performance.now();
  await bench.run('View: Show Container Linux Parity');
  await bench.row('Policies').waitFor();
  measured('view opened', performance.now() - opened);
  await bench.row('Policies').click();
  await bench.row('ns0').waitFor();
  const focused = bench.page.locator('.part.sidebar .monaco-list-row.focused');
  const index = async () => Number(await focused.getAttribute('data-index'));
  const from = await index();
  await pressAll('ArrowDown', async () => (await index()) === from + PRESSES);
  // Unfolded, as by somebody who looks for a policy; then on to one in the middle.
  await bench.press('ArrowRight');
  await settled('it to unfold', async () => (await focused.getAttribute('aria-expanded')) === 'true');
  const before = await index();
  await pressAll('ArrowUp', async () => (await index()) === before - PRESSES);
  await bench.shot('large-view');
});

step('so it is in the report', async () => {
  await bench.run('Container Linux Parity: Show Last Report');
  const grid = bench.preview().locator('#grid');
  await grid.waitFor();
  await bench.tabTo(bench.preview().locator('#grid:focus'));
  await pressAll('ArrowDown', () => isAt(bench.preview().locator('.cell.active'), `cell-${PRESSES}-0`));
  await bench.shot('large-report');
});

async function isAt(cell: Locator, id: string): Promise<boolean> {
  return (await cell.getAttribute('id')) === id;
}

/** Presses a key as fast as the browser takes it, and waits until all of them have had their effect. */
async function pressAll(key: string, done: () => Promise<boolean>): Promise<void> {
  const clock = await processorTime(bench.page);
  const from = await clock();
  for (let i = 0; i < PRESSES; i++) await bench.press(key);
  await settled(`${PRESSES} times ${key} to have their effect`, done);
  const each = ((await clock()) - from) / PRESSES;
  measured(`${key}, processor time of each of ${PRESSES}`, each);
  assert.ok(each < REPEAT_MS, `${Math.round(each)} ms a key`);
}

function measured(what: string, ms: number): void {
  test.after(() => console.log(JSON.stringify({ case: what, ms: Math.round(ms) })));
}
