import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { examine } from '../../src/doctor/check.ts';
import { notReady } from '../../src/doctor/clusters.ts';
import { bootOf, cgroupFault, whyNoDocker } from '../../src/doctor/docker-faults.ts';
import { distroFinding } from '../../src/doctor/machine.ts';
import { microk8sDns } from '../../src/doctor/microk8s.ts';
import { doctor } from '../../src/doctor.ts';
import type { ExecResult } from '../../src/host/host.ts';
import { quietRun } from '../../src/host/run.ts';
import { DEFAULT_SETTINGS, type Settings } from '../../src/settings.ts';
import { type StandInHost, said, standInHost } from './stand-in-host.ts';

/** A daemon that answers what a test wants it to, on a socket of its own. */
let daemon: { version: object; info: object; containers: object[] };
let folder: string;
let socket: string;
const server = createServer(({ url = '' }, response) => {
  const answers: [RegExp, unknown][] = [
    [/\/version$/, daemon.version],
    [/\/info$/, daemon.info],
    [/\/containers\/json/, daemon.containers],
  ];
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(answers.find(([path]) => path.test(url))?.[1] ?? {}));
});

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'clparity-doctor-'));
  socket = join(folder, 'docker.sock');
  await new Promise<void>((resolve) => server.listen(socket, resolve));
});
after(async () => {
  server.closeAllConnections();
  server.close();
  await rm(folder, { recursive: true, force: true });
});

const NEW = { Version: '29.0.1', ApiVersion: '1.52', Os: 'linux', Arch: 'amd64' };
const GOOD_INFO = {
  CgroupVersion: '2',
  CgroupDriver: 'systemd',
  MemoryLimit: true,
  PidsLimit: true,
  CpuCfsQuota: true,
};

interface Given extends StandInHost {
  readonly settings?: Partial<Settings>;
  readonly version?: object;
  readonly info?: object;
  readonly containers?: object[];
}

/** What the doctor says of one title, on a machine where all is well but for what is given. */
async function says(title: string, given: Given) {
  const { settings, version = NEW, info = GOOD_INFO, containers = [], exec, files, env, ...rest } = given;
  daemon = { version, info, containers };
  const host = standInHost({
    ...rest,
    env: { DOCKER_HOST: `unix://${socket}`, ...env },
    files: {
      '/proc/sys/fs/inotify/max_user_instances': '1024\n',
      '/proc/sys/fs/inotify/max_user_watches': '1048576\n',
      ...files,
    },
    exec: (argv, options) => exec?.(argv, options) ?? USUAL[argv[0] ?? '']?.(argv) ?? undefined,
  });
  const all = await doctor(quietRun(), { host, folder, settings: { ...DEFAULT_SETTINGS, image: 'none', ...settings } });
  return all.filter((one) => one.title === title);
}

const USUAL: Readonly<Record<string, (argv: readonly string[]) => ExecResult | undefined>> = {
  kind: () => said('kind v0.33.0 go1.25 linux/amd64\n'),
  id: (argv) => said(argv[1] === '-un' ? 'me\n' : 'me docker\n'),
  stat: () => said('docker\n'),
  cat: (argv) => (argv[1] === '/proc/1/comm' ? said('systemd\n') : undefined),
};
const only = async (title: string, given: Given) => {
  const found = await says(title, given);
  assert.equal(found.length, 1, JSON.stringify(found));
  return found[0] ?? assert.fail();
};
/** A fault with what it says and what mends it. */
async function faulty(title: string, given: Given, detail: RegExp, fix: RegExp): Promise<void> {
  const found = await only(title, given);
  assert.equal(found.ok, false, JSON.stringify(found));
  assert.match(found.detail, detail);
  assert.match(found.fix ?? '', fix);
}

const IN_DISTRO = { WSL_DISTRO_NAME: 'Ubuntu' };
/** A socket that nobody listens on, where no context or variable says anything. */
const NO_DAEMON = { DOCKER_HOST: '', XDG_RUNTIME_DIR: '/nowhere' };
const sockets = ['/nowhere/docker.sock'];
const init = (name: string) => (argv: readonly string[]) =>
  argv[1] === '/proc/1/comm' ? said(`${name}\n`) : undefined;

test('where all is well, nothing is at fault', async () => {
  assert.match((await only('Docker daemon', {})).detail, /version 29\.0\.1, API 1\.52/);
  assert.deepEqual(await only('Host', { env: IN_DISTRO }), {
    title: 'Host',
    ok: true,
    detail: 'this machine: the WSL distro Ubuntu',
  });
  assert.equal((await only('cgroups', {})).detail, 'cgroup v2');
  assert.equal((await only('inotify limits', {})).ok, true);
  for (const quiet of ['Docker credentials', 'WSL networking', 'Credential plugins', 'Stale contexts', 'Target'])
    assert.deepEqual(await says(quiet, {}), [], quiet);
});

