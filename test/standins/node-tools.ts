import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { K3D, MINIKUBE } from '../../src/cluster/container-kinds.ts';
import type { Host } from '../../src/host/host.ts';
import { localHost } from '../../src/host/local.ts';
import { debianProgram } from '../cluster/debian.ts';
import { type Dress, dressDocker } from './docker-labels.ts';

/**
 * What rancher/k3s has on its PATH of what we use: programs of busybox (here Debian's, static as well), some of others, and
 * k3s under its other names; no bash, no perl, no nc (k3s-io/k3s-root, scripts/package and package/busybox/busybox.config).
 */
const BUSYBOX = 'sh cat grep sed head ls od sleep tr uname';
const K3S_PROGRAMS = 'nsenter socat timeout ctr crictl kubectl';
const BIN = '/opt/k3s-stand-in';

/** A cluster that another tool made, as this machine's Docker shows it. */
export interface DressedCluster {
  readonly id: string;
  readonly host: Host;
  close(): Promise<void>;
}

/**
 * The nodes of a kind cluster as those of another tool: its labels, its files in its places and its programs, before the
 * real containerd and API server.
 */
export async function dressNodes(
  tool: 'k3d' | 'minikube',
  nodes: readonly { readonly name: string; readonly role: string }[],
  change: Pick<Dress, 'address'> = {},
): Promise<DressedCluster> {
  const local = localHost();
  const signal = AbortSignal.timeout(1_800_000);
  const inNodes = async (script: string) => {
    for (const { name } of nodes) {
      const argv = ['docker', 'exec', name, 'bash', '-c', script];
      const { exitCode, stderr } = await local.exec(argv, { signal });
      if (exitCode !== 0) throw new Error(`${script}: ${stderr}`);
    }
  };
  const wears = ({ role }: { readonly role: string }): Readonly<Record<string, string>> =>
    tool === 'k3d'
      ? { app: 'k3d', [K3D.label]: 'dressed', 'k3d.role': role === 'control-plane' ? 'server' : 'agent' }
      : { [MINIKUBE.label]: nodes[0]?.name ?? '', 'role.minikube.sigs.k8s.io': '' };
  const dress: Dress = {
    ...change,
    asked: tool === 'k3d' ? K3D.label : MINIKUBE.label,
    labels: new Map(nodes.map((node) => [node.name, wears(node)])),
    ...(tool === 'k3d' ? { path: BIN } : { port: MINIKUBE.port }),
  };
  const busybox = await debianProgram('busybox-static', 'bin/busybox');
  await inNodes(`mkdir -p ${BIN}`);
  for (const { name } of nodes) {
    const { exitCode, stderr } = await local.exec(['docker', 'cp', busybox, `${name}:${BIN}/busybox`], { signal });
    if (exitCode !== 0) throw new Error(stderr);
  }
  await inNodes(
    `mkdir -p /output /var/lib/rancher/k3s/server/tls /var/lib/minikube/certs /var/lib/minikube/binaries/v1.2.3
    ln -sf "$(command -v kubectl)" /var/lib/minikube/binaries/v1.2.3/
    ln -sf /etc/kubernetes/pki/ca.crt ${MINIKUBE.ca}
    for p in ${BUSYBOX}; do ln -sf busybox ${BIN}/$p; done
    for p in ${K3S_PROGRAMS}; do ln -sf "$(command -v $p)" ${BIN}/$p; done
    [ ! -e ${MINIKUBE.adminConf} ] || {
      cp ${MINIKUBE.adminConf} ${K3D.adminConf} && cp /etc/kubernetes/pki/ca.crt ${K3D.ca}
    }`,
  );
  const folder = await mkdtemp(join(tmpdir(), 'clparity-dressed-'));
  const docker = await dressDocker('/var/run/docker.sock', join(folder, 'docker.sock'), dress);
  return {
    id: `${tool}:${tool === 'k3d' ? 'dressed' : nodes[0]?.name}`,
    host: { ...local, env: { ...local.env, DOCKER_HOST: `unix://${docker.socket}` } },
    async close() {
      await docker.close();
      await inNodes(`rm -rf /output /var/lib/rancher /var/lib/minikube ${BIN}`);
      await rm(folder, { recursive: true, force: true });
    },
  };
}
