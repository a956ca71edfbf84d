import type { Readable, Writable } from 'node:stream';

/** The text of a stream, decoded as UTF-8. */
export async function textOf(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
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
