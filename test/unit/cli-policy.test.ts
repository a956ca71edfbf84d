import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { quietRun } from '../../src/host/run.ts';
import { makeReport } from '../../src/report/findings.ts';
import { lastTarget, saveReport } from '../../src/report/store.ts';
import { readTarget } from '../../src/snapshot/files.ts';
import { clparityIn } from './in-process.ts';

/** Two folders of manifests, alike but for one port. */
let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'clparity-policy-'));
  await cp('test/fixtures/shop', join(folder, 'shop'), { recursive: true });
  await cp('test/fixtures/shop', join(folder, 'next'), { recursive: true });
  await cp(join(folder, 'next'), join(folder, 'old', 'shop'), { recursive: true });
  const data = join(folder, 'next', 'shop-data.yaml');
  const text = await readFile(data, 'utf8');
  await writeFile(data, text.replace('containerPort: 5432', 'containerPort: 5433'));
});
after(() => rm(folder, { recursive: true, force: true }));

const clparity = (...args: string[]) => clparityIn(folder, ...args);

const TEXT = ['--format', 'text'];
const SHOP = ['--snapshot', 'shop', ...TEXT];

test('explain: what selects a pod, whom a policy selects, what means nothing, and one question at a time', async () => {
  const pod = await clparity('explain', '--pod', 'shop-data/StatefulSet/postgres', ...SHOP);
  assert.match(pod.stdout, /^2 policies select .*\n {2}NetworkPolicy shop-data\/default-deny.*\(shop-data\.yaml:\d+\)/);
  const policy = await clparity('explain', '--policy', 'shop-data/postgres', ...SHOP);
  assert.match(policy.stdout, /shop-data\/StatefulSet\/postgres/);
  const unmatched = await clparity('explain', '--unmatched', ...SHOP);
  assert.match(unmatched.stdout, /means no pod here \(batch\.yaml:\d+\)/);
  for (const question of [[], ['--unmatched', '--pod', 'a/b'], ['--from', 'a/b', '--to', 'a/c']]) {
    const { code, stderr } = await clparity('explain', ...question, ...SHOP);
    assert.deepEqual([code, /--from/.test(stderr)], [2, true]);
  }
});

