import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { digestOf } from '../../src/image/digest.ts';
import { MANIFEST_TYPES } from '../../src/image/manifest.ts';
import type { ImageLock } from '../../src/image/model.ts';
import { packTar, tarFile } from '../../src/image/tar.ts';

/** A registry in memory: blobs and manifests by digest, tags, and the OCI 1.1 referrers API where `referrers` is set. */
export interface ImageServer {
  readonly host: string;
  readonly blobs: Map<string, Buffer>;
  readonly tags: Map<string, string>;
  readonly referrers: Map<string, object[]>;
  /** Keeps some bytes. Returns their digest. */
  put(bytes: Buffer | string): string;
  close(): void;
}

export async function serveImages(): Promise<ImageServer> {
  const blobs = new Map<string, Buffer>();
  const tags = new Map<string, string>();
  const referrers = new Map<string, object[]>();
  const server = createServer((request, response) => {
    const [, kind = '', name = ''] = /\/(manifests|blobs|referrers)\/([^/?]+)$/.exec(request.url ?? '') ?? [];
    const listed = kind === 'referrers' ? referrers.get(name) : undefined;
    const index = listed && Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: listed }));
    const bytes = index ?? blobs.get(tags.get(name) ?? name);
    if (bytes)
      response.writeHead(200, { 'content-type': MANIFEST_TYPES[0], 'content-length': bytes.length }).end(bytes);
    else response.writeHead(404).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return {
    host: `127.0.0.1:${address.port}`,
    blobs,
    tags,
    referrers,
    put(bytes) {
      const digest = digestOf(bytes);
      blobs.set(digest, Buffer.from(bytes));
      return digest;
    },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Puts an image of these layers (paths and their content) for linux/amd64 under an index and a tag. */
export async function putImage(
  server: ImageServer,
  tag: string,
  layers: readonly Readonly<Record<string, Buffer | string>>[],
): Promise<{ readonly digest: string; readonly manifestDigest: string }> {
  const tars = await Promise.all(
    layers.map((files) => buffer(packTar(Object.entries(files).map(([name, content]) => tarFile(name, content))))),
  );
  const descriptor = (mediaType: string, bytes: Buffer | string) => ({
    mediaType,
    digest: server.put(bytes),
    size: Buffer.byteLength(bytes),
  });
  const config = JSON.stringify({
    os: 'linux',
    architecture: 'amd64',
    created: '2026-05-20T08:00:00Z',
    rootfs: { type: 'layers', diff_ids: tars.map(digestOf) },
  });
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: descriptor('application/vnd.oci.image.config.v1+json', config),
    layers: tars.map((tar) => descriptor('application/vnd.oci.image.layer.v1.tar+gzip', gzipSync(tar))),
  });
  const platform = { os: 'linux', architecture: 'amd64' };
  const entry = { ...descriptor('application/vnd.oci.image.manifest.v1+json', manifest), platform };
  const index = JSON.stringify({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [entry],
  });
  const digest = server.put(index);
  server.tags.set(tag, digest);
  return { digest, manifestDigest: entry.digest };
}

/** Makes an OCI layout of an image of the server's, in a folder below `folder`. Returns its path. */
export async function layoutIn(folder: string, server: ImageServer, lock: ImageLock): Promise<string> {
  const place = join(folder, lock.digest.slice(7, 19));
  await mkdir(join(place, 'blobs', 'sha256'), { recursive: true });
  const { config, layers } = JSON.parse(lock.manifest) as { config: { digest: string }; layers: { digest: string }[] };
  for (const digest of [lock.digest, lock.manifestDigest, config.digest, ...layers.map((l) => l.digest)]) {
    await writeFile(join(place, 'blobs', 'sha256', digest.slice(7)), server.blobs.get(digest) ?? '');
  }
  const annotations = { 'io.containerd.image.name': lock.reference };
  const entry = { mediaType: 'application/vnd.oci.image.index.v1+json', digest: lock.digest, size: 1, annotations };
  await writeFile(join(place, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
  return place;
}

/** Puts an artifact that refers to `subject`, with one layer, into the server's referrers. Returns its digest. */
export function putReferrer(
  server: ImageServer,
  subject: string,
  artifactType: string,
  layer: { readonly mediaType: string; readonly bytes: Buffer },
  annotations: Readonly<Record<string, string>> = {},
  /** Whether the list has the annotations as well. */
  listed = true,
): string {
  const text = artifact(server, artifactType, [{ ...layer, annotations: {} }], annotations);
  const digest = server.put(text);
  const entry = {
    mediaType: MANIFEST_TYPES[1],
    digest,
    size: text.length,
    artifactType,
    ...(listed ? { annotations } : {}),
  };
  server.referrers.set(subject, [...(server.referrers.get(subject) ?? []), entry]);
  return digest;
}

/** The manifest of an artifact with these layers. */
export function artifact(
  server: ImageServer,
  artifactType: string,
  layers: readonly { readonly mediaType: string; readonly bytes: Buffer; readonly annotations: object }[],
  annotations: object = {},
): string {
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: MANIFEST_TYPES[1],
    artifactType,
    config: { mediaType: 'application/vnd.oci.empty.v1+json', digest: server.put('{}'), size: 2 },
    layers: layers.map(({ mediaType, bytes, annotations: own }) => ({
      mediaType,
      digest: server.put(bytes),
      size: bytes.length,
      annotations: own,
    })),
    annotations,
  });
}
