import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseNetworkPolicy } from '../../src/policy/dialect/kubernetes.ts';
import { evaluator } from '../../src/policy/evaluate.ts';
import { matrix } from '../../src/policy/matrix.ts';
import type { PodEndpoint, PolicyModel } from '../../src/policy/model.ts';
import { tiersOf } from '../../src/policy/tiers.ts';
import type {
  EngineName,
  LabelSelector,
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  Protocol,
} from '../../src/snapshot/model.ts';
import { NETWORK_POLICY } from '../../src/snapshot/policy-object.ts';
import fc from './random.ts';

const NAMESPACES = new Map([
  ['red', { team: 'a' }],
  ['blue', { team: 'b', tier: 'x' }],
]);
const PROTOCOLS: readonly Protocol[] = ['TCP', 'UDP', 'SCTP'];
/** Small enough to collide often, with the ends of everything in it. */
const PORTS = [1, 2, 79, 80, 81, 82, 443, 8080, 65534, 65535];
const ENGINES: EngineName[] = ['kindnet', 'calico', 'npm', 'unknown', 'cilium'];

const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const port = fc.constantFrom(...PORTS);
const labels = fc.record(
  { app: fc.constantFrom('a', 'b'), env: fc.constantFrom('x', 'y') },
  { requiredKeys: [] },
) as fc.Arbitrary<Record<string, string>>;

const requirement = fc.oneof(
  fc.record({
    key: fc.constantFrom('app', 'env', 'team', 'tier'),
    operator: fc.constantFrom('In' as const, 'NotIn' as const),
    values: fc.subarray(['a', 'b', 'x'], { minLength: 1 }),
  }),
  fc.record({
    key: fc.constantFrom('app', 'env', 'team', 'tier'),
    operator: fc.constantFrom('Exists' as const, 'DoesNotExist' as const),
  }),
);
const selector: fc.Arbitrary<LabelSelector> = fc.record(
  {
    matchLabels: fc.oneof(labels, fc.constant({ team: 'a' })),
    matchExpressions: fc.array(requirement, { maxLength: 1 }),
  },
  { requiredKeys: [] },
);
const block = fc.constantFrom(
  { cidr: '0.0.0.0/0' },
  { cidr: '10.0.0.0/30', except: ['10.0.0.1/32'] },
  { cidr: '10.0.0.2/32' },
  { cidr: '10.0.0.0/8', except: [] },
);
const peer: fc.Arbitrary<NetworkPolicyPeer> = fc.oneof(
  fc.record({ podSelector: selector }),
  fc.record({ namespaceSelector: selector }),
  fc.record({ podSelector: selector, namespaceSelector: selector }),
  fc.record({ ipBlock: block }),
);
const policyPort: fc.Arbitrary<NetworkPolicyPort> = fc.oneof(
  fc.record({ protocol: fc.constantFrom(...PROTOCOLS) }),
  fc.record({ port: fc.oneof(port, fc.constantFrom('http', 'dns')) }),
  fc.record({ port, protocol: fc.constantFrom(...PROTOCOLS) }),
  fc.tuple(port, port).map(([a, b]) => ({ port: Math.min(a, b), endPort: Math.max(a, b) })),
);
const ports = optional(fc.array(policyPort, { maxLength: 2 }));
const peers = optional(fc.array(peer, { maxLength: 2 }));

/** Drops what is undefined: absent and present aren't the same in a policy. */
const tidy = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

const networkPolicy: fc.Arbitrary<NetworkPolicy> = fc
  .record({
    metadata: fc.record({ namespace: fc.constantFrom('red', 'blue'), name: fc.constantFrom('p', 'q', 'r') }),
    spec: fc.record({
      podSelector: optional(selector),
      policyTypes: optional(fc.subarray(['Ingress' as const, 'Egress' as const])),
      ingress: optional(fc.array(fc.record({ from: peers, ports }), { maxLength: 2 })),
      egress: optional(fc.array(fc.record({ to: peers, ports }), { maxLength: 2 })),
    }),
  })
  .map((p) => tidy(p) as NetworkPolicy);

