import { Readable } from 'node:stream';
import { extract } from 'tar-stream';
import { inputError, messageOf, ParityError } from '../host/errors.ts';

/** A plain file in a tar. `content` must be read, or passed over, before the next entry comes. */
export interface TarEntry {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly content: AsyncIterable<Uint8Array>;
}

export interface TarSourceEntry extends TarEntry {
  readonly type: string;
  /** Where a link leads, as it is written there. */
  readonly linkname?: string;
}

/**
 * Reads a tar as it comes in; `what` names it in errors. Content that isn't read is passed over. Throws an `input`
 * error where the tar is broken or ends early; the source is destroyed when reading stops, however it stops.
 */
export async function* readTar(source: Readable, what: string): AsyncGenerator<TarSourceEntry> {
  const entries = extract();
  let whole = false;
  let failure: Error | undefined;
  source.once('end', () => {
    whole = true;
  });
  source.once('error', (error) => {
    failure = error;
  });
  source.once('close', () => {
    if (!whole) entries.destroy(failure ?? new Error('it ends early'));
  });
  source.pipe(entries);
  const broken = (cause: unknown) => {
    const found = failure ?? cause;
    if (found instanceof ParityError) return found;
    return inputError(`${what} is not a whole tar archive: ${messageOf(found)}`, { cause: found });
  };
  async function* checked(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    try {
      yield* content;
    } catch (cause) {
      throw broken(cause);
    }
  }
  try {
    for await (const entry of entries) {
      const { name, size, type, linkname } = entry.header;
      yield {
        name: name.replace(/^(?:\.\/)+/, ''),
        size,
        type,
        ...(linkname ? { linkname } : {}),
        content: checked(entry as AsyncIterable<Uint8Array>),
      };
      entry.resume();
    }
  } catch (cause) {
    throw broken(cause);
  } finally {
    source.destroy();
  }
}

/** Writes a tar as it is read: nothing is held but the current chunk. Names are at most 100 bytes long. */
export function packTar(entries: AsyncIterable<TarEntry> | Iterable<TarEntry>): Readable {
  return Readable.from(tarBytes(entries), { objectMode: false });
}

/** Content that is at hand: text, or bytes in one piece or several. */
export type Content = string | Uint8Array | readonly Uint8Array[];

/** An entry whose content is at hand; it isn't copied. */
export function tarFile(name: string, content: Content): TarEntry {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  const chunks: readonly Uint8Array[] = bytes instanceof Uint8Array ? [bytes] : bytes;
  const size = chunks.reduce((sum, { byteLength }) => sum + byteLength, 0);
  return { name, size, content: Readable.from(chunks) };
}

async function* tarBytes(entries: AsyncIterable<TarEntry> | Iterable<TarEntry>): AsyncGenerator<Uint8Array> {
  for await (const entry of entries) yield* entryBytes(entry);
  yield TAR_END;
}

/** What stands after the last entry. */
export const TAR_END = Buffer.alloc(1024);

/** One entry's part of a tar. */
export async function* entryBytes({ name, size, content }: TarEntry): AsyncGenerator<Uint8Array> {
  yield tarHeader(name, size);
  let written = 0;
  for await (const chunk of content) {
    written += chunk.byteLength;
    yield chunk;
  }
  if (written !== size) throw inputError(`${name} has ${written} bytes where ${size} were announced`);
  if (size % 512 !== 0) yield Buffer.alloc(512 - (size % 512));
}

/** A ustar header (POSIX.1-1988), sizes of 8 GiB and up in GNU's binary form, which every reader in use knows. */
function tarHeader(name: string, size: number): Buffer {
  const header = Buffer.alloc(512);
  if (Buffer.byteLength(name) > 100) throw new TypeError(`too long for a tar header: ${name}`);
  header.write(name, 0);
  header.write('0000644\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  if (size < 0o77777777777) {
    header.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  } else {
    header.writeUInt8(0x80, 124);
    header.writeBigUInt64BE(BigInt(size), 128);
  }
  header.write('00000000000\0', 136);
  header.write('        ', 148);
  header.write('0', 156);
  header.write('ustar\x0000', 257, 'latin1');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}
