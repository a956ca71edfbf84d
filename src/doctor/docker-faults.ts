import { type Finding, fault } from './check.ts';

/** What is known where the daemon doesn't answer. */
export interface SilentDocker {
  /** The daemon's own words, or those of the way to it. */
  readonly message: string;
  readonly platform: NodeJS.Platform;
  readonly distro?: string | undefined;
  /** What chose the address: "the default", "DOCKER_HOST", "the context x". */
  readonly source: string;
  readonly address?: string | undefined;
  /** Whether the default socket is there, though another one was asked. */
  readonly defaultSocket: boolean;
  /** The name of the first process: `systemd`, or `init` in a distro without. */
  readonly init?: string | undefined;
  readonly wslConf?: string | undefined;
  /** The group that may use the socket, who is in it by /etc/group, and whether this session is. */
  readonly group?: string | undefined;
  readonly member?: boolean;
  readonly active?: boolean;
  /** The socket of the user's own daemon, where there is one besides. */
  readonly rootless?: string | undefined;
}

/** Names why Docker doesn't answer, and what mends it: the first of these that fits what was seen. */
export function whyNoDocker(seen: SilentDocker): Finding {
  return (
    forbidden(seen) ?? wrongAddress(seen) ?? bootCommand(seen) ?? noSystemd(seen) ?? fault(seen.message, start(seen))
  );
}

const restartDistro = (distro: string) =>
  `run "wsl.exe --terminate ${distro}" (this ends all that runs in it; VS Code's server in the distro starts anew with the next window)`;

/** The socket is there, and not for this user, or not for this session: groups are given at the start of one. */
function forbidden({ message, distro, group = 'docker', member, active, rootless }: SilentDocker): Finding | undefined {
  if (!/EACCES|permission denied/i.test(message)) return undefined;
  if (rootless !== undefined) {
    return fault(
      `${message}, which is root's; your rootless Docker is at ${rootless}`,
      `Run "docker context use rootless", or "export DOCKER_HOST=unix://${rootless}".`,
    );
  }
  const again = distro ? restartDistro(distro) : 'log out and in again';
  if (member && !active) {
    return fault(`${message}: you are in the group ${group}, but this session began before that`, capital(`${again}.`));
  }
  const why = member ? '' : `: you are not in the group ${group}`;
  return fault(`${message}${why}`, `Run "sudo usermod -aG ${group} $USER", then ${again}.`);
}

/** A context or variable that points to where nobody listens, often what an uninstalled Docker Desktop left. */
function wrongAddress({ message, source, address, defaultSocket }: SilentDocker): Finding | undefined {
  if (source === 'the default' || address === undefined) return undefined;
  const detail = `${source} says ${address}, and nobody answers there: ${message}`;
  const way =
    source === 'DOCKER_HOST'
      ? 'Run "unset DOCKER_HOST" where you start this'
      : 'Run "docker context use default" (and unset DOCKER_CONTEXT)';
  return fault(detail, defaultSocket ? `${way}: the default socket is there.` : `${way}, or start what listens there.`);
}

/** systemd starts Docker, and the boot command starts it once more: the two fail by each other's PID file and socket. */
function bootCommand({ wslConf, distro, message }: SilentDocker): Finding | undefined {
  const { systemd, command } = bootOf(wslConf);
  if (!distro || !systemd || !/\bdocker\b/.test(command ?? '')) return undefined;
  return fault(
    `${message}: /etc/wsl.conf has systemd=true and command=${command} as well, which start Docker against each other`,
    `Take the line command=${command} out of /etc/wsl.conf, run "sudo systemctl enable docker", then ${restartDistro(distro)}.`,
  );
}

/** systemd needs WSL 0.67.6 (learn.microsoft.com/windows/wsl/systemd). */
function noSystemd({ init, distro, message, wslConf }: SilentDocker): Finding | undefined {
  if (!distro || init === undefined || init === 'systemd') return undefined;
  const set = bootOf(wslConf).systemd;
  return fault(
    `${message}: the distro runs without systemd, so nothing has started Docker`,
    set
      ? `/etc/wsl.conf asks for it: ${restartDistro(distro)}; where that doesn't help, "wsl.exe --update" (0.67.6 is the first with systemd).`
      : `Put systemd=true under [boot] into /etc/wsl.conf, then ${restartDistro(distro)}. For now: "sudo service docker start".`,
  );
}

