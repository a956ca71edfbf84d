import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applyPlan } from '../../src/apply/apply.ts';
import type { WriteClient } from '../../src/apply/client.ts';
import { environmentError } from '../../src/host/errors.ts';
import { quietRun } from '../../src/host/run.ts';
import type { ObjectChange } from '../../src/plan/model.ts';

const ID = { apiVersion: 'v1', kind: 'Namespace', name: 'shop' };
const CHANGE: ObjectChange = { ...ID, action: 'create', after: { ...ID, metadata: { name: 'shop' } } };

for (const [how, reason, kind, message] of [
  ['a cancel', new DOMException('stop', 'AbortError'), 'cancelled', /^Cancelled\. Nothing was changed/],
  [
    'a hold that was lost',
    environmentError('The hold was lost'),
    'environment',
    /The hold was lost\. Nothing was changed/,
  ],
] as const) {
  test(`what ends an apply is told: ${how}`, async () => {
    const stop = new AbortController();
    const refuse = () => {
      stop.abort(reason);
      // As a request does whose signal fires.
      throw new DOMException('This operation was aborted', 'AbortError');
    };
    const client = { get: refuse, create: refuse, apply: refuse } as unknown as WriteClient;
    await assert.rejects(applyPlan(client, { objects: [CHANGE] }, quietRun(stop.signal)), { kind, message });
  });
}
