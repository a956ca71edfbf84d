import ipaddr from 'ipaddr.js';

type Env = Readonly<Record<string, string | undefined>>;

/**
 * The proxy for a server by HTTPS_PROXY/HTTP_PROXY (either case) unless NO_PROXY says otherwise; undefined for none.
 * The rules are those of kubectl: https://pkg.go.dev/golang.org/x/net/http/httpproxy
 */
export function proxyFor(server: string, env: Env): string | undefined {
  const url = new URL(server);
  const proxy = url.protocol === 'https:' ? env.HTTPS_PROXY || env.https_proxy : env.HTTP_PROXY || env.http_proxy;
  if (!proxy || bypasses(url, env.NO_PROXY || env.no_proxy || '')) return undefined;
  return withScheme(proxy);
}

/** A proxy's URL; `host:port` alone means http. */
export function withScheme(proxy: string): string {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(proxy) ? proxy : `http://${proxy}`;
}

/** Whether a server is reached without a proxy: this machine always, and what NO_PROXY lists. */
export function bypasses(url: URL, noProxy: string): boolean {
  const host = url.hostname
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '');
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  const ip = ipaddr.isValid(host) ? ipaddr.process(host) : undefined;
  if (host === 'localhost' || ip?.range() === 'loopback') return true;
  return noProxy
    .split(',')
    .map((entry) => entry.trim().toLowerCase())
    .some((entry) => entry !== '' && matches(entry, host, port, ip));
}

function matches(entry: string, host: string, port: string, ip: ipaddr.IPv4 | ipaddr.IPv6 | undefined): boolean {
  if (entry === '*') return true;
  if (ipaddr.isValidCIDR(entry)) {
    const [network, bits] = ipaddr.parseCIDR(entry);
    return ip !== undefined && ip.kind() === network.kind() && ip.match(network, bits);
  }
  const { name, only } = splitPort(entry);
  if (only !== undefined && only !== port) return false;
  if (ipaddr.isValid(name)) return ip !== undefined && ipaddr.process(name).toString() === ip.toString();
  if (ip !== undefined) return false;
  const suffix = name.startsWith('*.') ? name.slice(1) : name;
  return suffix.startsWith('.') ? host.endsWith(suffix) : host === suffix || host.endsWith(`.${suffix}`);
}

function splitPort(entry: string): { name: string; only: string | undefined } {
  if (ipaddr.isValid(entry)) return { name: entry, only: undefined };
  const found = /^(.*):(\d+)$/.exec(entry);
  const name = (found?.[1] ?? entry).replace(/^\[|\]$/g, '');
  return { name, only: found?.[2] };
}
