import { ProgramStream } from './duplex.ts';
import { environmentError, inputError, isCancelled } from './errors.ts';
import type { Address, ExecOptions, ExecResult, Host, Program, SpawnOptions } from './host.ts';
import { finished, missingProgram, type RawResult, startProgram, textResult } from './program.ts';
import { RELAYS, relayCommand } from './relay.ts';
import { type Distro, decodeWsl, distrosOf } from './wsl-text.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** A stopped distro is started by the first program that is run in it. */
const START_MS = 60_000;
const SWEEP_MS = 10_000;
/** Exit code of `sh` for a file that isn't there; cat's own is 1 for that and for all else. */
const NO_FILE = 44;

/** Of a login shell's variables, those that decide what programs of ours do. */
const PASSED =
  /^(DOCKER_|CONTAINER_HOST$|KUBECONFIG$|KIND_|XDG_|SSH_AUTH_SOCK$|AZURE_|AAD_|SSL_CERT_|(HTTPS?|NO|ALL)_PROXY$)/i;

const MARK = '\0clparity\0';
/** What a login shell has: its variables and those of our helpers that are there. Profiles may print things of their own. */
const LOOK = `printf '\\0clparity\\0'; env -0; printf '\\0clparity\\0'; for p in docker ${RELAYS.join(' ')}; do command -v "$p" >/dev/null && printf '%s\\0' "$p"; done; printf '\\0clparity\\0'`;

/** Ends what runs with our mark: the end of wsl.exe is not the end of what it had started. */
const SWEEP =
  'for p in /proc/[0-9]*; do if tr "\\0" "\\n" <"$p/environ" 2>/dev/null | grep -qx "CLPARITY_RUN=$1"; then kill "$(basename "$p")"; fi; done';

/** A WSL distro, and what is known of the way into it. */
export interface WslHost extends Host {
  readonly distro: string;
  /** The docker command and relays that its login shell finds. */
  readonly programs: ReadonlySet<string>;
}

export interface WslOptions {
  readonly signal: AbortSignal;
  /** The variables of this machine, where wsl.exe runs. */
  readonly env?: Env;
  /** Milliseconds that wsl.exe may take to list distros, or to start one. */
  readonly patienceMs?: number;
}

/** The distros that wsl.exe lists, without those of Docker Desktop and Rancher Desktop. */
export async function listDistros({ signal, env = process.env, patienceMs = START_MS }: WslOptions): Promise<Distro[]> {
  const list = async (how: string): Promise<string> => {
    const argv = [wslProgram(env), '--list', how];
    const { exitCode, stdout, stderr } = await finished(
      'wsl.exe',
      (stop) => startProgram(argv, { env: wslEnv(env, {}), signal: stop }),
      { signal, timeoutMs: patienceMs },
    ).catch((cause) => {
      throw hanging('wsl.exe did not list its distros', patienceMs, cause);
    });
    if (exitCode === 0) return decodeWsl(stdout);
    const text = decodeWsl(Buffer.concat([stdout, stderr])).trim();
    // No distro at all: how that is said depends on the language, its code doesn't.
    if (/WSL_E_DEFAULT_DISTRO_NOT_FOUND/.test(text)) return '';
    throw environmentError(`wsl.exe can't list its distros: ${text}`, { action: 'Run "wsl --status" on Windows.' });
  };
  const [quiet, verbose] = await Promise.all([list('--quiet'), list('--verbose')]);
  return distrosOf(quiet, verbose);
}

/**
 * A WSL distro, seen from Windows (or from another distro). Starts it where it is stopped. Programs run by argv, with the
 * variables that a login shell there has. Throws an `input` error for a distro that doesn't exist, and an `environment`
 * error where wsl.exe is missing, hangs or fails, with its own words.
 */
