import { environmentError, inputError, messageOf } from '../host/errors.ts';
import type { Package } from './packages.ts';

/** Tags of RPM's header (rpm.org, "RPM Package Format", lib/rpmtag.h). */
const NAME = 1000;
const VERSION = 1001;
const RELEASE = 1002;
const EPOCH = 1003;
const ARCH = 1022;

const INT32 = 4;
const STRING = 6;

/**
 * The packages in a copy of `rpmdb.sqlite` (rpm 4.16 and later): table Packages, one header blob a row. Throws an
 * `input` error where the file is damaged.
 */
export async function readRpmDatabase(path: string): Promise<Package[]> {
  const { DatabaseSync } = await sqlite();
  const packages: Package[] = [];
  try {
    const database = new DatabaseSync(path, { readOnly: true });
    try {
      for (const row of database.prepare('SELECT blob FROM Packages').iterate()) {
        if (!(row.blob instanceof Uint8Array)) throw inputError('a row without a header');
        packages.push(parseRpmHeader(row.blob));
      }
    } finally {
      database.close();
    }
  } catch (cause) {
    throw inputError(`The RPM database is damaged: ${messageOf(cause)}`, { cause });
  }
  // Keys that somebody imported are kept among the packages.
  return packages.filter(({ name }) => name !== 'gpg-pubkey');
}

/** Late: a Node without it, or an editor's own runtime, loses this one fact and nothing else. */
async function sqlite() {
  try {
    return await import('node:sqlite');
  } catch (cause) {
    throw environmentError(`RPM databases can't be read by this Node (${process.versions.node}): it has no SQLite`, {
      cause,
    });
  }
}

/**
 * Reads a header as the database keeps it: number of index entries, size of the data (32 bits each, big endian), the
 * entries (tag, type, offset, count), the data. Throws an `input` error where it isn't one.
 */
export function parseRpmHeader(blob: Uint8Array): Package {
  const view = Buffer.from(blob.buffer, blob.byteOffset, blob.byteLength);
  const count = view.length < 8 ? 0 : view.readUInt32BE(0);
  const data = 8 + count * 16;
  if (count === 0 || count > 0xffff || data + view.readUInt32BE(4) > view.length) {
    throw inputError('a header that is cut short');
  }
  const found = new Map<number, { type: number; start: number }>();
  for (let at = 8; at < data; at += 16) {
    found.set(view.readUInt32BE(at), { type: view.readUInt32BE(at + 4), start: data + view.readUInt32BE(at + 8) });
  }
  const text = (tag: number): string | undefined => {
    const entry = found.get(tag);
    if (entry?.type !== STRING) return undefined;
    const end = view.indexOf(0, entry.start);
    if (end < 0) throw inputError('a header whose text has no end');
    return view.toString('utf8', entry.start, end);
  };
  const epoch = found.get(EPOCH);
  if (epoch && (epoch.type !== INT32 || epoch.start + 4 > view.length)) throw inputError('a header with a bad epoch');
  const name = text(NAME);
  const version = text(VERSION);
  const release = text(RELEASE);
  if (name === undefined || version === undefined || release === undefined) {
    throw inputError('a header without name, version or release');
  }
  const prefix = epoch ? `${view.readUInt32BE(epoch.start)}:` : '';
  return { name, version: `${prefix}${version}-${release}`, arch: text(ARCH) ?? '' };
}
