import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { nodeTooOld } from '../../src/cli/node-version.ts';
import { settingsOf } from '../../src/cli/options.ts';
import { printable } from '../../src/cli/printable.ts';
import type { Drift } from '../../src/drift/model.ts';
import { makeReport } from '../../src/report/findings.ts';
import { saveDrift, saveReport } from '../../src/report/store.ts';
import { clparityIn } from './in-process.ts';

/** A project folder with a target and a check file, which is not where the tests run. */
let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'clparity-cli-'));
  await cp('test/fixtures/shop', join(folder, 'shop'), { recursive: true });
  const assertion = { from: 'shop-web/Deployment/storefront', to: 'ip:192.0.2.1', port: 81, allowed: false };
  await writeFile(join(folder, 'check.json'), JSON.stringify([assertion]));
});
after(() => rm(folder, { recursive: true, force: true }));

const clparity = (...args: string[]) => clparityIn(folder, ...args);

test('relative paths start at the project folder', async () => {
  const captured = await clparity('capture', '--snapshot', 'shop', '-o', 's.yaml');
  assert.equal(captured.code, 0, captured.stderr);
  assert.equal(JSON.parse(captured.stdout).path, join(folder, 's.yaml'));
  const checked = await clparity('check', 'check.json', '--snapshot', 's.yaml');
  assert.equal(checked.code, 0, checked.stderr);
  assert.equal(settingsOf({ folder, archive: 'image.tar' }).archive, join(folder, 'image.tar'));
  assert.equal(settingsOf({ archive: 'image.tar' }).archive, resolve('image.tar'));
});

