import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isParityError } from '../../src/host/errors.ts';
import { CILIUM } from '../../src/policy/dialect/cilium.ts';
import { holds } from '../../src/policy/select.ts';
import type { PolicyObject } from '../../src/snapshot/model.ts';
import { service } from './cilium-world.ts';
import fc from './random.ts';

const NAMESPACE = 'io.kubernetes.pod.namespace';
const NAMESPACE_LABEL = 'io.cilium.k8s.namespace.labels.team';

function cilium(kind: string, spec: unknown, specs?: unknown): PolicyObject {
  const metadata = { name: 'p', ...(kind === 'CiliumNetworkPolicy' ? { namespace: 'shop' } : {}) };
  return { apiVersion: 'cilium.io/v2', kind, metadata, spec, ...(specs === undefined ? {} : { specs }) };
}

function parse(objects: readonly PolicyObject[]) {
  return CILIUM.parse(objects, { services: [service('shop', 'web')], namespaces: new Map() });
}

/** Every word of the schema, and some that are none: random maps of them get deep into the parser. */
const WORDS = `endpointSelector nodeSelector ingress ingressDeny egress egressDeny enableDefaultDeny fromEndpoints
  fromRequires fromCIDR fromCIDRSet fromEntities fromGroups fromNodes toEndpoints toCIDR toCIDRSet toEntities toServices
  toNodes toFQDNs toPorts icmps authentication mode ports port endPort protocol rules http dns kafka l7 l7proto method
  matchName matchPattern serverNames listener terminatingTLS secret name envoyConfig fields type family matchLabels
  matchExpressions key operator values cidr except cidrGroupRef cidrGroupSelector k8sService serviceName
  k8sServiceSelector selector namespace externalCIDRs __proto__ constructor nonsense`.split(/\s+/);
const LEAVES = [
  '',
  'TCP',
  'ANY',
  'GRE',
  '80',
  '0',
  '010',
  '99999999',
  'http',
  'world',
  '10.0.0.0/8',
  'fd00::/8',
  'In',
  'NotIn',
  'Exists',
  'k8s:app',
  'reserved:host',
  'a:b:c',
  NAMESPACE,
  'required',
  'EchoRequest',
  '*.example',
  '**.',
];

const leaf = fc.oneof(
  fc.constantFrom(...LEAVES),
  fc.string(),
  fc.integer(),
  fc.double(),
  fc.boolean(),
  fc.constant(null),
);
const { value: anything } = fc.letrec<{ value: unknown; map: unknown }>((tie) => ({
  map: fc.dictionary(fc.constantFrom(...WORDS), tie('value'), { maxKeys: 4 }),
  value: fc.oneof({ depthSize: 'small' }, leaf, tie('map'), fc.array(tie('value'), { maxLength: 3 })),
}));

/** Of the right shape at most places, so that the rare wrong one is met deep inside. */
const mostly = (right: fc.Arbitrary<unknown>) =>
  fc.oneof({ weight: 80, arbitrary: right }, { weight: 1, arbitrary: anything });
const some = (right: fc.Arbitrary<unknown>, most = 2) => mostly(fc.array(right, { maxLength: most }));
const map = (entries: Record<string, fc.Arbitrary<unknown>>) => mostly(fc.record(entries, { requiredKeys: [] }));
const word = (...words: unknown[]) => mostly(fc.constantFrom(...words));

const keys = ['app', 'k8s:app', 'any:tier', 'reserved:host', 'cni:x', NAMESPACE, `k8s:${NAMESPACE_LABEL}`, 'bad key'];
const expression = fc.constantFrom('In', 'NotIn', 'Exists', 'DoesNotExist').chain((operator) =>
  fc.record({
    key: fc.constantFrom(...keys),
    operator: fc.constant(operator),
    values: fc.constant(operator.endsWith('n') ? ['a', 'shop'] : []),
  }),
);
const selector = map({
  matchLabels: mostly(fc.dictionary(fc.constantFrom(...keys), word('a', 'shop', ''), { maxKeys: 2 })),
  matchExpressions: some(expression),
});
const cidr = word('10.0.0.0/8', '10.1.0.0/16', '::/0');
const cidrSet = some(
  fc.oneof(
    map({ cidr, except: some(cidr) }),
    map({ cidrGroupRef: word('g', 'h') }),
    map({ cidrGroupSelector: selector }),
  ),
);
const name = fc.oneof(map({ matchName: word('a.b', '-', 'a_b.') }), map({ matchPattern: word('*', '**.a.b', '*x*') }));
const port = map({
  port: word('80', '0', 'http', '65536', '08'),
  endPort: word(0, 90, 65_535),
  protocol: word('TCP', 'UDP', 'SCTP', 'ANY', 'GRE'),
});
const rules = fc.oneof(
  map({ http: some(map({ path: word('/') })) }),
  map({ dns: some(name) }),
  map({ kafka: some(map({})) }),
);
const common = {
  toPorts: some(map({ ports: some(port), rules, serverNames: some(word('a.b', '')) })),
  icmps: some(map({ fields: some(map({ type: word(8, '8', 'Echo'), family: word('IPv4', 'IPv6') })) })),
  authentication: map({ mode: word('required', 'disabled') }),
};
const entities = some(word('all', 'world', 'cluster-mesh', 'host'));
const ingress = some(
  map({
    ...common,
    fromEndpoints: some(selector),
    fromNodes: some(selector),
    fromCIDR: some(cidr),
    fromCIDRSet: cidrSet,
    fromEntities: entities,
  }),
);
const services = some(
  fc.oneof(map({ k8sService: map({ serviceName: word('web') }) }), map({ k8sServiceSelector: map({ selector }) })),
);
const egress = some(
  map({ ...common, toEndpoints: some(selector), toEntities: entities, toFQDNs: some(name), toServices: services }),
);
const spec = map({ endpointSelector: selector, ingress, egress, ingressDeny: ingress, egressDeny: egress });
const kind = fc.constantFrom('CiliumNetworkPolicy', 'CiliumClusterwideNetworkPolicy', 'CiliumCIDRGroup');

