import { setTimeout as delay } from 'node:timers/promises';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { Agent, type buildConnector, type Dispatcher, ProxyAgent, request } from 'undici';
import { environmentError, messageOf, ParityError } from '../host/errors.ts';
import { ApiError } from './api-error.ts';
import type { ApiRequest, Connection, Transport } from './rest.ts';

const TIMEOUT_MS = 30_000;
const CONNECT_TIMEOUT_MS = 10_000;
/** Behind each connection that is dialled runs a program. */
const DIALLED = 8;
/** An overloaded server is asked again so many times, waiting as long as it says but no longer than this. */
const RETRIES = 3;
const LONGEST_WAIT_MS = 10_000;

/** Opens a transport; nothing is sent until it is used. Its errors name the server and the path, never a credential. */
export function openTransport(connection: Connection): Transport {
  const dispatcher = dispatcherFor(connection);
  const base = connection.server.replace(/\/+$/, '');
  const exchange: Exchange = { connection, dispatcher, base };
  return {
    server: connection.server,
    send: (req) => sendPatiently(exchange, req),
    stream: (path, signal) => stream(exchange, path, signal),
    // Not `close`: that would wait for a watch that nobody reads any more.
    close: () => dispatcher.destroy(),
  };
}

interface Exchange {
  readonly connection: Connection;
  readonly dispatcher: Dispatcher;
  readonly base: string;
}

function dispatcherFor(connection: Connection): Dispatcher {
  const tls = {
    ca: connection.ca,
    cert: connection.cert,
    key: connection.key,
    servername: connection.tlsServerName,
    rejectUnauthorized: !connection.insecureSkipTlsVerify,
    timeout: CONNECT_TIMEOUT_MS,
  };
  const { dial } = connection;
  if (dial) return new Agent({ connections: DIALLED, connect: (to, done) => void dialTls(dial, to, tls, done) });
  if (connection.proxy === undefined) return new Agent({ connect: tls });
  return new ProxyAgent({ uri: connection.proxy, requestTls: tls, proxyTls: { timeout: CONNECT_TIMEOUT_MS } });
}

type Connected = Parameters<buildConnector.connector>[1];

/** TLS over a stream of somebody else's; undici asks for the connection and is told how that ended. */
async function dialTls(
  dial: NonNullable<Connection['dial']>,
  { hostname, port }: { hostname: string; port: string },
  options: ConnectionOptions & { servername: string | undefined },
  done: Connected,
): Promise<void> {
  try {
    const socket = await dial({ host: hostname, port: Number(port || 443) });
    const { timeout: _, servername, ...rest } = options;
    const secure = connectTls({ ...rest, socket, ...(servername === undefined ? {} : { servername }) });
    const late = setTimeout(
      () => secure.destroy(new Error(`no TLS within ${CONNECT_TIMEOUT_MS} ms`)),
      CONNECT_TIMEOUT_MS,
    );
    const failed = (error: Error) => {
      clearTimeout(late);
      socket.destroy();
      done(error, null);
    };
    // The stream's own end says more than that TLS was not set up over it.
    socket.once('error', (error) => secure.destroy(error));
    secure.once('error', failed);
    secure.once('secureConnect', () => {
      clearTimeout(late);
      secure.off('error', failed);
      done(null, secure);
    });
  } catch (error) {
    done(error instanceof Error ? error : new Error(String(error)), null);
  }
}

/** Sends until there is an answer: again with fresh credentials after a 401, again later when told to slow down. */
async function sendPatiently(exchange: Exchange, req: ApiRequest): Promise<unknown> {
  const { connection } = exchange;
  for (let attempt = 0, renewed = false; ; attempt++) {
    const authorization = await connection.authorization?.(req.signal);
    const answer = await sendOnce(exchange, req, authorization);
    if (answer.status < 400) return parseBody(answer.body, `${connection.server}${req.path}`);
    if (answer.status === 401 && !renewed && authorization !== undefined && connection.forget) {
      renewed = true;
      connection.forget(authorization);
      continue;
    }
    // 429 says that nothing was done; a 503 may come after the fact, so only what changes nothing is sent again.
    const again = answer.status === 429 || (answer.status === 503 && req.method === 'GET');
    if (!again || attempt >= RETRIES) throw apiError(answer, req, authorization);
    await delay(Math.min(answer.retryAfterMs ?? 500 * 2 ** attempt, LONGEST_WAIT_MS), undefined, {
      signal: req.signal,
    });
  }
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly retryAfterMs: number | undefined;
}

