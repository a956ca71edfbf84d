import type { RemoteCluster } from './cluster/remote.ts';
import type { EngineName } from './snapshot/model.ts';

/** Everything a user can choose, one shape for the CLI's options and VS Code's settings. */
export interface Settings {
  /** Context of the user's kubeconfig to be like; read-only, always. */
  readonly context?: string;
  /** Path of a snapshot, a manifest or a folder of manifests to be like. Wins over `context`. */
  readonly snapshot?: string;
  /** `kind:NAME` or `microk8s`; when absent, the only local cluster there is. */
  readonly cluster?: string;
  /** Clusters elsewhere that may be written to as `remote:CONTEXT`; no other is. */
  readonly remoteClusters: readonly RemoteCluster[];
  /** Where the kubeconfig, Docker and the cluster are: `local`, or `wsl:DISTRO` from Windows. */
  readonly host: string;
  /** Base image reference, or `none` to leave images alone. */
  readonly image: string;
  /** What is loaded into the nodes: the base image alone, or all that the target's workloads run as well. */
  readonly images: 'base' | 'workloads';
  /** A file or folder that holds the image, where there is no network. */
  readonly archive?: string;
  /** `HOST[/PREFIX]` that serves every registry's images, for networks that reach nothing else. */
  readonly registryMirror?: string;
  /** Absolute path of a PEM file: certificates and public keys that images' signatures are verified with. */
  readonly trust?: string;
  /** Globs of target namespaces to mirror; empty means all. */
  readonly namespaces: readonly string[];
  /** Globs of target namespaces to leave out. */
  readonly excludeNamespaces: readonly string[];
  /** Target namespace to local namespace. */
  readonly namespaceMap: Readonly<Record<string, string>>;
  /** What the local names of mirrored namespaces begin with, where a team shares a cluster: `dev1-`; empty for none. */
  readonly namespacePrefix: string;
  /** The target's engine, where it can't be seen (a folder of manifests). */
  readonly engine?: EngineName;
  /** Policies (by name, or kind and name) that may allow more here than at the target, where the choice is more or less. */
  readonly acceptWider: readonly string[];
  /** Enable the DNS of a MicroK8s that is without: `sync` and `mirror` do it, once they are approved. */
  readonly enableDns: boolean;
  /** Leave the stand-ins in the cluster after verifying. */
  readonly keep: boolean;
  /** Milliseconds without an answer after which a probe counts as denied. */
  readonly probeTimeoutMs: number;
}

/** Facts: no official full list exists, so it is a setting; namespaces labelled `control-plane` are left out as well. */
export const SYSTEM_NAMESPACES = [
  'kube-system',
  'kube-public',
  'kube-node-lease',
  'local-path-storage',
  'gatekeeper-system',
  'calico-system',
  'calico-apiserver',
  'tigera-operator',
  'app-routing-system',
  'aks-istio-system',
  'aks-istio-ingress',
  'dapr-system',
] as const;

export const DEFAULT_SETTINGS: Settings = {
  host: 'local',
  remoteClusters: [],
  image: 'mcr.microsoft.com/azurelinux/base/core:3.0',
  images: 'base',
  namespaces: [],
  excludeNamespaces: SYSTEM_NAMESPACES,
  namespaceMap: {},
  namespacePrefix: '',
  acceptWider: [],
  enableDns: false,
  keep: false,
  probeTimeoutMs: 2000,
};
