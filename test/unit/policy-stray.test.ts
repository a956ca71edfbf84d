import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changesTo } from '../../src/policy/advice.ts';
import { compile } from '../../src/policy/compile.ts';
import { modelOf } from '../../src/policy/endpoints.ts';
import { evaluator } from '../../src/policy/evaluate.ts';
import { matrix } from '../../src/policy/matrix.ts';
import type { Connection, Peer, Policy, PortMatch, Rule } from '../../src/policy/model.ts';
import { ADMIN_TIER, BASELINE_TIER, DEFAULT_TIER } from '../../src/policy/tiers.ts';
import type { EngineName } from '../../src/snapshot/model.ts';
import { naive } from './policy-naive.ts';
import { worldOf } from './policy-world.ts';
import fc from './random.ts';

/** What Cilium 1.20.2 does with rules that pass on in the last tier; that it does was seen in packets. */

const PODS = `
{kind: Pod, metadata: {name: web, namespace: shop, labels: {app: web}}}
---
{kind: Pod, metadata: {name: api, namespace: shop, labels: {app: api}}}
---
{kind: Namespace, metadata: {name: shop}}
`;
const network = (rules: string) =>
  `{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: np, namespace: shop}, spec: {podSelector: {matchLabels: {app: web}}, ingress: ${rules}}}`;
const API = 'from: [{podSelector: {matchLabels: {app: api}}}]';
const cluster = (tier: string, action: string, ports = '') =>
  `{apiVersion: policy.networking.k8s.io/v1alpha2, kind: ClusterNetworkPolicy, metadata: {name: ${tier.toLowerCase()}}, spec: {tier: ${tier}, priority: 5, subject: {namespaces: {}}, ingress: [{action: ${action}, from: [{pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: api}}}}]${ports}}]}}`;
const tcp = (port: string) => `, protocols: [{tcp: {destinationPort: ${port}}}]`;
const PASS_80 = cluster('Baseline', 'Pass', tcp('{number: 80}'));

/** A policy of the last tier that allows everything before PASS_80 passes on. */
const FIRST_ALLOWS = cluster('Baseline', 'Accept')
  .replace('name: baseline', 'name: first')
  .replace('priority: 5', 'priority: 4');

function modelWith(engine: EngineName, ...policies: readonly string[]) {
  const options = { 'enable-k8s-cluster-network-policy': 'true' };
  const world = worldOf([PODS, ...policies].join('\n---\n'));
  return modelOf({ ...world, engine: { name: engine, version: 'v1.20.2', options, evidence: [] } });
}

function reached(engine: EngineName, ...policies: readonly string[]) {
  const model = modelWith(engine, ...policies);
  const [web, api] = ['web', 'api'].map((name) => model.pods.find((p) => p.name === name));
  assert.ok(web && api);
  const ask = evaluator(model);
  return [80, 81, 443].filter((port) => ask({ from: api, to: web, protocol: 'TCP', port }).allowed);
}

test('what passes on in the last tier denies where a tier before allows it by a rule for more, or for anyone', () => {
  const all = [80, 81, 443];
  for (const [policies, expected] of [
    [[network(`[{${API}}]`)], [81, 443]],
    [[network('[{ports: [{port: 80}, {port: 443}]}]')], [443]],
    [[network('[{}]')], [81, 443]],
    [[network(`[{${API}, ports: [{port: 80}]}]`)], [80]],
    [[network(`[{${API}, ports: [{port: 80}]}, {ports: [{port: 80}]}]`)], []],
    [[network(`[{${API}, ports: [{port: 80}]}, {${API}}]`)], all],
    // A range that begins at an odd port is cut before 82, one from 80 to 81 is a key of its own.
    [[network(`[{${API}, ports: [{port: 80, endPort: 81}]}]`)], [81]],
    [[network(`[{${API}, ports: [{port: 79, endPort: 80}]}]`)], [80]],
    // Without isolation it isn't the default denial that denies.
    [[cluster('Admin', 'Accept')], [81, 443]],
    [[], all],
    // A verdict of the last tier keeps what passes on after it away, unless it was left out itself.
    [[FIRST_ALLOWS], all],
    [
      [FIRST_ALLOWS, cluster('Admin', 'Accept')],
      [81, 443],
    ],
    // Passed on by the first tier, a verdict is written where it stands.
    [[network(`[{${API}}]`), cluster('Admin', 'Pass', tcp('{number: 80}'))], all],
  ] as const) {
    assert.deepEqual(reached('cilium', PASS_80, ...policies), expected, policies.join('\n'));
  }
  assert.deepEqual(reached('kube-network-policies', PASS_80, network(`[{${API}}]`)), all);
  assert.deepEqual(reached('cilium', cluster('Admin', 'Pass', tcp('{number: 80}')), network('[{}]')), all);
});

