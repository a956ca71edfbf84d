import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { debianProgram } from './debian.ts';

export interface StandInOptions {
  /** os/architecture of the real half of the index; the machine's by default. */
  readonly platform?: string;
  /** Goes into the top layer, to make images that differ. */
  readonly note?: string;
  /** Bytes of incompressible filling in a layer of its own; none by default. */
  readonly filling?: number;
  /** Goes into one more layer on top, as an image built on the same image without it has. */
  readonly top?: string;
  /** When it was made, ISO 8601. */
  readonly created?: string;
}

/** A stand-in for the base image, as it lies in a registry. Digests are reproducible for the same options. */
export interface StandIn {
  /** `host/name:tag`. */
  readonly reference: string;
  /** Of the index: what a tag resolves to. */
  readonly digest: string;
  /** Of the manifest for the machine's platform. */
  readonly manifestDigest: string;
  readonly configDigest: string;
  readonly diffIds: readonly string[];
  /** Of a manifest in the index for a platform that this machine isn't of. */
  readonly foreignDigest: string;
  readonly foreignPlatform: string;
}

interface Blob {
  readonly bytes: Buffer;
  readonly digest: string;
}

const ARCHITECTURE = process.arch === 'x64' ? 'amd64' : process.arch;

/**
 * Makes a small image from Debian's static busybox, without any network but the registry's, and pushes it there under
 * an index of two platforms (the second a tiny fake) and an attestation, as published base images have them. Its
 * /etc/os-release says that it is a stand-in; it sleeps when run. `host` is the registry's host and port.
 */
export async function pushStandInImage(
  host: string,
  name = 'azurelinux/base/core',
  tag = '3.0',
  options: StandInOptions = {},
): Promise<StandIn> {
  const repository = `http://${host}/v2/${name}`;
  const [os = 'linux', architecture = ARCHITECTURE] = (options.platform ?? `linux/${ARCHITECTURE}`).split('/');
  const foreign = architecture === 'arm64' ? 'amd64' : 'arm64';

  const layers = [await programs(), await release(options.note ?? '')];
  if (options.filling) layers.splice(1, 0, await tar({ 'var/filling': filling(options.filling) }));
  if (options.top !== undefined) layers.push(await tar({ app: options.top }));
  const real = await pushImage(repository, { os, architecture }, layers, options.created);
  const fake = await pushImage(repository, { os, architecture: foreign }, [await release('not for this machine')]);
  const attestation = await pushImage(repository, { os: 'unknown', architecture: 'unknown' }, [
    await tar({ note: 'x' }),
  ]);

  const entry = (image: { manifest: Blob }, platform: object, annotations?: object) => ({
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    digest: image.manifest.digest,
    size: image.manifest.bytes.length,
    platform,
    ...(annotations ? { annotations } : {}),
  });
  const index = blob(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: [
        entry(fake, { os, architecture: foreign, 'os.version': 'azurelinux-3.0' }),
        entry(real, { os, architecture, 'os.version': 'azurelinux-3.0' }),
        entry(
          attestation,
          { os: 'unknown', architecture: 'unknown' },
          { 'vnd.docker.reference.type': 'attestation-manifest', 'vnd.docker.reference.digest': real.manifest.digest },
        ),
      ],
    }),
  );
  await pushManifest(repository, index, 'application/vnd.oci.image.index.v1+json', tag);
  return {
    reference: `${host}/${name}:${tag}`,
    digest: index.digest,
    manifestDigest: real.manifest.digest,
    configDigest: real.config.digest,
    diffIds: real.diffIds,
    foreignDigest: fake.manifest.digest,
    foreignPlatform: `${os}/${foreign}`,
  };
}

async function programs(): Promise<Buffer> {
  const busybox = await readFile(await debianProgram('busybox-static', 'bin/busybox'));
  const links = ['sh', 'sleep', 'cat', 'ls', 'nc', 'wget', 'sha256sum'];
  return tar({ 'bin/busybox': busybox }, Object.fromEntries(links.map((link) => [`bin/${link}`, 'busybox'])));
}

