import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jsonPieces } from '../../src/cli/json.ts';
import { inSlices } from '../../src/host/slices.ts';
import { modelOf } from '../../src/policy/endpoints.ts';
import { matrix, matrixSteps } from '../../src/policy/matrix.ts';
import { gridDataSteps } from '../../src/report/connections-data.ts';
import { gridOf, gridSteps } from '../../src/report/grid.ts';
import { gridSvgSteps } from '../../src/report/picture.ts';
import { whySteps } from '../../src/report/why.ts';
import { worldOfSize } from '../bench/policy-world.ts';
import fc from './random.ts';

const idle = new AbortController().signal;

test('a long computation gives way, and a cancel in between ends it', async () => {
  const stop = new AbortController();
  let steps = 0;
  const endless = (function* () {
    for (;;) yield steps++;
  })();
  setTimeout(() => stop.abort(), 80);
  await assert.rejects(inSlices(endless, stop.signal), { name: 'AbortError' });
  assert.ok(steps > 10, `${steps} steps`);
});

test('what is computed in slices is what is computed at once', async () => {
  const model = modelOf(worldOfSize({ namespaces: 4, pods: 60, labelSets: 20, policies: 30 }, 'cilium'));
  for (const options of [{}, { pods: true }]) {
    assert.deepEqual(await inSlices(matrixSteps(model, options), idle), matrix(model, options));
  }
});

test('a page of many rows gives way at each of them', () => {
  const model = modelOf(worldOfSize({ namespaces: 20, pods: 80, labelSets: 40, policies: 30 }, 'cilium'));
  const laid = matrix(model);
  const grid = gridOf(laid);
  const pauses = (steps: Generator<undefined>) => [...steps].length;
  const rows = grid.items.length;
  for (const steps of [gridSteps(laid), gridDataSteps(laid, []), whySteps(model, laid, grid), gridSvgSteps(grid)])
    assert.ok(pauses(steps) >= rows);
});

test('JSON in pieces is the same JSON', () => {
  const same = (value: unknown) => assert.equal([...jsonPieces(value)].join(''), JSON.stringify(value, null, 2));
  const list = Array.from({ length: 4001 }, (_, i) => ({ i, text: `a\nb ${i}`, ports: [`${i}`] }));
  for (const value of [list, { list, none: [], rest: 1 }, { deep: { list } }, new Date(0), 'text', 7, null, [], {}]) {
    same(value);
  }
  fc.assert(fc.property(fc.jsonValue(), same));
});
