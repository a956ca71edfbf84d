import type Docker from 'dockerode';
import { environmentError, messageOf } from '../host/errors.ts';
import type { Run } from '../host/run.ts';
import type { KubeObject } from '../target/rest.ts';
import type { LocalNode } from './provider.ts';

/** A tool whose clusters' nodes are containers of Docker: how they are known, and where things lie in them. */
export interface ContainerKind {
  /** `kind`: of ids, and in messages. */
  readonly provider: string;
  /** Its value is the cluster's name. */
  readonly label: string;
  /** `proxy` for a container that publishes the API server's port without being a node; undefined for any other. */
  roleOf(labels: Readonly<Record<string, string>>, container: string): LocalNode['role'] | 'proxy' | undefined;
  /** A kubeconfig with embedded credentials, in a control-plane node. */
  readonly adminConf: string;
  /** The authority that signs the API server's certificate, in the same node. */
  readonly ca: string;
  /** The port of the API server in its container: `6443/tcp`. */
  readonly port: string;
  /** A program in that node that speaks with its own API server. */
  readonly kubectl: readonly string[];
  /** What is said of a node's object that is not one of this tool's; undefined where it is. */
  foreign?(node: KubeObject, cluster: string): string | undefined;
  /** What proves the nodes, in the words of a report. */
  readonly nodesAre: string;
  /** How its clusters are listed and mended by hand. */
  readonly lister: string;
}

/** A cluster as Docker's labels show it. The load balancer of one with many masters isn't a node. */
export interface NodeContainers {
  readonly name: string;
  readonly running: readonly LocalNode[];
  /** Names of node containers that exist but don't run. */
  readonly stopped: readonly string[];
  /** The command that makes those run. */
  readonly start: string;
  /** The container in front of the API servers, where there is one. */
  readonly proxy?: string;
  /** Their addresses in Docker's networks, by container. */
  readonly addresses: ReadonlyMap<string, readonly string[]>;
}

/**
 * All clusters of a tool that the daemon has, stopped ones too, sorted by name. Empty where no daemon listens; a daemon
 * that refuses (no permission on its socket) is a ParityError of kind `environment`.
 */
export async function containerClusters(docker: Docker, kind: ContainerKind, run: Run): Promise<NodeContainers[]> {
  interface Found {
    running: LocalNode[];
    stopped: string[];
    paused: string[];
    proxy?: string;
    addresses: Map<string, readonly string[]>;
  }
  const clusters = new Map<string, Found>();
  for (const { Names, Labels, State, NetworkSettings } of await labelledContainers(docker, kind, run)) {
    const name = Labels[kind.label];
    const container = Names[0]?.replace(/^\//, '');
    const role = container && kind.roleOf(Labels, container);
    if (!name || !container || !role) continue;
    const cluster: Found = clusters.get(name) ?? { running: [], stopped: [], paused: [], addresses: new Map() };
    clusters.set(name, cluster);
    if (role === 'proxy') {
      if (State === 'running') cluster.proxy = container;
      continue;
    }
    const networks = Object.values(NetworkSettings?.Networks ?? {});
    const hostAddress = networks.find(({ Gateway }) => Gateway)?.Gateway;
    const own = networks.flatMap(({ IPAddress, GlobalIPv6Address }) => [IPAddress, GlobalIPv6Address]);
    cluster.addresses.set(container, own.filter(Boolean));
    if (State === 'running') cluster.running.push({ name: container, role, ...(hostAddress ? { hostAddress } : {}) });
    else cluster[State === 'paused' ? 'paused' : 'stopped'].push(container);
  }
  return [...clusters]
    .filter(([, { running, stopped, paused }]) => running.length + stopped.length + paused.length > 0)
    .map(([name, { running, stopped, paused, ...rest }]) => ({
      name,
      running: running.sort((a, b) => a.role.localeCompare(b.role) || a.name.localeCompare(b.name)),
      stopped: [...stopped, ...paused].sort(),
      start: startCommand(stopped, paused),
      ...rest,
    }))
    .sort((a, b) => a.name.localeCompare(b.name));
}

/** `node a is stopped`, `nodes a, b are stopped`. */
export function stoppedNodes(names: readonly string[]): string {
  return names.length === 1 ? `node ${names.join()} is stopped` : `nodes ${names.join(', ')} are stopped`;
}

/** What makes containers run: Docker starts what is paused by another command than what has ended. */
export function startCommand(stopped: readonly string[], paused: readonly string[]): string {
  const commands: [string, readonly string[]][] = [
    ['docker start', stopped],
    ['docker unpause', paused],
  ];
  return commands
    .filter(([, containers]) => containers.length > 0)
    .map(([command, containers]) => [command, ...containers.toSorted()].join(' '))
    .join(' && ');
}

async function labelledContainers(
  docker: Docker,
  { provider, label }: ContainerKind,
  run: Run,
): Promise<Docker.ContainerInfo[]> {
  try {
    return await docker.listContainers({ all: true, filters: { label: [label] }, abortSignal: run.signal });
  } catch (cause) {
    run.signal.throwIfAborted();
    const code = (cause as NodeJS.ErrnoException).code ?? '';
    if (['ECONNREFUSED', 'ENOENT'].includes(code)) {
      run.log('debug', `No Docker daemon, hence no ${provider} clusters: ${messageOf(cause)}`);
      return [];
    }
    throw environmentError(`Docker can't be asked for ${provider} clusters: ${messageOf(cause)}`, {
      cause,
      action:
        code === 'EACCES'
          ? 'Add yourself to the docker group ("sudo usermod -aG docker $USER"), then log in again.'
          : 'Run "clparity doctor" to see what is wrong with Docker.',
    });
  }
}
