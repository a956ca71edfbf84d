import type { Host } from '../host/host.ts';
import { at, type Field, flag, text, textOf } from '../snapshot/shape.ts';
import { authOf, dataOrFile } from './auth.ts';
import { entriesOf, loadKubeconfig } from './kubeconfig.ts';
import { proxyFor, withScheme } from './proxy.ts';
import type { Connection } from './rest.ts';

/** A context of the user's kubeconfig, for pickers. */
export interface ContextInfo {
  readonly name: string;
  readonly current: boolean;
  readonly server?: string;
}

/** The contexts in the kubeconfig files, in their order. Runs no plugin and contacts nothing. */
export async function listContexts(host: Host): Promise<ContextInfo[]> {
  const config = await loadKubeconfig(host);
  return [...config.contexts.values()].map(({ name, body }) => {
    const cluster = config.clusters.get(textOf(at(body, 'cluster')) ?? '');
    const server = cluster && textOf(at(cluster.body, 'server'));
    return { name, current: name === config.currentContext, ...(server === undefined ? {} : { server }) };
  });
}

/**
 * How to reach a context's API server, with everything resolved; runs the user's credential plugin where there is one.
 * Throws an inputError for an unknown context or a faulty entry (with file and line), and an environmentError for a
 * plugin that gives no credential. The kubeconfig is never written.
 */
export async function connectionOf(host: Host, contextName: string, signal: AbortSignal): Promise<Connection> {
  const { cluster, user } = entriesOf(await loadKubeconfig(host), contextName);
  const server = serverOf(at(cluster.body, 'server'));
  const ca = await dataOrFile(host, cluster, 'certificate-authority');
  const tlsServerName = textOf(at(cluster.body, 'tls-server-name')) || undefined;
  const insecure = flag(at(cluster.body, 'insecure-skip-tls-verify'));
  const own = at(cluster.body, 'proxy-url');
  const proxy = textOf(own) ? proxyUrl(own) : proxyFor(server, host.env);
  const info = {
    server,
    ...(tlsServerName === undefined ? {} : { 'tls-server-name': tlsServerName }),
    ...(insecure ? { 'insecure-skip-tls-verify': true } : {}),
    ...(ca === undefined ? {} : { 'certificate-authority-data': Buffer.from(ca).toString('base64') }),
    ...(proxy === undefined ? {} : { 'proxy-url': proxy }),
    config: pluginConfig(at(cluster.body, 'extensions')),
  };
  return {
    server,
    ...(ca === undefined ? {} : { ca }),
    ...(tlsServerName === undefined ? {} : { tlsServerName }),
    ...(insecure ? { insecureSkipTlsVerify: true } : {}),
    ...(proxy === undefined ? {} : { proxy }),
    ...(await authOf(host, user, info, signal)),
  };
}

/** kubectl takes `host:port` for http, but no API server worth reading listens there: say what is wrong instead. */
function serverOf(here: Field): string {
  const server = text(here);
  const url = URL.canParse(server) ? new URL(server) : undefined;
  if (url?.protocol !== 'https:' && url?.protocol !== 'http:')
    throw here.fail(here.path, 'must be an http or https URL');
  if (url.username || url.password) throw here.fail(here.path, 'must not hold a user name or password');
  return server;
}

function proxyUrl(here: Field): string {
  const proxy = withScheme(text(here));
  const known = ['http:', 'https:', 'socks5:'];
  // The value itself may hold a password: it isn't quoted.
  if (!URL.canParse(proxy) || !known.includes(new URL(proxy).protocol)) {
    throw here.fail(here.path, 'must be an http, https or socks5 URL');
  }
  return proxy;
}

/** What a cluster entry has for plugins, under the extension's reserved name. */
function pluginConfig(extensions: Field): unknown {
  const list = Array.isArray(extensions.value) ? (extensions.value as unknown[]) : [];
  const found = list.find((e) => (e as { name?: unknown } | null)?.name === 'client.authentication.k8s.io/exec');
  return (found as { extension?: unknown } | undefined)?.extension ?? null;
}