async function release(note: string): Promise<Buffer> {
  const lines = [
    'NAME="Stand-in for Microsoft Azure Linux"',
    'ID=clparity-stand-in',
    'ID_LIKE=azurelinux',
    'VERSION_ID="3.0"',
    'PRETTY_NAME="Stand-in for Microsoft Azure Linux 3.0 (not the real base image)"',
  ];
  return tar({ 'usr/lib/os-release': `${lines.join('\n')}\n`, note }, { 'etc/os-release': '../usr/lib/os-release' });
}

/** Bytes that don't compress and are the same every time. */
function filling(size: number): Buffer {
  const parts: Buffer[] = [];
  for (let done = 0; done < size; done += 32) parts.push(createHash('sha256').update(String(done)).digest());
  return Buffer.concat(parts, size);
}

async function tar(files: Record<string, Buffer | string>, links: Record<string, string> = {}): Promise<Buffer> {
  const archive = pack();
  const mtime = new Date(0);
  for (const [name, content] of Object.entries(files)) archive.entry({ name, mode: 0o755, mtime }, content);
  for (const [name, linkname] of Object.entries(links)) archive.entry({ name, type: 'symlink', linkname, mtime });
  archive.finalize();
  return buffer(archive);
}

function blob(content: Buffer | string): Blob {
  const bytes = Buffer.from(content);
  return { bytes, digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}` };
}

async function pushImage(
  repository: string,
  platform: { os: string; architecture: string },
  tars: readonly Buffer[],
  created = '2026-01-01T00:00:00Z',
) {
  const layers = tars.map((bytes) => blob(gzipSync(bytes)));
  const diffIds = tars.map((bytes) => blob(bytes).digest);
  const config = blob(
    JSON.stringify({
      created,
      ...platform,
      config: { Cmd: ['/bin/sleep', '100000000'], Env: ['PATH=/bin'] },
      rootfs: { type: 'layers', diff_ids: diffIds },
      history: diffIds.map(() => ({ created: '2026-01-01T00:00:00Z', created_by: 'stand-in' })),
    }),
  );
  // Spaced and broken over lines as many publishers write it, so that only the exact bytes give the digest.
  const manifest = blob(
    JSON.stringify(
      {
        schemaVersion: 2,
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        config: descriptor('application/vnd.oci.image.config.v1+json', config),
        layers: layers.map((layer) => descriptor('application/vnd.oci.image.layer.v1.tar+gzip', layer)),
      },
      null,
      3,
    ),
  );
  for (const part of [...layers, config]) await pushBlob(repository, part);
  await pushManifest(repository, manifest, 'application/vnd.oci.image.manifest.v1+json', manifest.digest);
  return { manifest, config, diffIds };
}

const descriptor = (mediaType: string, { bytes, digest }: Blob) => ({ mediaType, digest, size: bytes.length });

async function pushBlob(repository: string, { bytes, digest }: Blob): Promise<void> {
  if ((await fetch(`${repository}/blobs/${digest}`, { method: 'HEAD' })).ok) return;
  const upload = await accepted(fetch(`${repository}/blobs/uploads/`, { method: 'POST' }));
  const target = new URL(upload.headers.get('location') ?? '', repository);
  target.searchParams.set('digest', digest);
  const headers = { 'content-type': 'application/octet-stream' };
  await accepted(fetch(target, { method: 'PUT', body: new Uint8Array(bytes), headers }));
}

async function pushManifest(repository: string, { bytes }: Blob, mediaType: string, name: string): Promise<void> {
  const headers = { 'content-type': mediaType };
  await accepted(fetch(`${repository}/manifests/${name}`, { method: 'PUT', body: new Uint8Array(bytes), headers }));
}

async function accepted(sent: Promise<Response>): Promise<Response> {
  const response = await sent;
  if (!response.ok) throw new Error(`${response.url}: ${response.status} ${await response.text()}`);
  return response;
}
