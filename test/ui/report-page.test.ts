import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { AxeResults } from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { quietRun } from '../../src/host/run.ts';
import { reportPage } from '../../src/report/html.ts';
import { reportView } from '../../src/report/view.ts';
import { readTarget } from '../../src/snapshot/files.ts';
import type { Snapshot } from '../../src/snapshot/model.ts';
import type { FromPage } from '../../src/webview/messages.ts';
import { worldOfSize } from '../bench/policy-world.ts';
import { browser, processorTime } from '../host/browser.ts';
import { sampleReport } from '../unit/report-sample.ts';

/** The editor's page by itself, in the browser that shows it; the editor is played by the test. */
const NONCE = 'n0nce';
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What VS Code's themes give the page, as far as it asks: Light Modern, Dark Modern and Dark High Contrast. */
const THEMES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  light: { foreground: '#3b3b3b', 'editor-background': '#ffffff', 'textLink-foreground': '#005fb8' },
  dark: {
    ...{ foreground: '#cccccc', 'editor-background': '#1f1f1f', 'textLink-foreground': '#4daafc' },
    ...{ 'button-secondaryBackground': '#313131', 'button-secondaryForeground': '#cccccc' },
    ...{ 'input-background': '#313131', 'input-foreground': '#cccccc', 'textCodeBlock-background': '#2b2b2b' },
  },
  'high contrast': {
    ...{ foreground: '#ffffff', 'editor-background': '#000000', 'textLink-foreground': '#21a6ff' },
    ...{ 'button-secondaryBackground': '#000000', 'button-secondaryForeground': '#ffffff', contrastBorder: '#6fc3df' },
    ...{ 'input-background': '#000000', 'input-foreground': '#ffffff', 'textCodeBlock-background': '#000000' },
    ...{ focusBorder: '#f38518' },
  },
};

const script = readFileSync('dist/report.js', 'utf8');
let chromium: Browser;
let shop: Snapshot;

before(async () => {
  chromium = await browser();
  const whole = await readTarget('test/fixtures/shop', quietRun());
  // Enough to show everything, and little enough for axe to be quick.
  shop = { ...whole, workloads: whole.workloads.filter(({ namespace }) => /^shop-(web|data)$/.test(namespace)) };
});
after(() => chromium?.close());

const report = sampleReport(
  [
    {
      layer: 'enforcement',
      state: 'equal',
      title: 'Policies are enforced',
      evidence: ['a default deny stopped TCP 80'],
    },
    { layer: 'connections', state: 'differs', title: '1 of 1181 probed connections differs', evidence: [] },
    { layer: 'node OS', state: 'cannot', title: 'The node OS is <not> part of the parity', evidence: ['one', 'two'] },
  ],
  {
    measured: 'allowed',
    because: [
      {
        text: 'NetworkPolicy shop-data/db selects it',
        source: { file: 'shop-data.yaml', line: 3, object: 'NetworkPolicy shop-data/db' },
      },
    ],
  },
  1181,
);

/** Opens the page as VS Code would, with an editor that answers what is explained and keeps what it was told. */
async function open(target: Snapshot, theme = 'light'): Promise<{ page: Page; told: () => Promise<FromPage[]> }> {
  const view = await reportView(report, target, new AbortController().signal);
  const page = await chromium.newPage({ viewport: { width: 1200, height: 900 } });
  page.setDefaultTimeout(20_000);
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
  const heard: FromPage[] = [];
  await page.exposeFunction('tellEditor', async (message: FromPage) => {
    heard.push(message);
    if (message.type !== 'explain') return;
    const { from, to, port } = message;
    const html = view.explain({ from, to, ...(port ? { port: { protocol: 'TCP', port: port.port } } : {}) });
    await page.evaluate(`window.postMessage(${JSON.stringify({ type: 'explained', html })}, '*')`);
  });
  await page.addInitScript(() => {
    const { tellEditor } = globalThis as unknown as { tellEditor(message: unknown): Promise<void> };
    const onTheWay: Promise<void>[] = [];
    const postMessage = (message: unknown) => void onTheWay.push(tellEditor(message));
    const acquireVsCodeApi = () => ({ postMessage, setState: () => {} });
    Object.assign(globalThis, { acquireVsCodeApi, allTold: () => Promise.all(onTheWay) });
  });
  const css = Object.entries(THEMES[theme] ?? {}).map(([name, value]) => `--vscode-${name}:${value}`);
  const html = view
    .html({ script, nonce: NONCE, state: {} })
    .replace('</head>', `<style nonce="${NONCE}">html{${css.join(';')}}</style></head>`);
  await page.route('http://localhost/', (route) => route.fulfill({ contentType: 'text/html', body: html }));
  await page.goto('http://localhost/');
  return {
    page,
    told: async () => {
      // A key has been handled before its message has arrived here.
      await page.evaluate('allTold()');
      assert.deepEqual(problems, []);
      return heard;
    },
  };
}

/** What axe finds wrong, all that it knows: WCAG 2.2 A and AA, and its best practices; or by the rules that are named. */
async function faults(page: Page, ...rules: string[]): Promise<string[]> {
  await page.evaluate(AXE);
  const options = rules.length > 0 ? { runOnly: rules } : {};
  const results = (await page.evaluate(`axe.run(${JSON.stringify(options)})`)) as AxeResults;
  assert.ok(results.passes.length >= (rules.length || 15), 'axe looked at something');
  return results.violations.flatMap(({ id, nodes }) =>
    nodes.map((node) => `${id}: ${node.html} ${node.failureSummary}`),
  );
}

