import fc from 'fast-check';
import type { PolicyObject } from '../../src/snapshot/model.ts';

/**
 * Random policies of the kinds that Cilium enforces, for the pods of `world.ts`: every field of each kind that packets
 * can tell apart, with few enough names that rules meet. What the API server would refuse is left to the unit tests.
 */

type Json = Readonly<Record<string, unknown>>;
type Arb<T> = fc.Arbitrary<T>;

/** Marks everything that belongs to a run; policies of the whole cluster speak for these namespaces alone. */
export const SUITE_LABEL = 'clparity.dev/differential';
export const NAMESPACES = ['diff-red', 'diff-blue', 'diff-green'] as const;
/** Of the ranges for documentation: they lead to a network namespace inside a node. */
export const OUTSIDE = ['198.51.100.7', '198.51.100.130', '203.0.113.9'] as const;

const POD_LABELS: Readonly<Record<string, readonly string[]>> = {
  app: ['web', 'api', 'db'],
  env: ['prod', 'dev'],
  'app.kubernetes.io/part-of': ['shop', 'bank'],
  // Cilium leaves these out of identities.
  'pod-template-hash': ['aa', 'bb'],
  'topology.kubernetes.io/zone': ['z1'],
};
const NAMESPACE_LABELS: Readonly<Record<string, readonly string[]>> = {
  team: ['a', 'b'],
  stage: ['live'],
  'kubernetes.io/metadata.name': NAMESPACES,
};
export const ACCOUNTS = ['default', 'robot'] as const;
const PORT_NAMES = ['http', 'dns', 'metrics'] as const;
export const PORTS = [80, 81, 443, 8080] as const;
const PROTOCOLS = ['TCP', 'UDP', 'SCTP'] as const;

const maybe = <T>(arb: Arb<T>, freq = 2): Arb<T | undefined> => fc.option(arb, { nil: undefined, freq });
const some = <T>(arb: Arb<T>, maxLength = 2) => fc.array(arb, { minLength: 1, maxLength });
const weighted = <T>(...choices: readonly (readonly [number, Arb<T>])[]) =>
  fc.oneof(...choices.map(([weight, arbitrary]) => ({ weight, arbitrary })));

/** Without the entries that are undefined: absent, empty and null mean different things. */
function compact<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as T;
}
const record = <T extends object>(arbs: { [K in keyof T]: Arb<T[K]> }): Arb<T> =>
  fc.record(arbs).map(compact) as Arb<T>;

/** A pod or a namespace's labels. */
export function labels(of: 'pod' | 'namespace'): Arb<Record<string, string>> {
  const known = of === 'pod' ? POD_LABELS : { team: ['a', 'b'], stage: ['live'] };
  const arbs = Object.entries(known).map(([key, values]) => [key, maybe(fc.constantFrom(...values), 3)] as const);
  return fc.record(Object.fromEntries(arbs)).map(compact) as Arb<Record<string, string>>;
}

/** A label selector, whose keys are written as `spell` does. */
function selector(known: Readonly<Record<string, readonly string[]>>, spell: Arb<(key: string) => string>): Arb<Json> {
  const pair = fc
    .constantFrom(...Object.keys(known))
    .chain((key) =>
      fc.tuple(spell, fc.constantFrom(...(known[key] ?? ['?']))).map(([s, value]) => [s(key), value] as const),
    );
  const expression = fc
    .constantFrom(...Object.keys(known))
    .chain((key) =>
      fc
        .tuple(
          spell,
          fc.constantFrom('In', 'NotIn', 'Exists', 'DoesNotExist'),
          fc.subarray([...(known[key] ?? []), 'no'], { minLength: 1 }),
        )
        .map(
          ([s, operator, values]): Json =>
            operator === 'In' || operator === 'NotIn' ? { key: s(key), operator, values } : { key: s(key), operator },
        ),
    );
  return weighted<Json>(
    [2, fc.constant({})],
    [5, pair.map(([key, value]) => ({ matchLabels: { [key]: value } }))],
    [4, expression.map((e) => ({ matchExpressions: [e] }))],
    [
      1,
      fc.tuple(pair, expression).map(([[key, value], e]) => ({ matchLabels: { [key]: value }, matchExpressions: [e] })),
    ],
  );
}

const plain = fc.constant((key: string) => key);
const podSelector = selector(POD_LABELS, plain);
const namespaceSelector = selector(NAMESPACE_LABELS, plain);
const SUITE: Json = { matchLabels: { [SUITE_LABEL]: 'true' } };

