import { Agent, type Dispatcher, fetch, ProxyAgent, type RequestInit, type Response } from 'undici';
import { proxyFor } from '../target/proxy.ts';

/** HTTP as registries need it: proxies by the environment, redirects that lose the password on the way. */
export interface Http {
  send(url: string, init: RequestInit & { readonly signal: AbortSignal }): Promise<Response>;
  close(): Promise<void>;
}

export interface HttpOptions {
  /** Where HTTPS_PROXY, HTTP_PROXY and NO_PROXY are read from; no proxy when absent. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** The authorities (PEM) to trust at `host[:port]` instead of Node's own; asked once a host. */
  readonly authorities?: (host: string) => Promise<readonly string[]>;
}

/** Opens connections on demand. */
export function openHttp({ env = {}, authorities }: HttpOptions): Http {
  const dispatchers = new Map<string, Promise<Dispatcher>>();

  function dispatcherFor(at: URL): Promise<Dispatcher> {
    const proxy = proxyFor(at.href, env) ?? '';
    const secured = at.protocol === 'https:' && authorities ? at.host : '';
    const key = `${proxy} ${secured}`;
    const made = dispatchers.get(key) ?? makeDispatcher(proxy, secured);
    dispatchers.set(key, made);
    return made;
  }

  async function makeDispatcher(proxy: string, host: string): Promise<Dispatcher> {
    const ca = host === '' ? undefined : await authorities?.(host);
    const connect = { timeout: 10_000, ...(ca === undefined ? {} : { ca: [...ca] }) };
    return proxy === ''
      ? new Agent({ connect })
      : new ProxyAgent({ uri: proxy, requestTls: connect, proxyTls: connect });
  }

  return {
    async send(url, init) {
      let request: RequestInit = { ...init, redirect: 'manual' };
      // By hand, not fetch's own way: every hop has its own proxy. Registries send blobs' readers to a store elsewhere.
      for (let hop = 0, at = new URL(url); ; hop++) {
        const response = await fetch(at, { ...request, dispatcher: await dispatcherFor(at) });
        const location = response.headers.get('location');
        if (![301, 302, 303, 307, 308].includes(response.status) || location === null) return response;
        await response.body?.cancel();
        const next = new URL(location, at);
        if (hop === 10) throw new Error(`${url} redirects without end`);
        if (at.protocol === 'https:' && next.protocol !== 'https:') {
          throw new Error(`${at.origin} redirects to the unencrypted ${next.origin}`);
        }
        if (next.origin !== at.origin) {
          // A body of ours holds an identity token, and that is for nobody else.
          if (request.body) throw new Error(`${at.origin} redirects the sign-in to ${next.origin}`);
          request = { ...request, headers: withoutSecrets(request.headers) };
        }
        at = next;
      }
    },
    async close() {
      const made = await Promise.allSettled(dispatchers.values());
      await Promise.all(made.map((one) => (one.status === 'fulfilled' ? one.value.close() : undefined)));
    },
  };
}

function withoutSecrets(headers: RequestInit['headers']): Record<string, string> {
  const kept = new Headers(headers as Record<string, string>);
  kept.delete('authorization');
  return Object.fromEntries(kept);
}
