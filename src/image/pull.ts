import type { Readable } from 'node:stream';
import type Docker from 'dockerode';
import { environmentError, messageOf, ParityError } from '../host/errors.ts';
import type { Host } from '../host/host.ts';
import type { Progress, Run } from '../host/run.ts';
import { type Credentials, registryCredentials } from './credentials.ts';
import { findInDaemon } from './daemon-image.ts';
import { parseManifest } from './manifest.ts';
import type { ImageLock } from './model.ts';
import { parseReference } from './reference.ts';
import { served } from './registry.ts';

/** A line of the daemon's answer to a pull or a load. */
export interface DockerMessage {
  readonly id?: string;
  readonly status?: string;
  readonly stream?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
  readonly error?: string;
  readonly errorDetail?: { readonly message?: string };
}

/**
 * Pulls the locked image into the daemon by its digest, for its platform, and names it `repository:tag`; nothing is
 * pulled that the daemon already has. Progress counts the compressed bytes of all layers. Throws `environment` with the
 * daemon's own words, and `cancelled` saying what is left. From a `mirror` (see RegistryOptions) come the same bytes
 * under the same digest; Docker then also knows them by the mirror's name.
 */
export async function pullImage(
  docker: Docker,
  lock: ImageLock,
  host: Host,
  run: Run,
  mirror?: string,
): Promise<'pulled' | 'present'> {
  const found = await findInDaemon(docker, lock);
  if (found) {
    await tagImage(docker, found.id, lock);
    return 'present';
  }
  return run.step<'pulled' | 'present'>(`Pull ${lock.repository}@${lock.digest}`, async (progress) => {
    const from = served(parseReference(lock.reference), mirror);
    const { credentials, problem } = await tryCredentials(from.registry, host, run);
    try {
      await pullByDigest(docker, lock, from, credentials, progress, run.signal);
    } catch (cause) {
      if (run.signal.aborted) throw cancelled(lock, cause);
      throw pullError(lock, from.registry, cause, problem);
    }
    const pulled = await findInDaemon(docker, lock);
    if (!pulled) {
      throw environmentError(`Docker ended the pull of ${lock.reference} without the layers that are pinned`, {
        action: `Pull again: Docker keeps complete layers. If it stays so, look at Docker's own log.`,
      });
    }
    await tagImage(docker, pulled.id, lock);
    return 'pulled';
  });
}

/** Public images need no credentials: a broken helper is no reason to fail before the registry asks for them. */
async function tryCredentials(
  registry: string,
  host: Host,
  run: Run,
): Promise<{ credentials?: Credentials; problem?: ParityError }> {
  try {
    const credentials = await registryCredentials(host, registry, run.signal);
    return credentials ? { credentials } : {};
  } catch (error) {
    if (run.signal.aborted || !(error instanceof ParityError)) throw error;
    run.log('warn', `${error.message}; trying without credentials`);
    return { problem: error };
  }
}

async function pullByDigest(
  docker: Docker,
  lock: ImageLock,
  { registry, path }: ReturnType<typeof served>,
  credentials: Credentials | undefined,
  progress: (p: Progress) => void,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  const serveraddress = registry === 'docker.io' ? 'https://index.docker.io/v1/' : registry;
  const auth =
    credentials === undefined
      ? undefined
      : credentials.kind === 'identity'
        ? { serveraddress, identitytoken: credentials.token }
        : { serveraddress, username: credentials.username, password: credentials.password };
  const stream = await docker.createImage(auth, {
    fromImage: `${registry}/${path}`,
    tag: lock.digest,
    platform: lock.platform,
    abortSignal: signal,
  });
  const onMessage = layerProgress(lock, progress);
  for await (const message of dockerMessages(stream as Readable, signal)) onMessage(message);
}

/** Docker's answer line by line. Throws an Error with the daemon's words where it reports one or breaks off. */
export async function* dockerMessages(stream: Readable, signal: AbortSignal): AsyncGenerator<DockerMessage> {
  const onAbort = () => stream.destroy(signal.reason as Error);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    let rest = '';
    for await (const chunk of stream.setEncoding('utf8')) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (line.trim() !== '') yield dockerMessage(line);
    }
    if (rest.trim() !== '') yield dockerMessage(rest);
  } finally {
    signal.removeEventListener('abort', onAbort);
    stream.destroy();
  }
}

function dockerMessage(line: string): DockerMessage {
  const message = JSON.parse(line) as DockerMessage;
  const error = message.errorDetail?.message ?? message.error;
  if (error !== undefined) throw new Error(error);
  return message;
}

/** Maps Docker's words about each layer to bytes done of the manifest's bytes. */
function layerProgress(lock: ImageLock, progress: (p: Progress) => void): (message: DockerMessage) => void {
  const manifest = parseManifest(lock.manifest, lock.reference);
  const sizes = new Map(
    (manifest.kind === 'manifest' ? manifest.layers : []).map(({ digest, size }) => [digest.slice(7, 19), size]),
  );
  const done = new Map<string, number>();
  return ({ id, status, progressDetail }) => {
    const size = id === undefined ? undefined : sizes.get(id);
    if (id === undefined || size === undefined) return;
    if (status === 'Downloading') done.set(id, Math.min(progressDetail?.current ?? 0, size));
    else if (/^(Verifying|Download complete|Extracting|Pull complete|Already exists)/.test(status ?? '')) {
      done.set(id, size);
    }
    const sum = [...done.values()].reduce((a, b) => a + b, 0);
    progress({ done: sum, total: lock.size, unit: 'bytes', note: `${id}: ${status}` });
  };
}

async function tagImage(docker: Docker, id: string, lock: ImageLock): Promise<void> {
  if (lock.tag === undefined) return;
  try {
    await docker.getImage(id).tag({ repo: lock.repository, tag: lock.tag });
  } catch (cause) {
    throw environmentError(`Docker can't name the image ${lock.reference}: ${messageOf(cause)}`, { cause });
  }
}

function cancelled(lock: ImageLock, cause: unknown): ParityError {
  return new ParityError(
    'cancelled',
    `Pulling ${lock.reference} was cancelled: Docker keeps the layers that were complete, and has no image of this name from it`,
    { cause },
  );
}

function pullError(lock: ImageLock, registry: string, cause: unknown, problem: ParityError | undefined): ParityError {
  if (/^(ECONNRESET|ECONNREFUSED|EPIPE|ENOENT)$/.test((cause as NodeJS.ErrnoException).code ?? '')) {
    return environmentError(`Docker went away while it pulled ${lock.repository}@${lock.digest}`, {
      cause,
      action: 'Start Docker again, then pull again: it keeps complete layers.',
    });
  }
  const message = `Docker can't pull ${lock.repository}@${lock.digest}: ${messageOf(cause).trim()}`;
  if (/unauthorized|denied|no basic auth|authentication required/i.test(messageOf(cause))) {
    if (problem) return environmentError(`${message}. ${problem.message}`, { cause, action: problem.action ?? '' });
    return environmentError(message, { cause, action: `Sign in with "docker login ${registry}".` });
  }
  return environmentError(message, {
    cause,
    action: `Check that the Docker daemon (not only this shell) reaches ${registry}: its proxy is set in its own service.`,
  });
}
