import { environmentError } from '../host/errors.ts';
import type { Credentials } from './credentials.ts';
import type { Http } from './http.ts';
import { isLoopbackRegistry } from './reference.ts';

export interface AuthOptions {
  readonly registry: string;
  readonly credentials?: (signal: AbortSignal) => Promise<Credentials | undefined>;
  readonly http: Http;
  readonly signal: AbortSignal;
}

/**
 * Answers a registry's challenge (WWW-Authenticate) with an Authorization header's value: basic, or a token from the
 * realm that the challenge names (distribution's token protocol, its OAuth2 form for identity tokens). Throws an
 * `environment` error where there is nothing to answer with.
 */
export async function authorize(challenge: string, scope: string, options: AuthOptions): Promise<string> {
  const { registry, signal } = options;
  const bearer = parameters(challenge, 'bearer');
  const credentials = await options.credentials?.(signal);
  if (bearer?.realm) return `Bearer ${await token(bearer, scope, credentials, options)}`;
  if (parameters(challenge, 'basic') && credentials?.kind === 'basic') return basic(credentials);
  throw environmentError(`${registry} wants to know who you are, and Docker's settings don't say`, {
    action: `Sign in with "docker login ${registry}".`,
  });
}

async function token(
  bearer: Readonly<Record<string, string>>,
  scope: string,
  credentials: Credentials | undefined,
  { registry, http, signal }: AuthOptions,
): Promise<string> {
  const url = URL.parse(bearer.realm ?? '');
  // A password goes to that address: never in the clear, but to this machine itself.
  if (!url || (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopbackRegistry(url.host)))) {
    throw environmentError(`${registry} names ${bearer.realm} to sign in at, which is not an https address`);
  }
  const query = new URLSearchParams({ ...(bearer.service ? { service: bearer.service } : {}), scope });
  const response =
    credentials?.kind === 'identity'
      ? await http.send(url.href, {
          method: 'POST',
          body: new URLSearchParams([
            ...query,
            ['grant_type', 'refresh_token'],
            ['client_id', 'clparity'],
            ['refresh_token', credentials.token],
          ]),
          signal,
        })
      : await http.send(`${url.href}${url.search ? '&' : '?'}${query}`, {
          headers: credentials ? { authorization: basic(credentials) } : {},
          signal,
        });
  const answer = await response.text();
  if (!response.ok) {
    throw environmentError(`${url.host} gives no token for ${registry}: ${response.status}`, {
      action: `Sign in with "docker login ${registry}", or check the image's name.`,
    });
  }
  const given = tokenIn(answer);
  if (!given) throw environmentError(`${url.host} answered without a token for ${registry}`);
  return given;
}

function tokenIn(answer: string): string | undefined {
  try {
    const json = JSON.parse(answer) as { token?: unknown; access_token?: unknown };
    const given = json.token ?? json.access_token;
    return typeof given === 'string' ? given : undefined;
  } catch {
    // The caller says that there is no token; the parser's message might quote one.
    return undefined;
  }
}

function basic(credentials: { readonly username: string; readonly password: string }): string {
  return `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`;
}

/** The parameters of one scheme in a WWW-Authenticate header, or undefined where it isn't offered. */
function parameters(challenge: string, scheme: string): Readonly<Record<string, string>> | undefined {
  const start = new RegExp(`(?:^|,\\s*)${scheme}(?:\\s+|$)`, 'i').exec(challenge);
  if (!start) return undefined;
  const found: Record<string, string> = {};
  const pair = /\s*,?\s*([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))/y;
  pair.lastIndex = start.index + start[0].length;
  for (let match = pair.exec(challenge); match; match = pair.exec(challenge)) {
    found[(match[1] ?? '').toLowerCase()] = (match[2] ?? match[3] ?? '').replace(/\\(.)/g, '$1');
  }
  return found;
}
