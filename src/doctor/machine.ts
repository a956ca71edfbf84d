import type { Host } from '../host/host.ts';
import { listDistros } from '../host/wsl.ts';
import { answerOf, type Check, distroOf, type Finding, fault } from './check.ts';

/** Which host this is: the first thing to get wrong on Windows. */
export const whichHost: Check = {
  title: () => 'Host',
  async look({ host, run }) {
    const distro = distroOf(host);
    if (host.name.startsWith('wsl:')) return distroFinding(distro ?? '', await listDistros({ signal: run.signal }));
    if (distro) return { detail: `this machine: the WSL distro ${distro}` };
    if (host.platform !== 'win32') return { detail: `this machine (${host.platform})` };
    return { detail: 'Windows itself', fix: 'Where Docker runs in a WSL distro, choose it with --host wsl:DISTRO.' };
  },
};

/** Docker needs the kernel of WSL 2. */
export function distroFinding(
  name: string,
  distros: readonly { readonly name: string; readonly version?: number }[],
): Finding {
  const version = distros.find((distro) => distro.name === name)?.version;
  if (version !== 1) return { detail: `the WSL distro ${name}` };
  return fault(`the WSL distro ${name} is of WSL 1, where Docker can't run`, `Run "wsl.exe --set-version ${name} 2".`);
}

/** What kind asks for (https://kind.sigs.k8s.io/docs/user/known-issues, "Pod errors due to too many open files"). */
const INOTIFY = { max_user_instances: 512, max_user_watches: 524_288 } as const;

export const inotify: Check = {
  title: () => 'inotify limits',
  look: ({ host }) => inotifyOf(host),
};

async function inotifyOf(host: Host): Promise<Finding | undefined> {
  if (host.platform !== 'linux') return undefined;
  const low: string[] = [];
  for (const [name, wanted] of Object.entries(INOTIFY)) {
    const value = Number(await host.readFile(`/proc/sys/fs/inotify/${name}`));
    if (Number.isFinite(value) && value > 0 && value < wanted) low.push(`fs.inotify.${name}=${wanted}`);
  }
  if (low.length === 0) return { detail: 'high enough for several nodes' };
  return fault(
    `too low for several nodes: pods will fail with "too many open files" (wanted: ${low.join(', ')})`,
    `Run "sudo sysctl ${low.join(' ')}", and put the same into /etc/sysctl.d/99-kind.conf.`,
  );
}

/** In mirrored networking, published ports of Docker in a distro don't answer on the distro's loopback. */
export const wslNetwork: Check = {
  title: () => 'WSL networking',
  async look(patient) {
    if (!distroOf(patient.host)) return undefined;
    const mode = await answerOf(patient, ['wslinfo', '--networking-mode']);
    if (mode === undefined) return undefined;
    if (mode !== 'mirrored') return { detail: mode };
    return fault(
      'mirrored: published ports of containers, the API server among them, may not answer on 127.0.0.1',
      'Put networkingMode=nat under [wsl2] into %UserProfile%\\.wslconfig on Windows, then run "wsl.exe --shutdown".',
    );
  },
};