const containerPort = fc.record({
  name: fc.constantFrom('http', 'dns'),
  port,
  protocol: fc.constantFrom(...PROTOCOLS),
});
const pods: fc.Arbitrary<PodEndpoint[]> = fc
  .array(
    fc.record({ namespace: fc.constantFrom('red', 'blue'), labels, ports: fc.array(containerPort, { maxLength: 2 }) }),
    {
      minLength: 2,
      maxLength: 6,
    },
  )
  .map((list) =>
    list.map((pod, i) => ({
      ...pod,
      type: 'pod',
      id: `${pod.namespace}/p${i}`,
      name: `p${i}`,
      workload: `Pod/p${i}`,
      serviceAccount: 'default',
      hostNetwork: false,
      ips: [`10.0.0.${i}`],
    })),
  );

function modelOf(policies: readonly NetworkPolicy[], endpoints: PodEndpoint[], engine: EngineName): PolicyModel {
  return {
    engine: { name: engine, evidence: [] },
    policies: policies.map((p) => parseNetworkPolicy({ ...NETWORK_POLICY, ...p })),
    tiers: tiersOf(engine, [], []),
    namespaces: NAMESPACES,
    pods: endpoints,
    nodes: new Map(),
    services: [],
    podRanges: [],
  };
}

// A second reading of the specification, on the objects as they are written: slow, direct, of its own words.

function selects(s: LabelSelector, of: Record<string, string>): boolean {
  for (const [k, v] of Object.entries(s.matchLabels ?? {})) if (of[k] !== v) return false;
  for (const { key, operator, values } of s.matchExpressions ?? []) {
    const has = key in of;
    const listed = has && (values ?? []).includes(of[key] ?? '');
    const met = { In: listed, NotIn: !listed, Exists: has, DoesNotExist: !has }[operator];
    if (!met) return false;
  }
  return true;
}

function inBlock(cidr: string, ip: string): boolean {
  const [base = '', bits = ''] = cidr.split('/');
  const number = (text: string) => text.split('.').reduce((n, b) => n * 256 + Number(b), 0);
  const size = 2 ** (32 - Number(bits));
  return Math.floor(number(base) / size) === Math.floor(number(ip) / size);
}

function peerIs(p: NetworkPolicyPeer, namespace: string, pod: PodEndpoint, cidrs: boolean): boolean {
  if (p.ipBlock) {
    const [ip = ''] = pod.ips;
    const { cidr, except = [] } = p.ipBlock;
    return cidrs && inBlock(cidr, ip) && except.every((e) => !inBlock(e, ip));
  }
  const there = { ...NAMESPACES.get(pod.namespace), 'kubernetes.io/metadata.name': pod.namespace };
  const home = p.namespaceSelector ? selects(p.namespaceSelector, there) : pod.namespace === namespace;
  return home && (!p.podSelector || selects(p.podSelector, { ...pod.labels }));
}

function portIs(p: NetworkPolicyPort, to: PodEndpoint, protocol: Protocol, number: number): boolean {
  if ((p.protocol ?? 'TCP') !== protocol) return false;
  if (typeof p.port === 'string') {
    return to.ports.some((c) => c.name === p.port && c.port === number && c.protocol === protocol);
  }
  return p.port === undefined || (number >= p.port && number <= (p.endPort ?? p.port));
}

function sideAllows(
  policies: readonly NetworkPolicy[],
  direction: 'Ingress' | 'Egress',
  from: PodEndpoint,
  to: PodEndpoint,
  protocol: Protocol,
  number: number,
  engine: EngineName,
): boolean {
  const [own, other] = direction === 'Ingress' ? [to, from] : [from, to];
  let isolated = false;
  for (const { metadata, spec } of policies) {
    if (metadata.namespace !== own.namespace || !selects(spec.podSelector ?? {}, { ...own.labels })) continue;
    const rules =
      direction === 'Ingress'
        ? (spec.ingress ?? []).map((r) => ({ peers: r.from ?? [], ports: r.ports ?? [] }))
        : (spec.egress ?? []).map((r) => ({ peers: r.to ?? [], ports: r.ports ?? [] }));
    const types = spec.policyTypes?.length ? spec.policyTypes : ['Ingress', ...(spec.egress?.length ? ['Egress'] : [])];
    if (!types.includes(direction) && !(engine === 'cilium' && rules.length > 0)) continue;
    isolated = true;
    for (const rule of rules) {
      const who =
        rule.peers.length === 0 || rule.peers.some((p) => peerIs(p, metadata.namespace, other, engine !== 'cilium'));
      const what = rule.ports.length === 0 || rule.ports.some((p) => portIs(p, to, protocol, number));
      if (who && what) return true;
    }
  }
  return !isolated;
}

