import { createHash, type Hash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { digestOf } from './digest.ts';

/** What Docker pushed. */
export interface Pushed {
  /** Manifests and indexes by digest, as text. */
  readonly manifests: ReadonlyMap<string, string>;
  /** The blobs that were uploaded, in pieces, checked against their digests, as far as there was room for them. */
  readonly blobs: ReadonlyMap<string, readonly Buffer[]>;
}

/** A registry on this machine's loopback that Docker can push one image to. */
export interface PushServer {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  readonly user: string;
  readonly password: string;
  readonly pushed: Pushed;
  close(): Promise<void>;
}

export interface PushServerOptions {
  /** Whether to say that a blob is here already, so that Docker doesn't send it. */
  readonly has: (digest: string) => boolean;
  /** Bytes of blobs to keep, together; what goes beyond is read and dropped. */
  readonly room: number;
  /** Bytes of the largest blob that is wanted; of a larger one nothing is kept. */
  readonly largest?: number;
  /** Where blobs of known size go as they come, in the place of memory; resolves once it has read one to its end. */
  readonly take?: (blob: IncomingBlob) => Promise<void>;
}

/** A blob on its way; nobody has checked it against its digest. */
export interface IncomingBlob {
  readonly digest: string;
  readonly size: number;
  readonly content: AsyncIterable<Buffer>;
}

/**
 * Docker asks about layers of less than 10 MB only in a repository that it pushed them to before
 * (moby, distribution/push_v2.go, getMaxMountAndExistenceCheckAttempts), and the port is part of a repository's name.
 */
const PORT = 41571;

interface Upload {
  readonly chunks: Buffer[];
  readonly hash: Hash;
  size: number;
  dropped: boolean;
}

const newUpload = (): Upload => ({ chunks: [], hash: createHash('sha256'), size: 0, dropped: false });

/**
 * Serves what pushing needs of the OCI distribution spec (https://github.com/opencontainers/distribution-spec), to whoever
 * knows the password: other programs on this machine can reach the port as well. On its usual port, else on any.
 */
export async function startPushServer(options: PushServerOptions): Promise<PushServer> {
  const user = 'clparity';
  const password = randomBytes(24).toString('base64url');
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  const uploads = new Map<string, Upload>();
  const manifests = new Map<string, string>();
  const blobs = new Map<string, readonly Buffer[]>();
  const sizes = new Map<string, number>();
  let kept = 0;

  async function receive(request: IncomingMessage, upload: Upload): Promise<void> {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      upload.size += chunk.length;
      if (upload.dropped) continue;
      upload.hash.update(chunk);
      upload.chunks.push(chunk);
      kept += chunk.length;
      if (kept <= options.room && upload.size <= (options.largest ?? options.room)) continue;
      upload.dropped = true;
      kept -= upload.chunks.splice(0).reduce((sum, one) => sum + one.length, 0);
    }
  }

  /** Undefined for what the spec has and pushing doesn't need. */
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<number | undefined> {
    const url = new URL(request.url ?? '/', 'http://loopback');
    if (url.pathname === '/v2/') return 200;
    const [, repository, kind, rest] = /^\/v2\/(.+)\/(blobs|manifests)\/(.+)$/.exec(url.pathname) ?? [];
    if (rest === undefined) return undefined;
    if (kind === 'manifests') return manifest(request, response);
    if (!rest.startsWith('uploads/')) return blob(request, response, rest);
    const mount = url.searchParams.get('mount');
    if (request.method === 'POST' && mount && options.has(mount)) {
      return created(response, `/v2/${repository}/blobs/${mount}`, mount);
    }
    const id = request.method === 'POST' ? crypto.randomUUID() : rest.slice('uploads/'.length);
    const upload = request.method === 'POST' ? newUpload() : uploads.get(id);
    if (!upload) return 404;
    uploads.set(id, upload);
    const digest = url.searchParams.get('digest');
    const length = request.headers['content-length'];
    if (options.take && digest !== null && upload.size === 0 && length !== undefined) {
      uploads.delete(id);
      await options.take({ digest, size: Number(length), content: request });
      return created(response, `/v2/${repository}/blobs/${digest}`, digest);
    }
    await receive(request, upload);
    if (digest === null) {
      response.setHeader('location', `/v2/${repository}/blobs/uploads/${id}`);
      response.setHeader('docker-upload-uuid', id);
      response.setHeader('range', `0-${Math.max(0, upload.size - 1)}`);
      return 202;
    }
    uploads.delete(id);
    if (!upload.dropped) {
      if (`sha256:${upload.hash.digest('hex')}` !== digest) return 400;
      blobs.set(digest, upload.chunks);
      sizes.set(digest, upload.size);
    }
    return created(response, `/v2/${repository}/blobs/${digest}`, digest);
  }

  function blob(request: IncomingMessage, response: ServerResponse, digest: string): number | undefined {
    if (request.method !== 'HEAD') return undefined;
    if (!options.has(digest) && !blobs.has(digest)) return 404;
    response.setHeader('docker-content-digest', digest);
    // Docker takes it for the layer's size in the manifest that it writes; containerd looks at no size here.
    response.setHeader('content-length', sizes.get(digest) ?? 1);
    return 200;
  }

  async function manifest(request: IncomingMessage, response: ServerResponse): Promise<number> {
    if (request.method !== 'PUT') return 404;
    const upload = newUpload();
    await receive(request, upload);
    const text = Buffer.concat(upload.chunks).toString('utf8');
    const digest = digestOf(text);
    manifests.set(digest, text);
    return created(response, `/v2/manifests/${digest}`, digest);
  }

  const server = createServer((request, response) => {
    if (request.headers.authorization !== authorization) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="clparity"' }).end();
      request.resume();
      return;
    }
    answer(request, response).then(
      (status) => {
        request.resume();
        response.writeHead(status ?? 405).end();
      },
      // A connection that Docker dropped: it reports the failed push itself.
      (error: Error) => request.destroy(error),
    );
  });
  await listening(server, PORT).catch(() => listening(server, 0));
  const { port } = server.address() as AddressInfo;
  return {
    host: `127.0.0.1:${port}`,
    user,
    password,
    get pushed() {
      return { manifests, blobs };
    },
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()));
        server.closeAllConnections();
      }),
  };
}

function created(response: ServerResponse, location: string, digest: string): number {
  response.setHeader('location', location);
  response.setHeader('docker-content-digest', digest);
  return 201;
}

function listening(server: ReturnType<typeof createServer>, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      resolve();
    });
  });
}
