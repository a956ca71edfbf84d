import { environmentError } from '../host/errors.ts';
import type { Host } from '../host/host.ts';
import type { Run } from '../host/run.ts';
import { findMicrok8s, type Microk8s, microk8sFault } from './microk8s-cli.ts';
import { microk8sDns } from './microk8s-dns.ts';
import { microk8sImporter } from './microk8s-import.ts';
import { microk8sNodes } from './microk8s-nodes.ts';
import { vouchForMicrok8s } from './microk8s-vouch.ts';
import type { LocalCluster, NodeTools, Provider } from './provider.ts';

const MICROK8S = 'microk8s';

/**
 * containerd's own client as MicroK8s's wrapper calls it (microk8s-ctr.wrapper: $SNAP/bin/ctr with the arguments of
 * args/ctr, which name this socket). Not the wrapper itself: that asks sudo for a password where it isn't root, and a
 * process that it has started can't be told from another one. MicroK8s brings no crictl.
 */
const TOOLS: NodeTools = {
  ctr: ['/snap/microk8s/current/bin/ctr', '--address', '/var/snap/microk8s/common/run/containerd.sock'],
};

/** MicroK8s of a host: one at most, alone or one of many nodes. Its kubeconfig is read, never written. */
export function microk8sProvider(host: Host): Provider {
  return {
    name: MICROK8S,
    async list(run) {
      const program = await findMicrok8s(host, run.signal);
      return program ? [await look(host, program, run)] : [];
    },
    async vouch(found, run) {
      const program = await findMicrok8s(host, run.signal);
      if (found.provider !== MICROK8S || !program) throw environmentError(`There is no MicroK8s on ${host.name}`);
      const cluster = await look(host, program, run);
      if (cluster.fault) throw environmentError(cluster.fault.message, { action: cluster.fault.action });
      return vouchForMicrok8s(host, program, cluster, run);
    },
  };
}

async function look(host: Host, program: Microk8s, run: Run): Promise<LocalCluster> {
  const name = host.name === 'local' ? MICROK8S : host.name;
  const fault = await microk8sFault(host, program, run.signal);
  const nodes = fault ? [] : await microk8sNodes(host, program, run.signal);
  return {
    provider: MICROK8S,
    name,
    id: host.name === 'local' ? MICROK8S : `${MICROK8S}:${name}`,
    nodes,
    ...(fault ? { fault } : {}),
    dns: microk8sDns(host, program),
    tools: TOOLS,
    importer: microk8sImporter(host, program, nodes),
    async exec(node, argv, options) {
      const closed = nodes.find((one) => one.name === node)?.closed;
      if (closed !== undefined || !nodes.some((one) => one.name === node))
        throw environmentError(
          `Nothing can be run in node ${node}: ${closed ?? 'MicroK8s has none of that name here'}`,
        );
      return host.exec(argv, { user: 'root', ...options });
    },
  };
}