async function sendOnce(exchange: Exchange, req: ApiRequest, authorization: string | undefined): Promise<Answer> {
  const timeoutMs = req.timeoutMs ?? TIMEOUT_MS;
  const signal = AbortSignal.any([req.signal, AbortSignal.timeout(timeoutMs)]);
  try {
    const response = await dispatch(exchange, req, authorization, signal);
    const seconds = Number(response.headers['retry-after']);
    return {
      status: response.statusCode,
      body: await response.body.text(),
      retryAfterMs: Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined,
    };
  } catch (cause) {
    throw reachError(cause, req, exchange.connection, timeoutMs);
  }
}

function dispatch(exchange: Exchange, req: ApiRequest, authorization: string | undefined, signal: AbortSignal) {
  return request(exchange.base + req.path, {
    method: req.method,
    headers: {
      accept: req.accept ?? 'application/json',
      'user-agent': 'clparity',
      ...(authorization === undefined ? {} : { authorization }),
      ...(req.body === undefined ? {} : { 'content-type': req.contentType ?? 'application/json' }),
    },
    dispatcher: exchange.dispatcher,
    signal,
    ...(req.body === undefined ? {} : { body: JSON.stringify(req.body) }),
    // Our own timeout covers the whole answer; a quiet watch must not be cut.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
}

async function* stream(exchange: Exchange, path: string, signal: AbortSignal): AsyncGenerator<unknown> {
  const { connection } = exchange;
  const req: ApiRequest = { method: 'GET', path, signal };
  const authorization = await connection.authorization?.(signal);
  try {
    const response = await dispatch(exchange, req, authorization, signal);
    if (response.statusCode >= 400) {
      const body = await response.body.text();
      throw apiError({ status: response.statusCode, body, retryAfterMs: undefined }, req, authorization);
    }
    let rest = '';
    for await (const chunk of response.body.setEncoding('utf8')) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (line.trim()) yield parseBody(line, connection.server + path);
    }
    if (rest.trim()) yield parseBody(rest, connection.server + path);
  } catch (cause) {
    throw reachError(cause, req, connection, undefined);
  }
}

function parseBody(text: string, from: string): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw environmentError(`${from.split('?')[0]} did not answer with JSON: is this a Kubernetes API server?`, {
      cause,
      action: 'Check the server address in the kubeconfig; a proxy or sign-in page may answer in its place.',
    });
  }
}

function apiError(answer: Answer, req: ApiRequest, authorization: string | undefined): ApiError {
  const { status } = answer;
  let body: { message?: unknown; reason?: unknown; details?: unknown } = {};
  try {
    body = (JSON.parse(answer.body) as typeof body | null) ?? {};
  } catch {
    // Not a Status object: the text itself is the message.
  }
  const words = typeof body.message === 'string' ? body.message : answer.body.slice(0, 500);
  // A server may echo what it was sent.
  const secret = authorization?.replace(/^\S+ /, '');
  const message = secret ? words.replaceAll(secret, '***') : words;
  const reason = typeof body.reason === 'string' ? body.reason : undefined;
  const text = `${req.method} ${req.path.split('?')[0]}: ${status} ${message}`.trim();
  return new ApiError(status, text, reason, body.details, actionFor(status, req.method, words));
}

function actionFor(status: number, method: ApiRequest['method'], words: string): string | undefined {
  if (status === 401) {
    return 'The credentials were not accepted: sign in again (on AKS "az login" or "kubelogin"), check them with kubectl, then try again.';
  }
  if (status !== 403) return undefined;
  if (/\bbeing terminated\b/.test(words)) return 'Wait until that namespace has gone, then try again.';
  if (method !== 'GET') return 'See what it names: a quota, an admission rule, or a right that this user lacks there.';
  return 'Ask for read access (get, list, watch) to it; on AKS the role "Azure Kubernetes Service RBAC Reader".';
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
  const through = connection.proxy === undefined ? '' : ` through the proxy ${new URL(connection.proxy).host}`;
  return environmentError(`Can't reach ${connection.server}${through}: ${reasonOf(cause)}`, {
    cause,
    action:
      'Check that the cluster is running and that its address, proxy and certificates in the kubeconfig are right.',
  });
}

/** Several addresses that all failed come as an AggregateError without words. */
function reasonOf(cause: unknown): string {
  if (cause instanceof AggregateError && cause.errors.length > 0) return cause.errors.map(messageOf).join('; ');
  return messageOf(cause) || (cause as { code?: string } | undefined)?.code || 'no reason given';
}