test('no systemd in the distro, and systemd asked for but not there', async () => {
  const exec = init('init(Ubuntu)');
  await faulty(
    'Docker daemon',
    { env: { ...IN_DISTRO, ...NO_DAEMON }, sockets, exec },
    /without systemd/,
    /systemd=true under \[boot\] into \/etc\/wsl\.conf.*"wsl\.exe --terminate Ubuntu"/,
  );
  const files = { '/etc/wsl.conf': '[boot]\nsystemd=true\n' };
  await faulty(
    'Docker daemon',
    { env: { ...IN_DISTRO, ...NO_DAEMON }, sockets, exec, files },
    /without systemd/,
    /wsl\.conf asks for it.*wsl\.exe --update/,
  );
});

test('systemd and a boot command that both start Docker', async () => {
  const files = { '/etc/wsl.conf': '[user]\ndefault=me\n[boot]\nsystemd=true\ncommand="service docker start"\n' };
  await faulty(
    'Docker daemon',
    { env: { ...IN_DISTRO, ...NO_DAEMON }, sockets, files },
    /command=service docker start as well/,
    /Take the line command=service docker start out of \/etc\/wsl\.conf/,
  );
  assert.deepEqual(bootOf('[network]\ncommand = x\n[boot]\n systemd = True \n'), { systemd: true });
});

test('a socket for another group: not in it, or not yet in this session', () => {
  const seen = {
    message: 'connect EACCES /var/run/docker.sock',
    platform: 'linux',
    source: 'the default',
    defaultSocket: true,
    init: 'systemd',
    group: 'docker',
  } as const;
  const outsider = whyNoDocker({ ...seen, distro: 'Ubuntu', member: false, active: false });
  assert.match(outsider.detail, /you are not in the group docker/);
  assert.match(outsider.fix ?? '', /usermod -aG docker \$USER.*wsl\.exe --terminate Ubuntu/);
  const early = whyNoDocker({ ...seen, distro: 'Ubuntu', member: true, active: false });
  assert.match(early.detail, /in the group docker, but this session began before/);
  assert.match(early.fix ?? '', /^Run "wsl\.exe --terminate Ubuntu"/);
  assert.match(whyNoDocker({ ...seen, member: true, active: false }).fix ?? '', /^Log out and in again/);
});

test('a context that points to where nobody is, one that is gone, and DOCKER_HOST alike', async () => {
  const gone = { files: { '/home/me/.docker/config.json': '{"currentContext":"desktop-linux"}' }, env: NO_DAEMON };
  await faulty(
    'Docker daemon',
    gone,
    /context desktop-linux, chosen by config\.json, is not there/,
    /docker context use/,
  );
  const dead = { env: { DOCKER_HOST: `unix://${folder}/none.sock` } };
  await faulty(
    'Docker daemon',
    dead,
    /DOCKER_HOST says unix:.*none\.sock, and nobody answers/,
    /"unset DOCKER_HOST" where/,
  );
});

test('old Docker', async () => {
  const version = { ...NEW, Version: '24.0.9', ApiVersion: '1.43' };
  await faulty('Docker daemon', { version }, /24\.0\.9 speaks API 1\.43/, /Update Docker to 25\.0/);
});

test('credential helpers: what Docker Desktop left in a distro, one that is missing, one that answers', async () => {
  const config = (credsStore: string) => ({ '/home/me/.docker/config.json': JSON.stringify({ credsStore }) });
  await faulty(
    'Docker credentials',
    { env: IN_DISTRO, files: config('desktop.exe') },
    /docker-credential-desktop\.exe.*Docker Desktop left it in the distro/,
    /Take credsStore .*desktop\.exe out of ~\/\.docker\/config\.json/,
  );
  await faulty(
    'Docker credentials',
    { files: config('pass') },
    /docker-credential-pass/,
    /install docker-credential-pass/,
  );
  const exec = (argv: readonly string[]) => (argv[0] === 'docker-credential-pass' ? said('{}') : undefined);
  assert.equal((await only('Docker credentials', { files: config('pass'), exec })).ok, true);
});

