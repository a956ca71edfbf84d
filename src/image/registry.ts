import type { Response } from 'undici';
import { environmentError, inputError } from '../host/errors.ts';
import type { Log } from '../host/run.ts';
import { streamBlob } from './blob-stream.ts';
import type { Credentials } from './credentials.ts';
import { checkDigest, digestOf, isDigest } from './digest.ts';
import { openExchange, readLimited } from './exchange.ts';
import type { HttpOptions } from './http.ts';
import { type Descriptor, MANIFEST_TYPES, OCI_INDEX, parseManifest } from './manifest.ts';
import { type ImageReference, isLoopbackRegistry } from './reference.ts';
import { httpFailure, type RetryOptions } from './retry.ts';

export interface RegistryOptions extends HttpOptions, Pick<RetryOptions, 'pause'> {
  /** Asked for only when the registry wants to know who we are. */
  readonly credentials?: (signal: AbortSignal) => Promise<Credentials | undefined>;
  /** Milliseconds until a small answer must have come whole; 60,000 by default. */
  readonly timeoutMs?: number;
  /** Milliseconds without a byte of a blob after which it is asked for again; 30,000 by default. */
  readonly stallMs?: number;
  /** How often to try in all; 5 by default. */
  readonly attempts?: number;
  /** Hears of every retry. */
  readonly log?: Log;
  /** `HOST[/PREFIX]` that serves the same bytes in the registry's place. */
  readonly mirror?: string;
}

/** A manifest or index as the registry keeps it: `text` is its exact bytes, checked against `digest`. */
export interface RegistryManifest {
  readonly digest: string;
  readonly mediaType: string;
  readonly text: string;
}

/** One repository in a registry, read-only. Every method throws a ParityError that names the repository. */
export interface Registry {
  /** The host that is spoken with: the registry's, or its mirror's. */
  readonly host: string;
  /** The digest that a tag has now, without its manifest; undefined where the registry does not say. */
  resolve(tag: string, signal: AbortSignal): Promise<string | undefined>;
  /** An index or a manifest by tag or digest. */
  manifest(tagOrDigest: string, signal: AbortSignal): Promise<RegistryManifest>;
  /** The same, or undefined where there is none. */
  findManifest(tagOrDigest: string, signal: AbortSignal): Promise<RegistryManifest | undefined>;
  /** A small blob (a config) whole; at most 8 MiB. */
  blob(digest: string, signal: AbortSignal): Promise<Buffer>;
  /** A blob of any size as a stream that is checked, and resumed where it breaks; see streamBlob. */
  stream(blob: Pick<Descriptor, 'digest' | 'size'>, signal: AbortSignal): AsyncGenerator<Uint8Array>;
  /** What refers to a manifest or index: signatures, lifecycle, SBOMs. By the OCI 1.1 API, else by its fallback tag. */
  referrers(digest: string, signal: AbortSignal): Promise<readonly Descriptor[]>;
  tags(signal: AbortSignal): Promise<string[]>;
  close(): Promise<void>;
}

