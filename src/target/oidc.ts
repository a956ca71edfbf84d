import { Agent, request } from 'undici';
import { environmentError, messageOf } from '../host/errors.ts';
import type { Host } from '../host/host.ts';
import { at, textOf } from '../snapshot/shape.ts';
import type { Entry } from './kubeconfig.ts';

const SIGN_IN =
  'Sign in again with the command that made this kubeconfig entry, or with any kubectl command, then try again.';

/**
 * The id token of a kubeconfig user with `auth-provider: oidc`: as it stands while it is good, else refreshed at the
 * issuer. The new tokens stay in memory, for the kubeconfig is never written. (client-node's own refresh sends no
 * client secret and can't be cancelled.) Source: OpenID Connect Core 1.0, section 12.
 */
export function oidcTokens(host: Host, user: Entry): (signal: AbortSignal) => Promise<string> {
  const config = at(user.body, 'auth-provider', 'config');
  const setting = (name: string) => textOf(at(config, name)) || undefined;
  let idToken = setting('id-token');
  let refreshToken = setting('refresh-token');
  return async (signal) => {
    if (idToken !== undefined && expiryOf(idToken) > Date.now() + 10_000) return idToken;
    const issuer = setting('idp-issuer-url');
    const clientId = setting('client-id');
    if (!issuer || !clientId || !refreshToken) {
      throw environmentError(`The OIDC token of kubeconfig user "${user.name}" has expired and can't be refreshed`, {
        action: SIGN_IN,
      });
    }
    const caData = setting('idp-certificate-authority-data');
    const caFile = setting('idp-certificate-authority');
    const ca = caData ? Buffer.from(caData, 'base64').toString('utf8') : caFile && (await host.readFile(caFile));
    const agent = new Agent(ca ? { connect: { ca } } : {});
    try {
      const fresh = await refresh(agent, issuer, clientId, setting('client-secret'), refreshToken, signal);
      idToken = fresh.idToken;
      refreshToken = fresh.refreshToken ?? refreshToken;
      return idToken;
    } catch (cause) {
      signal.throwIfAborted();
      throw environmentError(`Can't refresh the OIDC token of kubeconfig user "${user.name}": ${messageOf(cause)}`, {
        action: SIGN_IN,
      });
    } finally {
      await agent.destroy();
    }
  };
}

async function refresh(
  dispatcher: Agent,
  issuer: string,
  clientId: string,
  secret: string | undefined,
  refreshToken: string,
  caller: AbortSignal,
): Promise<{ idToken: string; refreshToken: string | undefined }> {
  const signal = AbortSignal.any([caller, AbortSignal.timeout(30_000)]);
  const discovery = await request(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, {
    dispatcher,
    signal,
  });
  const { token_endpoint: endpoint } = (await answer(discovery)) as { token_endpoint?: string };
  if (typeof endpoint !== 'string') throw new Error('the issuer names no token endpoint');
  const form = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: refreshToken, client_id: clientId });
  if (secret) form.set('client_secret', secret);
  const response = await request(endpoint, {
    method: 'POST',
    dispatcher,
    signal,
    headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
    body: form.toString(),
  });
  const tokens = (await answer(response)) as { id_token?: string; refresh_token?: string };
  if (typeof tokens.id_token !== 'string') throw new Error('the issuer gave no id token');
  return { idToken: tokens.id_token, refreshToken: tokens.refresh_token };
}

async function answer(response: Awaited<ReturnType<typeof request>>): Promise<unknown> {
  if (response.statusCode !== 200) {
    await response.body.dump();
    throw new Error(`the issuer answered ${response.statusCode}`);
  }
  return response.body.json();
}

/** Milliseconds since 1970; 0 for what is no JWT. */
function expiryOf(token: string): number {
  try {
    const payload: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'));
    const exp = (payload as { exp?: unknown } | null)?.exp;
    return typeof exp === 'number' ? exp * 1000 : 0;
  } catch {
    return 0;
  }
}