test('explain ends in what to change', async () => {
  const ends = ['--from', 'shop-api/Deployment/cart', '--to', 'shop-data/StatefulSet/postgres', '--port', '5432'];
  const { stdout } = await clparity('explain', ...ends, ...SHOP);
  assert.match(
    stdout,
    /to allow it:\n {4}- add to spec\.ingress of NetworkPolicy shop-data\/postgres \(shop-data\.yaml/,
  );
  assert.match(stdout, /or label shop-api\/Deployment\/cart with data\.shop\/postgres: "allowed"/);
  assert.match(stdout, /dropped in silence: who connects sees a timeout, not a refusal$/m);
});

test('diff: exit code and result in three forms', async () => {
  assert.equal((await clparity('diff', 'shop', 'shop')).code, 0);
  const { code, stdout } = await clparity('diff', 'shop', 'next', ...TEXT);
  assert.equal(code, 1);
  assert.match(stdout, /^- shop-api\/Deployment\/catalog -> shop-data\/StatefulSet\/postgres TCP 5432 -> denied$/m);
  assert.match((await clparity('diff', 'shop', 'next', '--markdown')).stdout, /^## Connections$/m);
  assert.equal(JSON.parse((await clparity('diff', 'shop', 'next', '--format', 'json')).stdout).equal, false);
  assert.match((await clparity('diff', 'shop', 'next', ...TEXT)).stdout, /^shop -> next: /);
  assert.match((await clparity('diff', 'shop', 'old/shop', ...TEXT)).stdout, /^shop -> old\/shop: the same/);
  const { code: wrong, stderr } = await clparity('diff', 'shop');
  assert.deepEqual([wrong, /two snapshots, or one and --cluster/.test(stderr)], [2, true]);
});

test('matrix tells of addresses outside where asked', async () => {
  const { stdout } = await clparity('matrix', '--outside', ...SHOP);
  assert.match(stdout, /^payments\/Deployment\/gateway -> ip:192\.0\.2\.0\/24 except 192\.0\.2\.128\/25: TCP 443$/m);
  assert.doesNotMatch((await clparity('matrix', ...SHOP)).stdout, /ip:|outside/);
  const { stdout: json } = await clparity('matrix', '--outside', '--snapshot', 'shop');
  assert.ok(JSON.parse(json).outside.length > 0);
});

test('check writes JUnit, matrix a picture, report a page', async () => {
  const assertion = { from: 'shop-web/Deployment/storefront', to: 'dns:example.com', port: 81, allowed: true };
  await writeFile(join(folder, 'check.json'), JSON.stringify([assertion]));
  assert.equal((await clparity('check', 'check.json', '--junit', 'out.xml', ...SHOP)).code, 1);
  const junit = await readFile(join(folder, 'out.xml'), 'utf8');
  assert.match(junit, /<failure message="expected allowed, but it is denied"[^>]*>egress: .*\(shop-web\.yaml:\d+\)/);
  await clparity('matrix', '--svg', 'm.svg', '--html', 'm.html', ...SHOP);
  assert.match(await readFile(join(folder, 'm.svg'), 'utf8'), /^<\?xml.*\n<svg /);
  assert.match(await readFile(join(folder, 'm.html'), 'utf8'), /^<!DOCTYPE html>[\s\S]*<h2>Why<\/h2>/);

  const report = makeReport({ target: '<prod>', cluster: 'kind:dev', createdAt: 'now', changes: [], findings: [] });
  await saveReport(folder, report, await readTarget('shop', quietRun(), folder));
  await clparity('report', '--html', 'r.html', ...TEXT);
  const page = await readFile(join(folder, 'r.html'), 'utf8');
  assert.match(page, /<h1>Parity report: kind:dev against &lt;prod&gt;<\/h1>/);
  assert.match(page, /data-verdict="none"[\s\S]*\(shop-data\.yaml:\d+\)/);
  await saveReport(folder, report);
  assert.equal(await lastTarget(folder), undefined, 'another report’s target isn’t kept');
  await clparity('report', '--html', 'r.html', ...TEXT);
  assert.doesNotMatch(await readFile(join(folder, 'r.html'), 'utf8'), /data-verdict/);
});

test('policies of two engines in one folder: each answer says that no engine enforces them all, until one is named', async () => {
  const policy = (group: string, kind: string, spec: string) =>
    `apiVersion: ${group}\nkind: ${kind}\nmetadata: {name: ${kind.toLowerCase()}, namespace: shop}\nspec: ${spec}\n`;
  const cilium = policy(
    'cilium.io/v2',
    'CiliumNetworkPolicy',
    '{endpointSelector: {}, ingress: [{fromEndpoints: [{}]}]}',
  );
  const calico = policy('projectcalico.org/v3', 'NetworkPolicy', '{selector: all(), ingress: [{action: Allow}]}');
  await writeFile(join(folder, 'mixed.yaml'), [cilium, calico].join('---\n'));
  await writeFile(join(folder, 'cilium.yaml'), cilium);
  const mixed = /nothing enforces all 2 of its policies \(.*Cilium 1.*\).*--engine (cilium|calico)\./;
  for (const args of [
    ['matrix', '--snapshot', 'mixed.yaml'],
    ['diff', 'mixed.yaml', 'cilium.yaml'],
  ])
    assert.match((await clparity(...args)).stderr, mixed);
  for (const args of [
    ['matrix', '--snapshot', 'mixed.yaml', '--engine', 'calico'],
    ['matrix', '--snapshot', 'cilium.yaml'],
  ])
    assert.doesNotMatch((await clparity(...args)).stderr, /nothing enforces all/);
});
