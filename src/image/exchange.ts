import type { Response } from 'undici';
import { environmentError, inputError, messageOf, ParityError } from '../host/errors.ts';
import { authorize } from './auth.ts';
import { openHttp } from './http.ts';
import type { RegistryOptions } from './registry.ts';
import { type HttpFailure, type RetryOptions, retryAfterMs, retrying } from './retry.ts';

/** A request to a registry and what it is about, for errors. */
export interface Ask {
  readonly url: string;
  readonly what: string;
  /** GET when absent; those after HEAD write, and sign in for that. */
  readonly method?: 'GET' | 'HEAD' | 'POST' | 'PATCH' | 'PUT';
  readonly body?: string | AsyncIterable<Uint8Array>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Talks to one registry about one repository: signs in when asked to, tries again, gives failures words. */
export interface Exchange {
  /** One request, its answer read whole by `read` within the time limit; tried again where that may help. */
  ask<T>(ask: Ask, signal: AbortSignal, read: (response: Response) => Promise<T>): Promise<T>;
  /** One request, tried once; the body of the answer is the caller's. Throws where the answer isn't a success. */
  open(ask: Ask, signal: AbortSignal): Promise<Response>;
  /** Gives a failure to reach the registry its words; `stall` is the signal of our own time limit. */
  explain(error: unknown, what: string, signal: AbortSignal, stall?: AbortSignal): unknown;
  retryOptions(signal: AbortSignal): RetryOptions;
  close(): Promise<void>;
}

/** The distribution spec asks registries to accept manifests of 4 MiB; nothing that we hold is larger than twice that. */
const LIMIT = 8 * 1024 * 1024;

/** `registry` is the host that is spoken with, as the user knows it. */
export function openExchange(registry: string, path: string, options: RegistryOptions): Exchange {
  const http = openHttp(options);
  const timeoutMs = options.timeoutMs ?? 60_000;
  let authorization: string | undefined;
  const pushes = (method: Ask['method']) => method !== 'GET' && method !== 'HEAD';

  async function open({ url, what, method = 'GET', headers, body }: Ask, signal: AbortSignal): Promise<Response> {
    const send = () =>
      http.send(url, {
        method,
        signal,
        // Blobs are hashed as they come: nobody on the way is to pack them once more.
        headers: { 'accept-encoding': 'identity', ...headers, ...(authorization ? { authorization } : {}) },
        ...(body === undefined ? {} : { body, duplex: 'half' }),
      });
    let response = await send();
    if (response.status === 401) {
      const challenge = response.headers.get('www-authenticate') ?? '';
      await response.body?.cancel();
      authorization = await authorize(challenge, `repository:${path}:pull${pushes(method) ? ',push' : ''}`, {
        ...options,
        registry,
        http,
        signal,
      });
      response = await send();
    }
    if (response.ok) return response;
    throw await refusal(response, registry, what, pushes(method) ? 'write' : 'read');
  }

  const retryOptions = (signal: AbortSignal): RetryOptions => ({
    signal,
    attempts: options.attempts ?? 5,
    ...(options.log ? { log: options.log } : {}),
    ...(options.pause ? { pause: options.pause } : {}),
  });

  function explain(error: unknown, what: string, signal: AbortSignal, stall?: AbortSignal): unknown {
    if (signal.aborted) return signal.reason;
    if (error instanceof ParityError) return error;
    const cause = stall?.aborted ? stall.reason : error;
    return environmentError(`Can't reach the registry ${registry} for ${what}: ${reason(cause)}`, {
      cause,
      action:
        'Check the network, VPN or proxy (HTTPS_PROXY, NO_PROXY), or use --archive FILE or --registry-mirror HOST.',
    });
  }

  return {
    open,
    explain,
    retryOptions,
    ask: (request, signal, read) =>
      retrying(async () => {
        signal.throwIfAborted();
        const late = deadline(timeoutMs, `no whole answer within ${timeoutMs} ms`);
        try {
          return await read(await open(request, AbortSignal.any([signal, late.signal])));
        } catch (error) {
          throw explain(error, request.what, signal, late.signal);
        } finally {
          late.stop();
        }
      }, retryOptions(signal)),
    close: () => http.close(),
  };
}

/** A time limit of our own that says what it was for, and that can be put off by `again` or called off by `stop`. */
export function deadline(ms: number, message: string): { signal: AbortSignal; again(): void; stop(): void } {
  const controller = new AbortController();
  const late = () => controller.abort(new DOMException(message, 'TimeoutError'));
  let timer = setTimeout(late, ms);
  return {
    signal: controller.signal,
    again() {
      clearTimeout(timer);
      timer = setTimeout(late, ms);
    },
    stop: () => clearTimeout(timer),
  };
}

/** An answer's body in memory. Throws an `input` error where it is larger than anything but a layer may be. */
export async function readLimited(response: Response, what: string): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > LIMIT) throw inputError(`${what} is larger than ${LIMIT} bytes, too large for a manifest or config`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function refusal(
  response: Response,
  registry: string,
  what: string,
  verb: 'read' | 'write',
): Promise<ParityError> {
  const detail = errorText((await readLimited(response, what)).toString('utf8'));
  const { status } = response;
  const wait = retryAfterMs(response.headers.get('retry-after'));
  const cause: HttpFailure = { status, ...(wait === undefined ? {} : { retryAfterMs: wait }) };
  if (status === 404) {
    return inputError(`${registry} has no ${what}${detail}`, {
      cause,
      action: 'Check the name, the tag and the digest, or name another image with --image.',
    });
  }
  if (status === 401 || status === 403) {
    return environmentError(`${registry} does not let us ${verb} ${what}: ${status}${detail}`, {
      cause,
      action: `Sign in with "docker login ${registry}", or check the name.`,
    });
  }
  if (status === 429) {
    const asked = wait === undefined ? '' : `, and asks to wait ${Math.ceil(wait / 1000)} s`;
    return environmentError(`${registry} limits how often it is asked${asked}: ${status} for ${what}${detail}`, {
      cause,
      action: `Wait a while, or sign in with "docker login ${registry}".`,
    });
  }
  return environmentError(`${registry} answered ${status} for ${what}${detail}`, { cause, action: 'Try again later.' });
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

/** fetch hides the reason ("connect ECONNREFUSED …") in its error's cause. */
function reason(error: unknown): string {
  return error instanceof Error && error.cause ? reason(error.cause) : messageOf(error);
}
