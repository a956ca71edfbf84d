import type { Engine, LabelSelector, Protocol, ServiceFacts } from '../snapshot/model.ts';

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

/**
 * What a pod (or a node) is known by, as a boolean expression: the one form of every dialect's selectors. `all` of
 * nothing holds for everything, `any` of nothing for nothing.
 */
export type Selector =
  | { readonly op: 'all' | 'any'; readonly of: readonly Selector[] }
  | { readonly op: 'not'; readonly of: Selector }
  | LabelTest
  /** The pod's namespace, or its service account, is one of these names. */
  | { readonly op: 'namespace' | 'serviceAccount'; readonly names: readonly string[] };

/** An absent label fails every test but `not exists`; `NotIn` is `not` around `in`, which an absent label passes. */
export interface LabelTest {
  readonly op: 'label';
  readonly of: 'pod' | 'namespace' | 'serviceAccount' | 'node';
  readonly key: string;
  readonly test: 'exists' | 'in' | 'contains' | 'startsWith' | 'endsWith';
  /** Empty with `exists`. */
  readonly values: readonly string[];
}

/** Cilium's words for what isn't a pod of the cluster, or is any. */
export type Entity =
  | 'all'
  | 'world'
  | 'world-ipv4'
  | 'world-ipv6'
  | 'cluster'
  | 'host'
  | 'remote-node'
  | 'kube-apiserver'
  | 'ingress'
  | 'init'
  | 'health'
  | 'unmanaged'
  | 'none';

/** The other end of a connection, or (`Rule.self`) the own end. */
export type Peer =
  /**
   * `strangers`: its selector asks for no label to be there, so that Cilium may take what is no pod for it as well:
   * always, or where it doesn't add the own cluster's name.
   */
  | { readonly type: 'pods'; readonly match: Selector; readonly strangers?: 'always' | 'unlessLocal' }
  | { readonly type: 'nodes'; readonly match: Selector }
  | { readonly type: 'cidr'; readonly cidr: string; readonly except: readonly string[] }
  /** `byLabel`: named by its reserved label, for which Cilium has each identity that bears it and no common one. */
  | { readonly type: 'entity'; readonly entity: Entity; readonly byLabel?: true }
  /** Names whose addresses only DNS knows at run time; `*` as the dialect defines it. Never a pod or a node. */
  | { readonly type: 'fqdn'; readonly pattern: string }
  | { readonly type: 'every'; readonly of: readonly Peer[] }
  | { readonly type: 'not'; readonly of: Peer };

/** A port condition: a number, a range (endPort), a name resolved on the destination pod, or any port of a protocol. */
export interface PortMatch {
  readonly protocol: Protocol;
  readonly port?: number | string;
  readonly endPort?: number;
}

export type Action = 'allow' | 'deny' | 'pass';

export interface Rule {
  readonly direction: Direction;
  readonly action: Action;
  /** Undefined: any peer. An empty list matches nothing. */
  readonly peers: readonly Peer[] | undefined;
  /** Undefined: any port of any protocol. An empty list matches nothing (none of TCP, UDP, SCTP: ICMP, say). */
  readonly ports: readonly PortMatch[] | undefined;
  /** Ports that it leaves out of `ports`. */
  readonly exceptPorts?: readonly PortMatch[];
  /** What the selected pod itself must be besides, as Calico's rules may ask of their own side. */
  readonly self?: Peer;
  /**
   * What it asks beyond address and port (HTTP paths, TLS names, source ports, ICMP types …), in words: an allow lets
   * through less than it shows. A deny or pass with such conditions is taken not to match, and is a caveat.
   */
  readonly narrowedBy?: readonly string[];
  readonly source: SourceRef;
}

export type DialectName = 'kubernetes' | 'cilium' | 'calico' | 'admin';