test('cgroups: v1, controllers that are off, rootless without delegation', async () => {
  const v1 = { ...GOOD_INFO, CgroupVersion: '1' };
  await faulty('cgroups', { info: v1 }, /cgroup v1.*1\.35/, /unified_cgroup_hierarchy=1/);
  const fix = /cgroup_no_v1=all.*wslconfig.*wsl\.exe --shutdown/;
  await faulty('cgroups', { info: v1, env: IN_DISTRO }, /cgroup v1/, fix);
  const { CgroupVersion: _, ...silent } = GOOD_INFO;
  assert.deepEqual(cgroupFault(silent), { detail: "Docker doesn't say which cgroups it has" });
  const rootless = { ...GOOD_INFO, SecurityOptions: ['name=rootless'], MemoryLimit: false, CpuCfsQuota: false };
  await faulty('cgroups', { info: rootless }, /may not use cpu, memory/, /Delegate=yes under \[Service\]/);
  assert.equal(cgroupFault({ ...rootless, CgroupVersion: '1' }).fault, true);
  await faulty('cgroups', { info: { ...GOOD_INFO, PidsLimit: false } }, /may not use pids/, /docker info/);
});

test('inotify limits', async () => {
  const files = { '/proc/sys/fs/inotify/max_user_instances': '128\n' };
  await faulty('inotify limits', { files }, /max_user_instances=512/, /sysctl fs\.inotify\.max_user_instances=512"/);
});

test('mirrored networking, and WSL 1', async () => {
  const mode = (text: string) => (argv: readonly string[]) => (argv[0] === 'wslinfo' ? said(`${text}\n`) : undefined);
  await faulty('WSL networking', { env: IN_DISTRO, exec: mode('mirrored') }, /mirrored/, /networkingMode=nat/);
  assert.equal((await only('WSL networking', { env: IN_DISTRO, exec: mode('nat') })).ok, true);
  assert.equal(distroFinding('Alt', [{ name: 'Alt', version: 1 }]).fault, true);
  assert.match(distroFinding('Alt', [{ name: 'Alt', version: 1 }]).fix ?? '', /wsl\.exe --set-version Alt 2/);
  assert.equal(distroFinding('Neu', [{ name: 'Neu', version: 2 }]).fault, undefined);
});

test('kind that is missing', async () => {
  const exec = (argv: readonly string[]) => (argv[0] === 'kind' ? said('', 127) : undefined);
  await faulty('kind', { exec }, /not there/, /https:\/\/kind\.sigs\.k8s\.io/);
});

test("root's Docker beside a rootless one that no context names", () => {
  const seen = {
    platform: 'linux',
    source: 'the default',
    defaultSocket: true,
    rootless: '/run/user/1000/docker.sock',
  } as const;
  const found = whyNoDocker({ ...seen, message: 'connect EACCES /var/run/docker.sock' });
  assert.match(found.detail, /EACCES .*root's; your rootless Docker is at \/run\/user\/1000\/docker\.sock/);
  assert.match(found.fix ?? '', /docker context use rootless.*DOCKER_HOST=unix:\/\/\/run\/user\/1000\/docker\.sock/);
});

test("kind's clusters in nerdctl, which has no Docker API, and kind told to use it", async () => {
  const exec = (argv: readonly string[]) =>
    argv[0] === 'nerdctl' && argv.includes('label=io.x-k8s.kind.cluster') ? said('old-control-plane\n') : undefined;
  const unseen = await only("kind's engine", { exec });
  assert.equal(unseen.ok, true);
  assert.match(unseen.detail, /old-control-plane can't be used: nerdctl has no Docker API/);
  assert.match(unseen.fix ?? '', /in Docker or Podman: "clparity create"/);
  const env = { KIND_EXPERIMENTAL_PROVIDER: 'nerdctl' };
  await faulty(
    "kind's engine",
    { env, exec },
    /says nerdctl: nerdctl has no Docker API/,
    /KIND_EXPERIMENTAL_PROVIDER=docker/,
  );
  assert.deepEqual(await says("kind's engine", { exec: (argv) => (argv[0] === 'nerdctl' ? said('') : undefined) }), []);
});

const kubeconfig = (more: string) => ({
  '/home/me/.kube/config': `
apiVersion: v1
kind: Config
${more}`,
});
const AKS = kubeconfig(`current-context: dev
contexts:
- { name: prod, context: { cluster: c, user: aks } }
- { name: stage, context: { cluster: c, user: aks } }
- { name: dev, context: { cluster: c, user: token } }
clusters:
- { name: c, cluster: { server: "https://x.example" } }
users:
- { name: token, user: { token: t } }
- { name: aks, user: { exec: { apiVersion: client.authentication.k8s.io/v1, command: kubelogin, args: [--server-id, x] } } }
`);

test('kubelogin missing: a fault for the context in use, advice for others', async () => {
  const advice = await only('Credential plugins', { files: AKS, exec: absent });
  assert.equal(advice.ok, true);
  assert.match(advice.detail, /kubelogin is not there.*contexts prod, stage/);
  assert.match(advice.fix ?? '', /az aks install-cli/);
  const chosen = { files: AKS, exec: absent, settings: { context: 'stage' } };
  await faulty('Credential plugins', chosen, /kubelogin/, /az aks install-cli/);
  const there = (argv: readonly string[]) => (argv.at(-1) === 'kubelogin' ? said('/usr/bin/kubelogin\n') : undefined);
  assert.deepEqual(await only('Credential plugins', { files: AKS, exec: there }), {
    title: 'Credential plugins',
    ok: true,
    detail: 'kubelogin',
  });
});
const absent = (argv: readonly string[]) => (argv[0] === 'sh' ? said('', 1) : undefined);

/** kind's container of a cluster dev. */
const node = (port: number) => ({
  Names: ['/dev-control-plane'],
  State: 'running',
  Labels: { 'io.x-k8s.kind.cluster': 'dev', 'io.x-k8s.kind.role': 'control-plane' },
  Ports: [{ PrivatePort: 6443, PublicPort: port, Type: 'tcp', IP: '127.0.0.1' }],
});

test('stale kubeconfig: a port of before, a cluster of before', async () => {
  const files = kubeconfig(`current-context: kind-dev
contexts:
- { name: kind-dev, context: { cluster: dev } }
- { name: kind-old, context: { cluster: old } }
clusters:
- { name: dev, cluster: { server: "https://127.0.0.1:40001" } }
- { name: old, cluster: { server: "https://127.0.0.1:40002" } }
`);
  const [moved, gone] = await says('Stale contexts', { files, containers: [node(41000)] });
  assert.deepEqual([moved?.ok, gone?.ok], [false, true]);
  assert.match(moved?.detail ?? '', /kind-dev says https:\/\/127\.0\.0\.1:40001, but dev listens on port 41000 now/);
  assert.equal(moved?.fix, 'Run "kind export kubeconfig --name dev".');
  assert.match(gone?.fix ?? '', /kubectl config delete-context kind-old/);
  const [left] = await says('Stale contexts', { files, containers: [node(40001)] });
  assert.match(left?.detail ?? '', /kind-old/);
});

test('a node that is not ready, with the reason of its kubelet', () => {
  const node = (status: string) => ({
    metadata: { name: 'dev-worker' },
    status: { conditions: [{ type: 'Ready', status, message: 'container runtime is down' }] },
  });
  const kind = { id: 'kind:dev', provider: 'kind' };
  assert.deepEqual(notReady(node('True'), kind), []);
  const [sick] = notReady(node('Unknown'), kind);
  assert.match(sick?.detail ?? '', /dev-worker is not ready: container runtime is down/);
  assert.match(sick?.fix ?? '', /docker restart dev-worker/);
  assert.equal(sick?.fault, true);
});

test('MicroK8s without its DNS add-on: told, with the command, and never enabled by us', async () => {
  const asked: string[] = [];
  const look = (addon: string, cluster?: string) => {
    const host = standInHost({
      exec(argv) {
        const line = argv.join(' ');
        asked.push(line);
        if (argv[0] === 'sh') return said('/snap/bin/microk8s\n');
        return said(line.endsWith('--addon dns') ? `${addon}\n` : 'microk8s:\n  running: True\n');
      },
    });
    const settings = { ...DEFAULT_SETTINGS, ...(cluster && { cluster }) };
    const project = { host, folder: '/', settings };
    const docker = () => Promise.reject(new Error('no Docker here'));
    return examine(microk8sDns, { run: quietRun(), host, project, docker });
  };
  assert.deepEqual(
    (await look('disabled')).map(({ ok, fix }) => [ok, fix]),
    [[false, 'microk8s enable dns']],
  );
  assert.deepEqual(
    (await look('enabled', 'microk8s')).map(({ ok }) => ok),
    [true],
  );
  assert.deepEqual(await look('disabled', 'kind:dev'), []);
  assert.ok(!asked.some((line) => line.includes(' enable ')));
});

test('a chosen cluster that is not there is a fault that names those that are', async () => {
  const containers = [node(40001)];
  await faulty(
    'Local clusters',
    { containers, settings: { cluster: 'kind:zzz' } },
    /no local cluster kind:zzz; there is kind:/,
    /--cluster kind:/,
  );
});
