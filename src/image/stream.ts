import { PassThrough, type Readable, type Writable } from 'node:stream';

/** The text of a stream, decoded as UTF-8. `onChunk` gets each piece as it comes. */
export async function textOf(stream: Readable, onChunk: (chunk: Buffer) => void = () => {}): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    onChunk(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Writes a chunk and waits until the stream wants more. A stream that is closed takes it for nothing. */
export async function writeTo(stream: Writable, chunk: Buffer | string): Promise<void> {
  if (stream.destroyed || stream.write(chunk)) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      stream.off('drain', done);
      stream.off('close', done);
      resolve();
    };
    stream.on('drain', done);
    stream.on('close', done);
  });
}

/** One stream as several. */
export interface Copies {
  readonly copies: readonly PassThrough[];
  /** Copies to the end, at the pace of the slowest; one that is closed holds up nobody. `onChunk` gets each chunk's size. */
  copy(onChunk?: (bytes: number) => void): Promise<void>;
  /** Closes all of them, and the source. */
  close(): void;
}

/** So many copies of a stream, held in memory no further than their readers are apart. */
export function copiesOf(source: Readable, count: number): Copies {
  const copies = Array.from({ length: count }, () => new PassThrough());
  return {
    copies,
    async copy(onChunk = () => {}) {
      for await (const chunk of source) {
        await Promise.all(copies.map((copy) => writeTo(copy, chunk as Buffer)));
        onChunk((chunk as Buffer).length);
      }
      for (const copy of copies) copy.end();
    },
    close() {
      source.destroy();
      for (const copy of copies) copy.destroy();
    },
  };
}
