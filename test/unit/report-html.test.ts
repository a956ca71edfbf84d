import assert from 'node:assert/strict';
import { test } from 'node:test';
import { quietRun } from '../../src/host/run.ts';
import { reportPage } from '../../src/report/html.ts';
import { reportView } from '../../src/report/view.ts';
import { readTarget } from '../../src/snapshot/files.ts';
import { sampleReport } from './report-sample.ts';

const idle = new AbortController().signal;
const report = sampleReport(
  [{ layer: 'connections', state: 'differs', title: '1 of 2 differs', evidence: ['seen <twice>'] }],
  { measured: 'unreachable', detail: 'no route', because: [{ text: 'NetworkPolicy shop-data/db selects it' }] },
  2,
);

test("the file that is exported says what the editor's page says", async () => {
  const target = await readTarget('test/fixtures/shop', quietRun());
  const file = await reportPage(report, target, idle);
  const page = (await reportView(report, target, idle)).html({ script: '', nonce: 'n', state: {} });
  const titles = (html: string) => [...html.matchAll(/<h[12][^>]*>([^<]*)/g)].map(([, title]) => title);
  // The rules behind each cell stand in the file; the page asks for them.
  assert.deepEqual(
    titles(file)
      .filter((title) => title !== 'Why')
      .toSorted(),
    titles(page).toSorted(),
  );
  const told = [
    'seen &lt;twice&gt;',
    'unreachable: no route',
    'NetworkPolicy shop-data/db selects it',
    'shop-web/Deployment/storefront',
    'shop-data/StatefulSet/postgres',
  ];
  for (const words of [...told, 'created NetworkPolicy shop-web/allow-web', '2026-01-01T00:00:00.000Z']) {
    assert.ok(file.includes(words) && page.includes(words), words);
  }
  const measured = 'TCP 5432 denied at the target, unreachable here';
  assert.ok(page.includes(measured));
  assert.match(file, new RegExp(`measured: ${measured}</title><use href="#cell-differs"`));
  assert.equal(file.split('href="#cell-differs"').length, 2, 'no other cell is marked');
});

test('both say so where the target was not kept', async () => {
  const words = "The target of this report was not kept, so its matrix can't be drawn.";
  assert.ok((await reportPage(report, undefined, idle)).includes(words));
  const page = (await reportView(report, undefined, idle)).html({ script: '', nonce: 'n', state: {} });
  assert.ok(page.includes(words));
});
