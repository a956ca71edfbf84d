import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { replaceFile } from '../../src/host/replace-file.ts';
import { refuseIdleDns } from '../../src/plan/given.ts';
import { makeReport } from '../../src/report/findings.ts';
import { saveReport } from '../../src/report/store.ts';
import { clparityIn } from './in-process.ts';

/** What the command line writes to files, and what it refuses to take. */

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'clparity-output-'));
  await cp('test/fixtures/shop', join(folder, 'shop'), { recursive: true });
  const assertion = { from: 'shop-web/Deployment/storefront', to: 'dns:example.com', port: 81, allowed: false };
  await writeFile(join(folder, 'check.json'), JSON.stringify([assertion]));
  const report = { target: 'prod', cluster: 'kind:dev', createdAt: 'now', changes: [], findings: [] };
  await saveReport(folder, makeReport(report));
});
after(() => rm(folder, { recursive: true, force: true }));

const clparity = (...args: string[]) => clparityIn(folder, ...args);
const SHOP = ['--snapshot', 'shop'];

/** Each result that goes to a file, as the option that names it. */
const WRITERS: readonly (readonly string[])[] = [
  ['capture', ...SHOP, '-o'],
  ['matrix', ...SHOP, '--svg'],
  ['matrix', ...SHOP, '--html'],
  ['check', 'check.json', ...SHOP, '--junit'],
  ['report', '--html'],
];

