import type { Duplex } from 'node:stream';
import { ApiError } from './api-error.ts';

export { ApiError } from './api-error.ts';
export { openTransport } from './transport.ts';

/** A Kubernetes object as the API server sends it. */
export interface KubeObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly resourceVersion?: string;
    readonly creationTimestamp?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly deletionTimestamp?: string;
    readonly managedFields?: readonly {
      readonly manager?: string;
      readonly operation?: string;
      readonly fieldsV1?: unknown;
    }[];
    readonly ownerReferences?: readonly {
      readonly kind: string;
      readonly name: string;
      readonly controller?: boolean;
    }[];
  };
  readonly [field: string]: unknown;
}

/** A kind's address: group `''` is the core group; `plural` is what stands in the URL. */
export interface Resource {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
}

/** How to reach an API server. Everything is resolved: no file paths, no helpers to run but `authorization`. */
export interface Connection {
  readonly server: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly tlsServerName?: string;
  readonly insecureSkipTlsVerify?: boolean;
  /** Proxy for this server, from the kubeconfig's proxy-url or HTTPS_PROXY/NO_PROXY. */
  readonly proxy?: string;
  /** Connects to the server's host and port from where they mean something: a WSL distro, a machine behind ssh. */
  dial?(address: { readonly host: string; readonly port: number }): Promise<Duplex>;
  /** The Authorization header's value, asked for before each request (tokens expire); undefined for none. */
  authorization?(signal: AbortSignal): Promise<string | undefined>;
  /** Told which value the server refused (401), so that `authorization` gets a new one. */
  forget?(refused: string): void;
}

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Path and query, e.g. `/api/v1/namespaces?limit=500`. */
  readonly path: string;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly accept?: string;
  readonly signal: AbortSignal;
  /** Milliseconds until the answer must have come whole; 30,000 by default. */
  readonly timeoutMs?: number;
}

/** One API server, any method. Keep it private to a client that narrows what may be sent. */
export interface Transport {
  readonly server: string;
  /**
   * Sends one request and returns the parsed body. Throws ApiError for a status of 400 and up; asks again, a few times,
   * where the server says to slow down (429, and 503 for a GET).
   */
  send(request: ApiRequest): Promise<unknown>;
  /** GETs a stream of newline-separated JSON values (a WATCH), each as it comes, until the server ends it; `signal` rejects it. */
  stream(path: string, signal: AbortSignal): AsyncIterable<unknown>;
  close(): Promise<void>;
}

/** The URL path of a resource: a collection, or one object when `name` is given. */
export function resourcePath(resource: Resource, namespace?: string, name?: string): string {
  const root = resource.group === '' ? `/api/${resource.version}` : `/apis/${resource.group}/${resource.version}`;
  const ns = namespace === undefined ? '' : `/namespaces/${encodeURIComponent(namespace)}`;
  const object = name === undefined ? '' : `/${encodeURIComponent(name)}`;
  return `${root}${ns}/${resource.plural}${object}`;
}

export interface ListOptions {
  readonly namespace?: string;
  readonly labelSelector?: string;
  /** Only metadata is sent: items are PartialObjectMetadata. */
  readonly metadataOnly?: boolean;
}

/** All objects of a kind at one moment. */
export interface Collection {
  readonly items: KubeObject[];
  readonly resourceVersion: string;
}

/** A server ends a watch after so many seconds, so that a connection that died unnoticed is found out. */
export const WATCH_SECONDS = 240;

/** What may be done to a target: look. There is no way to send anything but GET through it. */
export interface ReadClient {
  readonly server: string;
  /** One object, or undefined where it isn't there (404). */
  get(
    resource: Resource,
    name: string,
    namespace: string | undefined,
    signal: AbortSignal,
  ): Promise<KubeObject | undefined>;
  /** All objects, page by page. Throws ApiError (403 forbidden, 404 no such kind). Items get their apiVersion and kind. */
  list(resource: Resource, signal: AbortSignal, options?: ListOptions): Promise<KubeObject[]>;
  /** The same with the version of the whole, from which a watch goes on. */
  collect(resource: Resource, signal: AbortSignal): Promise<Collection>;
  /** Changes from a version on, for at most WATCH_SECONDS; the server then ends it. */
  watch(
    resource: Resource,
    resourceVersion: string | undefined,
    signal: AbortSignal,
  ): AsyncIterable<{ type: string; object: KubeObject }>;
  /** Any other GET, such as /version or discovery. */
  raw(path: string, signal: AbortSignal): Promise<unknown>;
  close(): Promise<void>;
}

/** Narrows a transport to GET, LIST and WATCH. */
export function readClient(transport: Transport): ReadClient {
  return {
    server: transport.server,
    async get(resource, name, namespace, signal) {
      try {
        return (await transport.send({
          method: 'GET',
          path: resourcePath(resource, namespace, name),
          signal,
        })) as KubeObject;
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) return undefined;
        throw error;
      }
    },
    list: async (resource, signal, options = {}) => (await listWhole(transport, resource, signal, options)).items,
    collect: (resource, signal) => listWhole(transport, resource, signal, {}),
    async *watch(resource, resourceVersion, signal) {
      const query = new URLSearchParams({
        watch: 'true',
        allowWatchBookmarks: 'true',
        timeoutSeconds: `${WATCH_SECONDS}`,
      });
      if (resourceVersion) query.set('resourceVersion', resourceVersion);
      for await (const event of transport.stream(`${resourcePath(resource)}?${query}`, signal)) {
        yield event as { type: string; object: KubeObject };
      }
    },
    raw: (path, signal) => transport.send({ method: 'GET', path, signal }),
    close: () => transport.close(),
  };
}

const METADATA_ONLY = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json';

async function listWhole(
  transport: Transport,
  resource: Resource,
  signal: AbortSignal,
  options: ListOptions,
): Promise<Collection> {
  try {
    return await listPages(transport, resource, signal, options);
  } catch (error) {
    // The server forgot where a long list was: once more from the start.
    if (!(error instanceof ApiError && error.status === 410)) throw error;
    return listPages(transport, resource, signal, options);
  }
}

async function listPages(
  transport: Transport,
  resource: Resource,
  signal: AbortSignal,
  options: ListOptions,
): Promise<Collection> {
  const items: KubeObject[] = [];
  let token: string | undefined;
  let resourceVersion = '';
  do {
    const query = new URLSearchParams({ limit: '500' });
    if (token) query.set('continue', token);
    if (options.labelSelector) query.set('labelSelector', options.labelSelector);
    const path = `${resourcePath(resource, options.namespace)}?${query}`;
    const accept = options.metadataOnly ? { accept: METADATA_ONLY } : {};
    const page = ((await transport.send({ method: 'GET', path, signal, ...accept })) ?? {}) as {
      apiVersion?: string;
      kind?: string;
      metadata?: { continue?: string; resourceVersion?: string };
      items?: KubeObject[];
    };
    const type = { apiVersion: page.apiVersion ?? '', kind: page.kind?.replace(/List$/, '') ?? '' };
    for (const item of page.items ?? []) items.push({ ...type, ...item });
    token = page.metadata?.continue || undefined;
    resourceVersion = page.metadata?.resourceVersion ?? resourceVersion;
  } while (token);
  return { items, resourceVersion };
}
