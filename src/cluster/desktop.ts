import { environmentError, ParityError } from '../host/errors.ts';
import type { Host } from '../host/host.ts';
import { listContexts } from '../target/contexts.ts';
import type { LocalCluster, Provider } from './provider.ts';

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

/**
 * Those of them that the kubeconfig knows, each with the reason why it can't be used as a cluster of this machine: its
 * node is a virtual machine that we have no way into, so nothing proves from inside that its API server is the one that
 * the context leads to. Named so that nobody looks for them in vain; never chosen without being named.
 */
export function desktopProvider(host: Host): Provider {
  return {
    name: DESKTOP,
    async list(run) {
      try {
        return (await listContexts(host)).flatMap(({ name }) => found(name) ?? []);
      } catch (error) {
        // A kubeconfig that can't be read is the doctor's to tell, and no hindrance to kind.
        if (!(error instanceof ParityError)) throw error;
        run.log('debug', `No contexts of desktops: ${error.message}`);
        return [];
      }
    },
    async vouch({ name, fault }) {
      throw environmentError(fault?.message ?? `${name} is no cluster that can be vouched for`, {
        action: fault?.action ?? 'Choose another with --cluster.',
      });
    },
  };
}

function found(context: string): LocalCluster | undefined {
  const product = PRODUCTS.find(([pattern]) => pattern.test(context))?.[1];
  if (product === undefined) return undefined;
  const cannot = `${product}'s own Kubernetes (the context ${context}) is not supported as a local cluster: there is no way into its node by which to prove that it is what it says, to load images, or to send packets`;
  return {
    provider: DESKTOP,
    name: context,
    id: `${DESKTOP}:${context}`,
    nodes: [],
    unprobed: 'there is no way into its node',
    fault: {
      message: cannot,
      action: `Make a kind cluster in ${product}'s Docker ("clparity create"), or mirror policies alone, without packets: "clparity mirror --cluster remote:${context} --remote-uid UID", UID from "kubectl --context ${context} get namespace kube-system -o jsonpath={.metadata.uid}".`,
    },
    exec: async (node) => {
      throw environmentError(`Nothing can be run in ${node}: ${cannot}`);
    },
  };
}