export async function wslHost(
  distro: string,
  { signal, env = process.env, patienceMs = START_MS }: WslOptions,
): Promise<WslHost> {
  // wsl.exe takes quotes around a name for a part of it (WslClient.cpp, WslMain), and Windows allows no other names.
  if (!/^[\w.-]+$/.test(distro)) throw inputError(`"${distro}" is no name of a WSL distro`);
  const way: Way = { distro, env, wsl: wslProgram(env) };
  const look = await run(way, ['sh', '-lc', LOOK], { signal, timeoutMs: patienceMs }).catch(async (error) => {
    if (!isNoDistro(error)) throw hanging(`The WSL distro ${distro} did not start`, patienceMs, error);
    const names = (await listDistros({ signal, env, patienceMs })).map(({ name }) => name).join(', ');
    throw inputError(`There is no WSL distro ${distro}`, {
      cause: error,
      action: names ? `Choose one of: ${names}.` : 'Install one with "wsl --install".',
    });
  });
  const [, variables = '', programs = ''] = look.stdout.toString('utf8').split(MARK);
  const there: Record<string, string> = Object.fromEntries(
    variables.split('\0').flatMap((line): [string, string][] => {
      const at = line.indexOf('=');
      return at > 0 ? [[line.slice(0, at), line.slice(at + 1)]] : [];
    }),
  );
  if (!there.HOME) throw environmentError(`The login shell of the WSL distro ${distro} did not tell its variables`);
  return hostIn(
    {
      ...way,
      path: there.PATH,
      passed: Object.fromEntries(Object.entries(there).filter(([name]) => PASSED.test(name))),
    },
    { ...there, HOME: there.HOME },
    new Set(programs.split('\0').filter((name) => name !== '')),
  );
}

function hostIn(way: Way, env: Env & { readonly HOME: string }, programs: ReadonlySet<string>): WslHost {
  const spawn = (argv: readonly string[], options: SpawnOptions = {}) => start(way, argv, options);
  const exec = async (argv: readonly string[], options: ExecOptions = {}): Promise<ExecResult> => {
    const result = await run(way, argv, options);
    return { ...textResult(result), stderr: decodeWsl(result.stderr) };
  };
  const must = async (argv: readonly string[]): Promise<string> => {
    const { exitCode, stdout, stderr } = await exec(argv, { timeoutMs: START_MS });
    if (exitCode === 0) return stdout.trim();
    throw environmentError(`${argv[0]} failed in the WSL distro ${way.distro}: ${stderr.trim()}`);
  };
  return {
    name: `wsl:${way.distro}`,
    distro: way.distro,
    programs,
    platform: 'linux',
    env,
    home: env.HOME,
    spawn,
    exec,
    async readFile(path) {
      const script = `[ -e "$1" ] || exit ${NO_FILE}; exec cat -- "$1"`;
      const { exitCode, stdout, stderr } = await exec(['sh', '-c', script, 'sh', path], { timeoutMs: START_MS });
      if (exitCode === 0) return stdout;
      if (exitCode === NO_FILE) return undefined;
      throw environmentError(`Can't read ${path} in the WSL distro ${way.distro}: ${stderr.trim()}`);
    },
    hasSocket: async (path) => (await exec(['test', '-S', path], { timeoutMs: START_MS })).exitCode === 0,
    async withTemporaryFolder(work) {
      const folder = await must(['mktemp', '-d']);
      try {
        return await work(folder);
      } finally {
        await must(['rm', '-rf', '--', folder]);
      }
    },
    async connect(address: Address, signal) {
      const relay = RELAYS.find((name) => programs.has(name));
      if (!relay) throw noRelay(way.distro);
      const where = 'path' in address ? address.path : `${address.host}:${address.port}`;
      const program = spawn(relayCommand(relay, address), signal ? { signal } : {});
      return new ProgramStream(program, `The way to ${where} in ${way.distro}`, (code, said) =>
        environmentError(`Can't connect to ${where} in the WSL distro ${way.distro}: ${lastLine(said, code)}`),
      );
    },
  };
}

const noRelay = (distro: string) =>
  environmentError(`Nothing in the WSL distro ${distro} can connect to a socket`, {
    action: `Install one of ${RELAYS.join(', ')} there, for example "sudo apt-get install socat".`,
  });

const lastLine = (said: Buffer, code: number) => decodeWsl(said).trim().split('\n').at(-1) || `exit code ${code}`;

/** The way into a distro. */
interface Way {
  readonly wsl: string;
  readonly distro: string;
  readonly env: Env;
  /** The login shell's; undefined until it was asked. */
  readonly path?: string | undefined;
  readonly passed?: Readonly<Record<string, string>>;
}

