import { inputError } from '../host/errors.ts';
import { isDigest } from './digest.ts';

/** An image reference, normalised as Docker does. */
export interface ImageReference {
  /** Host and port as names carry it: `docker.io`, `127.0.0.1:5000`. */
  readonly registry: string;
  /** The repository's path within the registry: `library/busybox`. */
  readonly path: string;
  /** `registry/path`. */
  readonly repository: string;
  /** `latest` where neither tag nor digest was given. */
  readonly tag?: string;
  readonly digest?: string;
  /** The whole, normalised: `docker.io/library/busybox:latest`. */
  readonly text: string;
}

const LABEL = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const REGISTRY = new RegExp(`^(?:${LABEL}(?:\\.${LABEL})*|\\[[0-9a-fA-F:]+\\])(?::[0-9]+)?$`);
const PATH = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^\w[\w.-]{0,127}$/;

/**
 * Parses an image reference by Docker's rules (github.com/distribution/reference): no registry means docker.io, a
 * single name there means `library/`, no tag and no digest means `latest`. Throws an `input` error saying what is wrong.
 */
export function parseReference(text: string): ImageReference {
  const wrong = (why: string) =>
    inputError(`"${text}" is not an image reference: ${why}`, {
      action: 'Write it as registry/name:tag or registry/name@sha256:DIGEST.',
    });
  if (text === '') throw wrong('it is empty');
  if (/\s/.test(text)) throw wrong('it has white space in it');
  if (/^[a-z]+:\/\//i.test(text)) throw wrong('it is a URL; leave out the scheme');
  if (/^[0-9a-f]{64}$/.test(text)) throw wrong('64 hex digits are an image ID; name the repository');

  const at = text.indexOf('@');
  const digest = at < 0 ? undefined : text.slice(at + 1);
  if (digest !== undefined && !isDigest(digest)) {
    throw wrong(`the digest "${digest}" is not sha256: and 64 lower-case hex digits`);
  }
  const named = at < 0 ? text : text.slice(0, at);
  const { registry, rest } = splitRegistry(named);
  if (!REGISTRY.test(registry)) throw wrong(`"${registry}" is not a registry's host name`);

  const colon = rest.indexOf(':');
  const given = colon < 0 ? undefined : rest.slice(colon + 1);
  if (given !== undefined && !TAG.test(given)) throw wrong(`"${given}" is not a tag`);
  const short = colon < 0 ? rest : rest.slice(0, colon);
  const path = registry === 'docker.io' && !short.includes('/') && short !== '' ? `library/${short}` : short;
  if (path === '') throw wrong('the repository has no name');
  if (path !== path.toLowerCase()) throw wrong(`the repository name "${short}" must be lower case`);
  if (!PATH.test(path)) throw wrong(`"${short}" is not a repository name`);
  const repository = `${registry}/${path}`;
  if (repository.length > 255) throw wrong('the name is longer than 255 characters');

  const tag = given ?? (digest === undefined ? 'latest' : undefined);
  return {
    registry,
    path,
    repository,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
    text: repository + (tag === undefined ? '' : `:${tag}`) + (digest === undefined ? '' : `@${digest}`),
  };
}

function splitRegistry(named: string): { registry: string; rest: string } {
  const slash = named.indexOf('/');
  const first = named.slice(0, Math.max(slash, 0));
  // Docker takes the first part for a host only if it can't be a path component; upper case can't.
  const isHost = first === 'localhost' || /[.:]/.test(first) || first !== first.toLowerCase();
  if (slash < 0 || !isHost) return { registry: 'docker.io', rest: named };
  return { registry: first === 'index.docker.io' ? 'docker.io' : first, rest: named.slice(slash + 1) };
}

/** True for registries that Docker speaks plain HTTP with: 127.0.0.0/8, ::1 and localhost. */
export function isLoopbackRegistry(registry: string): boolean {
  const host = registry.replace(/:[0-9]+$/, '');
  return host === 'localhost' || host === '[::1]' || /^127(?:\.[0-9]{1,3}){3}$/.test(host);
}
