import type {
  AddressEndpoint,
  Entity,
  Peer,
  PodEndpoint,
  Policy,
  PolicyModel,
  PortMatch,
  Rule,
  Selector,
  Tier,
} from '../../src/policy/model.ts';
import { tiersOf } from '../../src/policy/tiers.ts';
import type { EngineName, Protocol } from '../../src/snapshot/model.ts';
import fc from './random.ts';

/** Random models with everything that policies of any dialect can say, small enough to collide often. */

export const PROTOCOLS: readonly Protocol[] = ['TCP', 'UDP', 'SCTP'];
export const PORTS = [1, 79, 80, 81, 443, 8080, 65535];
const ENGINES: EngineName[] = ['kindnet', 'kube-network-policies', 'calico', 'npm', 'unknown', 'cilium', 'none'];
const NODES = new Map([
  ['n1', ['172.18.0.1']],
  ['n2', ['172.18.0.2']],
]);
const NAMESPACES = new Map([
  ['red', { team: 'a' }],
  ['blue', { team: 'b', tier: 'ab' }],
]);

/** Outside of the cluster, with and without known names, and a node. */
export const ADDRESSES: readonly AddressEndpoint[] = [
  { type: 'address', id: 'ip:8.8.8.8', ip: '8.8.8.8' },
  { type: 'address', id: 'dns:a.example', ip: '192.0.2.1', names: ['a.example'] },
  { type: 'address', id: 'ip:172.18.0.1', ip: '172.18.0.1' },
];

const port = fc.constantFrom(...PORTS);
const protocol = fc.constantFrom(...PROTOCOLS);
const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });

/** Once in eight times: it tends to switch everything else off. */
const rarely = <T>(value: fc.Arbitrary<T>) =>
  fc.oneof({ arbitrary: fc.constant(undefined), weight: 7 }, { arbitrary: value, weight: 1 });

const label: fc.Arbitrary<Selector> = fc.record({
  op: fc.constant('label' as const),
  of: fc.oneof(
    { arbitrary: fc.constantFrom('pod' as const, 'namespace' as const), weight: 9 },
    { arbitrary: fc.constant('serviceAccount' as const), weight: 1 },
  ),
  key: fc.constantFrom('app', 'env', 'team', 'tier', 'kubernetes.io/metadata.name'),
  test: fc.constantFrom('exists', 'in', 'in', 'in', 'contains', 'startsWith', 'endsWith'),
  values: fc.subarray(['a', 'b', 'red'], { minLength: 1 }),
});
const name: fc.Arbitrary<Selector> = fc.oneof(
  fc.record({ op: fc.constant('namespace' as const), names: fc.subarray(['red', 'blue']) }),
  fc.record({ op: fc.constant('serviceAccount' as const), names: fc.subarray(['default', 'robot']) }),
);
const leaf = fc.oneof({ arbitrary: label, weight: 3 }, name, {
  arbitrary: fc.constant<Selector>({ op: 'all', of: [] }),
  weight: 3,
});
const { selector } = fc.letrec<{ selector: Selector }>((tie) => ({
  selector: fc.oneof(
    { depthSize: 'xsmall', maxDepth: 2 },
    { arbitrary: leaf, weight: 3 },
    fc.record({ op: fc.constantFrom('all' as const, 'any' as const), of: fc.array(tie('selector'), { maxLength: 2 }) }),
    fc.record({ op: fc.constant('not' as const), of: tie('selector') }),
  ),
}));

const entity = fc.constantFrom<Entity>('all', 'world', 'cluster', 'host', 'remote-node', 'kube-apiserver', 'none');
const cidr = fc.constantFrom<Peer>(
  { type: 'cidr', cidr: '0.0.0.0/0', except: [] },
  { type: 'cidr', cidr: '10.0.0.0/24', except: ['10.0.0.2/31'] },
  { type: 'cidr', cidr: '10.0.0.0/30', except: [] },
  { type: 'cidr', cidr: '172.18.0.0/31', except: [] },
  { type: 'cidr', cidr: '8.0.0.0/8', except: ['8.8.8.8/32'] },
);
const { peer } = fc.letrec<{ peer: Peer }>((tie) => ({
  peer: fc.oneof(
    { depthSize: 'xsmall', maxDepth: 2 },
    fc.record({ type: fc.constant('pods' as const), match: selector }),
    { arbitrary: cidr, weight: 2 },
    fc.record({ type: fc.constant('entity' as const), entity }),
    fc.constantFrom<Peer>({ type: 'fqdn', pattern: 'a.example' }, { type: 'fqdn', pattern: 'b.example' }),
    fc.record({ type: fc.constant('nodes' as const), match: leaf }),
    fc.record({ type: fc.constant('every' as const), of: fc.array(tie('peer'), { maxLength: 2 }) }),
    fc.record({ type: fc.constant('not' as const), of: tie('peer') }),
  ),
}));

const portMatch: fc.Arbitrary<PortMatch> = fc.oneof(
  fc.record({ protocol }),
  fc.record({ protocol, port: fc.oneof(port, fc.constantFrom('http', 'dns')) }),
  fc
    .tuple(protocol, port, port)
    .map(([protocol, a, b]) => ({ protocol, port: Math.min(a, b), endPort: Math.max(a, b) })),
);