/** One policy of any dialect, parsed. */
export interface Policy {
  readonly dialect: DialectName;
  /** Undefined for one of the whole cluster. */
  readonly namespace: string | undefined;
  readonly name: string;
  /** The pods that it speaks for; hostNetwork pods never are. */
  readonly subject: Selector;
  /** The directions in which a selected pod, at the end of the policy's tier, meets the tier's default. */
  readonly isolates: readonly Direction[];
  /** Where it takes its turn; see Tier. */
  readonly tier: string;
  /** Its turn inside an ordered tier: lower first, undefined last, then by name. No meaning in a union. */
  readonly order?: number;
  readonly rules: readonly Rule[];
  /** Whether it gives names to Cilium's DNS proxy, or needs a policy that does. */
  readonly dns?: 'learns' | 'needs';
  /** Set where it is no object, but what the engine does by itself. */
  readonly ofEngine?: true;
  /** Set where it is never enforced, with why: `staged`. It is listed, and decides nothing. */
  readonly inert?: string;
  /** What its text says that the model can't hold, in words; each a reason not to call it exact. */
  readonly caveats?: readonly string[];
  /** Those of the caveats that are about something it refers to and that isn't there. */
  readonly missing?: readonly string[];
  readonly source: SourceRef;
}

/**
 * Policies take their turn tier by tier, by `order`. In an `ordered` tier the first rule that matches decides; `pass`
 * goes to the next tier. In a `union` a deny beats every allow. A pod that some policy of the tier isolates, and
 * nothing of it decided, meets `otherwise`. After the last tier everything is allowed.
 */
export interface Tier {
  readonly name: string;
  readonly order: number;
  readonly rules: 'ordered' | 'union';
  readonly otherwise: 'deny' | 'pass';
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
  /** What its controller knows its pods by, which can't be changed; undefined where there is none, or nobody looked. */
  readonly selector?: LabelSelector;
  /** How many pods alike it stands for, of a workload that was never run; one where absent. */
  readonly replicas?: number;
}

/** An address outside the cluster's pods. `id` is `ip:ADDRESS` or `dns:NAME`. */
export interface AddressEndpoint {
  readonly type: 'address';
  readonly id: string;
  readonly ip: string;
  /** The DNS names that lead there, where known. */
  readonly names?: readonly string[];
  /** Where `ip` stands for an address that nobody knows: any that is routed in public. */
  readonly anywhere?: true;
}

export type Endpoint = PodEndpoint | AddressEndpoint;

/** Everything that a verdict depends on. Made from a snapshot, or from a local cluster's state. */
export interface PolicyModel {
  readonly engine: Engine;
  readonly policies: readonly Policy[];
  /** Sorted by order. Every policy's tier is one of them. */
  readonly tiers: readonly Tier[];
  readonly namespaces: ReadonlyMap<string, Readonly<Record<string, string>>>;
  readonly pods: readonly PodEndpoint[];
  /** Node name to its addresses. */
  readonly nodes: ReadonlyMap<string, readonly string[]>;
  /** Node name to those of its labels that policies ask for; nodes without an entry have labels that nobody knows. */
  readonly nodeLabels?: ReadonlyMap<string, Readonly<Record<string, string>>>;
  /** The same of service accounts, by `namespace/name`; undefined where nobody looked. */
  readonly serviceAccounts?: ReadonlyMap<string, Readonly<Record<string, string>>>;
  /** What leads to pods under an address or a name of its own. */
  readonly services: readonly ServiceFacts[];
  /** Service CIDRs, where known: no packet on its way has such a peer. */
  readonly serviceRanges?: readonly string[];
  /** Pod CIDRs, for pods whose address isn't known. */
  readonly podRanges: readonly string[];
}

export interface Connection {
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly protocol: Protocol;
  readonly port: number;
  /** How it got to `to` and `port`, where a Service was named. */
  readonly via?: Via;
}

/** A Service that led a connection to where it goes. */
export interface Via {
  /** `Service shop/web`. */
  readonly service: string;
  readonly addresses: readonly string[];
  /** How it led there, in words. */
  readonly text: string;
  /** Why the policies of a side may see another address than that of the pod at the other end. */
  readonly doubts?: Readonly<Partial<Record<Direction, string>>>;
}

/** Why one side lets a connection through or not, in words with the rule behind them. */
export interface Reason {
  readonly text: string;
  /** True where it says that the verdict may be another, for something that isn't known or has a condition. */
  readonly doubt?: true;
  readonly source?: SourceRef;
}

export interface SideVerdict {
  readonly allowed: boolean;
  /** Whether some policy selects the pod in this direction, and is enforced; false where the side is no pod. */
  readonly isolated: boolean;
  readonly because: readonly Reason[];
}

export interface Verdict {
  readonly allowed: boolean;
  readonly egress: SideVerdict;
  readonly ingress: SideVerdict;
}
