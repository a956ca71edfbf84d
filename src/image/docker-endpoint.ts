import { createHash } from 'node:crypto';
import { inputError, messageOf } from '../host/errors.ts';
import type { Host } from '../host/host.ts';

/** Where a Docker daemon is, as the `docker` command would find it. */
export interface DockerEndpoint {
  /** `unix://…`, `npipe://…`, `tcp://…`, `ssh://…`; undefined for the default socket. */
  readonly address?: string;
  /** What says so, in words: "DOCKER_HOST", "the context desktop-linux". */
  readonly source: string;
  /** PEM texts; `tls` is set where the connection is to be encrypted, also without any of them. */
  readonly tls?: TlsMaterial;
}

export interface TlsMaterial {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly skipVerify?: boolean;
}

/** The folder of Docker's settings. */
function dockerFolder(host: Host): string {
  return host.env.DOCKER_CONFIG || `${host.home}/.docker`;
}

/** What is in Docker's config.json. Throws an `input` error where that isn't JSON. */
export async function dockerConfig(host: Host): Promise<Readonly<Record<string, unknown>>> {
  return (await readJson(host, `${dockerFolder(host)}/config.json`)) ?? {};
}

async function readJson(host: Host, path: string): Promise<Readonly<Record<string, unknown>> | undefined> {
  const text = await host.readFile(path);
  if (text === undefined || text.trim() === '') return undefined;
  try {
    return JSON.parse(text) as Readonly<Record<string, unknown>>;
  } catch (cause) {
    throw inputError(`Docker's settings in ${path} are not JSON: ${messageOf(cause)}`, { cause });
  }
}

/**
 * DOCKER_HOST, then DOCKER_CONTEXT, then the current context of Docker's config, then the default, in the order of the
 * docker command (docker/cli, cli/command/cli.go, resolveContextName). Throws an `input` error for a context that isn't there.
 */
export async function dockerEndpoint(host: Host): Promise<DockerEndpoint> {
  const { DOCKER_HOST, DOCKER_CONTEXT } = host.env;
  if (DOCKER_HOST) {
    const address = DOCKER_HOST.includes('://') ? DOCKER_HOST : `tcp://${DOCKER_HOST}`;
    const secure = Boolean(host.env.DOCKER_TLS_VERIFY || host.env.DOCKER_TLS) || /:2376\/?$/.test(address);
    const tls = secure && address.startsWith('tcp:') ? await environmentTls(host) : undefined;
    return { address, source: 'DOCKER_HOST', ...(tls && { tls }) };
  }
  const name = DOCKER_CONTEXT || (await dockerConfig(host)).currentContext;
  if (typeof name !== 'string' || name === '' || name === 'default') return { source: 'the default' };
  return contextEndpoint(host, name, DOCKER_CONTEXT ? 'DOCKER_CONTEXT' : 'config.json');
}

/**
 * A context as Docker stores it: meta.json and TLS files under folders named by the SHA-256 of its name
 * (docker/cli, cli/context/store: metadatastore.go, tlsstore.go; endpoint "docker", files ca.pem, cert.pem, key.pem).
 */
async function contextEndpoint(host: Host, name: string, chosenBy: string): Promise<DockerEndpoint> {
  const id = createHash('sha256').update(name).digest('hex');
  const folder = `${dockerFolder(host)}/contexts`;
  const meta = (await readJson(host, `${folder}/meta/${id}/meta.json`)) as
    | { readonly Endpoints?: { readonly docker?: { readonly Host?: string; readonly SkipTLSVerify?: boolean } } }
    | undefined;
  const docker = meta?.Endpoints?.docker;
  if (!docker) {
    throw inputError(`Docker's context ${name}, chosen by ${chosenBy}, is not there`, {
      action: 'See "docker context ls", and pick another with "docker context use".',
    });
  }
  const files = await pemFiles(host, `${folder}/tls/${id}/docker`);
  const secure = Object.keys(files).length > 0 || docker.SkipTLSVerify === true;
  return {
    source: `the context ${name}`,
    ...(docker.Host ? { address: docker.Host } : {}),
    ...(secure && docker.Host?.startsWith('tcp:')
      ? { tls: { ...files, ...(docker.SkipTLSVerify ? { skipVerify: true } : {}) } }
      : {}),
  };
}

async function environmentTls(host: Host): Promise<TlsMaterial> {
  const files = await pemFiles(host, host.env.DOCKER_CERT_PATH || dockerFolder(host));
  return host.env.DOCKER_TLS_VERIFY ? files : { ...files, skipVerify: true };
}

async function pemFiles(host: Host, folder: string): Promise<TlsMaterial> {
  const [ca, cert, key] = await Promise.all(
    ['ca', 'cert', 'key'].map((name) => host.readFile(`${folder}/${name}.pem`)),
  );
  return { ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}) };
}
