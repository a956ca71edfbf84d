import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { inflateRawSync } from 'node:zlib';

/**
 * Files of a Go module as its proxy has it (https://go.dev/ref/mod#goproxy-protocol), by the ends of their names.
 * `sha256` is that of the archive, so that what is read is what was looked at when it was pinned.
 */
export async function goModuleFiles(module: string, version: string, sha256: string, ends: readonly string[]) {
  const url = `https://proxy.golang.org/${module}/@v/${version}.zip`;
  const answer = await fetch(url, { signal: AbortSignal.timeout(60_000) });
  assert.ok(answer.ok, `${url}: ${answer.status}`);
  const zip = Buffer.from(await answer.arrayBuffer());
  assert.equal(createHash('sha256').update(zip).digest('hex'), sha256, url);
  const entries = [...entriesOf(zip)];
  return ends.map((end) => {
    const entry = entries.find(({ name }) => name.endsWith(end));
    assert.ok(entry, `${url} has no ${end}`);
    return entry.read();
  });
}

/** By the central directory (PKWARE's APPNOTE, 4.3.12): local headers need not know sizes. */
function* entriesOf(zip: Buffer): Generator<{ readonly name: string; read(): string }> {
  const end = zip.lastIndexOf('PK\x05\x06', undefined, 'latin1');
  let at = zip.readUInt32LE(end + 16);
  for (let left = zip.readUInt16LE(end + 10); left > 0; left--) {
    const [size, nameLength] = [zip.readUInt32LE(at + 20), zip.readUInt16LE(at + 28)];
    const [method, local] = [zip.readUInt16LE(at + 10), zip.readUInt32LE(at + 42)];
    const name = zip.toString('utf8', at + 46, at + 46 + nameLength);
    yield {
      name,
      read() {
        const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
        const body = zip.subarray(start, start + size);
        return (method === 0 ? body : inflateRawSync(body)).toString('utf8');
      },
    };
    at += 46 + nameLength + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32);
  }
}
