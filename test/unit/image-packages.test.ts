import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { comparePackages } from '../../src/image/difference.ts';
import { parseApkInstalled, parseDpkgStatus, parseRpmManifest, parseRpmNames } from '../../src/image/package-lists.ts';
import { readPackages } from '../../src/image/packages.ts';
import { parseRpmHeader, readRpmDatabase } from '../../src/image/rpm.ts';

let folder = '';
let database = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'clparity-packages-'));
  database = join(folder, 'rpmdb.sqlite');
  await writeFile(database, gunzipSync(await readFile('test/fixtures/rpm/rpmdb.sqlite.gz')));
});
after(() => rm(folder, { recursive: true, force: true }));

/** A file of the temporary folder. */
async function file(name: string, content: string | Buffer): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

test('an RPM database says what rpm itself says about it', async () => {
  const found = await readRpmDatabase(database);
  const lines = found.map(
    ({ name, version, arch }) => `${name} ${version.includes(':') ? '' : '0:'}${version} ${arch}`,
  );
  assert.deepEqual(lines.sort(), (await readFile('test/fixtures/rpm/rpm-qa.txt', 'utf8')).trim().split('\n'));
});

test('what rpm had not written back yet is read as well', async () => {
  const path = await file('logged.sqlite', await readFile(database));
  const writer = new DatabaseSync(path);
  writer.exec("PRAGMA foreign_keys = OFF; PRAGMA journal_mode = WAL; DELETE FROM Packages WHERE instr(blob, 'bash')");
  const [copy, log] = [await file('copy', await readFile(path)), await file('log', await readFile(`${path}-wal`))];
  writer.close();
  const db = 'var/lib/rpm/rpmdb.sqlite';
  const without = await readPackages(new Map([[db, copy]]));
  assert.equal(without?.packages.length, 3);
  const found = await readPackages(
    new Map([
      [db, copy],
      [`${db}-wal`, log],
    ]),
  );
  assert.deepEqual(
    found?.packages.map(({ name }) => name),
    ['azurelinux-release', 'openssl-libs'],
  );
});

test('a damaged RPM database is said to be one', async () => {
  const whole = await readFile(database);
  for (const [name, bytes] of [
    ['noise', Buffer.alloc(5000, 'noise')],
    ['cut', whole.subarray(0, 9000)],
    ['empty', Buffer.alloc(0)],
  ] as const) {
    await assert.rejects(
      readRpmDatabase(await file(name, bytes)),
      { kind: 'input', message: /database is damaged/ },
      name,
    );
  }
});

test('no header makes the reader stumble, however it is bent', () => {
  const blobs = new DatabaseSync(database, { readOnly: true }).prepare('SELECT blob FROM Packages').all();
  const blob = Buffer.from(blobs[0]?.blob as Uint8Array);
  assert.ok(parseRpmHeader(blob).name);
  let refused = 0;
  for (let i = 0; i < blob.length; i++) {
    for (const bytes of [
      blob.subarray(0, i),
      Buffer.concat([blob.subarray(0, i), Buffer.of(0xff), blob.subarray(i + 1)]),
    ]) {
      try {
        parseRpmHeader(bytes);
      } catch (error) {
        refused++;
        assert.equal((error as { kind?: string }).kind, 'input', `at ${i}: ${error}`);
      }
    }
  }
  assert.ok(refused > blob.length);
});

test("distroless images' lists, with epoch and without imported keys", () => {
  const row = (name: string, version: string, epoch: string) =>
    [name, version, '1', '1', 'Microsoft', epoch, '9', 'x86_64', epoch === '(none)' ? '0' : epoch, 's.rpm'].join('\t');
  const text = `${[row('bash', '5.2-3.azl3', '(none)'), row('openssl', '3.3-2.azl3', '1'), row('gpg-pubkey', '1-1', '(none)')].join('\n')}\n`;
  assert.deepEqual(parseRpmManifest(text), [
    { name: 'bash', version: '5.2-3.azl3', arch: 'x86_64' },
    { name: 'openssl', version: '1:3.3-2.azl3', arch: 'x86_64' },
  ]);
  assert.throws(() => parseRpmManifest('bash 5.2\n'), { kind: 'input', message: /names no package: "bash 5.2"/ });
  assert.deepEqual(parseRpmNames('ca-certificates-base-3.0.0-8.azl3.noarch\ngpg-pubkey-1-2\n'), [
    { name: 'ca-certificates-base', version: '3.0.0-8.azl3', arch: 'noarch' },
  ]);
  assert.throws(() => parseRpmNames('nothing'), { kind: 'input' });
});

test('dpkg and apk, installed packages alone', () => {
  const dpkg = [
    'Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.36-9\nDescription: GNU\n Version: no',
    'Package: gone\nStatus: deinstall ok config-files\nVersion: 1\nArchitecture: all',
    'Package: half\nStatus: install ok half-installed\nVersion: 1\nArchitecture: all',
  ].join('\n\n');
  assert.deepEqual(parseDpkgStatus(dpkg), [{ name: 'libc6', version: '2.36-9', arch: 'amd64' }]);
  assert.deepEqual(
    parseApkInstalled('C:Q1\nP:musl\nV:1.2.5-r0\nA:x86_64\nF:lib\nR:x\n\nP:zlib\nV:1.3-r1\nA:x86_64\n'),
    [
      { name: 'musl', version: '1.2.5-r0', arch: 'x86_64' },
      { name: 'zlib', version: '1.3-r1', arch: 'x86_64' },
    ],
  );
  assert.throws(() => parseApkInstalled('P:musl\n'), { kind: 'input' });
});

test('the best list counts, an empty one only where there is no other, an old database is named', async () => {
  const apk = await file('apk', 'P:musl\nV:1\nA:x\n');
  const empty = await file('dpkg', '');
  const lists = new Map([
    ['var/lib/dpkg/status', empty],
    ['lib/apk/db/installed', apk],
  ]);
  assert.equal((await readPackages(lists))?.path, 'lib/apk/db/installed');
  assert.deepEqual(await readPackages(new Map([['var/lib/dpkg/status', empty]])), {
    packages: [],
    path: 'var/lib/dpkg/status',
  });
  assert.equal(await readPackages(new Map()), undefined);
  await assert.rejects(readPackages(new Map([['var/lib/rpm/Packages', empty]])), { message: /Berkeley DB/ });
});

test('packages that came, went and changed', () => {
  const one = (name: string, version: string, arch = 'x86_64') => ({ name, version, arch });
  const from = [
    one('bash', '1'),
    one('gone', '1'),
    one('kernel', '1'),
    one('kernel', '2'),
    one('same', '1'),
    one('libc', '1', 'i686'),
  ];
  const to = [
    one('bash', '2'),
    one('kernel', '2'),
    one('kernel', '3'),
    one('same', '1'),
    one('new', '1'),
    one('libc', '1'),
  ];
  assert.deepEqual(comparePackages(from, to), {
    added: [one('new', '1'), one('libc', '1')],
    removed: [one('gone', '1'), one('libc', '1', 'i686')],
    changed: [
      { name: 'bash', arch: 'x86_64', from: '1', to: '2' },
      { name: 'kernel', arch: 'x86_64', from: '1, 2', to: '2, 3' },
    ],
  });
});
