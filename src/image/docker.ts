import Docker from 'dockerode';
import { environmentError, inputError, messageOf } from '../host/errors.ts';
import type { Host } from '../host/host.ts';

/**
 * Connects to the Docker daemon that the `docker` command of this host would use: DOCKER_HOST, then the current context
 * (DOCKER_CONTEXT, then the one in Docker's config), then the default socket. Nothing is contacted until the first call.
 */
export async function connectDocker(host: Host, signal: AbortSignal): Promise<Docker> {
  const endpoint = host.env.DOCKER_HOST || (await contextEndpoint(host, signal));
  const defaultSocket = host.platform === 'win32' ? '//./pipe/docker_engine' : '/var/run/docker.sock';
  if (!endpoint) return socketDocker(defaultSocket);
  const local = /^(?:unix|npipe):\/\/(.+)$/.exec(endpoint);
  if (local?.[1]) return socketDocker(local[1]);
  const url = URL.parse(endpoint.includes('://') ? endpoint : `tcp://${endpoint}`);
  if (url?.protocol === 'ssh:') {
    const agent = host.env.SSH_AUTH_SOCK;
    return new Docker({
      protocol: 'ssh',
      host: url.hostname,
      port: url.port || '22',
      ...(url.username ? { username: decodeURIComponent(url.username) } : {}),
      sshOptions: agent ? { agent } : {},
    });
  }
  if (url?.protocol === 'tcp:' || url?.protocol === 'http:' || url?.protocol === 'https:') {
    return new Docker(await tcpOptions(host, url));
  }
  throw inputError(`Docker's address ${endpoint} is of a kind that is not understood`, {
    action: 'Set DOCKER_HOST to unix://…, tcp://… or ssh://…, or pick another context with "docker context use".',
  });
}

/** docker-modem prefers a `host` that it takes from DOCKER_HOST itself; the empty one keeps it to the socket. */
const socketDocker = (socketPath: string) => new Docker({ socketPath, host: '', protocol: 'http' });

async function tcpOptions(host: Host, url: URL): Promise<Docker.DockerOptions> {
  const certs = host.env.DOCKER_CERT_PATH;
  const secure = url.protocol === 'https:' || url.port === '2376' || Boolean(host.env.DOCKER_TLS_VERIFY);
  const address = { host: url.hostname, port: url.port || (secure ? '2376' : '2375') };
  if (!secure) return { ...address, protocol: 'http' };
  const folder = certs ?? host.env.DOCKER_CONFIG ?? `${host.home}/.docker`;
  const [ca, cert, key] = await Promise.all(
    ['ca', 'cert', 'key'].map((name) => host.readFile(`${folder}/${name}.pem`)),
  );
  return { ...address, protocol: 'https', ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}) };
}

/** Docker's own settings folder and what is in its config.json. Throws an `input` error where that isn't JSON. */
export async function dockerConfig(host: Host): Promise<Readonly<Record<string, unknown>>> {
  const path = `${host.env.DOCKER_CONFIG || `${host.home}/.docker`}/config.json`;
  const text = await host.readFile(path);
  if (text === undefined || text.trim() === '') return {};
  try {
    return JSON.parse(text) as Readonly<Record<string, unknown>>;
  } catch (cause) {
    throw inputError(`Docker's settings in ${path} are not JSON: ${messageOf(cause)}`, { cause });
  }
}

async function contextEndpoint(host: Host, signal: AbortSignal): Promise<string | undefined> {
  const current = host.env.DOCKER_CONTEXT || (await dockerConfig(host)).currentContext;
  if (typeof current !== 'string' || current === '' || current === 'default') return undefined;
  const argv = ['docker', 'context', 'inspect', current, '--format', '{{.Endpoints.docker.Host}}'];
  const shown = await host.exec(argv, { signal, timeoutMs: 15_000 });
  if (shown.exitCode !== 0) {
    throw environmentError(`Docker's context ${current} can't be read: ${shown.stderr.trim()}`, {
      action: 'Pick another with "docker context use".',
    });
  }
  return shown.stdout.trim() || undefined;
}

/** Checks that the daemon answers. Throws a ParityError that says how to start it. */
export async function pingDocker(
  docker: Docker,
  signal?: AbortSignal,
): Promise<{ version: string; apiVersion: string; platform: string }> {
  try {
    // Docker.version() takes no options; a daemon that hangs must not hang us.
    const version = await abortable(docker.version(), AbortSignal.any([AbortSignal.timeout(15_000), ...some(signal)]));
    return { version: version.Version, apiVersion: version.ApiVersion, platform: `${version.Os}/${version.Arch}` };
  } catch (cause) {
    signal?.throwIfAborted();
    const denied = (cause as NodeJS.ErrnoException).code === 'EACCES';
    throw environmentError(`The Docker daemon does not answer: ${messageOf(cause)}`, {
      cause,
      action: denied
        ? 'Add yourself to the docker group ("sudo usermod -aG docker $USER"), then log in again.'
        : 'Start Docker (for example "sudo systemctl start docker"), or run "clparity doctor".',
    });
  }
}

const some = <T>(value: T | undefined): T[] => (value === undefined ? [] : [value]);

async function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let onAbort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

export { execInContainer } from './exec.ts';
