import { Agent as HttpsAgent } from 'node:https';
import Docker from 'dockerode';
import { ProgramStream } from '../host/duplex.ts';
import { environmentError, inputError, messageOf, ParityError } from '../host/errors.ts';
import type { Address, Host } from '../host/host.ts';
import type { WslHost } from '../host/wsl.ts';
import { DaemonAgent, type DaemonWay } from './docker-agent.ts';
import { type DockerEndpoint, dockerEndpoint } from './docker-endpoint.ts';

/**
 * Connects to the Docker daemon that the `docker` command of this host would use (see dockerEndpoint). In a WSL distro that
 * is by the distro's own docker command, or by a relay to its socket. Nothing is contacted until the first call.
 */
export async function connectDocker(host: Host, signal: AbortSignal): Promise<Docker> {
  signal.throwIfAborted();
  if (isWsl(host) && host.programs.has('docker')) return throughAgent(dialStdio(host));
  const endpoint = await dockerEndpoint(host);
  const { address } = endpoint;
  const local = address === undefined ? undefined : /^(?:unix|npipe):\/\/(.+)$/.exec(address)?.[1];
  if (address === undefined || local !== undefined) {
    const path = local ?? (await defaultSocket(host));
    if (isWsl(host))
      return throughAgent({ open: () => host.connect({ path }), dial: (to, stop) => host.connect(to, stop) });
    return socketDocker(path);
  }
  const url = URL.parse(address);
  if (url?.protocol === 'ssh:') return throughAgent(overSsh(host, url));
  if (url?.protocol === 'tcp:' || url?.protocol === 'http:' || url?.protocol === 'https:') {
    return new Docker(tcpOptions(url, endpoint));
  }
  throw inputError(`Docker's address ${address} (from ${endpoint.source}) is of a kind that is not understood`, {
    action: 'Set DOCKER_HOST to unix://…, tcp://… or ssh://…, or pick another context with "docker context use".',
  });
}

/**
 * How to connect to other sockets of the machine that the daemon runs on, such as a published port on its loopback;
 * undefined where that is this machine.
 */
export function dialBeside(docker: Docker): DaemonWay['dial'] | undefined {
  const { agent } = docker.modem as { agent?: unknown };
  return agent instanceof DaemonAgent ? (address, signal) => agent.way.dial(address, signal) : undefined;
}

const isWsl = (host: Host): host is WslHost => host.name.startsWith('wsl:') && 'programs' in host;

/** docker-modem prefers a `host` that it takes from DOCKER_HOST itself; the empty one keeps it to the socket. */
const socketDocker = (socketPath: string) => new Docker({ socketPath, host: '', protocol: 'http' });

/** The name is for HTTP's Host header alone. */
function throughAgent(way: DaemonWay): Docker {
  const options = { host: 'docker', port: 80, protocol: 'http', agent: new DaemonAgent(way) } as const;
  return new Docker(options);
}

/**
 * Docker's own socket; where it isn't there, those that Docker Desktop, rootless Docker and Podman have without a context
 * (docs.docker.com/engine/security/rootless, podman-system-service(1)).
 */
async function defaultSocket(host: Host): Promise<string> {
  if (host.platform === 'win32') return '//./pipe/docker_engine';
  const usual = '/var/run/docker.sock';
  const runtime = host.env.XDG_RUNTIME_DIR;
  const others = [
    `${host.home}/.docker/run/docker.sock`,
    ...(runtime ? [`${runtime}/docker.sock`, `${runtime}/podman/podman.sock`] : []),
    '/run/podman/podman.sock',
  ];
  for (const path of [usual, ...others]) if (await host.hasSocket(path)) return path;
  return usual;
}

/** `docker system dial-stdio` joins its input and output to the daemon, as the docker command itself does over ssh. */
function dialStdio(host: WslHost): DaemonWay {
  return {
    open: async () => new ProgramStream(host.spawn(['docker', 'system', 'dial-stdio']), `Docker in ${host.distro}`),
    dial: (address, signal) => host.connect(address, signal),
  };
}

/**
 * By the user's own ssh, with their settings, keys and known hosts, and without ever asking for a password
 * (docker/cli, cli/connhelper/ssh: the same command at the other end).
 */
function overSsh(host: Host, url: URL): DaemonWay {
  const to = [...(url.username ? ['-l', decodeURIComponent(url.username)] : []), ...(url.port ? ['-p', url.port] : [])];
  const ssh = ['ssh', '-o', 'ConnectTimeout=30', '-o', 'BatchMode=yes', '-T', ...to];
  const socket = url.pathname.length > 1 ? ['--host', `unix://${url.pathname}`] : [];
  const failed = (code: number, stderr: Buffer) =>
    environmentError(
      `ssh to ${url.host} failed: ${stderr.toString('utf8').trim().split('\n').at(-1) || `exit code ${code}`}`,
      {
        action: `See whether "ssh ${url.host} docker version" works in a terminal without asking for anything.`,
      },
    );
  const open = (argv: readonly string[], signal?: AbortSignal) =>
    Promise.resolve(new ProgramStream(host.spawn(argv, signal ? { signal } : {}), `ssh to ${url.host}`, failed));
  return {
    open: () => open([...ssh, '--', url.hostname, 'docker', ...socket, 'system', 'dial-stdio']),
    dial: (address: Address, signal) => {
      const place = 'path' in address ? address.path : `${address.host}:${address.port}`;
      return open([...ssh, '-W', place, '--', url.hostname], signal);
    },
  };
}

function tcpOptions(url: URL, { tls }: DockerEndpoint): Docker.DockerOptions {
  const secure = tls !== undefined || url.protocol === 'https:';
  const address = { host: url.hostname, port: url.port || (secure ? '2376' : '2375') };
  if (!secure) return { ...address, protocol: 'http' };
  const { ca, cert, key, skipVerify } = tls ?? {};
  const options = {
    ...address,
    protocol: 'https',
    ...(ca ? { ca } : {}),
    ...(cert ? { cert } : {}),
    ...(key ? { key } : {}),
    ...(skipVerify ? { agent: new HttpsAgent({ keepAlive: true, rejectUnauthorized: false }) } : {}),
  } as const;
  return options;
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
    const denied = (cause as NodeJS.ErrnoException).code === 'EACCES' || /permission denied/i.test(messageOf(cause));
    const known = cause instanceof ParityError ? cause.action : undefined;
    throw environmentError(`The Docker daemon does not answer: ${messageOf(cause)}`, {
      cause,
      action:
        known ??
        (denied
          ? 'Add yourself to the docker group ("sudo usermod -aG docker $USER"), then log in again.'
          : 'Start Docker (for example "sudo systemctl start docker"), or run "clparity doctor".'),
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

export { dockerConfig } from './docker-endpoint.ts';
export { execInContainer } from './exec.ts';