const anyEngine = fc.constantFrom(...ENGINES);
const policies = fc.array(networkPolicy, { maxLength: 4 });

/** Every pair of different pods with every protocol and interesting port. */
function* questions(endpoints: readonly PodEndpoint[]) {
  for (const from of endpoints) {
    for (const to of endpoints) {
      if (from === to) continue;
      for (const protocol of PROTOCOLS) for (const port of PORTS) yield { from, to, protocol, port };
    }
  }
}

test('evaluate agrees with a second reading of the specification', () => {
  fc.assert(
    fc.property(policies, pods, anyEngine, (nps, endpoints, engine) => {
      const ask = evaluator(modelOf(nps, endpoints, engine));
      for (const q of questions(endpoints)) {
        const expected =
          sideAllows(nps, 'Egress', q.from, q.to, q.protocol, q.port, engine) &&
          sideAllows(nps, 'Ingress', q.from, q.to, q.protocol, q.port, engine);
        assert.equal(ask(q).allowed, expected, `${q.from.id} to ${q.to.id} ${q.protocol} ${q.port} under ${engine}`);
      }
    }),
    { numRuns: 150 },
  );
});

test('matrix agrees with evaluate, for groups and for pods, at every boundary', () => {
  fc.assert(
    fc.property(policies, pods, anyEngine, fc.boolean(), (nps, endpoints, engine, single) => {
      const model = modelOf(nps, endpoints, engine);
      const ask = evaluator(model);
      const { groups, connections } = matrix(model, { pods: single });
      const groupOf = new Map(groups.flatMap((g) => g.pods.map((id) => [id, g.id])));
      assert.equal(groupOf.size, endpoints.length, 'every pod is in exactly one group');
      assert.ok(connections.every((c) => c.ports.length > 0));
      const ranges = new Map(connections.map((c) => [`${c.from} ${c.to} ${c.protocol}`, c.ports]));
      for (const q of questions(endpoints)) {
        const set = ranges.get(`${groupOf.get(q.from.id)} ${groupOf.get(q.to.id)} ${q.protocol}`) ?? [];
        const listed = set.some((range) => {
          const [first, last = first] = range.split('-').map(Number);
          return first !== undefined && last !== undefined && first <= q.port && q.port <= last;
        });
        assert.equal(listed, ask(q).allowed, `${q.from.id} to ${q.to.id} ${q.protocol} ${q.port} in ${set}`);
      }
    }),
    { numRuns: 150 },
  );
});

test('one more policy never takes a connection from pods that are isolated both ways already', () => {
  fc.assert(
    fc.property(policies, networkPolicy, pods, anyEngine, (nps, extra, endpoints, engine) => {
      const isolated = ['red', 'blue'].map(
        (namespace): NetworkPolicy => ({
          metadata: { namespace, name: 'deny' },
          spec: { podSelector: {}, policyTypes: ['Ingress', 'Egress'] },
        }),
      );
      const before = evaluator(modelOf([...isolated, ...nps], endpoints, engine));
      const after = evaluator(modelOf([...isolated, ...nps, extra], endpoints, engine));
      for (const q of questions(endpoints)) assert.ok(!before(q).allowed || after(q).allowed);
    }),
    { numRuns: 75 },
  );
});

test('the order of policies and of rules makes no difference', () => {
  fc.assert(
    fc.property(policies, pods, anyEngine, (nps, endpoints, engine) => {
      const reversed = nps.toReversed().map((np) => {
        const { ingress, egress, ...spec } = np.spec;
        return {
          ...np,
          spec: {
            ...spec,
            ...(ingress && { ingress: ingress.toReversed() }),
            ...(egress && { egress: egress.toReversed() }),
          },
        };
      });
      const [one, other] = [modelOf(nps, endpoints, engine), modelOf(reversed, endpoints, engine)];
      assert.deepEqual(matrix(one), matrix(other));
    }),
    { numRuns: 75 },
  );
});

test('every valid policy parses, and every reason of every verdict reads', () => {
  fc.assert(
    fc.property(policies, pods, anyEngine, (nps, endpoints, engine) => {
      const ask = evaluator(modelOf(nps, endpoints, engine));
      for (const q of questions(endpoints)) {
        const { egress, ingress } = ask(q);
        for (const side of [egress, ingress]) {
          assert.ok(side.because.length > 0);
          for (const { text } of side.because) assert.doesNotMatch(text, /undefined|\[object|NaN/);
        }
      }
    }),
    { numRuns: 40 },
  );
});