test('a result replaces an earlier one of its kind, and no other file unless it is told to', async () => {
  for (const [i, writer] of WRITERS.entries()) {
    const [mine, other] = [`mine-${i}`, `other-${i}`];
    for (const _ of ['new', 'again']) assert.equal((await clparity(...writer, mine)).code, 0, writer.join(' '));
    await writeFile(join(folder, other), 'replicas: 2\n');
    const { code, stdout, stderr } = await clparity(...writer, other);
    assert.deepEqual([code, stdout], [2, ''], stderr);
    assert.match(stderr, /other-\d is there and is not .*so it isn't replaced\n.*--force/);
    assert.equal(await readFile(join(folder, other), 'utf8'), 'replicas: 2\n');
    assert.equal((await clparity(...writer, other, '--force')).code, 0);
    assert.notEqual(await readFile(join(folder, other), 'utf8'), 'replicas: 2\n');
  }
  const both = await clparity('matrix', ...SHOP, '--svg', 'both', '--html', 'both');
  assert.deepEqual([both.code, /name the same file/.test(both.stderr)], [2, true], both.stderr);
  await assert.rejects(stat(join(folder, 'both')), 'refused before anything is written');
  const asked = await clparity('check', 'check.json', ...SHOP, '--junit', './check.json');
  assert.equal(asked.code, 2);
  assert.equal(JSON.parse(await readFile(join(folder, 'check.json'), 'utf8')).length, 1);
});

test('what was found is printed where the disk is full, and what helps is said', async () => {
  for (const writer of [WRITERS[1], WRITERS[3]].map((one = []) => one)) {
    const { code, stdout, stderr } = await clparity(...writer, '/dev/full');
    assert.equal(code, 3, stderr);
    assert.match(stderr, /Can't write \/dev\/full: ENOSPC.*\n.*Make room on its disk/);
    assert.equal(typeof JSON.parse(stdout), 'object', 'the result came before the failure');
  }
});

test('a snapshot is JSON where its name says so, and is read and replaced as well', async () => {
  const capture = ['capture', ...SHOP, '-o', 'as.json'];
  for (const _ of ['new', 'again']) assert.equal((await clparity(...capture)).code, 0);
  assert.match(JSON.parse(await readFile(join(folder, 'as.json'), 'utf8')).schema, /^clparity\//);
  await clparity('capture', ...SHOP, '-o', 'as.yaml');
  const { code, stdout, stderr } = await clparity('diff', 'as.yaml', 'as.json');
  assert.equal(code, 0, stdout + stderr);
});

test('a snapshot of a folder with a control character in its name can be read', async () => {
  await cp(join(folder, 'shop'), join(folder, 'a\x1b[2Kb'), { recursive: true });
  assert.equal((await clparity('capture', '--snapshot', 'a\x1b[2Kb', '-o', 'odd.yaml')).code, 0);
  const { code, stderr } = await clparity('matrix', '--snapshot', 'odd.yaml');
  assert.equal(code, 0, stderr);
});

test('what is no file, or has no folder, is named', async () => {
  await mkdir(join(folder, 'empty'));
  for (const writer of WRITERS) {
    const nowhere = await clparity(...writer, 'no/such/file');
    assert.deepEqual([nowhere.code, /There is no folder .*no\/such\n/.test(nowhere.stderr)], [2, true], nowhere.stderr);
    const a = await clparity(...writer, 'empty');
    assert.deepEqual([a.code, /empty is a folder/.test(a.stderr)], [2, true], a.stderr);
    const nothing = await clparity(...writer, '');
    assert.deepEqual([nothing.code, /It is empty/.test(nothing.stderr)], [2, true], nothing.stderr);
  }
  assert.deepEqual(await readdir(join(folder, 'empty')), []);
});

test('a folder that takes no files is told as that, and not as missing', {
  skip: !existsSync('/proc/self'),
}, async () => {
  const { code, stderr } = await clparity('capture', ...SHOP, '-o', '/proc/x');
  assert.equal(code, 3, stderr);
  assert.match(
    stderr,
    /error: Can't write \/proc\/x: no file can be made in \/proc\n {2}Name a file in another folder\./,
  );
});

test('whoever reads may have had enough', { skip: process.platform === 'win32' }, () => {
  // Gone before the first line is written, as `head` is before the last.
  const line = `"${process.execPath}" src/cli.ts matrix --snapshot test/fixtures/shop --format text | true`;
  const { stderr } = spawnSync('sh', ['-c', line], { encoding: 'utf8' });
  assert.match(stderr, /^Read the target \S+ …\nRead the target \S+: done in [^\n]*\n$/);
});

test('a file is replaced in one go, behind its link and with its mode; a pipe is written to', async () => {
  const place = await mkdtemp(join(folder, 'place-'));
  const file = join(place, 'file');
  await writeFile(file, 'old', { mode: 0o640 });
  await symlink('file', join(place, 'link'));
  await replaceFile(join(place, 'link'), 'new');
  assert.deepEqual(
    [await readFile(file, 'utf8'), await readlink(join(place, 'link')), (await stat(file)).mode & 0o777],
    ['new', 'file', 0o640],
  );
  assert.deepEqual((await readdir(place)).toSorted(), ['file', 'link']);
  await replaceFile('/dev/null', 'gone');
  assert.equal((await stat('/dev/null')).isFile(), false);
});

const NONE = ['--image', 'none'];
const SOURCES = ['--archive', 'image.tar', '--registry-mirror', 'r'];
const CHECK = ['check', 'check.json', ...SHOP];

test('an option that would have no effect, is empty or comes twice is bad input', async () => {
  const cases: readonly (readonly [RegExp, readonly string[]])[] = [
    [/--namespace would have no effect: two snapshots/, ['diff', 'shop', 'shop', '--namespace', 'a']],
    [/--snapshot would have no effect: shop is what/, ['diff', 'shop', 'shop', ...SHOP]],
    [/--context would have no effect/, ['diff', 'shop', '--cluster', 'kind:none', '--context', 'c']],
    [
      /--cluster, --namespace, --probe-timeout would/,
      [...['check', 'check.json', ...SHOP, '--namespace', 'a', '--cluster', 'kind:a', '--probe-timeout', '900']],
    ],
    [/'--snapshot <path>' argument 'shop' is invalid\. It is given twice/, ['matrix', ...SHOP, ...SHOP]],
    [/'--folder <path>' argument '' is invalid\. It is empty/, ['matrix', ...SHOP, '--folder', '']],
    [/--cluster would have no effect: all that are here/, ['clusters', '--cluster', 'kind:a']],
    [/An argument is empty/, ['diff', 'shop', '']],
    [/--yes would have no effect: without --live .*\n {2}Leave it out, or add --live\.\n/, [...CHECK, '--yes']],
    [/--force would have no effect: no file is written/, [...CHECK, '--force']],
    [/--force would have no effect: no file is written/, ['matrix', ...SHOP, '--force']],
    [/--force would have no effect: no file is written/, ['report', '--force']],
    [/--force would have no effect: stdout/, ['capture', ...SHOP, '-o', '-', '--force']],
    [/one question/, ['explain', ...SHOP, '--unmatched', '--protocol', 'UDP']],
    [/--archive, --registry-mirror would have .*\n {2}Leave them out, or .*--image/, ['plan', ...SOURCES, ...NONE]],
    [/--archive, --registry-mirror would/, ['sync', ...SOURCES, ...NONE, '--images', 'base']],
    [/--registry-mirror would/, ['doctor', '--registry-mirror', 'r', ...NONE]],
    [/--trust would have no effect: the base/, ['sync', ...NONE, '--trust', 't', '--images', 'workloads']],
    [/--image would have no effect: x:1 is/, ['load', 'x:1', '--image', 'y:1', '--yes']],
    [
      /--trust, --probe-timeout, --keep would have no effect: --dry-run/,
      ['sync', '--dry-run', '--keep', '--trust', 't', '--probe-timeout', '900'],
    ],
    [
      /--accept-wider payments\/ledgr would have no effect: no policy .*\n {2}Leave it out, or name one that is: payments\/ledger, …\n/,
      ['plan', ...SHOP, ...NONE, '--accept-wider', 'payments/ledgr'],
    ],
    [/unknown option '--accept-wider'/, ['check', 'check.json', ...SHOP, '--accept-wider', 'x']],
  ];
  for (const [message, args] of cases) {
    const { code, stdout, stderr } = await clparity(...args);
    assert.deepEqual([code, stdout], [2, ''], stderr);
    assert.match(stderr, message);
  }
  const several = await clparity('images', '--help');
  assert.match(several.stdout, /--namespace <glob> .*\(repeatable\)/s);
});

test('an option that only another cluster or target could use is refused where it is given, and an editor setting is not', () => {
  const dns = { enabled: async () => false, enable: async () => {} };
  const given = new Set(['enableDns']);
  assert.throws(
    () => refuseIdleDns({ given }, { id: 'kind:dev' }),
    /--enable-dns would have .*, and kind:dev has none/,
  );
  refuseIdleDns({ given }, { id: 'microk8s', dns });
  refuseIdleDns({}, { id: 'kind:dev' });
});
