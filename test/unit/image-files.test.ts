import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { type Header, pack } from 'tar-stream';
import { scanLayer, stackLayers } from '../../src/image/layer-files.ts';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'clparity-layers-'));
});
after(() => rm(folder, { recursive: true, force: true }));

type Entry = string | Partial<Header>;

/** A layer of files (their text) and other entries. */
async function layer(entries: Readonly<Record<string, Entry>>): Promise<Buffer> {
  const archive = pack();
  for (const [name, entry] of Object.entries(entries)) {
    if (typeof entry === 'string') archive.entry({ name }, entry);
    else archive.entry({ name, ...entry });
  }
  archive.finalize();
  return buffer(archive);
}

async function* inPieces(bytes: Buffer, size = 1000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

let scans = 0;
const DB = 'var/lib/rpm/rpmdb.sqlite';
const OS = 'etc/os-release';
const USR = 'usr/lib/os-release';

/** The text of each wanted file in the image that the layers make, the bottom one first. */
async function stacked(...layers: Buffer[]): Promise<Record<string, string>> {
  const wanted = new Set([DB, OS, USR]);
  const seen = [];
  for (const bytes of layers)
    seen.push(await scanLayer(inPieces(bytes), 'a layer', wanted, join(folder, `${scans++}`)));
  const texts: Record<string, string> = {};
  for (const [path, copy] of stackLayers(seen)) texts[path] = await readFile(copy, 'utf8');
  return texts;
}

test('the topmost file counts, whatever the layers are packed with', async () => {
  const bottom = await layer({ [DB]: 'old', [OS]: 'os', 'etc/passwd': 'x'.repeat(100_000) });
  const top = await layer({ [`./${DB}`]: 'new' });
  for (const packed of [(b: Buffer) => b, gzipSync, zstdCompressSync]) {
    assert.deepEqual(await stacked(packed(bottom), packed(top)), { [DB]: 'new', [OS]: 'os' });
  }
});

test('whiteouts take files and folders away, opaque folders what was below them alone', async () => {
  const bottom = await layer({ [DB]: 'old', [OS]: 'os' });
  assert.deepEqual(await stacked(bottom, await layer({ 'var/lib/rpm/.wh.rpmdb.sqlite': '' })), { [OS]: 'os' });
  assert.deepEqual(await stacked(bottom, await layer({ 'var/.wh.lib': '' })), { [OS]: 'os' });
  const opaque = await layer({ [DB]: 'new', 'var/lib/rpm/.wh..wh..opq': '' });
  assert.deepEqual(await stacked(bottom, opaque), { [DB]: 'new', [OS]: 'os' });
  assert.deepEqual(await stacked(opaque, await layer({ 'var/lib/.wh..wh..opq': '' })), {});
  assert.deepEqual(await stacked(bottom, await layer({ '.wh..wh..opq': '' })), {}, 'the whole image');
});

test('something else in the place of a file or of its folder takes it away', async () => {
  const bottom = await layer({ [DB]: 'old', [OS]: 'os' });
  assert.deepEqual(await stacked(bottom, await layer({ 'var/lib': { type: 'symlink', linkname: '/opt' } })), {
    [OS]: 'os',
  });
  assert.deepEqual(await stacked(bottom, await layer({ [DB]: { type: 'directory' } })), { [OS]: 'os' });
  assert.deepEqual(await stacked(bottom, await layer({ 'var/lib/': { type: 'directory' } })), {
    [DB]: 'old',
    [OS]: 'os',
  });
});

test('links are followed among the wanted paths, across layers, and no further', async () => {
  const link = await layer({ [OS]: { type: 'symlink', linkname: '../usr/lib/os-release' } });
  const both = { [OS]: 'os', [USR]: 'os' };
  assert.deepEqual(await stacked(await layer({ [USR]: 'os' }), link), both);
  assert.deepEqual(await stacked(link, await layer({ [USR]: 'os' })), both);
  const hard = await layer({ [USR]: 'os', [OS]: { type: 'link', linkname: 'usr/lib/os-release' } });
  assert.deepEqual(await stacked(hard), both);
  assert.deepEqual(await stacked(await layer({ [OS]: { type: 'symlink', linkname: '/etc/shadow' } })), {});
  assert.deepEqual(await stacked(await layer({ [OS]: { type: 'symlink', linkname: '../../../../etc/passwd' } })), {});
  assert.deepEqual(await stacked(await layer({ [OS]: { type: 'symlink', linkname: 'os-release' } })), {}, 'a loop');
});

test('only what is wanted is copied', async () => {
  const bytes = await layer({ [DB]: 'x', '../escape': 'evil', '/etc/cron.d/x': 'evil', 'etc/other': 'x' });
  const place = join(folder, 'copies');
  await scanLayer(inPieces(bytes), 'a layer', new Set([DB]), place);
  assert.deepEqual((await readdir(place, { recursive: true })).sort(), ['var', 'var/lib', 'var/lib/rpm', DB]);
});

test('a layer that ends early or is no tar is refused', async () => {
  const whole = gzipSync(await layer({ 'etc/other': 'x'.repeat(50_000), [DB]: 'x' }));
  for (const bytes of [whole.subarray(0, whole.length - 40), gzipSync(Buffer.alloc(2000, 'noise'))]) {
    await assert.rejects(stacked(bytes), { kind: 'input', message: /a layer is not a whole tar archive/ });
  }
  assert.deepEqual(await stacked(await layer({})), {});
});

test('a source that fails passes its own words on, and one that is left is ended', async () => {
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield Buffer.alloc(600);
    throw new Error('the registry broke off');
  }
  await assert.rejects(scanLayer(failing(), 'a layer', new Set(), folder), { message: /the registry broke off/ });
});
