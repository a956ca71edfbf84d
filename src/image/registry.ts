import type { Response } from 'undici';
import { environmentError, inputError, messageOf, ParityError } from '../host/errors.ts';
import { authorize } from './auth.ts';
import type { Credentials } from './credentials.ts';
import { checkDigest, digestOf, isDigest } from './digest.ts';
import { openHttp } from './http.ts';
import { MANIFEST_TYPES } from './manifest.ts';
import { type ImageReference, isLoopbackRegistry } from './reference.ts';

export interface RegistryOptions {
  /** Asked for only when the registry wants to know who we are. */
  readonly credentials?: (signal: AbortSignal) => Promise<Credentials | undefined>;
  /** Where HTTPS_PROXY, HTTP_PROXY and NO_PROXY are read from; no proxy when absent. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Milliseconds until an answer must have come whole; 60,000 by default. */
  readonly timeoutMs?: number;
}

/** A manifest or index as the registry keeps it: `text` is its exact bytes, checked against `digest`. */
export interface RegistryManifest {
  readonly digest: string;
  readonly mediaType: string;
  readonly text: string;
}

/** One repository in a registry, read-only. Every method throws a ParityError that names the repository. */
export interface Registry {
  /** The digest that a tag has now, without its manifest; undefined where the registry does not say. */
  resolve(tag: string, signal: AbortSignal): Promise<string | undefined>;
  /** An index or a manifest by tag or digest. */
  manifest(tagOrDigest: string, signal: AbortSignal): Promise<RegistryManifest>;
  /** A small blob (a config) whole; at most 8 MiB. */
  blob(digest: string, signal: AbortSignal): Promise<Buffer>;
  tags(signal: AbortSignal): Promise<string[]>;
  close(): Promise<void>;
}

/** The distribution spec asks registries to accept manifests of 4 MiB; nothing we read is larger than twice that. */
const LIMIT = 8 * 1024 * 1024;

/** Opens a repository by the OCI distribution protocol. Nothing is sent until it is used. */
export function openRegistry(
  reference: Pick<ImageReference, 'registry' | 'path' | 'repository'>,
  options: RegistryOptions = {},
): Registry {
  const { registry, path, repository } = reference;
  const loopback = isLoopbackRegistry(registry);
  // As Docker does: its own hub has another name for this, and loopback registries speak plain HTTP.
  const host = registry === 'docker.io' ? 'registry-1.docker.io' : registry;
  const base = `${loopback ? 'http' : 'https'}://${host}/v2/${path}`;
  const http = openHttp(options.env ?? {});
  const timeoutMs = options.timeoutMs ?? 60_000;
  let authorization: string | undefined;

  async function get(url: string, what: string, signal: AbortSignal, method = 'GET'): Promise<Response> {
    const send = () =>
      http.send(url, {
        method,
        signal,
        headers: { accept: MANIFEST_TYPES.join(', '), ...(authorization ? { authorization } : {}) },
      });
    let response = await send();
    if (response.status === 401) {
      const challenge = response.headers.get('www-authenticate') ?? '';
      await response.body?.cancel();
      const scope = `repository:${path}:pull`;
      authorization = await authorize(challenge, scope, { ...options, registry, http, signal });
      response = await send();
    }
    if (response.ok) return response;
    throw await refusal(response, registry, what);
  }

  /** Runs one exchange, its answer read whole, within the time limit; failures to reach the registry get words. */
  async function exchange<T>(signal: AbortSignal, work: (stop: AbortSignal) => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    const late = AbortSignal.timeout(timeoutMs);
    try {
      return await work(AbortSignal.any([signal, late]));
    } catch (cause) {
      signal.throwIfAborted();
      if (cause instanceof ParityError) throw cause;
      const why = late.aborted ? `no whole answer within ${timeoutMs} ms` : reason(cause);
      throw environmentError(`Can't reach the registry ${registry}: ${why}`, {
        cause,
        action: 'Check the network, VPN or proxy (HTTPS_PROXY, NO_PROXY), or use "--archive FILE".',
      });
    }
  }

  return {
    resolve: (tag, signal) =>
      exchange(signal, async (stop) => {
        const response = await get(`${base}/manifests/${tag}`, `${repository}:${tag}`, stop, 'HEAD');
        const digest = response.headers.get('docker-content-digest');
        return isDigest(digest) ? digest : undefined;
      }),

    manifest: (tagOrDigest, signal) =>
      exchange(signal, async (stop) => {
        const what = repository + (isDigest(tagOrDigest) ? '@' : ':') + tagOrDigest;
        const response = await get(`${base}/manifests/${tagOrDigest}`, what, stop);
        const bytes = await readLimited(response, what);
        const claimed = response.headers.get('docker-content-digest');
        const digest = isDigest(tagOrDigest) ? tagOrDigest : isDigest(claimed) ? claimed : digestOf(bytes);
        checkDigest(bytes, digest, `The manifest of ${what} that ${registry} sent`);
        const mediaType = response.headers.get('content-type')?.split(';')[0]?.trim() ?? '';
        return { digest, mediaType, text: bytes.toString('utf8') };
      }),

    blob: (digest, signal) =>
      exchange(signal, async (stop) => {
        const what = `${repository}@${digest}`;
        const bytes = await readLimited(await get(`${base}/blobs/${digest}`, what, stop), what);
        checkDigest(bytes, digest, `The blob ${what} that ${registry} sent`);
        return bytes;
      }),

    tags: (signal) =>
      exchange(signal, async (stop) => {
        const tags: string[] = [];
        for (let url: string | undefined = `${base}/tags/list`; url !== undefined; ) {
          const response = await get(url, repository, stop);
          tags.push(...tagList(await readLimited(response, repository), registry));
          url = nextPage(response, url);
        }
        return tags;
      }),

    close: () => http.close(),
  };
}