function start(way: Way, argv: readonly string[], { signal, env, cwd, user }: SpawnOptions): Program {
  const id = crypto.randomUUID();
  const into = (as: 'root' | undefined, command: readonly string[], variables: Readonly<Record<string, string>>) =>
    startProgram(
      [
        ...[way.wsl, '--distribution', way.distro, ...(as ? ['--user', as] : []), '--cd', cwd ?? '/', '--exec'],
        // Never the program itself: wsl.exe would read backslashes in the first word by other rules, and `env` tells a
        // program that isn't there by its exit code.
        ...['env', ...(way.path === undefined ? [] : [`PATH=${way.path}`]), ...command],
      ],
      { env: wslEnv(way.env, variables), signal },
    );
  const program = into(user, argv, { ...way.passed, ...env, CLPARITY_RUN: id });
  const sweep = () => {
    const sweeper = startProgram(
      [way.wsl, '--distribution', way.distro, ...(user ? ['--user', user] : []), '--exec', 'sh', '-c', SWEEP, 'sh', id],
      { env: wslEnv(way.env, {}), signal: AbortSignal.timeout(SWEEP_MS) },
    );
    sweeper.stdin.end();
    sweeper.unref();
  };
  signal?.addEventListener('abort', sweep, { once: true });
  const over = () => signal?.removeEventListener('abort', sweep);
  program.ended.then(over, over);
  return program;
}

async function run(way: Way, argv: readonly string[], options: ExecOptions): Promise<RawResult> {
  const program = argv[0] ?? '';
  const { distro } = way;
  let result: RawResult;
  try {
    result = await finished(program, (signal) => start(way, argv, { ...options, signal }), options);
  } catch (cause) {
    if (isCancelled(cause) || options.signal?.aborted) throw cause;
    throw notThere(cause);
  }
  const own = ownFailure(result);
  if (own !== undefined) {
    throw environmentError(`wsl.exe can't run ${program} in ${distro}: ${own}`, {
      action: `Try "wsl -d ${distro}" on Windows; where that fails too, "wsl --shutdown" restarts WSL and all distros.`,
    });
  }
  if (result.exitCode === 127 && /^env: /m.test(result.stderr.toString('utf8'))) {
    throw missingProgram(program, ` in the WSL distro ${distro}`);
  }
  return result;
}

/**
 * What wsl.exe says when it fails itself, on either stream, with -1 as its exit code "so invokers of wsl.exe can
 * distinguish between a Linux process failure and a wsl.exe failure" (WslClient.cpp, WslMain). That is 4294967295 on Windows
 * and 255 elsewhere, which other programs have as well, but not with such a code: `Wsl/Service/WSL_E_DISTRO_NOT_FOUND`.
 */
function ownFailure({ exitCode, stdout, stderr }: RawResult): string | undefined {
  if (exitCode !== 4294967295 && exitCode !== 255) return undefined;
  const text = decodeWsl(Buffer.concat([stderr, stdout.subarray(0, 4096)])).trim();
  return exitCode === 255 && !/\bWsl(\/\w+)+/.test(text)
    ? undefined
    : text.replace(/\s*\n\s*/g, ' ') || 'it gives no reason';
}

const isNoDistro = (error: unknown) => error instanceof Error && /WSL_E_DISTRO_NOT_FOUND/.test(error.message);

function hanging(what: string, patienceMs: number, cause: unknown): unknown {
  if (!(cause instanceof Error && /did not finish within/.test(cause.message))) return notThere(cause);
  return environmentError(`${what} within ${patienceMs / 1000} s`, {
    cause,
    action: 'Run "wsl --shutdown" on Windows, which restarts WSL and all distros, and try again.',
  });
}

function notThere(cause: unknown): unknown {
  if (!(cause instanceof Error && /wsl\.exe was not found/.test(cause.message))) return cause;
  return environmentError('wsl.exe was not found: there is no WSL here', {
    cause,
    action: 'On Windows install it with "wsl --install"; inside a distro use "--host local".',
  });
}

/** By its own path on Windows, which looks into the current folder first. */
function wslProgram(env: Env): string {
  return process.platform === 'win32' && env.SystemRoot ? `${env.SystemRoot}\\System32\\wsl.exe` : 'wsl.exe';
}

/**
 * The variables of wsl.exe, with those that it is to hand over: by WSLENV, so that no value stands in a command line
 * (https://learn.microsoft.com/windows/wsl/filesystems#share-environment-variables-between-windows-and-wsl-with-wslenv).
 */
function wslEnv(env: Env, handedOver: Readonly<Record<string, string>>): Env {
  const own = { WSL_UTF8: '1', WSL_DISABLE_WARNINGS: '1' };
  const names = [...Object.keys(own), ...Object.keys(handedOver)];
  return { ...env, ...handedOver, ...own, WSLENV: [env.WSLENV, ...names].filter((name) => name).join(':') };
}
