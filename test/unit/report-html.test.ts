import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { quietRun } from '../../src/host/run.ts';
import { escaped } from '../../src/report/escape.ts';
import { reportPage } from '../../src/report/html.ts';
import { reportView } from '../../src/report/view.ts';
import { readTarget } from '../../src/snapshot/files.ts';
import { interpreter } from '../../src/ui/in-language.ts';
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

test('the page speaks another language, but for names; its explanations as well', async () => {
  const bundle: Record<string, string> = JSON.parse(readFileSync('l10n/bundle.l10n.json', 'utf8'));
  const marked = Object.fromEntries(Object.keys(bundle).map((text) => [text, `«${text}»`]));
  const language = { tag: 'xx', say: interpreter(marked) };
  const findings = [{ layer: 'node OS', state: 'cannot', title: '3 is <b>', evidence: [] }] as const;
  const view = await reportView(
    { ...report, findings: [...report.findings, ...findings] },
    await readTarget('test/fixtures/shop', quietRun()),
    idle,
    language,
  );
  const page = view.html({ script: 'const a = 1 < 2;', nonce: 'n', state: {} });
  assert.match(page, /^<!DOCTYPE html>\n<html lang="xx">/);
  assert.match(page, /<h1>«Parity report: kind:dev against manifests»<\/h1>/);
  assert.match(page, /<script nonce="n">const a = 1 < 2;<\/script>/);
  assert.match(page, /"corner":"«from ↓, to →»"/);
  assert.match(page, /"verdict":"none","text":"«denied»"/);
  assert.match(page, /aria-label="«Graph of allowed connections»"/);
  const cell = { from: 'shop-web/Deployment/storefront', to: 'shop-data/StatefulSet/postgres' };
  const told = page + view.explain(cell) + view.explain({ ...cell, port: { protocol: 'TCP', port: 5432 } });
  // What stays: names, what the sample itself says, and of a run what it did and what came back.
  const names = /^(?:\w+ )?[\w.:-]+(?:\/[\w.:-]+)*$|^[\w-]+\/\S+ to [\w-]+\/|^TCP \d+$/;
  const reason = 'NetworkPolicy shop-data/db selects it';
  const sample = ['1 of 2 differs', 'seen <twice>', '3 is <b>', reason, ...report.changes, 'unreachable: no route'].map(
    escaped,
  );
  const english = [...told.replace(/<(script|style|pre)\b[\s\S]*?<\/\1>/g, '').matchAll(/>([^<]+)</g)]
    .map(([, text = '']) => text.trim())
    .filter((text) => /[a-z]{2}/i.test(text) && !text.includes('«') && !names.test(text) && !sample.includes(text));
  assert.deepEqual([...new Set(english)], []);
});
