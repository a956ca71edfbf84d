import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { quietRun } from '../../src/host/run.ts';
import { makeReport } from '../../src/report/findings.ts';
import { saveReport } from '../../src/report/store.ts';
import { readTarget } from '../../src/snapshot/files.ts';
import { openShop, story, type Workbench } from './workbench.ts';

/** From a report to the files that it speaks of, and what those files say themselves. No cluster and no Docker. */
const DIGEST = `sha256:${'a'.repeat(64)}`;
const EXPECTED = `- { from: monitoring/Deployment/statsd, to: payments/StatefulSet/ledger, port: 9000, allowed: false }
- { from: monitoring/Deployment/statsd, to: payments/StatefulSet/ledger, port: 9000, allowed: true }
`;

let bench: Workbench;

before(async () => {
  bench = await openShop();
  const { folder } = bench;
  const target = await readTarget('manifests', quietRun(), folder);
  const report = makeReport({
    ...{ target: 'manifests', cluster: 'kind:none', createdAt: new Date().toISOString(), changes: [] },
    findings: [{ layer: 'connections', state: 'differs', title: '1 of 1181 probed connections differs', evidence: [] }],
  });
  await saveReport(folder, report, target);
  const production = [{ repository: 'registry.example/base', digest: DIGEST, use: 'the base image' }];
  const images = { schema: 'clparity/images/v1', platform: 'linux/amd64', production, published: {} };
  mkdirSync(join(folder, '.clparity'), { recursive: true });
  writeFileSync(join(folder, '.clparity', 'images.json'), JSON.stringify(images));
  writeFileSync(join(folder, 'Dockerfile'), 'FROM registry.example/base:3.0\nRUN true\n');
  writeFileSync(join(folder, 'shop.clparity.yaml'), EXPECTED);
});
after(() => bench?.close());

const step = story(() => bench);
/** Opens a file by its name, as Ctrl+P does. */
async function openFile(name: string): Promise<void> {
  await bench.page.keyboard.press('Control+p');
  await bench.page.locator('.quick-input-widget input[type=text]').fill(name);
  await bench.line(name).click();
  await bench.page.locator('.tab.active', { hasText: name }).waitFor();
}

step(
  'with the keyboard alone: a cell of the report leads to its explanation, and that to the line of YAML',
  async () => {
    await bench.run('Container Linux Parity: Show Last Report');
    const page = bench.preview();
    await page.locator('#grid').waitFor();
    await bench.tabTo(page.locator('#grid:focus'));
    await bench.press('Control+End');
    const active = page.locator('.cell.active');
    for (let i = 0; i < 100 && (await active.textContent()) !== '✕'; i++) await bench.press('ArrowLeft');
    await bench.press('Enter');
    await page.locator('#detail h3', { hasText: 'denied' }).first().waitFor();
    await bench.shot('report-explain');
    const place = page.locator('#detail button.place').first();
    const [file = '', line = ''] = ((await place.textContent()) ?? '').split(':');
    await bench.tabTo(page.locator('#detail button.place:focus'));
    await bench.press('Enter');
    await bench.page.locator('.tab.active', { hasText: file }).waitFor();
    await bench.status(`Ln ${line}, Col 1`).waitFor();
  },
);

for (const [format, file, holds] of [
  ['html', 'parity-report.html', /<h1>.*manifests.*<\/h1>/],
  ['markdown', 'parity-report.md', /1 of 1181 probed connections differs/],
  ['json', 'parity-report.json', /"schema": "clparity\/report\/v1"/],
] as const) {
  step(`the report is exported: ${format}`, async () => {
    await bench.run('Container Linux Parity: Show Last Report');
    await bench.preview().locator(`[data-export=${format}]`).click();
    await bench.question('Save the report').waitFor();
    await bench.saveAs(file);
    // Before that it may be there without its contents.
    await bench.toast(`The report is in ${file}.`).waitFor();
    assert.match(readFileSync(join(bench.folder, file), 'utf8'), holds);
    await bench.clear();
  });
}

step('a reload of the window brings the report back', async () => {
  await bench.page.reload();
  await bench.page.locator('.tab', { hasText: 'Parity Report' }).click();
  await bench.preview().locator('h1', { hasText: 'kind:none against manifests' }).waitFor();
});

step("a Dockerfile's FROM is pinned by its quick fix", async () => {
  await openFile('Dockerfile');
  await bench.page.locator('.codelens-decoration', { hasText: 'production: sha256:aaaaaaaaaaaa' }).waitFor();
  await bench.page.locator('.view-line', { hasText: 'registry.example' }).first().click();
  await bench.page.keyboard.press('Control+Home');
  for (let i = 0; i < 6; i++) await bench.page.keyboard.press('ArrowRight');
  await bench.page.keyboard.press('Control+.');
  const fix = bench.page.locator('.action-widget .monaco-list-row', { hasText: "Pin production's digest" }).first();
  await fix.waitFor();
  await bench.shot('pin-fix');
  await fix.click();
  await bench.page
    .locator('.view-line', { hasText: DIGEST.slice(0, 20) })
    .first()
    .waitFor();
});

step('expected connections are tests, run offline, with the rule that decides', async () => {
  await bench.run('Testing: Focus on Test Explorer View');
  await bench.row('shop.clparity.yaml').waitFor();
  await bench.run('Test: Run All Tests');
  await bench.row('shop.clparity.yaml').locator('.codicon-testing-failed-icon').waitFor();
  await bench.row('shop.clparity.yaml').locator('.monaco-tl-twistie').click();
  await bench.row('TCP 9000 denied').locator('.codicon-testing-passed-icon').waitFor();
  await bench.row('TCP 9000 allowed').locator('.codicon-testing-failed-icon').waitFor();
  await bench.shot('tests');
});

step('the view is walked by the keyboard alone', async () => {
  const { keyboard, page } = { keyboard: bench.page.keyboard, page: bench.page };
  await bench.run('View: Show Container Linux Parity');
  await bench.row('1 difference').waitFor();
  const focused = page.locator('.part.sidebar .monaco-list-row.focused');
  await bench.run('Container Linux Parity: Focus on Container Linux Parity View');
  await keyboard.press('Home');
  // Down the list, opening what is closed, to the first policy.
  for (let i = 0; i < 30 && !(await focused.textContent())?.includes('nightly-report'); i++) {
    const closed = (await focused.getAttribute('aria-expanded')) === 'false';
    await keyboard.press(closed ? 'ArrowRight' : 'ArrowDown');
    await delay(300);
  }
  const name = (await focused.getAttribute('aria-label')) ?? '';
  assert.match(name, /NetworkPolicy|unknown|not compared/i, 'a policy says what it is to a screen reader');
  await keyboard.press('Enter');
  await page.locator('.tab.active', { hasText: '.yaml' }).waitFor();
});

step('the menu of a line is opened and used by the keyboard alone', async () => {
  await bench.run('Container Linux Parity: Focus on Container Linux Parity View');
  await bench.press('Shift+F10');
  await bench.page.locator('.context-view .monaco-menu').waitFor();
  const entry = bench.page.locator('.context-view .monaco-menu .action-item.focused', { hasText: 'Explain Policy' });
  for (let i = 0; i < 10 && (await entry.count()) === 0; i++) {
    await bench.press('ArrowDown');
    await delay(100);
  }
  assert.equal(await entry.count(), 1);
  await bench.shot('menu-by-keyboard');
  await bench.press('Enter');
  await bench.page.locator('.tab.active', { hasText: 'Policy.txt' }).waitFor();
});