/** Ranges outside, of pods and of nodes, as kind makes them. */
const CIDRS = [
  '198.51.100.0/24',
  '198.51.100.7/32',
  '203.0.113.0/24',
  '0.0.0.0/0',
  '10.244.0.0/16',
  '172.16.0.0/12',
] as const;
const cidr = fc.constantFrom(...CIDRS);
const block = fc.constantFrom(
  ...CIDRS.map((c) => ({ cidr: c })),
  { cidr: '0.0.0.0/0', except: ['198.51.100.128/25'] },
  { cidr: '198.51.100.0/24', except: ['198.51.100.7/32', '198.51.100.8/29'] },
  { cidr: '0.0.0.0/0', except: ['10.244.0.0/16', '203.0.113.0/24'] },
);

const number = fc.constantFrom<number>(...PORTS);
const range = fc.constantFrom<readonly [number, number]>([80, 81], [81, 443], [1, 65535], [8000, 9000]);
const protocol = weighted<(typeof PROTOCOLS)[number]>(
  [5, fc.constant('TCP')],
  [3, fc.constant('UDP')],
  [1, fc.constant('SCTP')],
);

// networking.k8s.io

const networkPort = weighted<Json>(
  [4, record({ protocol: maybe(protocol), port: number })],
  [2, record({ protocol: maybe(protocol), port: fc.constantFrom(...PORT_NAMES) })],
  [2, fc.tuple(protocol, range).map(([p, [port, endPort]]) => ({ protocol: p, port, endPort }))],
  [1, protocol.map((p) => ({ protocol: p }))],
);
const networkPeer = weighted<Json>(
  [3, podSelector.map((s) => ({ podSelector: s }))],
  [3, namespaceSelector.map((s) => ({ namespaceSelector: s }))],
  [2, fc.tuple(podSelector, namespaceSelector).map(([p, n]) => ({ podSelector: p, namespaceSelector: n }))],
  [3, block.map((b) => ({ ipBlock: b }))],
);
const networkRule = (side: 'from' | 'to') =>
  fc
    .tuple(maybe(some(networkPeer), 4), maybe(some(networkPort), 2))
    .map(([peers, ports]): Json => compact({ [side]: peers, ports }));
const networkSpec = record<Json>({
  podSelector,
  policyTypes: fc.constantFrom(undefined, ['Ingress'], ['Egress'], ['Ingress', 'Egress']),
  ingress: maybe(fc.array(networkRule('from'), { maxLength: 2 }), 3),
  egress: maybe(fc.array(networkRule('to'), { maxLength: 2 }), 3),
});

// cilium.io

const spell = weighted<(key: string) => string>(
  [4, fc.constant((k: string) => k)],
  [2, fc.constant((k: string) => `k8s:${k}`)],
  [1, fc.constant((k: string) => `any:${k}`)],
);
const NAMESPACE_KEYS: Readonly<Record<string, readonly string[]>> = {
  'io.kubernetes.pod.namespace': NAMESPACES,
  'io.cilium.k8s.namespace.labels.team': ['a', 'b'],
  'io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name': NAMESPACES,
  'io.cilium.k8s.policy.serviceaccount': ACCOUNTS,
  'io.cilium.k8s.policy.cluster': ['default'],
};
const endpoint = weighted<Json>(
  [3, selector(POD_LABELS, spell)],
  [3, selector({ ...NAMESPACE_KEYS, app: ['web', 'api', 'db'] }, spell)],
  [
    1,
    fc.constantFrom<Json>(
      { matchLabels: { 'reserved:host': '' } },
      { matchExpressions: [{ key: 'reserved:world', operator: 'Exists' }] },
    ),
  ],
);
const entity = fc.constantFrom(
  'all',
  'world',
  'cluster',
  'host',
  'remote-node',
  'kube-apiserver',
  'none',
  'init',
  'health',
  'unmanaged',
);
const cidrRule = weighted<Json>(
  [5, block],
  [2, fc.constantFrom('docs', 'nobody').map((cidrGroupRef) => ({ cidrGroupRef }))],
  [
    2,
    fc
      .constantFrom<Json>(
        { matchLabels: { kind: 'docs' } },
        { matchExpressions: [{ key: 'kind', operator: 'Exists' }] },
      )
      .map((cidrGroupSelector) => ({ cidrGroupSelector })),
  ],
);
const service = weighted<Json>(
  [
    2,
    fc
      .tuple(fc.constantFrom('front', 'missing'), fc.constantFrom(...NAMESPACES))
      .map(([serviceName, namespace]) => ({ k8sService: { serviceName, namespace } })),
  ],
  [1, fc.constant({ k8sServiceSelector: { selector: { matchLabels: { tier: 'front' } } } })],
);
const ciliumPort = weighted<Json>(
  [5, record({ port: number.map(String), protocol: maybe(fc.constantFrom('TCP', 'UDP', 'ANY', 'SCTP')) })],
  [2, record({ port: fc.constantFrom<string>(...PORT_NAMES), protocol: maybe(fc.constantFrom('TCP', 'UDP', 'ANY')) })],
  [
    2,
    fc
      .tuple(range, fc.constantFrom('TCP', 'UDP', 'ANY'))
      .map(([[port, endPort], p]) => ({ port: `${port}`, endPort, protocol: p })),
  ],
  [1, fc.constantFrom('TCP', 'UDP', 'ANY').map((p) => ({ port: '0', protocol: p }))],
);
/** Cilium refuses DNS rules of ingress and of what denies. */
const toPorts = (plain: boolean) =>
  weighted<readonly Json[]>(
    [6, some(some(ciliumPort).map((ports) => ({ ports })))],
    [1, fc.constantFrom<readonly Json[]>([], [{}])],
    ...(plain
      ? []
      : [
          [
            1,
            fc.constant([{ ports: [{ port: '53', protocol: 'ANY' }], rules: { dns: [{ matchPattern: '*' }] } }]),
          ] as const,
        ]),
  );