test('a report is Markdown where that is asked for, piped as well', async () => {
  const report = { target: 'prod', cluster: 'kind:dev', createdAt: '', changes: [], findings: [] };
  await saveReport(folder, makeReport(report));
  for (const format of [[], ['--format', 'text']]) {
    const { stdout } = await clparity('report', '--markdown', ...format);
    assert.match(stdout, /^# Parity report: kind:dev against prod/);
  }
  const { code, stderr } = await clparity('report', '--markdown', '--format', 'json');
  assert.equal(code, 2);
  assert.match(stderr, /--markdown and --format json contradict/);
});

test('reports are listed by target and cluster, and shown by either', async () => {
  const own = join(folder, 'pairs');
  const report = (cluster: string) =>
    makeReport({ target: 'prod', cluster, createdAt: cluster, changes: [], findings: [] });
  for (const cluster of ['kind:a', 'remote:b']) await saveReport(own, report(cluster));
  const pairs = JSON.parse((await clparityIn(own, 'reports')).stdout) as { target: string; cluster: string }[];
  assert.deepEqual(
    pairs.map(({ target, cluster }) => [target, cluster]),
    [
      ['prod', 'remote:b'],
      ['prod', 'kind:a'],
    ],
  );
  assert.equal(JSON.parse((await clparityIn(own, 'report', '--with', 'remote:b')).stdout).cluster, 'remote:b');
  // Nothing differs in them, and nobody has sent a packet.
  const lines = (await clparityIn(own, 'reports', '--format', 'text')).stdout;
  assert.equal(lines, '? prod with remote:b, remote:b: not proven\n? prod with kind:a, kind:a: not proven\n');
  const side = { state: 'moved' } as const;
  const moved = { schema: 'clparity/drift/v1', checkedAt: '', target: { state: 'same' }, local: side };
  await saveDrift(own, report('kind:a'), moved as unknown as Drift);
  const marked = (await clparityIn(own, 'reports', '--format', 'text')).stdout;
  assert.match(marked, /\n~ prod with kind:a, kind:a: something has moved since: "clparity drift"/);
  assert.match(
    (await clparityIn(own, 'report', '--with', 'kind:a')).stderr,
    /how it was at kind:a: something has moved/,
  );
  const shown = await clparityIn(own, 'report', '--format', 'text');
  assert.deepEqual([shown.code, /not proven: no packet was sent/.test(shown.stdout)], [0, true]);
  const { code, stderr } = await clparityIn(own, 'report', '--target', 'other');
  assert.equal(code, 2);
  assert.match(stderr, /no report of target other[\s\S]*prod with kind:a/);
});

test('a damaged file of a report is named with what to do, and the other reports are listed', async () => {
  const own = join(folder, 'damaged');
  const of = { createdAt: '2026-01-01T00:00:00.000Z', changes: [], findings: [] };
  for (const target of ['prod', 'staging', 'test']) {
    await saveReport(own, makeReport({ ...of, target, cluster: 'kind:a' }));
  }
  const pairs = join(own, '.clparity', 'reports');
  const [prod = '', staging = ''] = (await readdir(pairs)).sort();
  await writeFile(join(pairs, prod, 'report.json'), '{"schema": "clpar');
  await writeFile(join(pairs, staging, 'drift.json'), '');
  const { code, stdout, stderr } = await clparityIn(own, 'reports', '--format', 'text');
  assert.deepEqual([code, stdout], [2, '? test with kind:a, 2026-01-01T00:00:00.000Z: not proven\n']);
  assert.match(stderr, /error: \S+\/prod\S+\/report\.json can't be read: .*JSON.*\. Delete it; "clparity verify"/);
  assert.match(stderr, /error: \S+\/staging\S+\/drift\.json can't be read: .*JSON.*\. Delete it/);
  assert.equal((await clparityIn(own, 'report', '--target', 'test')).code, 0);
  assert.match((await clparityIn(own, 'report', '--target', 'prod')).stderr, /prod\S+ can't be read/);
});

test('a Node that is too old is named before anything else happens', () => {
  assert.match(nodeTooOld('20.20.2') ?? '', /needs Node 22\.19 or later, this is 20\.20\.2/);
  assert.match(nodeTooOld('22.18.9') ?? '', /needs Node/);
  for (const version of ['22.19.0', '24.0.0', process.versions.node]) assert.equal(nodeTooOld(version), undefined);
  const old = 'Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.1.0" } })';
  const { status, stdout, stderr } = cli(old, 'doctor');
  assert.deepEqual([status, stdout], [3, '']);
  assert.match(stderr, /^error: clparity needs Node .*\n.*npm exec -- clparity ….*\n$/);
});

test("deprecations of Node's, met in a library, are kept from the user", () => {
  const late = 'process.once("beforeExit", () => process.emitWarning("old", "DeprecationWarning", "DEP0169"))';
  assert.equal(cli(late, '--version').stderr, '');
});

test('whoever interrupts twice is told what may be left by a verb that writes, and by that alone', () => {
  // Ctrl+C, twice, as soon as a step is shown.
  const twice = `const write = process.stderr.write.bind(process.stderr);
    process.stderr.write = (text) => {
      const done = write(text);
      if (/ …\\n$/.test(text) && !/Cancelling/.test(text)) for (const _ of 'ab') process.emit('SIGINT');
      return done;
    };`;
  const writing = cli(twice, 'load', 'x:1', '--yes');
  assert.equal(writing.status, 130, writing.stderr);
  assert.match(
    writing.stderr,
    /Cancelling …[\s\S]*clean-up was cut short[\s\S]*for up to 40 s[\s\S]*"clparity remove"/,
  );
  const reading = cli(twice, 'matrix', '--snapshot', 'test/fixtures/shop');
  assert.equal(reading.status, 130, reading.stderr);
  assert.match(reading.stderr, /\nStopped at once\.\n$/);
});

/** Runs the CLI as a program of its own, after `first`. */
function cli(first: string, ...args: string[]) {
  const preload = `data:text/javascript,${encodeURIComponent(first)}`;
  return spawnSync(process.execPath, ['--import', preload, 'src/cli.ts', ...args], { encoding: 'utf8' });
}

test('text from outside is no order to the terminal, and JSON stays what it is', () => {
  assert.equal(printable('a\x1b[2K\rb\u009b1m\u202ec\td\r\ne\n'), 'a\\u001b[2K\\u000db\\u009b1m\\u202ec\td\ne\n');
  const painted = '\x1b[31mred\x1b[39m';
  assert.equal(printable(painted, true), painted);
  assert.equal(printable(`${painted}\x1b[8m`, true), `${painted}\\u001b[8m`);
  assert.equal(printable(painted), '\\u001b[31mred\\u001b[39m');
  const value = { text: '\u009b\u202e\u007f' };
  assert.deepEqual(JSON.parse(printable(JSON.stringify(value))), value);
});

test('an error names what a file is called without obeying it', async () => {
  const { code, stderr } = await clparity('matrix', '--snapshot', 'no\x1b[2Ksuch.yaml');
  assert.equal(code, 2);
  assert.ok(stderr.includes('no\\u001b[2Ksuch.yaml') && !stderr.includes('\x1b'), stderr);
});
