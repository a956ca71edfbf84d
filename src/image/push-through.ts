import { PassThrough, type Readable } from 'node:stream';
import type Docker from 'dockerode';
import { environmentError, messageOf } from '../host/errors.ts';
import type { Run } from '../host/run.ts';
import type { DaemonImage } from './daemon-image.ts';
import { digestOf } from './digest.ts';
import type { WantedImage } from './node-image.ts';
import { blobPath, ociLayout } from './oci-layout.ts';
import { pushedManifest, pushToHere } from './push.ts';
import type { IncomingBlob } from './push-server.ts';
import { writeTo } from './stream.ts';
import { entryBytes, TAR_END, type TarEntry } from './tar.ts';

/**
 * An OCI archive of Docker's own manifest under `name`, its config and the layers in `missing`, as Docker pushes them:
 * for a daemon that keeps images in containerd, whose push takes a quarter of the processor time of its save (it reads
 * layers from containerd in pieces of 1 MB, not of 32 KB). Constant memory. Undefined where it can't push to this process.
 */
export async function pushedThrough(
  docker: Docker,
  image: DaemonImage,
  { reference, configDigest, diffIds, layerDigests }: WantedImage,
  missing: readonly string[],
  name: string,
  run: Run,
): Promise<Readable | undefined> {
  const ask = new Set([configDigest, ...layerDigests.filter((_, i) => missing.includes(diffIds[i] ?? ''))]);
  const archive = new PassThrough();
  const stop = new AbortController();
  // A reader that goes away ends Docker's work.
  archive.once('close', () => stop.abort());
  const came = new Set<string>();
  const first = Promise.withResolvers<void>();
  // Several come at a time: whose turn it isn't waits, unread. containerd checks each against its digest.
  let turn = Promise.resolve();
  const write = (entry: TarEntry) => {
    turn = turn.then(async () => {
      for await (const chunk of entryBytes(entry)) await writeTo(archive, chunk as Buffer);
    });
    return turn;
  };
  const take = ({ digest, size, content }: IncomingBlob) => {
    first.resolve();
    came.add(digest);
    return write({ name: blobPath(digest), size, content });
  };
  const push = async () => {
    const signal = AbortSignal.any([run.signal, stop.signal]);
    const pushed = await pushToHere(docker, image.id, { has: (digest) => !ask.has(digest), take }, signal);
    const { text } = pushedManifest(pushed, reference, configDigest);
    const late = [...ask].filter((digest) => !came.has(digest));
    if (late.length > 0) throw environmentError(`Docker pushed ${reference} without ${late.join(', ')}`);
    const { mediaType } = JSON.parse(text) as { mediaType: string };
    const descriptor = { mediaType, digest: digestOf(text), size: Buffer.byteLength(text) };
    for (const entry of ociLayout([{ descriptor, name }], [[descriptor.digest, text]])) await write(entry);
    archive.end(TAR_END);
  };
  const pushing = push();
  try {
    await Promise.race([first.promise, pushing]);
  } catch (error) {
    run.signal.throwIfAborted();
    run.log('debug', `Docker can't push to this process, so it saves the whole image: ${messageOf(error)}`);
    return undefined;
  }
  pushing.catch((error: Error) => archive.destroy(error));
  return archive;
}