const icmps = fc.constant([{ fields: [{ family: 'IPv4', type: 8 }] }]);
const ciliumRule = (side: 'from' | 'to', deny: boolean): Arb<Json> => {
  const peers = weighted<Json>(
    [2, fc.constant({})],
    [5, some(endpoint).map((list) => ({ [`${side}Endpoints`]: list }))],
    [3, some(entity).map((list) => ({ [`${side}Entities`]: list }))],
    [2, some(cidr).map((list) => ({ [`${side}CIDR`]: list }))],
    [3, some(cidrRule).map((list) => ({ [`${side}CIDRSet`]: list }))],
    [1, fc.constantFrom<Json>({ [`${side}Endpoints`]: [] }, { [`${side}CIDR`]: [] }, { [`${side}Entities`]: [] })],
    ...(side === 'to' ? [[1, some(service).map((list) => ({ toServices: list }))] as const] : []),
  );
  const ports = weighted<Json>(
    [4, fc.constant({})],
    [6, toPorts(deny || side === 'from').map((list) => ({ toPorts: list }))],
    [1, icmps.map((list) => ({ icmps: list }))],
  );
  return fc.tuple(peers, ports).map(([p, t]) => ({ ...p, ...t }));
};
const rules = (side: 'from' | 'to', deny: boolean) =>
  maybe(fc.array(ciliumRule(side, deny), { maxLength: 2 }), deny ? 1 : 2);
const ciliumSpec = (endpointSelector: Arb<Json>) =>
  record<Json>({
    endpointSelector,
    ingress: rules('from', false),
    egress: rules('to', false),
    ingressDeny: fc.option(fc.array(ciliumRule('from', true), { maxLength: 1 }), { nil: undefined, freq: 1 }),
    egressDeny: fc.option(fc.array(ciliumRule('to', true), { maxLength: 1 }), { nil: undefined, freq: 1 }),
    enableDefaultDeny: fc.option(record({ ingress: maybe(fc.boolean()), egress: maybe(fc.boolean()) }), {
      nil: undefined,
      freq: 1,
    }),
  }).filter((spec) =>
    ['ingress', 'egress', 'ingressDeny', 'egressDeny'].some((key) => Array.isArray(spec[key]) && spec[key].length > 0),
  );

const clusterSubject = selector({ ...POD_LABELS, ...NAMESPACE_KEYS }, spell).map((s) => {
  const { matchExpressions = [] } = s as { matchExpressions?: readonly Json[] };
  const ours = { key: `k8s:io.cilium.k8s.namespace.labels.${SUITE_LABEL}`, operator: 'Exists' };
  return { ...s, matchExpressions: [...matchExpressions, ours] };
});

// policy.networking.k8s.io

const adminPort = weighted<Json>(
  [
    5,
    fc
      .tuple(fc.constantFrom('tcp', 'udp', 'sctp'), number)
      .map(([p, n]) => ({ [p]: { destinationPort: { number: n } } })),
  ],
  [2, fc.constantFrom('tcp', 'udp').map((p) => ({ [p]: { destinationPort: { range: { start: 80, end: 443 } } } }))],
  [2, fc.constantFrom(...PORT_NAMES).map((n) => ({ destinationNamedPort: n }))],
);
const adminPeer = (side: 'from' | 'to'): Arb<Json> =>
  weighted<Json>(
    [3, namespaceSelector.map((namespaces) => ({ namespaces }))],
    [3, fc.tuple(namespaceSelector, podSelector).map(([n, p]) => ({ pods: { namespaceSelector: n, podSelector: p } }))],
    ...(side === 'to'
      ? [[2, fc.uniqueArray(cidr, { minLength: 1, maxLength: 2 }).map((networks) => ({ networks }))] as const]
      : []),
  );
