import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changesTo } from '../../src/policy/advice.ts';
import { tableAnswer } from '../../src/policy/cilium-table.ts';
import { compile } from '../../src/policy/compile.ts';
import { modelOf } from '../../src/policy/endpoints.ts';
import { evaluator } from '../../src/policy/evaluate.ts';
import type { Action } from '../../src/policy/model.ts';
import type { EngineName } from '../../src/snapshot/model.ts';
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

test('a namespace selector that asks for no label to be there has a rule for all pods together', () => {
  const open = cluster('Admin', 'Accept').replace(
    /from: .*?\]/,
    'from: [{namespaces: {matchExpressions: [{key: team, operator: NotIn, values: [b]}]}}]',
  );
  // Said for all, it isn't said for api, where so only the rule that passes on is.
  const pass = cluster('Baseline', 'Pass');
  assert.deepEqual(reached('cilium', pass, cluster('Admin', 'Accept')), [80, 81, 443]);
  assert.deepEqual(reached('cilium', pass, open), []);
});

test('where the agent may come to either, that is said', () => {
  const policies = [cluster('Admin', 'Pass'), FIRST_ALLOWS, PASS_80];
  assert.deepEqual(reached('cilium', ...policies), [80, 81, 443]);
  const model = modelWith('cilium', ...policies);
  const [web, api] = ['web', 'api'].map((name) => model.pods.find((p) => p.name === name));
  assert.ok(web && api);
  const doubtsAt = (port: number) => {
    const { ingress } = evaluator(model)({ from: api, to: web, protocol: 'TCP', port });
    return ingress.because.filter((r) => r.doubt).map((r) => r.text);
  };
  assert.match(doubtsAt(80).join(), /^may also be denied by \S+ baseline, spec\.ingress\[0\], .* left to chance/);
  assert.deepEqual(doubtsAt(81), []);
});

const entry = fc.record({
  tier: fc.constantFrom(0, 1, 2, 2),
  place: fc.nat({ max: 3 }),
  action: fc.constantFrom<Action>('allow', 'deny', 'pass'),
  key: fc.record({ bits: fc.constantFrom(-1, 0, 8, 16), forAnyone: fc.boolean() }),
});

test('a table says what the tiers say, but where the last one passes on', () => {
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 9 }), fc.constantFrom<Action>('allow', 'deny'), (entries, otherwise) => {
      const usual = entries
        .filter(({ tier, action }) => tier < 2 || action !== 'pass')
        .map((e) => (e.tier === 1 && e.action === 'pass' ? { ...e, tier: 0 } : e))
        .map((e, i) => ({ ...e, place: e.tier === 1 ? 0 : e.place, rule: i }))
        .sort((a, b) => a.tier - b.tier);
      const end = { rule: -1, tier: 3, place: 0, action: otherwise, key: { bits: -1, forAnyone: true } };
      const strength: readonly Action[] = ['deny', 'allow', 'pass'];
      const firsts = [0, 1, 2].map(
        (tier) =>
          usual
            .filter((e) => e.tier === tier)
            .sort((a, b) => a.place - b.place || strength.indexOf(a.action) - strength.indexOf(b.action))[0]?.action,
      );
      const expected = firsts.find((action) => action === 'allow' || action === 'deny') ?? otherwise;
      assert.equal(tableAnswer([...usual, end]).allowed, expected === 'allow');
    }),
    { numRuns: 3000 },
  );
});