async function readLimited(response: Response, what: string): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > LIMIT) throw inputError(`${what} is larger than ${LIMIT} bytes, too large for a manifest or config`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function refusal(response: Response, registry: string, what: string): Promise<ParityError> {
  const detail = errorText((await readLimited(response, what)).toString('utf8'));
  const { status } = response;
  if (status === 404) {
    return inputError(`${registry} has no ${what}${detail}`, { action: 'Check the name, the tag and the digest.' });
  }
  if (status === 401 || status === 403) {
    return environmentError(`${registry} does not let us read ${what}: ${status}${detail}`, {
      action: `Sign in with "docker login ${registry}", or check the name.`,
    });
  }
  if (status === 429) {
    return environmentError(`${registry} limits how often it is asked: ${status}${detail}`, {
      action: `Wait a while, or sign in with "docker login ${registry}".`,
    });
  }
  return environmentError(`${registry} answered ${status} for ${what}${detail}`, { action: 'Try again later.' });
}

function errorText(body: string): string {
  try {
    const { errors } = JSON.parse(body) as { errors?: { code?: string; message?: string }[] };
    const first = errors?.[0];
    return first ? ` (${[first.code, first.message].filter(Boolean).join(': ').slice(0, 300)})` : '';
  } catch {
    // Not the protocol's error object (a proxy's page, say): the status alone must do.
    return '';
  }
}

function tagList(bytes: Buffer, registry: string): string[] {
  try {
    const { tags } = JSON.parse(bytes.toString('utf8')) as { tags?: unknown };
    return Array.isArray(tags) ? tags.filter((tag) => typeof tag === 'string') : [];
  } catch (cause) {
    throw environmentError(`${registry} did not answer with a list of tags`, { cause });
  }
}

/** The next page's URL from an RFC 8288 Link header, on the same server only. */
function nextPage(response: Response, url: string): string | undefined {
  const link = /<([^>]+)>\s*;\s*rel="?next"?/.exec(response.headers.get('link') ?? '')?.[1];
  const next = link === undefined ? null : URL.parse(link, url);
  return next && next.origin === new URL(url).origin && next.href !== url ? next.href : undefined;
}

/** fetch hides the reason ("connect ECONNREFUSED …") in its error's cause. */
function reason(error: unknown): string {
  return error instanceof Error && error.cause ? reason(error.cause) : messageOf(error);
}
