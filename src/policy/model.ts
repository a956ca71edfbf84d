import type { Engine, LabelSelector, Protocol } from '../snapshot/model.ts';

export type Direction = 'ingress' | 'egress';

/** Where a policy or a rule of it stands: what explain shows. `line` is 1-based; absent for live objects. */
export interface SourceRef {
  readonly file?: string;
  readonly line?: number;
  /** Group-qualified kind and name, e.g. `NetworkPolicy shop/allow-web`. */
  readonly object: string;
  /** Path of the rule inside the object, e.g. `spec.ingress[0]`. */
  readonly path?: string;
}

/** Which pods: by namespace (a name, or labels; undefined means every namespace) and by labels. */
export interface PodMatch {
  readonly namespace?: string;
  readonly namespaceSelector?: LabelSelector;
  readonly podSelector: LabelSelector;
}

export type Peer =
  | { readonly type: 'pods'; readonly match: PodMatch }
  | { readonly type: 'cidr'; readonly cidr: string; readonly except: readonly string[] };

/** A port condition: a number, a range (endPort), a name resolved on the destination pod, or any port of a protocol. */
export interface PortMatch {
  readonly protocol: Protocol;
  readonly port?: number | string;
  readonly endPort?: number;
}

export interface Rule {
  readonly direction: Direction;
  readonly action: 'allow' | 'deny' | 'pass';
  /** Undefined: any peer. An empty list matches nothing. */
  readonly peers: readonly Peer[] | undefined;
  /** Undefined: any port of any protocol. An empty list matches nothing. */
  readonly ports: readonly PortMatch[] | undefined;
  readonly source: SourceRef;
}

/** One policy of any dialect, parsed. */
export interface Policy {
  readonly dialect: 'kubernetes';
  readonly namespace: string;
  readonly name: string;
  readonly subject: PodMatch;
  /** The directions in which a selected pod denies what nothing allows. */
  readonly isolates: readonly Direction[];
  readonly rules: readonly Rule[];
  readonly source: SourceRef;
}

/** A pod as policies see it. `id` is `namespace/name`. */
export interface PodEndpoint {
  readonly type: 'pod';
  readonly id: string;
  readonly namespace: string;
  readonly name: string;
  /** `Kind/name` of the workload that it stems from. */
  readonly workload: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
  readonly hostNetwork: boolean;
  readonly ports: readonly { readonly name?: string; readonly port: number; readonly protocol: Protocol }[];
  readonly ips: readonly string[];
  readonly node?: string;
}

/** An address outside the cluster's pods. `id` is `ip:ADDRESS`. */
export interface AddressEndpoint {
  readonly type: 'address';
  readonly id: string;
  readonly ip: string;
}

export type Endpoint = PodEndpoint | AddressEndpoint;

/** Everything that a verdict depends on. Made from a snapshot, or from a local cluster's state. */
export interface PolicyModel {
  readonly engine: Engine;
  readonly policies: readonly Policy[];
  readonly namespaces: ReadonlyMap<string, Readonly<Record<string, string>>>;
  readonly pods: readonly PodEndpoint[];
  /** Node name to its addresses. */
  readonly nodes: ReadonlyMap<string, readonly string[]>;
  /** Pod CIDRs, for pods whose address isn't known. */
  readonly podRanges: readonly string[];
}

export interface Connection {
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly protocol: Protocol;
  readonly port: number;
}

/** Why one side lets a connection through or not, in words with the rule behind them. */
export interface Reason {
  readonly text: string;
  readonly source?: SourceRef;
}

export interface SideVerdict {
  readonly allowed: boolean;
  /** False where no policy selects the pod in this direction (or the side is no pod). */
  readonly isolated: boolean;
  readonly because: readonly Reason[];
}

export interface Verdict {
  readonly allowed: boolean;
  readonly egress: SideVerdict;
  readonly ingress: SideVerdict;
}
