import { Agent, type Dispatcher, fetch, ProxyAgent, type RequestInit, type Response } from 'undici';
import { proxyFor } from '../target/proxy.ts';

/** HTTP as registries need it: proxies by the environment, redirects that lose the password on the way. */
export interface Http {
  send(url: string, init: RequestInit & { readonly signal: AbortSignal }): Promise<Response>;
  close(): Promise<void>;
}

/** Opens connections on demand. `env` is where HTTPS_PROXY, HTTP_PROXY and NO_PROXY are read from. */
export function openHttp(env: Readonly<Record<string, string | undefined>>): Http {
  const dispatchers = new Map<string, Dispatcher>();

  function dispatcherFor(url: string): Dispatcher {
    const proxy = proxyFor(url, env) ?? '';
    const known = dispatchers.get(proxy);
    if (known) return known;
    const connect = { timeout: 10_000 };
    const made = proxy === '' ? new Agent({ connect }) : new ProxyAgent({ uri: proxy, requestTls: connect });
    dispatchers.set(proxy, made);
    return made;
  }

  return {
    async send(url, init) {
      let request: RequestInit = { ...init, redirect: 'manual' };
      // By hand, not fetch's own way: every hop has its own proxy. Registries send blobs' readers to a store elsewhere.
      for (let hop = 0, at = url; ; hop++) {
        const response = await fetch(at, { ...request, dispatcher: dispatcherFor(at) });
        const location = response.headers.get('location');
        if (![301, 302, 303, 307, 308].includes(response.status) || location === null) return response;
        await response.body?.cancel();
        const next = new URL(location, at);
        if (hop === 10) throw new Error(`${url} redirects without end`);
        if (new URL(at).protocol === 'https:' && next.protocol !== 'https:') {
          throw new Error(`${at} redirects to the unencrypted ${next.origin}`);
        }
        if (next.origin !== new URL(at).origin) request = { ...request, headers: withoutSecrets(request.headers) };
        at = next.href;
      }
    },
    async close() {
      await Promise.all([...dispatchers.values()].map((dispatcher) => dispatcher.close()));
    },
  };
}

function withoutSecrets(headers: RequestInit['headers']): Record<string, string> {
  const kept = new Headers(headers as Record<string, string>);
  kept.delete('authorization');
  return Object.fromEntries(kept);
}