const rule: fc.Arbitrary<Rule> = fc
  .record({
    direction: fc.constantFrom('ingress' as const, 'egress' as const),
    action: fc.constantFrom('allow' as const, 'allow' as const, 'deny' as const, 'pass' as const),
    peers: optional(
      fc.oneof({ arbitrary: fc.array(peer, { minLength: 1, maxLength: 2 }), weight: 9 }, fc.constant([])),
    ),
    ports: optional(fc.array(portMatch, { minLength: 1, maxLength: 2 })),
    exceptPorts: rarely(fc.array(portMatch, { maxLength: 1 })),
    self: rarely(peer),
    narrowedBy: rarely(fc.constant(['path /x'])),
  })
  .map(({ exceptPorts, self, narrowedBy, ...rest }) => ({
    ...rest,
    ...(exceptPorts && { exceptPorts }),
    ...(self && { self }),
    ...(narrowedBy && { narrowedBy }),
    source: { object: 'x' },
  }));

const OBJECTS = {
  kubernetes: 'NetworkPolicy',
  cilium: 'CiliumNetworkPolicy.cilium.io',
  calico: 'GlobalNetworkPolicy.projectcalico.org',
  admin: 'ClusterNetworkPolicy.policy.networking.k8s.io',
} as const;

const policy: fc.Arbitrary<Omit<Policy, 'name'>> = fc
  .record({
    dialect: fc.constantFrom('kubernetes' as const, 'cilium' as const, 'calico' as const, 'admin' as const),
    namespace: optional(fc.constantFrom('red', 'blue')),
    subject: fc.oneof({ arbitrary: fc.constant<Selector>({ op: 'all', of: [] }), weight: 2 }, selector),
    isolates: fc.subarray(['ingress' as const, 'egress' as const]),
    tier: fc.constantFrom('default', 'default', 'admin', 'admin', 'team', 'baseline'),
    order: optional(fc.constantFrom(0, 1, 2)),
    rules: fc.array(rule, { minLength: 1, maxLength: 4 }),
    inert: rarely(fc.constant('staged')),
    isOld: fc.boolean(),
  })
  .map(({ namespace, subject, order, inert, isOld, rules, ...rest }) => ({
    ...rest,
    // A NetworkPolicy has no conditions; under Cilium one that lost its rules with them would no longer isolate.
    rules: rest.dialect === 'kubernetes' ? rules.map(({ narrowedBy: _, ...plain }) => plain) : rules,
    namespace,
    subject: namespace === undefined ? subject : { op: 'all', of: [{ op: 'namespace', names: [namespace] }, subject] },
    ...(order !== undefined && { order }),
    ...(inert !== undefined && { inert }),
    source: { object: `${isOld && rest.dialect === 'admin' ? 'AdminNetworkPolicy' : OBJECTS[rest.dialect]} x` },
  }));

const containerPort = fc.record({ name: fc.constantFrom('http', 'dns'), port, protocol });

/** What several pods have in common, as those of a workload do. */
const kind = fc.record({
  namespace: fc.constantFrom('red', 'blue'),
  labels: fc.record(
    { app: fc.constantFrom('a', 'b', 'ab'), env: rarely(fc.constant('a')).map((env) => env ?? 'x') },
    { requiredKeys: [] },
  ) as fc.Arbitrary<Record<string, string>>,
  serviceAccount: rarely(fc.constant('robot')).map((name) => name ?? 'default'),
  ports: fc.oneof(fc.constant([]), fc.array(containerPort, { maxLength: 2 })),
  hostNetwork: fc.integer({ min: 0, max: 4 }).map((n) => n === 0),
});

const place = fc.record({
  of: fc.nat({ max: 2 }),
  hasIp: fc.integer({ min: 0, max: 3 }).map((n) => n > 0),
  node: optional(fc.constantFrom('n1', 'n2')),
});

const pods: fc.Arbitrary<PodEndpoint[]> = fc
  .record({
    kinds: fc.tuple(kind, kind, kind),
    places: fc.array(place, { minLength: 2, maxLength: 6 }),
  })
  .map(({ kinds, places }) =>
    places.map(({ of, hasIp, node }, i) => {
      const pod = kinds[of] ?? kinds[0];
      return {
        ...pod,
        type: 'pod',
        id: `${pod.namespace}/p${i}`,
        name: `p${i}`,
        workload: `Pod/p${i}`,
        // A pod that has been given a node and shares its network has that node's address.
        ips:
          hasIp || (pod.hostNetwork && node)
            ? pod.hostNetwork
              ? (NODES.get(node ?? 'n2') ?? [])
              : [`10.0.0.${i}`]
            : [],
        ...(node !== undefined && { node }),
      };
    }),
  );

const team = fc.constantFrom<Tier>(
  { name: 'team', order: 5000, rules: 'ordered', otherwise: 'deny' },
  { name: 'team', order: Number.POSITIVE_INFINITY, rules: 'ordered', otherwise: 'pass' },
);

export const models: fc.Arbitrary<PolicyModel> = fc
  .record({
    engine: fc.constantFrom(...ENGINES),
    policies: fc.array(policy, { minLength: 1, maxLength: 6 }),
    pods,
    team,
  })
  .map(({ engine, policies, pods, team }) => {
    // Cilium has no tiers but those that every engine has.
    const tierOf = (tier: string) => (engine === 'cilium' && tier === 'team' ? 'default' : tier);
    const all = policies.map((p, i) => ({ ...p, tier: tierOf(p.tier), name: `p${i}` }));
    return {
      engine: { name: engine, evidence: [] },
      policies: all,
      tiers: tiersOf(engine, all, [team]),
      namespaces: NAMESPACES,
      pods,
      nodes: NODES,
      services: [],
      podRanges: ['10.0.0.0/24'],
    };
  });
