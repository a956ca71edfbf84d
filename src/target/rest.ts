import { Agent, type Dispatcher, ProxyAgent, request } from 'undici';
import { environmentError, messageOf, ParityError } from '../host/errors.ts';

/** A Kubernetes object as the API server sends it. */
export interface KubeObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly resourceVersion?: string;
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
  /** The Authorization header's value, asked for before each request (tokens expire); undefined for none. */
  authorization?(signal: AbortSignal): Promise<string | undefined>;
}

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Path and query, e.g. `/api/v1/namespaces?limit=500`. */
  readonly path: string;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly signal: AbortSignal;
  /** Milliseconds until the answer must have come whole; 30,000 by default. */
  readonly timeoutMs?: number;
}

/** An API server that answered with an error, with its HTTP status and Status.reason. */
export class ApiError extends ParityError {
  readonly status: number;
  readonly reason: string | undefined;
  /** The Status object's `details`, where the server sent one. */
  readonly details: unknown;

  constructor(status: number, message: string, reason: string | undefined, details: unknown) {
    super('environment', message);
    this.status = status;
    this.reason = reason;
    this.details = details;
  }
}

/** One API server, any method. Keep it private to a client that narrows what may be sent. */
export interface Transport {
  readonly server: string;
  /** Sends one request and returns the parsed body. Throws ApiError for a status of 400 and up. */
  send(request: ApiRequest): Promise<unknown>;
  /** GETs a stream of newline-separated JSON values (a WATCH), each as it comes, until the server or `signal` ends it. */
  stream(path: string, signal: AbortSignal): AsyncIterable<unknown>;
  close(): Promise<void>;
}

/** Opens a transport; nothing is sent until it is used. */
export function openTransport(connection: Connection): Transport {
  const tls = {
    ca: connection.ca,
    cert: connection.cert,
    key: connection.key,
    servername: connection.tlsServerName,
    rejectUnauthorized: !connection.insecureSkipTlsVerify,
  };
  const dispatcher: Dispatcher = connection.proxy
    ? new ProxyAgent({ uri: connection.proxy, requestTls: tls })
    : new Agent({ connect: { ...tls, timeout: 10_000 } });
  const base = connection.server.replace(/\/+$/, '');

  async function call(req: ApiRequest, timeoutMs: number | undefined) {
    const signal = timeoutMs === undefined ? req.signal : AbortSignal.any([req.signal, AbortSignal.timeout(timeoutMs)]);
    const headers: Record<string, string> = { accept: 'application/json' };
    const authorization = await connection.authorization?.(req.signal);
    if (authorization) headers.authorization = authorization;
    if (req.body !== undefined) headers['content-type'] = req.contentType ?? 'application/json';
    try {
      const response = await request(base + req.path, {
        method: req.method,
        headers,
        dispatcher,
        signal,
        ...(req.body === undefined ? {} : { body: JSON.stringify(req.body) }),
        // Our own timeout covers the whole answer; a quiet watch must not be cut.
        headersTimeout: 0,
        bodyTimeout: 0,
      });
      if (response.statusCode >= 400) throw apiError(response.statusCode, await response.body.text(), req);
      return response;
    } catch (cause) {
      throw reachError(cause, req, connection, timeoutMs);
    }
  }

  return {
    server: connection.server,
    async send(req) {
      const timeoutMs = req.timeoutMs ?? 30_000;
      const response = await call(req, timeoutMs);
      let text: string;
      try {
        text = await response.body.text();
      } catch (cause) {
        throw reachError(cause, req, connection, timeoutMs);
      }
      if (text === '') return undefined;
      try {
        return JSON.parse(text);
      } catch (cause) {
        throw environmentError(
          `${connection.server}${req.path} did not answer with JSON: is this a Kubernetes API server?`,
          { cause },
        );
      }
    },
    async *stream(path, signal) {
      const response = await call({ method: 'GET', path, signal }, undefined);
      let rest = '';
      for await (const chunk of response.body.setEncoding('utf8')) {
        const lines = (rest + chunk).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) if (line.trim()) yield JSON.parse(line);
      }
    },
    close: () => dispatcher.close(),
  };
}

function apiError(status: number, text: string, req: ApiRequest): ApiError {
  let message = text.slice(0, 500);
  let reason: string | undefined;
  let details: unknown;
  try {
    const body = JSON.parse(text) as { message?: string; reason?: string; details?: unknown };
    message = body.message ?? message;
    reason = body.reason;
    details = body.details;
  } catch {
    // Not a Status object: the text itself is the message.
  }
  return new ApiError(status, `${req.method} ${req.path.split('?')[0]}: ${status} ${message}`, reason, details);
}

function reachError(cause: unknown, req: ApiRequest, connection: Connection, timeoutMs: number | undefined): unknown {
  if (cause instanceof ParityError) return cause;
  if (req.signal.aborted) return req.signal.reason;
  if (cause instanceof Error && cause.name === 'TimeoutError') {
    return environmentError(`${connection.server} did not answer ${req.path.split('?')[0]} within ${timeoutMs} ms`, {
      cause,
      action: 'Check the network, VPN or proxy between here and the cluster, then try again.',
    });
  }
  return environmentError(`Can't reach ${connection.server}: ${messageOf(cause)}`, {
    cause,
    action:
      'Check that the cluster is running and that its address, proxy and certificates in the kubeconfig are right.',
  });
}

/** The URL path of a resource: a collection, or one object when `name` is given. */
export function resourcePath(resource: Resource, namespace?: string, name?: string): string {
  const root = resource.group === '' ? `/api/${resource.version}` : `/apis/${resource.group}/${resource.version}`;
  const ns = namespace === undefined ? '' : `/namespaces/${encodeURIComponent(namespace)}`;
  const object = name === undefined ? '' : `/${encodeURIComponent(name)}`;
  return `${root}${ns}/${resource.plural}${object}`;
}

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
  list(
    resource: Resource,
    signal: AbortSignal,
    options?: { namespace?: string; labelSelector?: string },
  ): Promise<KubeObject[]>;
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
    async list(resource, signal, options = {}) {
      const items: KubeObject[] = [];
      let token: string | undefined;
      do {
        const query = new URLSearchParams({ limit: '500' });
        if (token) query.set('continue', token);
        if (options.labelSelector) query.set('labelSelector', options.labelSelector);
        const path = `${resourcePath(resource, options.namespace)}?${query}`;
        const page = (await transport.send({ method: 'GET', path, signal })) as {
          apiVersion?: string;
          kind?: string;
          metadata?: { continue?: string };
          items?: KubeObject[];
        };
        const type = { apiVersion: page.apiVersion ?? '', kind: page.kind?.replace(/List$/, '') ?? '' };
        for (const item of page.items ?? []) items.push({ ...type, ...item });
        token = page.metadata?.continue || undefined;
      } while (token);
      return items;
    },
    async *watch(resource, resourceVersion, signal) {
      const query = new URLSearchParams({ watch: 'true', allowWatchBookmarks: 'true' });
      if (resourceVersion) query.set('resourceVersion', resourceVersion);
      for await (const event of transport.stream(`${resourcePath(resource)}?${query}`, signal)) {
        yield event as { type: string; object: KubeObject };
      }
    },
    raw: (path, signal) => transport.send({ method: 'GET', path, signal }),
    close: () => transport.close(),
  };
}
