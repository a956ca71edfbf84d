import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Host } from '../../src/host/host.ts';
import { localHost } from '../../src/host/local.ts';

/** A machine that MicroK8s is installed on: a container of a kind cluster, whose other nodes are other machines. */
export interface Microk8sMachine {
  /** The machine as its developer's shell sees it, in MicroK8s's group unless told otherwise. */
  host(who?: { readonly inGroup: boolean }): Host;
  /** Makes something go wrong, or right again. */
  fault(what: 'stopped' | 'password' | 'no-dns', on: boolean): Promise<void>;
  /** Stops a node's cluster agent, or starts it, good or with no room left. */
  agent(node: string, state: 'good' | 'full' | 'stopped'): Promise<void>;
  /** Undresses the nodes. */
  close(): Promise<void>;
}

const PROGRAM = fileURLToPath(new URL('./microk8s', import.meta.url));
const DATA = '/var/snap/microk8s/current';
/** `sudo` where the developer has to type a password: -n fails (sudo(8)); else it asks, and nobody answers. */
const SUDO = `#!/bin/bash
if [ -e ${DATA}/stand-in/password ]; then
  [ "$1" = -n ] || exec sleep infinity
  echo 'sudo: a password is required' >&2; exit 1
fi
while [ "$1" != -- ]; do shift; done; shift; exec "$@"
`;
/** The cluster agent's POST /image/import (cluster-agent pkg/snap/snap.go: ctr image import --platform GOARCH -), without HTTP. */
const AGENT = `#!/bin/bash
if [ -e /run/agent-full ]; then cat >/dev/null; echo '{"error":"ctr: no space left on device"}'; exit; fi
case $(uname -m) in x86_64) arch=amd64 ;; *) arch=arm64 ;; esac
ctr -n k8s.io image import --platform $arch - 2>&1 && echo 200
`;

/** Dresses the nodes up as MicroK8s's; `port` is where this machine reaches the first one's API server. */
export async function dressMicrok8s(nodes: readonly string[], port: string): Promise<Microk8sMachine> {
  const local = localHost();
  const [here = ''] = nodes;
  const signal = AbortSignal.timeout(1_800_000);
  const inNode = async (node: string, script: string, stdin = '', detached = false) => {
    const argv = ['docker', 'exec', detached ? '-d' : '-i', node, 'bash', '-c', script];
    const { exitCode, stderr, stdout } = await local.exec(argv, { signal, stdin });
    if (exitCode !== 0) throw new Error(`${script}: ${stderr}${stdout}`);
  };
  const put = (node: string, path: string, text: string) =>
    inNode(node, `mkdir -p "$(dirname ${path})" && cat > ${path} && chmod 755 ${path}`, text);
  const label = (value: string) =>
    inNode(
      here,
      `kubectl --kubeconfig /etc/kubernetes/admin.conf label --overwrite nodes --all microk8s.io/cluster${value}`,
    );
  const machine: Microk8sMachine = {
    host: (who = { inGroup: true }) => inContainer(here, who.inGroup ? '1000:1000' : '1000:1001'),
    fault: (what, on) => inNode(here, `${on ? 'touch' : 'rm -f'} ${DATA}/stand-in/${what}`),
    async agent(node, state) {
      await inNode(node, `pkill socat; ${state === 'full' ? 'touch' : 'rm -f'} /run/agent-full`);
      if (state === 'stopped') return;
      await inNode(node, 'exec socat -t 300 TCP-LISTEN:25000,fork,reuseaddr EXEC:/snap/agent', '', true);
      await inNode(
        node,
        'until (exec 3<>/dev/tcp/127.0.0.1/25000) 2>/dev/null; do sleep 0.1; done; rm -f /run/agent-full.x',
      );
    },
    async close() {
      await label('-');
      for (const node of nodes)
        await inNode(node, 'pkill socat; rm -rf /snap /var/snap /usr/local/bin/sudo /run/agent-full');
    },
  };
  for (const node of nodes) {
    await put(node, '/snap/agent', AGENT);
    await machine.agent(node, 'good');
  }
  await put(here, '/snap/bin/microk8s', await readFile(PROGRAM, 'utf8'));
  await put(here, '/usr/local/bin/sudo', SUDO);
  await put(here, `${DATA}/stand-in/port`, port);
  await inNode(
    here,
    `mkdir -p ${DATA}/certs ${DATA}/credentials /snap/microk8s/current/bin /var/snap/microk8s/common/run
    cp /etc/kubernetes/pki/ca.crt ${DATA}/certs/ && cp /etc/kubernetes/admin.conf ${DATA}/credentials/client.config
    chgrp 1000 ${DATA}/certs/ca.crt ${DATA}/credentials/client.config && chmod 660 ${DATA}/certs/ca.crt ${DATA}/credentials/client.config
    ln -sf "$(command -v ctr)" /snap/microk8s/current/bin/ctr
    ln -sf /run/containerd/containerd.sock /var/snap/microk8s/common/run/containerd.sock`,
  );
  await label('=true');
  return machine;
}

/** A shell in a container as a host of its own. Root goes through the machine's sudo, which never gets a terminal. */
function inContainer(container: string, developer: string): Host {
  const local = localHost();
  const enter = (argv: readonly string[], { user }: { user?: 'root' } = {}) => [
    ...['docker', 'exec', '-i', '-u', user === 'root' ? '0:0' : developer, '-e', 'HOME=/tmp', container],
    ...(user === 'root' ? ['sudo', '-n', '--', ...argv] : argv),
  ];
  return {
    ...local,
    exec: (argv, options = {}) => {
      const { user: _, ...rest } = options;
      return local.exec(enter(argv, options), rest);
    },
    spawn: (argv, options = {}) => {
      const { user: _, ...rest } = options;
      return local.spawn(enter(argv, options), rest);
    },
  };
}