function start({ platform, distro, init }: SilentDocker): string {
  if (platform === 'win32') return 'Start Docker Desktop, or choose a distro that has Docker: --host wsl:DISTRO.';
  if (platform === 'darwin') return 'Start Docker Desktop (or Colima, Rancher Desktop).';
  const service = init === 'systemd' || !distro ? 'sudo systemctl enable --now docker' : 'sudo service docker start';
  return `Start it with "${service}"; where it isn't installed: https://docs.docker.com/engine/install.`;
}

/** The `[boot]` section of wsl.conf (learn.microsoft.com/windows/wsl/wsl-config). */
export function bootOf(text = ''): { readonly systemd: boolean; readonly command?: string } {
  let section = '';
  const boot = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const head = /^\s*\[(.+)\]\s*$/.exec(line)?.[1];
    if (head !== undefined) section = head.toLowerCase();
    const [, key, value] = /^\s*([A-Za-z]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (section === 'boot' && key !== undefined && value !== undefined)
      boot.set(key.toLowerCase(), value.replace(/^"(.*)"$/, '$1'));
  }
  const command = boot.get('command');
  return { systemd: boot.get('systemd')?.toLowerCase() === 'true', ...(command ? { command } : {}) };
}

/** The oldest API that the commands of Docker 29, and kind with them, still speak (docs.docker.com/engine/release-notes/29). */
const OLDEST_API = [1, 44] as const;

/** A daemon that answers and is too old to be asked. */
export function oldDocker(version: string, apiVersion: string): Finding | undefined {
  const [major = 0, minor = 0] = apiVersion.split('.').map(Number);
  if (major > OLDEST_API[0] || (major === OLDEST_API[0] && minor >= OLDEST_API[1])) return undefined;
  return fault(
    `version ${version} speaks API ${apiVersion}; ${OLDEST_API.join('.')} is the oldest that today's docker command and kind speak`,
    'Update Docker to 25.0 or newer: https://docs.docker.com/engine/install.',
  );
}

/** What `docker info` says of the machine that the nodes will run on. */
export interface DaemonInfo {
  readonly CgroupVersion?: string;
  readonly CgroupDriver?: string;
  readonly MemoryLimit?: boolean;
  readonly PidsLimit?: boolean;
  readonly CpuCfsQuota?: boolean;
  readonly SecurityOptions?: readonly string[] | null;
}

/** kind needs cgroups that it may divide (https://kind.sigs.k8s.io/docs/user/rootless). */
export function cgroupFault(info: DaemonInfo, distro?: string): Finding {
  const rootless = (info.SecurityOptions ?? []).some((option) => option.includes('name=rootless'));
  const v2 = info.CgroupVersion === '2';
  const toV2 = distro
    ? `Put kernelCommandLine=cgroup_no_v1=all under [wsl2] into %UserProfile%\\.wslconfig on Windows, then run "wsl.exe --shutdown".`
    : "Boot with systemd.unified_cgroup_hierarchy=1 on the kernel's command line.";
  if (rootless && !v2) return fault('rootless Docker on cgroup v1 can limit nothing, and kind needs that', toV2);
  const missing = [
    ...(info.CpuCfsQuota === false ? ['cpu'] : []),
    ...(info.MemoryLimit === false ? ['memory'] : []),
    ...(info.PidsLimit === false ? ['pids'] : []),
  ];
  if (missing.length > 0) {
    return fault(
      `Docker may not use ${missing.join(', ')} of cgroup v${info.CgroupVersion ?? '?'}: nodes won't start`,
      rootless
        ? 'Put Delegate=yes under [Service] into /etc/systemd/system/user@.service.d/delegate.conf, run "sudo systemctl daemon-reload", then log in again.'
        : distro
          ? toV2
          : 'See "docker info" for its warnings, and turn these controllers on in the kernel.',
    );
  }
  if (v2) return { detail: `cgroup v2${rootless ? ', delegated to rootless Docker' : ''}` };
  if (info.CgroupVersion === undefined) return { detail: "Docker doesn't say which cgroups it has" };
  return fault(
    `cgroup v${info.CgroupVersion}: kubelets of Kubernetes 1.35 and newer don't start on it where nothing tells them to (failCgroupV1: false)`,
    toV2,
  );
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);