test('an explanation names the rule that passes on, and the change is to take it away', () => {
  const model = modelWith('cilium', PASS_80, network('[{}]'));
  const [web, api] = ['web', 'api'].map((name) => model.pods.find((p) => p.name === name));
  assert.ok(web && api);
  const connection = { from: api, to: web, protocol: 'TCP', port: 80 } as const;
  const { ingress } = evaluator(model)(connection);
  assert.match(
    ingress.because[0]?.text ?? '',
    /^denied by ClusterNetworkPolicy\S* baseline, spec\.ingress\[0\], which passes on in the last tier: another policy/,
  );
  const changes = changesTo(compile(model), connection, true);
  assert.match(
    changes?.map((c) => c.text).join() ?? '',
    /^leave \S+ out of the rule that denies it, or remove the rule/,
  );
});

const port: fc.Arbitrary<PortMatch> = fc.oneof(
  fc.constant({ protocol: 'TCP' as const }),
  fc.constantFrom(79, 80, 81).map((p) => ({ protocol: 'TCP' as const, port: p })),
  fc
    .tuple(fc.constantFrom(1, 79, 80), fc.constantFrom(81, 83, 65535))
    .map(([p, endPort]) => ({ protocol: 'TCP' as const, port: p, endPort })),
);
const ANYONE: Peer = { type: 'entity', entity: 'all' };
const PEERS: Peer = { type: 'pods', match: { op: 'all', of: [] } };
const rules = (actions: readonly Rule['action'][], anyone: boolean) =>
  fc.array(
    fc.record({
      direction: fc.constant('ingress' as const),
      action: fc.constantFrom(...actions),
      peers: fc.constantFrom(...(anyone ? [undefined, [ANYONE]] : []), [PEERS], [PEERS]),
      ports: fc.option(fc.array(port, { minLength: 1, maxLength: 2 }), { nil: undefined, freq: 2 }),
      source: fc.constant({ object: 'ClusterNetworkPolicy.policy.networking.k8s.io x' }),
    }),
    { minLength: 1, maxLength: 3 },
  );
const policyOf = (tier: string, found: readonly Rule[], isolates: Policy['isolates']): Policy => ({
  dialect: tier === DEFAULT_TIER.name ? 'cilium' : 'admin',
  namespace: undefined,
  name: tier,
  subject: { op: 'all', of: [] },
  isolates,
  tier,
  order: 1,
  rules: found,
  source: { object: 'ClusterNetworkPolicy.policy.networking.k8s.io x' },
});

test('passes that stray agree with a table kept by hand, for one port and for all', () => {
  const model = modelWith('cilium');
  const [from, to] = model.pods;
  assert.ok(from && to);
  const seen = { strays: 0 };
  fc.assert(
    fc.property(
      fc.option(rules(['allow', 'deny', 'pass'], false), { nil: [], freq: 2 }),
      rules(['allow', 'allow', 'deny'], true),
      rules(['allow', 'deny', 'pass', 'pass'], false),
      fc.boolean(),
      (first, middle, last, isolated) => {
        const policies = [
          policyOf(ADMIN_TIER.name, first, []),
          policyOf(DEFAULT_TIER.name, middle, isolated ? ['ingress'] : []),
          policyOf(BASELINE_TIER.name, last, []),
        ];
        const asked = { ...model, policies };
        const ask = evaluator(asked);
        const ports = matrix(asked, { pods: true })
          .connections.filter((c) => c.from === from.id && c.to === to.id && c.protocol === 'TCP')
          .flatMap((c) => c.ports.map((p) => p.split('-').map(Number)));
        for (const number of [1, 78, 79, 80, 81, 82, 83, 84, 65535]) {
          const connection: Connection = { from, to, protocol: 'TCP', port: number };
          const { allowed, ingress } = ask(connection);
          if (ingress.because.some((r) => r.text.includes('passes on in the last tier'))) seen.strays++;
          assert.equal(allowed, naive(asked, connection), `${number}`);
          assert.equal(
            ports.some(([a = 0, b = a]) => a <= number && number <= b),
            allowed,
            `${number} in ${ports}`,
          );
        }
      },
    ),
    { numRuns: 400 },
  );
  assert.ok(seen.strays > 20, `${seen.strays}`);
});
