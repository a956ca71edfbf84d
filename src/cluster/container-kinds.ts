import type { KubeObject } from '../target/rest.ts';
import type { ContainerKind } from './node-containers.ts';

const ADMIN_CONF = '/etc/kubernetes/admin.conf';
/** Of clusters that name their nodes' containers nowhere in their API. */
const BY_ADDRESS = 'every API node has the name and the address of one of the containers';

/** kind (pkg/cluster/constants, pkg/cluster/internal/providers/docker). */
export const KIND: ContainerKind = {
  provider: 'kind',
  label: 'io.x-k8s.kind.cluster',
  roleOf: (labels) => {
    const role = labels['io.x-k8s.kind.role'];
    return role === 'control-plane' || role === 'worker' ? role : undefined;
  },
  adminConf: ADMIN_CONF,
  ca: '/etc/kubernetes/pki/ca.crt',
  port: '6443/tcp',
  kubectl: ['kubectl', '--kubeconfig', ADMIN_CONF],
  foreign(node, cluster) {
    const providerId = (node.spec as { providerID?: string } | undefined)?.providerID ?? '';
    const [, of, name] = /^kind:\/\/[^/]+\/([^/]+)\/([^/]+)$/.exec(providerId) ?? [];
    return of === cluster && name === node.metadata.name ? undefined : `with providerID "${providerId}"`;
  },
  nodesAre:
    'every API node has a providerID kind://… of this cluster, and the name and address of one of the containers',
  lister: 'kind get clusters',
};

/**
 * k3d (pkg/types: labels and roles; pkg/client: K3S_KUBECONFIG_OUTPUT). Its load balancer passes TCP on to the servers
 * (k3d-io/k3d, proxy/). k3s signs for localhost (k3s-io/k3s, pkg/cluster/https.go), and its kubectl is k3s itself.
 */
export const K3D: ContainerKind = {
  provider: 'k3d',
  label: 'k3d.cluster',
  roleOf(labels) {
    if (labels.app !== 'k3d') return undefined;
    const roles = { server: 'control-plane', agent: 'worker', loadbalancer: 'proxy' } as const;
    return roles[labels['k3d.role'] as keyof typeof roles];
  },
  adminConf: '/output/kubeconfig.yaml',
  ca: '/var/lib/rancher/k3s/server/tls/server-ca.crt',
  port: '6443/tcp',
  kubectl: ['kubectl', '--kubeconfig', '/output/kubeconfig.yaml'],
  nodesAre: BY_ADDRESS,
  lister: 'k3d cluster list',
};

/**
 * minikube's docker driver (pkg/drivers/kic/oci; pkg/minikube/vmpath for the paths). A profile's first machine bears its
 * name; the role's label is often empty. All profiles share one authority, hence the proof by UID and address.
 */
export const MINIKUBE: ContainerKind = {
  provider: 'minikube',
  label: 'name.minikube.sigs.k8s.io',
  roleOf: (labels, container) =>
    container === labels['name.minikube.sigs.k8s.io'] || labels['role.minikube.sigs.k8s.io'] === 'control-plane'
      ? 'control-plane'
      : 'worker',
  adminConf: ADMIN_CONF,
  ca: '/var/lib/minikube/certs/ca.crt',
  port: '8443/tcp',
  // Of the Kubernetes version that runs: there is one folder for each that ever did.
  kubectl: [
    'sh',
    '-c',
    `exec "$(ls -td /var/lib/minikube/binaries/v*/ | head -n 1)kubectl" --kubeconfig ${ADMIN_CONF} "$@"`,
    'kubectl',
  ],
  nodesAre: BY_ADDRESS,
  lister: 'minikube profile list',
};

/** The addresses of a node's object that aren't names. */
export function internalAddresses({ status }: KubeObject): readonly string[] {
  const { addresses = [] } = (status ?? {}) as { addresses?: readonly { type: string; address: string }[] };
  return addresses.filter(({ type }) => type === 'InternalIP').map(({ address }) => address);
}
