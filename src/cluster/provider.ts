import type { Readable } from 'node:stream';
import type Docker from 'dockerode';
import type { Host } from '../host/host.ts';
import type { Run } from '../host/run.ts';
import type { Connection } from '../target/rest.ts';

/** A node of a local cluster, as its provider knows it. */
export interface LocalNode {
  readonly name: string;
  readonly role: 'control-plane' | 'worker';
  /** The address under which the node sees the machine that its daemon runs on, where that is known. */
  readonly hostAddress?: string;
  /**
   * Why nothing can be run in it, where that is so (another machine, no root without a password). Such a node gets its
   * images by the cluster's importer, and no packets are sent from its pods but by `socat`.
   */
  readonly closed?: string;
  /** Set where a closed node has all the same what sends packets without perl (see verify/socat-prober.ts). */
  readonly socat?: true;
  /** In Go's words (`amd64`), where it is known without asking the node. */
  readonly architecture?: string;
}

export interface NodeExecOptions {
  readonly stdin?: Readable | string;
  /** Standard output as it comes, too. */
  readonly onStdout?: (chunk: Buffer) => void;
  readonly signal: AbortSignal;
}

/** The programs in a node that speak with its container runtime: argv without their own arguments. */
export interface NodeTools {
  /** containerd's, connected to the containerd that kubelet uses. */
  readonly ctr: readonly string[];
  /** Undefined where the node has none: then containerd's labels tell what kubelet sees. */
  readonly crictl?: readonly string[];
}

/** What kubeadm's nodes have on their PATH. */
export const USUAL_TOOLS: NodeTools = { ctr: ['ctr'], crictl: ['crictl'] };

/** A cluster's own way to bring images into all of its nodes, those included in which nothing can be run. */
export interface Importer {
  /** The image names that each node's kubelet reports: some of them, for it reports 50 images unless told otherwise. */
  reported(signal: AbortSignal): Promise<ReadonlyMap<string, ReadonlySet<string>>>;
  /** Takes an OCI archive into every node. Returns what went wrong, by node; throws where nothing went out. */
  import(archive: Readable, signal: AbortSignal): Promise<ReadonlyMap<string, string>>;
}
/** A registry (`HOST[/PREFIX]`) that a cluster's pods pull from and that we push to, in the place of its nodes' containerd. */
export interface SharedRegistry {
  readonly registry: string;
  readonly host: Host;
}

/** The Docker daemon that a cluster's kubelet starts its containers with: what Docker has, its pods have. */
export interface SharedDaemon {
  readonly daemon: Docker;
}

/** DNS that a cluster may be without, and how it gets it. */
export interface AddOnDns {
  /** Undefined where that can't be told. */
  enabled(signal: AbortSignal): Promise<boolean | undefined>;
  /** Throws an `environment` error with the cluster's own words. */
  enable(signal: AbortSignal): Promise<void>;
}

/** A local cluster that its provider has found. Nothing is sent to it by finding it. */
export interface LocalCluster {
  readonly provider: string;
  readonly name: string;
  /** `kind:NAME` or `microk8s`, as `--cluster` takes it. */
  readonly id: string;
  readonly nodes: readonly LocalNode[];
  /** Through its nodes' containerd when absent. */
  readonly images?: SharedRegistry | SharedDaemon;
  /** Why no packets are sent from its pods' networks, in words, where its provider decides that: see whyUnprobed. */
  readonly unprobed?: string;
  /** Why it can't be used as it is (stopped, no permission) and what to do about it; `vouch` throws it. */
  readonly fault?: { readonly message: string; readonly action: string };
  /** Where it is the user's to enable; any other cluster comes with it. */
  readonly dns?: AddOnDns;
  /** USUAL_TOOLS where absent. */
  readonly tools?: NodeTools;
  /** Has to be there where a node is closed and the cluster pulls from no registry of ours. */
  readonly importer?: Importer;
  /**
   * Runs argv inside a node as root, streaming `stdin` in with back-pressure. Resolves whatever the exit code is; rejects
   * for a node that is closed.
   */
  exec(
    node: string,
    argv: readonly string[],
    options: NodeExecOptions,
  ): Promise<{ exitCode: number; stdout: string; stderr: string }>;
}

declare const vouched: unique symbol;

/**
 * A cluster that its provider vouches for: this very API server is the one that runs in the provider's own nodes (see
 * the provider's `vouch`). The only thing that a writing client can be built from; only a provider can make one.
 */
export interface VouchedCluster extends LocalCluster {
  readonly connection: Connection;
  /** UID of its kube-system namespace. */
  readonly uid: string;
  readonly kubernetesVersion: string;
  /** Where it is, for the question before a write to a cluster that isn't on this machine; absent for one that is. */
  readonly elsewhere?: string;
  /** What the provider checked, in words, for the report. */
  readonly evidence: readonly string[];
  readonly [vouched]: true;
}

/** Marks a checked cluster. For providers alone: nothing else may call it. */
export function vouchedBy(cluster: Omit<VouchedCluster, typeof vouched>): VouchedCluster {
  return cluster as VouchedCluster;
}

export interface CreateOptions {
  readonly name: string;
  /** Minor version to look like, e.g. `1.34`; the newest when absent. */
  readonly minor?: string;
  /** A node image by reference or the path of an archive; overrides `minor`. */
  readonly nodeImage?: string;
  readonly workers?: number;
  /** What enforces policies; the node image's own when absent. */
  readonly engine?: EngineChoice;
}

/** An engine to install instead of the node image's own. */
export interface EngineChoice {
  readonly name: 'cilium' | 'calico';
  /** The text of its manifest; the node image's own when absent. */
  readonly manifest?: string;
}

/** The nodes in which programs can be run. */
export function openNodes({ nodes }: Pick<LocalCluster, 'nodes'>): readonly LocalNode[] {
  return nodes.filter(({ closed }) => closed === undefined);
}

/** The nodes from whose pods packets can be sent. */
export function probedNodes({ nodes }: Pick<LocalCluster, 'nodes'>): readonly LocalNode[] {
  return nodes.filter(({ closed, socat }) => closed === undefined || socat);
}

/** Why no packets can be sent in a cluster: its provider's reason, or its nodes' where all are closed. Undefined where some can. */
export function whyUnprobed(cluster: Pick<LocalCluster, 'nodes' | 'unprobed'>): string | undefined {
  if (cluster.unprobed !== undefined || probedNodes(cluster).length > 0) return cluster.unprobed;
  return `nothing can be run in ${cluster.nodes.map(({ name, closed }) => `node ${name}: ${closed}`).join('; ')}`;
}

/** One kind of local cluster. "Not here" is undefined or an empty list, never an exception. */
export interface Provider {
  readonly name: string;
  /** The clusters it finds; empty where its program or daemon isn't there. */
  list(run: Run): Promise<LocalCluster[]>;
  /** Checks that the cluster is what it says. Throws a ParityError of kind `refused` naming what does not match. */
  vouch(cluster: LocalCluster, run: Run): Promise<VouchedCluster>;
  /** Makes a cluster; undefined where the provider can't. */
  create?(options: CreateOptions, run: Run): Promise<LocalCluster>;
}