const adminRule = (side: 'from' | 'to'): Arb<Json> =>
  fc
    .tuple(fc.constantFrom('Accept', 'Deny', 'Pass'), some(adminPeer(side)), maybe(some(adminPort), 3))
    .map(([action, peers, protocols]) => compact({ action, [side]: peers, protocols }))
    // Networks have no named ports.
    .filter((r) => !JSON.stringify(r).includes('networks') || !JSON.stringify(r).includes('destinationNamedPort'));
const adminSpec = (priority: number): Arb<Json> =>
  record<Json>({
    tier: fc.constantFrom('Admin', 'Baseline'),
    priority: fc.constant(priority),
    subject: weighted<Json>(
      [2, fc.constant({ namespaces: SUITE })],
      [2, podSelector.map((p) => ({ pods: { namespaceSelector: SUITE, podSelector: p } }))],
    ),
    ingress: maybe(some(adminRule('from')), 3),
    egress: maybe(some(adminRule('to')), 3),
  });

export type Kind = 'NetworkPolicy' | 'CiliumNetworkPolicy' | 'CiliumClusterwideNetworkPolicy' | 'ClusterNetworkPolicy';

function policy(kind: Kind, name: string, priority: number): Arb<PolicyObject> {
  const inNamespace = fc.constantFrom(...NAMESPACES);
  switch (kind) {
    case 'NetworkPolicy':
      return fc.tuple(inNamespace, networkSpec).map(([namespace, spec]) => ({
        apiVersion: 'networking.k8s.io/v1',
        kind,
        metadata: { name, namespace },
        spec,
      }));
    case 'CiliumNetworkPolicy':
      return fc
        .tuple(
          inNamespace,
          some(ciliumSpec(selector({ ...POD_LABELS, 'io.cilium.k8s.policy.serviceaccount': ACCOUNTS }, spell))),
        )
        .map(([namespace, specs]) => ({
          apiVersion: 'cilium.io/v2',
          kind,
          metadata: { name, namespace },
          ...held(specs),
        }));
    case 'CiliumClusterwideNetworkPolicy':
      return some(ciliumSpec(clusterSubject)).map((specs) => ({
        apiVersion: 'cilium.io/v2',
        kind,
        metadata: { name },
        ...held(specs),
      }));
    case 'ClusterNetworkPolicy':
      return adminSpec(priority).map((spec) => ({
        apiVersion: 'policy.networking.k8s.io/v1alpha2',
        kind,
        metadata: { name },
        spec,
      }));
  }
}

function held(specs: readonly Json[]): Pick<PolicyObject, 'spec' | 'specs'> {
  return specs.length === 1 ? { spec: specs[0] } : { specs };
}

/** How many policies there are at once, and whether those that take turns by priority may have the same one. */
export interface SetShape {
  readonly least?: number;
  readonly most: number;
  readonly ties?: boolean;
}

/** Some policies at once, mixed of the kinds. */
export function policies(
  kinds: readonly Kind[],
  { least = 1, most, ties = false }: SetShape,
): Arb<readonly PolicyObject[]> {
  return fc.array(fc.constantFrom(...kinds), { minLength: least, maxLength: most, size: 'max' }).chain((chosen) =>
    fc
      .shuffledSubarray(
        [...chosen.keys()].map((i) => Math.min(10, Math.floor(1000 / chosen.length)) * i),
        { minLength: chosen.length },
      )
      .chain((order) => fc.tuple(...chosen.map((kind, i) => policy(kind, `diff-${i}`, ties ? 5 : (order[i] ?? i))))),
  );
}

/** What a pod of the world is like. */
export interface PodShape {
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
  readonly ports: readonly {
    readonly name?: string;
    readonly port: number;
    readonly protocol: (typeof PROTOCOLS)[number];
  }[];
}

const containerPort = fc
  .tuple(
    fc.constantFrom(...PORT_NAMES),
    fc.constantFrom<number>(80, 81, 8080, 9090),
    fc.constantFrom('TCP' as const, 'UDP' as const),
  )
  .map(([name, port, p]) => ({ name, port, protocol: p }));
export const pod: Arb<PodShape> = fc.record({
  labels: labels('pod'),
  serviceAccount: fc.constantFrom(...ACCOUNTS),
  ports: fc.uniqueArray(containerPort, { maxLength: 3, selector: ({ name, protocol: p }) => `${name} ${p}` }),
});