for (const theme of Object.keys(THEMES)) {
  test(`nothing for axe to find: ${theme}`, async () => {
    const { page, told } = await open(shop, theme);
    await page.locator('#grid').focus();
    await page.keyboard.press('Enter');
    await page.locator('#detail h3').first().waitFor();
    // What a theme changes is colour alone.
    assert.deepEqual(await faults(page, ...(theme === 'light' ? [] : ['color-contrast'])), []);
    await told();
    if (process.env.CLPARITY_SHOTS)
      await page.screenshot({ path: join(process.env.CLPARITY_SHOTS, `page-${theme}.png`), fullPage: true });
    await page.close();
  });
}

test('the file that is exported is as accessible', async () => {
  const page = await chromium.newPage();
  await page.setContent(await reportPage(report, shop, new AbortController().signal));
  // Its policy lets no script through, so axe stands in a world of its own.
  assert.deepEqual(await faults(page), []);
  await page.close();
});

test('with the keyboard alone: to a cell, its explanation, the line of the rule, and back', async () => {
  const { page, told } = await open(shop);
  const active = page.locator('.cell.active');
  while ((await page.evaluate('document.activeElement?.id')) !== 'grid') await page.keyboard.press('Tab');
  const first = await active.getAttribute('aria-label');
  await page.keyboard.press('ArrowRight');
  assert.notEqual(await active.getAttribute('aria-label'), first);
  assert.equal(await page.locator('#here').textContent(), await active.getAttribute('aria-label'));
  await page.keyboard.press('Control+End');
  const active2 = await page.locator('#grid').getAttribute('aria-activedescendant');
  assert.equal(await active.getAttribute('id'), active2);
  for (let i = 0; i < 200 && (await active.textContent()) !== '✕'; i++) await page.keyboard.press('ArrowLeft');
  await page.keyboard.press('Enter');
  await page.locator('#detail h3', { hasText: 'denied' }).first().waitFor();
  assert.equal(await page.evaluate('document.activeElement?.id'), 'detail');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  const opened = (await told()).at(-1);
  assert.ok(opened?.type === 'open' && /\.yaml$/.test(opened.file) && (opened.line ?? 0) > 1, JSON.stringify(opened));
  await page.keyboard.press('Escape');
  assert.equal(await page.evaluate('document.activeElement?.id'), 'grid');
  await page.close();
});

test('what packets met is marked, explained from its row, and asked of another port', async () => {
  const { page, told } = await open(shop);
  assert.match(
    (await page.locator('.cell.differing').getAttribute('aria-label')) ?? '',
    /measured: TCP 5432 denied at the target, allowed here/,
  );
  await page.locator('button.ask').click();
  await page.locator('#detail h3', { hasText: 'TCP 5432' }).waitFor();
  await page.locator('#port').fill('81');
  await page.locator('#ask button').click();
  await page.locator('#detail h3', { hasText: 'TCP 81' }).waitFor();
  for (const format of ['html', 'markdown', 'json']) await page.locator(`[data-export=${format}]`).click();
  const formats = (await told()).flatMap((message) => (message.type === 'export' ? message.format : []));
  assert.deepEqual(formats, ['html', 'markdown', 'json']);
  await page.close();
});

test('5,000 pods under 2,000 policies: only what is on screen is in the page, and the keys keep up', async () => {
  const world = worldOfSize({ namespaces: 200, pods: 5000, labelSets: 400, policies: 2000 }, 'kindnet');
  const { page, told } = await open(world);
  const grid = page.locator('#grid');
  assert.equal(await grid.getAttribute('aria-rowcount'), '401');
  assert.ok((await page.locator('.cell').count()) < 4000);
  await grid.focus();
  const clock = await processorTime(page);
  const from = await clock();
  for (let i = 0; i < 200; i++) await page.keyboard.press(i % 2 ? 'ArrowRight' : 'ArrowDown');
  assert.match((await page.locator('.cell.active').getAttribute('id')) ?? '', /^cell-100-100$/);
  const each = ((await clock()) - from) / 200;
  test.after(() =>
    console.log(JSON.stringify({ case: 'a key in a grid of 400 x 400, painted', ms: Math.round(each * 10) / 10 })),
  );
  // As often as a key comes that is held down.
  assert.ok(each < 33, `${Math.round(each)} ms of the processor a key`);
  // Wheeled from top to bottom: each turn arrives.
  await grid.evaluate((g) => g.scrollTo(0, 0));
  await grid.hover();
  for (let i = 0; i < 50; i++) await page.mouse.wheel(0, 100);
  const scrolled = () => grid.evaluate((g) => g.scrollTop);
  for (const end = Date.now() + 20_000; (await scrolled()) !== 5000; await delay(50)) {
    assert.ok(Date.now() < end, `scrolled to ${await scrolled()}`);
  }
  await grid.focus();
  await page.locator('#rows').fill('ns7/');
  assert.equal(await page.locator('.row .name').count(), 2);
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.locator('#detail h3').first().waitFor();
  await told();
  await page.close();
});
