import type Docker from 'dockerode';
import { environmentError, ParityError, refusedError } from '../host/errors.ts';
import type { Host } from '../host/host.ts';
import type { Run } from '../host/run.ts';
import { dockerEndpoint } from '../image/docker-endpoint.ts';
import { connectionOf, listContexts } from '../target/contexts.ts';
import { type Connection, type KubeObject, openTransport, readClient } from '../target/rest.ts';
import { type LocalCluster, type Provider, type VouchedCluster, vouchedBy } from './provider.ts';
import { seenFromOutside } from './seen.ts';

export const DESKTOP = 'desktop';

/**
 * Kubernetes that comes with a desktop's virtual machine, by the context that each writes: Docker Desktop
 * (docker-desktop), Rancher Desktop (rancher-desktop), Colima (colima, colima-PROFILE).
 */
const PRODUCTS: readonly (readonly [RegExp, string])[] = [
  [/^docker-desktop$/, 'Docker Desktop'],
  [/^rancher-desktop$/, 'Rancher Desktop'],
  [/^colima(-.+)?$/, 'Colima'],
];
const productOf = (context: string) => PRODUCTS.find(([pattern]) => pattern.test(context))?.[1];

/** On a pod's containers, whatever CRI made them with Docker (cri-dockerd, libdocker; k8s.io/kubelet, pkg/types). */
const POD_UID = 'io.kubernetes.pod.uid';
const PODS = { group: '', version: 'v1', plural: 'pods' };
/** The last is Docker Desktop's name for this machine. */
const LOOPBACK = ['127.0.0.1', 'localhost', '[::1]', 'kubernetes.docker.internal'];

/**
 * Those of them that the kubeconfig knows. One can be used where its kubelet works with the very Docker that we speak
 * with, over a socket of this machine: each container that its API server says runs has an ID that this Docker knows.
 * There is no way into its node, so no packets are sent. Never chosen without being named.
 */
export function desktopProvider(host: Host, docker: Docker | undefined): Provider {
  return {
    name: DESKTOP,
    async list(run) {
      try {
        const contexts = await listContexts(host);
        return contexts.flatMap(({ name }) => (productOf(name) === undefined ? [] : [found(name)]));
      } catch (error) {
        // A kubeconfig that can't be read is the doctor's to tell, and no hindrance to kind.
        if (!(error instanceof ParityError)) throw error;
        run.log('debug', `No contexts of desktops: ${error.message}`);
        return [];
      }
    },
    vouch: (cluster, run) => vouch(host, docker, cluster, run),
  };
}

function found(context: string): LocalCluster {
  return {
    provider: DESKTOP,
    name: context,
    id: `${DESKTOP}:${context}`,
    nodes: [],
    unprobed: 'there is no way into its node',
    exec: async (node) => {
      throw environmentError(`Nothing can be run in ${node}: there is no way into the node of ${context}`);
    },
  };
}

async function vouch(
  host: Host,
  daemon: Docker | undefined,
  { name }: LocalCluster,
  run: Run,
): Promise<VouchedCluster> {
  const product = productOf(name) ?? name;
  const refuse = (what: string, cause?: unknown) =>
    refusedError(`${product}'s own Kubernetes (the context ${name}) can't be used as a local cluster: ${what}`, {
      cause,
      action: `Nothing is written to it. Make a kind cluster in ${product}'s Docker ("clparity create"), or mirror policies alone, without packets: "clparity mirror --cluster remote:${name} --remote-uid UID", UID from "kubectl --context ${name} get namespace kube-system -o jsonpath={.metadata.uid}".`,
    });
  const { address, source } = await dockerEndpoint(host);
  if (!daemon) throw refuse('there is no Docker here that could show its containers');
  if (address !== undefined && !/^(unix|npipe):/.test(address))
    throw refuse(`Docker is at ${address} (by ${source}), which need not be this machine`);
  const connection = await connectionOf(host, name, run.signal);
  const url = URL.parse(connection.server);
  if (url?.protocol !== 'https:' || !LOOPBACK.includes(url.hostname))
    throw refuse(`its API server ${connection.server} is not on this machine's loopback, over TLS`);
  if (connection.insecureSkipTlsVerify) throw refuse('its kubeconfig says not to check who answers');
  const { uid, version, nodes } = await seenFromOutside(connection, run.signal, refuse);
  if (uid === '') throw refuse('it shows no kube-system namespace');
  const count = await sameContainers(connection, daemon, refuse, run.signal);
  return vouchedBy({
    ...found(name),
    nodes: nodes.map(({ metadata }) => ({
      name: metadata.name,
      role: 'node-role.kubernetes.io/control-plane' in (metadata.labels ?? {}) ? 'control-plane' : 'worker',
      closed: 'there is no way into it',
    })),
    images: { daemon },
    connection,
    uid,
    kubernetesVersion: version,
    evidence: [
      `${connection.server} is on this machine's loopback, over TLS that was checked; kube-system has UID ${uid}`,
      `all ${count} containers that it says run in its pods are containers of the Docker here, by ID and pod`,
    ],
  });
}

/** Returns how many containers run in the cluster's pods. Throws where one of them isn't this Docker's, or none runs. */
async function sameContainers(
  connection: Connection,
  docker: Docker,
  refuse: (what: string) => Error,
  signal: AbortSignal,
): Promise<number> {
  const client = readClient(openTransport(connection));
  let running: string[];
  try {
    running = (await client.list(PODS, signal)).flatMap(runningContainers);
  } finally {
    await client.close();
  }
  // Asked second, and with those that have ended since: what ran a moment ago is still among them.
  const all = await docker.listContainers({ all: true, filters: { label: [POD_UID] }, abortSignal: signal });
  const here = new Set(all.map(({ Id, Labels }) => `${Labels[POD_UID]}/${Id}`));
  const strange = running.filter((container) => !here.has(container));
  if (running.length > 0 && strange.length === 0) return running.length;
  if (here.size === 0)
    throw refuse(
      'the Docker here shows no pods\' containers, so it doesn\'t share its images (it does with dockerd or moby as the container engine, in Docker Desktop with kubeadm and "Show system containers")',
    );
  throw refuse(`${strange.length} of the ${running.length} containers that it says run are none of the Docker here`);
}

/** `POD-UID/CONTAINER-ID` of each; a static pod's containers bear another UID, that of its file. */
function runningContainers({ metadata, status }: KubeObject): string[] {
  const { containerStatuses = [] } = (status ?? {}) as {
    containerStatuses?: readonly { readonly containerID?: string; readonly state?: { readonly running?: object } }[];
  };
  const uid = metadata.annotations?.['kubernetes.io/config.mirror'] ?? metadata.uid ?? '';
  return containerStatuses.flatMap(({ containerID, state }) =>
    state?.running && containerID ? [`${uid}/${containerID.replace(/^.*:\/\//, '')}`] : [],
  );
}
