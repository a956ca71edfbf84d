import type { Readable } from 'node:stream';
import type Docker from 'dockerode';
import { environmentError } from '../host/errors.ts';
import { type Manifest, parseManifest } from './manifest.ts';
import { dockerMessages } from './pull.ts';
import { type Pushed, type PushServerOptions, startPushServer } from './push-server.ts';

/** Bytes of layers that are held in memory at most. */
export const ROOM = 32 * 1024 * 1024;

const REPOSITORY = 'clparity';
const TAG = 'load';

/**
 * Has Docker push an image to a registry inside this process, the only way to get single layers out of a daemon: it
 * sends what the registry says it doesn't have. Blobs for which `has` is true are not sent, others are kept up to ROOM
 * bytes. Takes about a tenth of a second where nothing has to be sent. A daemon that has never pushed or pulled a layer
 * packs it first, whatever `has` says, for it knows no digest of it; the next time it does. Throws an Error with the
 * daemon's words; a daemon on another machine doesn't reach this one's loopback. With `take`, blobs go there as they come.
 */
export async function pushToHere(
  docker: Docker,
  id: string,
  options: Omit<PushServerOptions, 'room'>,
  signal: AbortSignal,
): Promise<Pushed> {
  const server = await startPushServer({ ...options, room: ROOM });
  const repo = `${server.host}/${REPOSITORY}`;
  try {
    await docker.getImage(id).tag({ repo, tag: TAG, abortSignal: signal });
    try {
      const { host: serveraddress, user: username, password } = server;
      const authconfig = { username, password, serveraddress };
      // Docker goes to loopback without TLS by itself; Podman has to be told (podman, pkg/api/handlers/compat/images_push.go).
      const options = { tag: TAG, authconfig, abortSignal: signal, tlsVerify: false };
      const stream = await docker.getImage(repo).push(options);
      for await (const _ of dockerMessages(stream as Readable, signal));
    } finally {
      await docker.getImage(`${repo}:${TAG}`).remove({ noprune: true });
    }
    return server.pushed;
  } finally {
    await server.close();
  }
}

/** The manifest for these layers among what was pushed, with its text: the only one, or that of the right config. */
export function pushedManifest(
  pushed: Pushed,
  what: string,
  configDigest?: string,
): Manifest & { readonly text: string } {
  const all = [...pushed.manifests.values()].flatMap((text) => {
    const manifest = parseManifest(text, what);
    return manifest.kind === 'manifest' && isImage(manifest) ? [{ ...manifest, text }] : [];
  });
  const found = configDigest === undefined ? all : all.filter(({ config }) => config.digest === configDigest);
  const [only, second] = found;
  if (only && !second) return only;
  throw environmentError(`Docker pushed ${found.length} manifests for ${what}, where one was wanted`);
}

/** Attestations lie beside an image under the same index, in layers of JSON. */
function isImage({ layers }: Manifest): boolean {
  return layers.every(({ mediaType }) => /\btar\b|layer/.test(mediaType) && !mediaType.includes('in-toto'));
}
