import { PassThrough, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import Docker from 'dockerode';
import { environmentError, messageOf } from '../host/errors.ts';
import type { Host } from '../host/host.ts';

/**
 * Connects to the Docker daemon that the `docker` command of this host would use: DOCKER_HOST, then the current context,
 * then the default socket. Nothing is contacted until the first call.
 */
export async function connectDocker(host: Host, signal: AbortSignal): Promise<Docker> {
  const endpoint = host.env.DOCKER_HOST ?? (await contextEndpoint(host, signal));
  if (!endpoint) return new Docker({ socketPath: '/var/run/docker.sock' });
  if (endpoint.startsWith('unix://')) return new Docker({ socketPath: endpoint.slice('unix://'.length) });
  if (endpoint.startsWith('npipe://')) return new Docker({ socketPath: endpoint.slice('npipe://'.length) });
  // docker-modem reads DOCKER_HOST, DOCKER_TLS_VERIFY and DOCKER_CERT_PATH itself for tcp and ssh.
  return new Docker();
}

async function contextEndpoint(host: Host, signal: AbortSignal): Promise<string | undefined> {
  const config = await host.readFile(`${host.env.DOCKER_CONFIG ?? `${host.home}/.docker`}/config.json`);
  const current =
    host.env.DOCKER_CONTEXT ?? (config && (JSON.parse(config) as { currentContext?: string }).currentContext);
  if (!current || current === 'default') return undefined;
  const shown = await host.exec(['docker', 'context', 'inspect', current, '--format', '{{.Endpoints.docker.Host}}'], {
    signal,
  });
  if (shown.exitCode !== 0) {
    throw environmentError(`Docker's context ${current} can't be read: ${shown.stderr.trim()}`, {
      action: 'Pick another with "docker context use".',
    });
  }
  return shown.stdout.trim() || undefined;
}

/** Checks that the daemon answers. Throws a ParityError that says how to start it. Returns its version and API version. */
export async function pingDocker(docker: Docker): Promise<{ version: string; apiVersion: string }> {
  try {
    const { Version, ApiVersion } = await docker.version();
    return { version: Version, apiVersion: ApiVersion };
  } catch (cause) {
    throw environmentError(`The Docker daemon does not answer: ${messageOf(cause)}`, {
      cause,
      action: 'Start Docker (for example "sudo systemctl start docker"), or run "clparity doctor".',
    });
  }
}

/**
 * Runs argv in a running container as root and streams `stdin` in on a hijacked connection: docker-modem's other
 * duplex ignores back-pressure (docker-modem lib/http_duplex.js). Resolves whatever the exit code is.
 */
export async function execInContainer(
  docker: Docker,
  container: string,
  argv: readonly string[],
  options: { stdin?: Readable | string; signal: AbortSignal },
): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  const { signal } = options;
  signal.throwIfAborted();
  const exec = await docker.getContainer(container).exec({
    Cmd: [...argv],
    AttachStdin: options.stdin !== undefined,
    AttachStdout: true,
    AttachStderr: true,
  });
  const socket = await exec.start({ hijack: true, stdin: options.stdin !== undefined });
  const onAbort = () => socket.destroy();
  signal.addEventListener('abort', onAbort, { once: true });
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  docker.modem.demuxStream(socket, stdout, stderr);
  const ended = new Promise<void>((resolve, reject) => {
    socket.once('end', resolve);
    socket.once('close', resolve);
    socket.once('error', reject);
  });
  const texts = Promise.all([text(stdout), text(stderr)]);
  try {
    if (options.stdin !== undefined) {
      // The program may end before its input does; then its exit code and stderr tell why, not EPIPE.
      await pipeline(typeof options.stdin === 'string' ? Readable.from([options.stdin]) : options.stdin, socket, {
        signal,
      }).catch((error: NodeJS.ErrnoException) => {
        if (signal.aborted || !['EPIPE', 'ECONNRESET', 'ERR_STREAM_PREMATURE_CLOSE'].includes(error.code ?? ''))
          throw error;
      });
    }
    await ended;
  } finally {
    signal.removeEventListener('abort', onAbort);
    stdout.end();
    stderr.end();
  }
  signal.throwIfAborted();
  const [out, err] = await texts;
  const { ExitCode } = await exec.inspect();
  return { exitCode: ExitCode ?? -1, stdout: out, stderr: err };
}

async function text(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