/** Every policy that an object holds is there, or an input error says why it isn't. */
function parsesOrComplains(object: PolicyObject): boolean {
  try {
    const policies = parse([object]);
    if (object.kind === 'CiliumCIDRGroup') return true;
    const specs = Array.isArray(object.specs) ? object.specs.length : 0;
    assert.equal(policies.length, specs + (object.spec === undefined || object.spec === null ? 0 : 1));
    for (const policy of policies) {
      assert.ok(policy.rules.length > 0 || policy.inert !== undefined, 'a policy without rules must say why');
    }
    return true;
  } catch (error) {
    assert.ok(isParityError(error) && error.kind === 'input', error instanceof Error ? error.stack : String(error));
    return false;
  }
}

test('any value parses or is an input error', () => {
  fc.assert(
    fc.property(kind, anything, fc.option(anything, { nil: undefined }), (k, value, specs) => {
      parsesOrComplains(cilium(k, value, specs));
    }),
    { numRuns: 2000 },
  );
});

test('any nearly right spec parses or is an input error, and many parse', () => {
  let parsed = 0;
  fc.assert(
    fc.property(kind, spec, (k, value) => {
      if (parsesOrComplains(cilium(k, value))) parsed++;
    }),
    { numRuns: 3000, seed: 5 },
  );
  assert.ok(parsed > 100, `only ${parsed} of 3000 parsed: nothing was tried`);
});

const label = fc.constantFrom('a', 'b');
const pod = fc.record({
  namespace: fc.constantFrom('shop', 'bank'),
  labels: fc.dictionary(fc.constantFrom('app', 'tier'), label),
  ofNamespace: fc.dictionary(fc.constant('team'), label),
});
const requirement = fc.record({
  key: fc.constantFrom('app', 'k8s:tier', 'any:app', NAMESPACE, `k8s:${NAMESPACE}`, NAMESPACE_LABEL, 'cni:app'),
  operator: fc.constantFrom('In', 'NotIn', 'Exists', 'DoesNotExist'),
  values: fc.subarray(['a', 'b', 'shop'], { minLength: 1 }),
});

/**
 * Cilium's own way: the pod's identity as one flat list of labels, the selector's keys looked up in it, after adding
 * the policy's namespace (getEndpointSelector, MatchesRequirement).
 */
function asCilium(requirements: { key: string; operator: string; values: string[] }[], own: boolean, of: Identity) {
  const has = (key: string) => requirements.some((r) => r.key.replace(/^(k8s|any):/, '').startsWith(key));
  const added = own && !has(NAMESPACE) && !has('io.cilium.k8s.namespace.labels.');
  const all = [...requirements, ...(added ? [{ key: NAMESPACE, operator: 'In', values: ['shop'] }] : [])];
  return all.every(({ key, operator, values }) => {
    const value = key.startsWith('cni:') ? undefined : of[key.replace(/^(k8s|any):/, '')];
    if (operator === 'In') return value !== undefined && values.includes(value);
    if (operator === 'NotIn') return value === undefined || !values.includes(value);
    return (operator === 'Exists') === (value !== undefined);
  });
}
type Identity = Readonly<Record<string, string | undefined>>;

test('a selector selects the pods whose identity it matches', () => {
  fc.assert(
    fc.property(fc.array(requirement, { maxLength: 3 }), pod, fc.boolean(), (requirements, of, own) => {
      const matchExpressions = requirements.map(({ key, operator, values }) => {
        return operator.endsWith('n') ? { key, operator, values } : { key, operator };
      });
      const [parsed] = parse([
        cilium(own ? 'CiliumNetworkPolicy' : 'CiliumClusterwideNetworkPolicy', {
          endpointSelector: {},
          ingress: [{ fromEndpoints: [{ matchExpressions }] }],
        }),
      ]);
      const [peer] = parsed?.rules[0]?.peers ?? [];
      assert.equal(peer?.type, 'pods');
      const known = { pod: of.labels, namespace: of.ofNamespace, serviceAccount: undefined, node: undefined };
      const identity = { ...of.labels, [NAMESPACE]: of.namespace, [NAMESPACE_LABEL]: of.ofNamespace.team };
      assert.equal(
        holds(peer.match, { labels: known, namespace: of.namespace, serviceAccount: 'default' }),
        asCilium(requirements, own, identity),
      );
    }),
    { numRuns: 2000 },
  );
});