/** Opens a repository by the OCI distribution protocol. Nothing is sent until it is used. */
export function openRegistry(
  reference: Pick<ImageReference, 'registry' | 'path' | 'repository'>,
  options: RegistryOptions = {},
): Registry {
  const { repository } = reference;
  const { registry, path } = served(reference, options.mirror);
  // As Docker does: its own hub has another name for this, and loopback registries speak plain HTTP.
  const host = registry === 'docker.io' ? 'registry-1.docker.io' : registry;
  const base = `${isLoopbackRegistry(registry) ? 'http' : 'https'}://${host}/v2/${path}`;
  const exchange = openExchange(registry, path, options);
  const accept = { headers: { accept: MANIFEST_TYPES.join(', ') } };

  const named = (tagOrDigest: string) => repository + (isDigest(tagOrDigest) ? '@' : ':') + tagOrDigest;
  const blobAt = (digest: string) => ({ url: `${base}/blobs/${digest}`, what: `${repository}@${digest}` });

  function manifest(tagOrDigest: string, signal: AbortSignal): Promise<RegistryManifest> {
    const what = named(tagOrDigest);
    return exchange.ask({ url: `${base}/manifests/${tagOrDigest}`, what, ...accept }, signal, async (response) => {
      const bytes = await readLimited(response, what);
      const claimed = response.headers.get('docker-content-digest');
      const digest = isDigest(tagOrDigest) ? tagOrDigest : isDigest(claimed) ? claimed : digestOf(bytes);
      checkDigest(bytes, digest, `The manifest of ${what} that ${registry} sent`);
      const mediaType = response.headers.get('content-type')?.split(';')[0]?.trim() ?? '';
      return { digest, mediaType, text: bytes.toString('utf8') };
    });
  }

  /** All pages of a list, from the same server only. */
  async function pages(first: string, what: string, signal: AbortSignal): Promise<string[]> {
    const texts: string[] = [];
    for (let url: string | undefined = first; url !== undefined; ) {
      const here: string = url;
      url = await exchange.ask({ url: here, what, headers: { accept: OCI_INDEX } }, signal, async (response) => {
        texts.push((await readLimited(response, what)).toString('utf8'));
        return nextPage(response, here);
      });
    }
    return texts;
  }

  return {
    host: registry,

    resolve: (tag, signal) =>
      exchange.ask(
        { url: `${base}/manifests/${tag}`, what: named(tag), method: 'HEAD', ...accept },
        signal,
        async (response) => {
          const digest = response.headers.get('docker-content-digest');
          return isDigest(digest) ? digest : undefined;
        },
      ),

    manifest,

    findManifest: (tagOrDigest, signal) => orNothing(manifest(tagOrDigest, signal)),

    blob: (digest, signal) =>
      exchange.ask(blobAt(digest), signal, async (response) => {
        const { what } = blobAt(digest);
        const bytes = await readLimited(response, what);
        checkDigest(bytes, digest, `The blob ${what} that ${registry} sent`);
        return bytes;
      }),

    stream: ({ digest, size }, signal) => {
      const stallMs = options.stallMs ?? 30_000;
      return streamBlob(exchange, { digest, size, ...blobAt(digest), registry, stallMs }, signal);
    },

    async referrers(digest, signal) {
      const what = `referrers of ${repository}@${digest}`;
      const listed = await orNothing(pages(`${base}/referrers/${digest}`, what, signal), [404, 405, 501]);
      // A registry from before OCI 1.1 keeps them in an index under a tag made of the digest.
      const texts = listed ?? [(await orNothing(manifest(digest.replace(':', '-'), signal)))?.text ?? NO_REFERRERS];
      return texts.flatMap((text) => {
        const index = parseManifest(text, `What ${registry} lists as ${what}`);
        return index.kind === 'index' ? index.manifests : [];
      });
    },

    async tags(signal) {
      return (await pages(`${base}/tags/list`, repository, signal)).flatMap((text) => tagList(text, registry));
    },

    close: () => exchange.close(),
  };
}

const NO_REFERRERS = '{"schemaVersion":2,"manifests":[]}';

/**
 * Where the bytes of a repository come from: itself, or the same path below its mirror. Throws an `input` error where the
 * mirror isn't `HOST[:PORT][/PREFIX]`; a scheme has no place there, since loopback alone speaks plain HTTP.
 */
export function served(
  { registry, path }: Pick<ImageReference, 'registry' | 'path'>,
  mirror: string | undefined,
): { readonly registry: string; readonly path: string } {
  if (mirror === undefined) return { registry, path };
  if (!/^[\w.-]+(?::\d+)?(?:\/[\w.-]+)*\/?$/.test(mirror)) {
    throw inputError(`"${mirror}" is not a registry mirror`, {
      action: 'Write it as HOST[:PORT][/PREFIX], without https://.',
    });
  }
  const [host = '', ...prefix] = mirror.replace(/\/+$/, '').split('/');
  return { registry: host, path: [...prefix, path].join('/') };
}

/** Undefined where the registry says that there is none of it. */
async function orNothing<T>(asked: Promise<T>, none: readonly number[] = [404]): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (none.includes(httpFailure(error)?.status ?? 0)) return undefined;
    throw error;
  }
}

function tagList(text: string, registry: string): string[] {
  try {
    const { tags } = JSON.parse(text) as { tags?: unknown };
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
