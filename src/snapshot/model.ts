/**
 * The snapshot: what matters of a target, as one value. It is written to disk (see write.ts) and reviewed like code,
 * so it holds no secret, no environment value and no command line.
 */
export const SNAPSHOT_SCHEMA = 'clparity/v1';

export type Protocol = 'TCP' | 'UDP' | 'SCTP';
export type EngineName = 'kindnet' | 'kube-network-policies' | 'calico' | 'cilium' | 'npm' | 'none' | 'unknown';

/** What enforces policies in a cluster, and the observations that say so. */
export interface Engine {
  readonly name: EngineName;
  readonly version?: string;
  /** Options of its agent that change what policies mean, by the agent's own names; absent where nobody looked. */
  readonly options?: Readonly<Record<string, string>>;
  readonly evidence: readonly string[];
}

export interface Snapshot {
  readonly schema: typeof SNAPSHOT_SCHEMA;
  readonly source: SnapshotSource;
  readonly engine: Engine;
  /** CIDRs; empty where they couldn't be found. */
  readonly ranges: {
    readonly pods: readonly string[];
    readonly services: readonly string[];
    readonly nodes: readonly string[];
    /** Where each was found, in words. */
    readonly evidence?: readonly string[];
  };
  readonly nodes: readonly NodeFacts[];
  readonly namespaces: readonly NamespaceFacts[];
  readonly workloads: readonly Workload[];
  readonly services: readonly ServiceFacts[];
  /** Absent where nobody looked: only Calico's policies ask for labels of service accounts. */
  readonly serviceAccounts?: readonly ServiceAccountFacts[];
  /** Policies of every dialect, and what they refer to. */
  readonly policies: readonly PolicyObject[];
  /** Policy kinds that exist at the target and that no dialect reads (see other-policies.ts). Group-qualified. */
  readonly otherPolicies: readonly { readonly group: string; readonly kind: string; readonly count: number }[];
  /** What couldn't be read, and why: 403 is forbidden, 404 is absent. */
  readonly gaps: readonly Gap[];
}

export interface SnapshotSource {
  readonly kind: 'context' | 'files';
  /** Context name, or the path as the user gave it. */
  readonly name: string;
  readonly server?: string;
  readonly kubernetesVersion?: string;
  /** UID of the kube-system namespace: the nearest thing to a cluster's identity. */
  readonly clusterUid?: string;
  readonly capturedAt?: string;
}

export interface Gap {
  readonly resource: string;
  readonly reason: 'forbidden' | 'absent' | 'failed';
  readonly message: string;
}

export interface NodeFacts {
  readonly name: string;
  readonly osImage?: string;
  readonly kernel?: string;
  readonly runtime?: string;
  readonly kubelet?: string;
  readonly architecture?: string;
  readonly os?: string;
  readonly addresses: readonly string[];
  /** Only labels that identify the node's image: kubernetes.azure.com/{os-sku,node-image-version,…}. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Those of all its labels that policies of the snapshot ask for; absent where nobody looked. */
  readonly policyLabels?: Readonly<Record<string, string>>;
}

/** A service account, with those of its labels that policies of the snapshot ask for. */
export interface ServiceAccountFacts {
  readonly namespace: string;
  readonly name: string;
  readonly policyLabels: Readonly<Record<string, string>>;
}

export interface NamespaceFacts {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface ContainerPort {
  readonly name?: string;
  readonly port: number;
  readonly protocol: Protocol;
}

/** Pods that stem from one owner and look alike to every policy. A bare pod is a workload of kind Pod. */
export interface Workload {
  readonly namespace: string;
  readonly kind: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** What its controller knows its pods by, which can't be changed; absent where there is none, or nobody looked. */
  readonly selector?: LabelSelector;
  readonly serviceAccount: string;
  readonly hostNetwork: boolean;
  /** Where the pod template asks for it; absent for Linux, or where nothing is said. */
  readonly os?: 'windows';
  readonly ports: readonly ContainerPort[];
  /** Only names, references and digests; nothing of how they are started. */
  readonly images: readonly { readonly container: string; readonly image: string; readonly digest?: string }[];
  /** How many pods a manifest that was never run makes, where these are several. */
  readonly replicas?: number;
  /** Empty for a manifest that was never run. */
  readonly pods: readonly { readonly name: string; readonly ips: readonly string[]; readonly node?: string }[];
}

export interface ServiceFacts {
  readonly namespace: string;
  readonly name: string;
  /** Undefined where nobody looked: Cilium's toServices may select by them. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly clusterIPs: readonly string[];
  /** Where it is reached from outside as well: `externalIPs`, and those of its load balancer. */
  readonly externalIPs?: readonly string[];
  /** Where it has no address by intent (`clusterIP: None`), so that its name leads to its pods. */
  readonly headless?: true;
  /** Of a Service of type ExternalName. */
  readonly externalName?: string;
  readonly selector: Readonly<Record<string, string>>;
  readonly ports: readonly {
    readonly name?: string;
    readonly port: number;
    readonly targetPort: number | string;
    readonly protocol: Protocol;
    /** The port of every node that leads to it. */
    readonly nodePort?: number;
  }[];
}

/** Where an object stands in the file it was read from; `lines` maps paths such as `spec.ingress[0].from[1]`. */
export interface SourceLocation {
  readonly file: string;
  readonly line: number;
  readonly lines: Readonly<Record<string, number>>;
}

export interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
    readonly values?: readonly string[];
  }[];
}

export interface NetworkPolicyPeer {
  readonly podSelector?: LabelSelector;
  readonly namespaceSelector?: LabelSelector;
  readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] };
}

export interface NetworkPolicyPort {
  readonly protocol?: Protocol;
  readonly port?: number | string;
  readonly endPort?: number;
}

/**
 * A policy of any dialect, or an object that one refers to (CiliumCIDRGroup, NetworkSet, Tier …), with allow-listed
 * metadata and everything else as it came.
 */
export interface PolicyObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    /** Absent for an object of the whole cluster. */
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly spec?: unknown;
  /** CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy may hold several. */
  readonly specs?: unknown;
  /** Not part of the object: where it was read. Never written. */
  readonly location?: SourceLocation;
}

/**
 * A networking.k8s.io/v1 NetworkPolicy with allow-listed metadata. Absent, `[]`, `{}` and `[{}]` mean different things
 * and are kept as they came.
 */
export interface NetworkPolicy {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: {
    readonly podSelector?: LabelSelector;
    readonly policyTypes?: readonly ('Ingress' | 'Egress')[];
    readonly ingress?: readonly {
      readonly from?: readonly NetworkPolicyPeer[];
      readonly ports?: readonly NetworkPolicyPort[];
    }[];
    readonly egress?: readonly {
      readonly to?: readonly NetworkPolicyPeer[];
      readonly ports?: readonly NetworkPolicyPort[];
    }[];
  };
  /** Not part of the object: where it was read. Never written. */
  readonly location?: SourceLocation;
}
