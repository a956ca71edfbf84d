import { createHash } from 'node:crypto';
import { type LocalCluster, probedNodes } from '../cluster/provider.ts';
import type { Signature } from '../plan/ownership.ts';
import type { ContainerPort } from '../snapshot/model.ts';
import type { KubeObject } from '../target/rest.ts';
import { OWNER } from './ours.ts';

export interface PausePod {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
  readonly ports: readonly ContainerPort[];
}

/** What pause pods are made of and where they may run. */
export interface Kit {
  /** The sandbox image of the nodes. */
  readonly image: string;
  /** The nodes from which packets can be sent, where that isn't all of them. */
  readonly nodes?: readonly string[];
}

/** The kit for a cluster: packets are sent from inside nodes, so no pause pod may run in another one. */
export function kitFor(cluster: LocalCluster, image: string): Kit {
  const probed = probedNodes(cluster);
  return { image, ...(probed.length < cluster.nodes.length && { nodes: probed.map(({ name }) => name) }) };
}

/** A name that says what it stands for, valid whatever the workload is called, and different for each. */
export function standInName(kind: string, name: string): string {
  const hash = createHash('sha256').update(`${kind}/${name}`).digest('hex').slice(0, 6);
  const readable = name
    .toLowerCase()
    .replace(/[^a-z0-9-]/g, '-')
    .slice(0, 38)
    .replace(/-+$/, '');
  return `clparity-standin-${readable}-${hash}`;
}

/**
 * The manifest of a pod that does nothing: the node's own sandbox image, nothing pulled, accepted where the
 * `restricted` pod security level is enforced. It never becomes ready, so that no Service sends it real traffic.
 * `ownerUid` is the UID of the namespace's ConfigMap named OWNER.
 */
export function pausePod(pod: PausePod, { image, nodes }: Kit, ownerUid: string, { verify }: Signature): KubeObject {
  const { namespace, name, labels, serviceAccount } = pod;
  const owner = { apiVersion: 'v1', kind: 'ConfigMap', name: OWNER, uid: ownerUid, controller: true };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace,
      labels,
      annotations: { [verify]: 'true' },
      ownerReferences: [owner],
    },
    spec: {
      serviceAccountName: serviceAccount,
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: 0,
      ...(nodes && { affinity: onNodes(nodes) }),
      readinessGates: [{ conditionType: 'clparity.dev/never' }],
      securityContext: { runAsNonRoot: true, runAsUser: 65535, seccompProfile: { type: 'RuntimeDefault' } },
      tolerations: ['control-plane', 'master'].map((role) => ({
        key: `node-role.kubernetes.io/${role}`,
        operator: 'Exists',
      })),
      containers: containerPorts(pod.ports).map((ports, i) => ({
        name: i === 0 ? 'pause' : `pause-${i + 1}`,
        image,
        imagePullPolicy: 'Never',
        ports,
        // Quotas on CPU or memory refuse pods without them.
        resources: { requests: { cpu: '1m', memory: '4Mi' }, limits: { cpu: '50m', memory: '32Mi' } },
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        },
      })),
    },
  };
}

/** Any of these nodes: the terms are alternatives, and each takes one name (NodeSelectorTerm.matchFields). */
function onNodes(nodes: readonly string[]): object {
  const nodeSelectorTerms = nodes.map((name) => ({
    matchFields: [{ key: 'metadata.name', operator: 'In', values: [name] }],
  }));
  return { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } };
}

/** Ports by container: a name may stand once in a container, but several times in a pod. At least one container. */
function containerPorts(ports: readonly ContainerPort[]) {
  const containers: { name?: string; containerPort: number; protocol: string }[][] = [[]];
  const distinct = new Map(ports.map((p) => [`${p.name} ${p.protocol} ${p.port}`, p]));
  for (const { name, port, protocol } of distinct.values()) {
    const clashes = (other: (typeof containers)[number]) =>
      other.some(
        (p) => (name !== undefined && p.name === name) || (p.containerPort === port && p.protocol === protocol),
      );
    const entry = { ...(name === undefined ? {} : { name }), containerPort: port, protocol };
    const container = containers.find((c) => !clashes(c));
    if (container) container.push(entry);
    else containers.push([entry]);
  }
  return containers;
}
