import { inputError } from '../host/errors.ts';
import type { Host } from '../host/host.ts';
import { at, type Field, isAbsent, textOf } from '../snapshot/shape.ts';
import { type ClusterInfo, type Credential, runPlugin } from './exec-credential.ts';
import { type Entry, pathsOf } from './kubeconfig.ts';
import { oidcTokens } from './oidc.ts';
import type { Connection } from './rest.ts';

/** How a user proves who they are: the part of a Connection that comes from the kubeconfig's `user`. */
export type Auth = Pick<Connection, 'cert' | 'key' | 'authorization' | 'forget'>;

/**
 * Resolves a kubeconfig user. A credential plugin is run once at once, for it may give a client certificate; its token
 * is kept until it expires or the server refuses it.
 */
export async function authOf(
  host: Host,
  user: Entry | undefined,
  cluster: ClusterInfo,
  signal: AbortSignal,
): Promise<Auth> {
  if (!user) return {};
  const body = user.body;
  for (const key of ['as', 'as-uid', 'as-groups', 'as-user-extra']) {
    if (!isAbsent(at(body, key)))
      throw body.fail([...body.path, key], 'asks for impersonation, which is not supported');
  }
  const cert = await dataOrFile(host, user, 'client-certificate');
  const key = await dataOrFile(host, user, 'client-key');
  const certificate = { ...(cert === undefined ? {} : { cert }), ...(key === undefined ? {} : { key }) };
  const tokenFile = textOf(at(body, 'tokenFile'));
  // Tokens in files are rotated under our hands: read before each request.
  if (tokenFile) return { ...certificate, authorization: async () => bearer(await mustRead(host, user, 'tokenFile')) };
  const token = textOf(at(body, 'token'));
  if (token) return { ...certificate, authorization: async () => bearer(token) };
  const username = textOf(at(body, 'username'));
  if (username) {
    const pair = Buffer.from(`${username}:${textOf(at(body, 'password')) ?? ''}`).toString('base64');
    return { ...certificate, authorization: async () => `Basic ${pair}` };
  }
  if (!isAbsent(at(body, 'exec'))) return { ...certificate, ...(await pluginAuth(host, user, cluster, signal)) };
  const provider = at(body, 'auth-provider');
  if (!isAbsent(provider)) return { ...certificate, ...providerAuth(host, user, provider) };
  return certificate;
}

async function pluginAuth(host: Host, user: Entry, cluster: ClusterInfo, signal: AbortSignal): Promise<Auth> {
  const first = await runPlugin(host, user, cluster, signal);
  let current: Promise<Credential> | undefined = Promise.resolve(first);
  let expires = first.expires;
  let latest: string | undefined;
  const fresh = async (stop: AbortSignal): Promise<Credential> => {
    // Requests run side by side: one plugin run serves them all.
    if (current === undefined || (expires !== undefined && expires < Date.now() + 10_000)) {
      expires = undefined;
      current = runPlugin(host, user, cluster, stop);
    }
    try {
      const credential = await current;
      expires = credential.expires;
      return credential;
    } catch (error) {
      current = undefined;
      throw error;
    }
  };
  return {
    ...(first.cert && first.key ? { cert: first.cert, key: first.key } : {}),
    async authorization(stop) {
      const { token } = await fresh(stop);
      latest = token === undefined ? undefined : bearer(token);
      return latest;
    },
    forget(refused) {
      // Many requests may be refused at once: the first has it renewed, the others find it so.
      if (refused === latest) current = undefined;
    },
  };
}

function providerAuth(host: Host, user: Entry, provider: Field): Auth {
  const name = textOf(at(provider, 'name'));
  if (name !== 'oidc') {
    throw inputError(`kubeconfig user "${user.name}" uses the auth provider "${name}", which Kubernetes has removed`, {
      action:
        name === 'azure'
          ? 'Run "kubelogin convert-kubeconfig", then try again.'
          : 'Get new credentials for this cluster.',
    });
  }
  const tokens = oidcTokens(host, user);
  let pending: Promise<string> | undefined;
  return {
    async authorization(signal) {
      pending ??= tokens(signal).finally(() => {
        pending = undefined;
      });
      return bearer(await pending);
    },
  };
}

/** PEM text from `NAME-data` (base64), else from the file that `NAME` names; undefined for neither. */
export async function dataOrFile(host: Host, entry: Entry, name: string): Promise<string | undefined> {
  const data = textOf(at(entry.body, `${name}-data`));
  if (data) return Buffer.from(data, 'base64').toString('utf8');
  return textOf(at(entry.body, name)) ? mustRead(host, entry, name) : undefined;
}

async function mustRead(host: Host, entry: Entry, key: string): Promise<string> {
  const named = at(entry.body, key);
  const path = pathsOf(host).resolve(entry.folder, textOf(named) ?? '');
  const content = await host.readFile(path);
  if (content === undefined) throw named.fail(named.path, `names ${path}, which isn't there`);
  return content;
}

function bearer(token: string): string {
  return `Bearer ${token.trim()}`;
}
