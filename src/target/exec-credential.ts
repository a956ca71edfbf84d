import { environmentError, messageOf, ParityError } from '../host/errors.ts';
import type { Host } from '../host/host.ts';
import {
  at,
  type Field,
  field,
  flag,
  isAbsent,
  items,
  type Path,
  pathText,
  text,
  textOf,
  texts,
} from '../snapshot/shape.ts';
import { type Entry, pathsOf } from './kubeconfig.ts';

/** What a credential plugin gave. `expires` is in milliseconds since 1970; without it the credential has no known end. */
export interface Credential {
  readonly token?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly expires?: number;
}

/** What a plugin may be told of the cluster (ExecCredential.spec.cluster). */
export interface ClusterInfo {
  readonly server: string;
  readonly [field: string]: unknown;
}

const TIMEOUT_MS = 60_000;
const VERSIONS = ['client.authentication.k8s.io/v1', 'client.authentication.k8s.io/v1beta1'];

/**
 * Runs a kubeconfig user's credential plugin (kubelogin and its like) once, without a terminal. Throws an
 * environmentError when it is missing, fails, or waits for someone to sign in. Its output is never logged or quoted.
 * Source: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
 */
export async function runPlugin(
  host: Host,
  user: Entry,
  cluster: ClusterInfo,
  signal: AbortSignal,
  timeoutMs = TIMEOUT_MS,
): Promise<Credential> {
  const exec = at(user.body, 'exec');
  const apiVersion = text(at(exec, 'apiVersion'));
  if (!VERSIONS.includes(apiVersion)) {
    throw exec.fail(at(exec, 'apiVersion').path, `is ${apiVersion}; known: ${VERSIONS.join(', ')}`);
  }
  const command = commandOf(host, user, exec);
  const program = pathsOf(host).basename(command);
  const signIn = signInAction(program);
  if (textOf(at(exec, 'interactiveMode')) === 'Always') {
    throw environmentError(`${program} wants a terminal to sign in (interactiveMode: Always), and there is none here`, {
      action: signIn,
    });
  }
  const info = {
    apiVersion,
    kind: 'ExecCredential',
    spec: { interactive: false, ...(flag(at(exec, 'provideClusterInfo')) ? { cluster } : {}) },
  };
  const env: Record<string, string> = {};
  for (const variable of items(at(exec, 'env')) ?? []) env[text(at(variable, 'name'))] = text(at(variable, 'value'));
  env.KUBERNETES_EXEC_INFO = JSON.stringify(info);
  const late = AbortSignal.timeout(timeoutMs);
  try {
    const argv = [command, ...(texts(at(exec, 'args')) ?? [])];
    const result = await host.exec(argv, { env, signal: AbortSignal.any([signal, late]) });
    if (result.exitCode !== 0) {
      throw environmentError(`${program} exited with ${result.exitCode}: ${lastLines(result.stderr)}`, {
        action: signIn,
      });
    }
    return parseCredential(result.stdout, apiVersion, program, signIn);
  } catch (cause) {
    signal.throwIfAborted();
    if (late.aborted) {
      throw environmentError(
        `${program} gave no credential within ${timeoutMs / 1000} s: it may be waiting for a sign-in`,
        {
          cause,
          action: signIn,
        },
      );
    }
    const hint = textOf(at(exec, 'installHint'));
    if (hint && cause instanceof ParityError && /not found/.test(cause.message)) {
      throw environmentError(cause.message, { cause, action: hint.trim() });
    }
    throw cause;
  }
}

/** A command with a path in it is relative to the kubeconfig's folder; a bare one is looked up on the PATH. */
function commandOf(host: Host, user: Entry, exec: Field): string {
  const paths = pathsOf(host);
  const command = text(at(exec, 'command'));
  return /[/\\]/.test(command) && command !== paths.basename(command) ? paths.resolve(user.folder, command) : command;
}

function signInAction(program: string): string {
  return /^kubelogin(\.exe)?$/.test(program)
    ? 'Run "az login", then "kubelogin convert-kubeconfig -l azurecli"; or sign in once in a terminal with any kubectl command.'
    : `Sign in once in a terminal (any kubectl command runs ${program}), then try again.`;
}

function lastLines(stderr: string): string {
  return stderr.trim().split('\n').slice(-3).join(' ').slice(-400) || 'it said nothing';
}

function parseCredential(stdout: string, apiVersion: string, program: string, action: string): Credential {
  const fail = (_path: Path, problem: string) =>
    environmentError(`${program} did not answer with an ExecCredential: ${problem}`, { action });
  let parsed: unknown;
  try {
    parsed = JSON.parse(stdout);
  } catch (cause) {
    // JSON.parse quotes its input, which may be a token: keep its words out of ours.
    throw environmentError(`${program} did not answer with an ExecCredential: no JSON`, {
      action,
      cause: cause instanceof SyntaxError ? undefined : messageOf(cause),
    });
  }
  const answer = field(parsed, (path, problem) => fail(path, `${pathText(path)} ${problem}`));
  if (textOf(at(answer, 'apiVersion')) !== apiVersion) throw fail([], `apiVersion is not ${apiVersion}`);
  const status = at(answer, 'status');
  const token = textOf(at(status, 'token'))?.trim() || undefined;
  const cert = textOf(at(status, 'clientCertificateData')) || undefined;
  const key = textOf(at(status, 'clientKeyData')) || undefined;
  if (!token && !(cert && key)) throw fail([], 'it holds neither a token nor a client certificate with its key');
  const until = at(status, 'expirationTimestamp');
  const expires = isAbsent(until) ? Number.NaN : Date.parse(text(until));
  return {
    ...(token ? { token } : {}),
    ...(cert && key ? { cert, key } : {}),
    ...(Number.isNaN(expires) ? {} : { expires }),
  };
}
