import { parse } from 'yaml';
import { environmentError } from '../host/errors.ts';
import type { ExecResult, Host } from '../host/host.ts';
import type { LocalCluster } from './provider.ts';

/** How MicroK8s's command is called on a host. */
export type Microk8s = string;

/** Its place where snaps aren't on the PATH, as in shells that aren't login ones. */
const SNAP = '/snap/bin/microk8s';
/** `status` asks the API server some questions, which takes seconds on a slow machine. */
const STATUS_MS = 60_000;

/** MicroK8s's command where it is installed. */
export async function findMicrok8s(host: Host, signal: AbortSignal): Promise<Microk8s | undefined> {
  if (host.platform !== 'linux') return undefined;
  const look = `command -v microk8s || { [ -x ${SNAP} ] && echo ${SNAP}; }`;
  const { stdout } = await host.exec(['sh', '-c', look], { signal, timeoutMs: 15_000 });
  return stdout.trim().split('\n').at(-1) || undefined;
}

/**
 * Why MicroK8s can't be used as it is, with what mends it. By scripts/wrappers/status.py: `running` in the YAML, exit code
 * 1 where it is not ready, and instead of YAML "Insufficient permissions to access MicroK8s." where the user isn't in its
 * group, "This MicroK8s deployment is acting as a node in a cluster." on a worker.
 */
export async function microk8sFault(
  host: Host,
  program: Microk8s,
  signal: AbortSignal,
): Promise<LocalCluster['fault']> {
  const { stdout, stderr } = await host.exec([program, 'status', '--format', 'yaml'], { signal, timeoutMs: STATUS_MS });
  const said = `${stdout}\n${stderr}`.trim();
  const restart = host.env.WSL_DISTRO_NAME
    ? `, then run "wsl -t ${host.env.WSL_DISTRO_NAME}" in Windows and open it again`
    : ', then log out and in again (in VS Code over SSH or in WSL, restart its server)';
  if (/insufficient permissions/i.test(said)) {
    // A strictly confined snap has a group of another name, which its own text names.
    const group = /-G (\S*microk8s\S*)/.exec(said)?.[1] ?? 'microk8s';
    return {
      message: `MicroK8s does not let ${host.env.USER ?? 'you'} use it`,
      action: `Run "sudo usermod -a -G ${group} $USER"${restart}.`,
    };
  }
  if (/acting as a node in a cluster/i.test(said)) {
    return {
      message: 'MicroK8s is a worker of another machine here',
      action: "Use the machine that runs the cluster's control plane.",
    };
  }
  if (isRunning(stdout)) return undefined;
  return {
    message: `MicroK8s is not running: ${said.split('\n').at(-1)?.trim() ?? ''}`,
    action:
      'Start it with "microk8s start" and wait with "microk8s status --wait-ready"; "microk8s inspect" looks deeper.',
  };
}

/** Python prints True, older wrappers true: YAML 1.1 takes both for the same. */
function isRunning(yaml: string): boolean {
  try {
    const status = parse(yaml, { version: '1.1' }) as { microk8s?: { running?: unknown } } | null;
    return status?.microk8s?.running === true;
  } catch {
    // Not YAML at all: whatever it says instead is shown.
    return false;
  }
}

/** Runs a command of MicroK8s that has to succeed. Its wrappers print their complaints on stdout as well. */
export async function microk8s(
  host: Host,
  program: Microk8s,
  argv: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  const result = await host.exec([program, ...argv], { signal, timeoutMs: STATUS_MS });
  if (result.exitCode === 0) return result.stdout;
  throw environmentError(`"microk8s ${argv.join(' ')}" failed: ${lastLine(result)}`, {
    action: 'See "microk8s status" and "microk8s inspect".',
  });
}

function lastLine({ stdout, stderr }: ExecResult): string {
  return (stderr.trim() || stdout.trim()).split('\n').at(-1)?.slice(0, 300) ?? '';
}
