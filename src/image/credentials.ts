import { environmentError, isCancelled, messageOf } from '../host/errors.ts';
import type { ExecResult, Host } from '../host/host.ts';
import { dockerConfig } from './docker.ts';
import { isRecord } from './manifest.ts';

/** What to show a registry. Never logged, never in a message. */
export type Credentials =
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  /** An OAuth refresh token, which some registries (Azure's among them) hand out instead of a password. */
  | { readonly kind: 'identity'; readonly token: string };

/**
 * What Docker's settings hold for a registry: a helper named for it (credHelpers), else the common helper (credsStore),
 * else `auths`, as `docker` itself looks it up. Undefined where there is nothing. Throws an `environment` error where a
 * helper that is named can't be run.
 */
export async function registryCredentials(
  host: Host,
  registry: string,
  signal: AbortSignal,
): Promise<Credentials | undefined> {
  const config = await dockerConfig(host);
  const key = registry === 'docker.io' ? 'https://index.docker.io/v1/' : registry;
  const named = isRecord(config.credHelpers) ? config.credHelpers[key] : undefined;
  const helper = named ?? config.credsStore;
  if (typeof helper === 'string' && helper !== '') return fromHelper(host, helper, key, signal);
  const auths = isRecord(config.auths) ? config.auths : {};
  const entry = auths[key] ?? Object.entries(auths).find(([name]) => hostOf(name) === hostOf(key))?.[1];
  return isRecord(entry) ? fromEntry(entry) : undefined;
}

/** Old entries are URLs: `https://registry.example/v1/`. */
function hostOf(key: string): string {
  return key.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
}

function fromEntry(entry: Readonly<Record<string, unknown>>): Credentials | undefined {
  if (typeof entry.identitytoken === 'string' && entry.identitytoken !== '') {
    return { kind: 'identity', token: entry.identitytoken };
  }
  if (typeof entry.auth === 'string' && entry.auth !== '') {
    const pair = Buffer.from(entry.auth, 'base64').toString('utf8').replace(/\0+$/, '');
    const colon = pair.indexOf(':');
    if (colon > 0) return { kind: 'basic', username: pair.slice(0, colon), password: pair.slice(colon + 1) };
  }
  if (typeof entry.username === 'string' && typeof entry.password === 'string') {
    return { kind: 'basic', username: entry.username, password: entry.password };
  }
  return undefined;
}

async function fromHelper(
  host: Host,
  helper: string,
  key: string,
  signal: AbortSignal,
): Promise<Credentials | undefined> {
  const program = `docker-credential-${helper}`;
  let result: ExecResult;
  try {
    result = await host.exec([program, 'get'], { stdin: key, signal, timeoutMs: 30_000 });
  } catch (cause) {
    if (isCancelled(cause) || signal.aborted) throw cause;
    throw environmentError(`Docker's credential helper ${program} can't be used: ${messageOf(cause)}`, {
      cause,
      action: helperAction(helper),
    });
  }
  if (result.exitCode !== 0) {
    // The protocol's own words for "none", on standard output.
    if (/credentials not found/i.test(result.stdout)) return undefined;
    throw environmentError(`Docker's credential helper ${program} failed (exit code ${result.exitCode})`, {
      action: helperAction(helper),
    });
  }
  return helperAnswer(result.stdout, program);
}

function helperAnswer(stdout: string, program: string): Credentials | undefined {
  let json: unknown;
  try {
    json = JSON.parse(stdout);
  } catch {
    // Not the parser's message: it quotes what it read, and that may hold a secret.
    throw environmentError(`Docker's credential helper ${program} did not answer with JSON`);
  }
  if (!isRecord(json) || typeof json.Secret !== 'string' || json.Secret === '') return undefined;
  if (json.Username === '<token>') return { kind: 'identity', token: json.Secret };
  return { kind: 'basic', username: String(json.Username ?? ''), password: json.Secret };
}

function helperAction(helper: string): string {
  // Docker Desktop writes its own helper into a distro's settings, and it goes when Docker Desktop goes.
  const known = /^desktop(\.exe)?$|^wincred\.exe$/.test(helper) ? ' (left there by Docker Desktop)' : '';
  return (
    `Install docker-credential-${helper}, or take "credsStore" or "credHelpers" with "${helper}"${known} out of ` +
    'Docker\'s config.json and run "docker login" again.'
  );
}
