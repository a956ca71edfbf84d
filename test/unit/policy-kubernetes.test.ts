import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { ParityError } from '../../src/host/errors.ts';
import { parseNetworkPolicy } from '../../src/policy/dialect/kubernetes.ts';
import { modelOf } from '../../src/policy/endpoints.ts';
import type { Policy } from '../../src/policy/model.ts';
import { NETWORK_POLICY } from '../../src/snapshot/policy-object.ts';
import { worldOf } from './policy-world.ts';

/** A policy with this spec, written in YAML; whatever it holds, as it would come from a file. */
function policy(spec: string): Policy {
  return parseNetworkPolicy({
    ...NETWORK_POLICY,
    metadata: { name: 'p', namespace: 'shop' },
    spec: parse(spec, { version: '1.1' }),
    location: { file: 'p.yaml', line: 3, lines: { 'spec.ingress[0]': 12, 'spec.ingress[0].from[0]': 14 } },
  });
}

const IN_SHOP = { op: 'namespace', names: ['shop'] } as const;
const A_IS_B = { op: 'label', of: 'pod', key: 'a', test: 'in', values: ['b'] } as const;

const rule = (spec: string) => {
  const [first] = policy(spec).rules;
  assert.ok(first);
  return first;
};

for (const [title, spec, isolates, rules] of [
  ['nothing: ingress, default deny', '{}', ['ingress'], 0],
  ['no spec at all: selects every pod, default deny', 'null', ['ingress'], 0],
  ['ingress: [] denies', 'ingress: []', ['ingress'], 0],
  ['ingress: null denies', 'ingress: null', ['ingress'], 0],
  ['ingress: [{}] allows', 'ingress: [{}]', ['ingress'], 1],
  ['egress: [] does not make an egress policy', 'egress: []', ['ingress'], 0],
  ['egress: null does not either', 'egress: null', ['ingress'], 0],
  ['egress: [{}] does', 'egress: [{}]', ['ingress', 'egress'], 1],
  ['policyTypes: [] is defaulted like an absent one', '{policyTypes: [], egress: [{}]}', ['ingress', 'egress'], 1],
  ['policyTypes: null too', '{policyTypes: null}', ['ingress'], 0],
  ['[Egress] alone leaves ingress alone', '{policyTypes: [Egress]}', ['egress'], 0],
  ['[Ingress] alone leaves egress alone', '{policyTypes: [Ingress], egress: [{}]}', ['ingress'], 1],
  ['both, in any order', '{policyTypes: [Egress, Ingress]}', ['ingress', 'egress'], 0],
] as const) {
  test(`policyTypes: ${title}`, () => {
    const parsed = policy(spec);
    assert.deepEqual(parsed.isolates, isolates);
    assert.equal(parsed.rules.length, rules);
    assert.deepEqual(parsed.subject, IN_SHOP);
  });
}

for (const [title, from, peers] of [
  ['absent: any', '', undefined],
  ['[]: any', 'from: []', undefined],
  ['null: any', 'from: null', undefined],
  [
    'podSelector alone: own namespace',
    'from: [{podSelector: {matchLabels: {a: b}}}]',
    [{ type: 'pods', match: { op: 'all', of: [IN_SHOP, A_IS_B] } }],
  ],
  ['podSelector {}: all of the own namespace', 'from: [{podSelector: {}}]', [{ type: 'pods', match: IN_SHOP }]],
  [
    'namespaceSelector {}: all pods everywhere',
    'from: [{namespaceSelector: {}}]',
    [{ type: 'pods', match: { op: 'all', of: [] } }],
  ],
  [
    'both: and',
    'from: [{namespaceSelector: {}, podSelector: {matchLabels: {a: b}}}]',
    [{ type: 'pods', match: A_IS_B }],
  ],
  [
    'a null beside a selector is absent',
    'from: [{namespaceSelector: null, podSelector: {}, ipBlock: null}]',
    [{ type: 'pods', match: IN_SHOP }],
  ],
  [
    'ipBlock',
    'from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}]',
    [{ type: 'cidr', cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] }],
  ],
  ['ipBlock, IPv6', 'from: [{ipBlock: {cidr: "::/0"}}]', [{ type: 'cidr', cidr: '::/0', except: [] }]],
] as const) {
  test(`peers: ${title}`, () => assert.deepEqual(rule(`ingress: [{${from}}]`).peers, peers));
}

for (const [title, ports, expected] of [
  ['absent: any', '', undefined],
  ['[]: any', 'ports: []', undefined],
  ['a number: TCP', 'ports: [{port: 80}]', [{ protocol: 'TCP', port: 80 }]],
  ['a protocol: any port of it', 'ports: [{protocol: UDP}]', [{ protocol: 'UDP' }]],
  ['{}: any TCP port', 'ports: [{}]', [{ protocol: 'TCP' }]],
  ['port: null: any TCP port', 'ports: [{port: null}]', [{ protocol: 'TCP' }]],
  ['a name', 'ports: [{port: http}]', [{ protocol: 'TCP', port: 'http' }]],
  ['a range', 'ports: [{port: 80, endPort: 90, protocol: SCTP}]', [{ protocol: 'SCTP', port: 80, endPort: 90 }]],
  ['a range of one', 'ports: [{port: 80, endPort: 80}]', [{ protocol: 'TCP', port: 80, endPort: 80 }]],
] as const) {
  test(`ports: ${title}`, () => assert.deepEqual(rule(`ingress: [{${ports}}]`).ports, expected));
}

for (const [spec, message] of [
  ['podSelector: {matchExpressions: [{key: a, operator: Equals, values: [b]}]}', /matchExpressions\[0\]\.operator/],
  ['podSelector: {matchExpressions: [{key: a, operator: In}]}', /values must not be empty with operator In/],
  ['podSelector: {matchExpressions: [{key: a, operator: NotIn, values: []}]}', /values must not be empty/],
  ['podSelector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}', /must be empty with operator Exists/],
  ['podSelector: {matchExpressions: [{operator: Exists}]}', /key/],
  ['podSelector: {matchExpressions: [{key: "", operator: Exists}]}', /key must not be empty/],
  ['podSelector: {matchLabels: {enabled: yes}}', /matchLabels\.enabled must be a string.*quote/],
  ['podSelector: {matchLabels: [a]}', /matchLabels must be a map/],
  ['podSelector: {app: web}', /podSelector\.app is no field/],
  ['policyTypes: [ingress]', /policyTypes\[0\] must be one of Ingress, Egress/],
  ['policyTypes: [Ingress, Egress, Ingress]', /more than two/],
  ['policyTypes: Ingress', /policyTypes must be a list/],
  ['ingress: {}', /spec\.ingress must be a list/],
  ['ingress: [{form: []}]', /form is no field/],
  ['ingress: [{to: []}]', /to is no field/],
  ['ingres: []', /ingres is no field/],
  ['ingress: [{from: [{}]}]', /from\[0\] is empty/],
  ['ingress: [{from: [{podSelector: null}]}]', /from\[0\] is empty/],
  ['ingress: [{from: [{podSelector: {}, ipBlock: {cidr: 10.0.0.0\\/8}}]}]'.replace('\\', ''), /both an ipBlock and/],
  ['ingress: [{from: [{ipBlock: {}}]}]', /ipBlock\.cidr is missing/],
  ['ingress: [{from: [{ipBlock: {cidr: 10.0.0.0}}]}]', /cidr must be a CIDR/],
  ['ingress: [{from: [{ipBlock: {cidr: 10.0.0/8}}]}]', /cidr must be a CIDR/],
  ['ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/33}}]}]', /cidr must be a CIDR/],
  ['ingress: [{from: [{ipBlock: {cidr: 010.0.0.0/8}}]}]', /cidr must be a CIDR/],
  ['ingress: [{from: [{ipBlock: {cidr: "fe80::1%eth0/64"}}]}]', /cidr must be a CIDR/],
  ['ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/16]}}]}]', /except\[0\] must lie strictly inside/],
  ['ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8]}}]}]', /strictly inside/],
  ['ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [0.0.0.0/0]}}]}]', /strictly inside/],
  ['ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0, except: ["fd00::/8"]}}]}]', /strictly inside/],
  ['ingress: [{from: [{ipBlock: {cidr: "::/0", except: [10.0.0.0/8]}}]}]', /strictly inside/],
  ['ingress: [{ports: [{endPort: 90}]}]', /endPort needs a numeric port/],
  ['ingress: [{ports: [{port: http, endPort: 90}]}]', /endPort needs a numeric port/],
  ['ingress: [{ports: [{port: 80, endPort: 79}]}]', /must not be below the port/],
  ['ingress: [{ports: [{port: 80, endPort: 65536}]}]', /endPort must be 1 to 65535/],
  ['ingress: [{ports: [{port: 0}]}]', /1 to 65535/],
  ['ingress: [{ports: [{port: 80.5}]}]', /1 to 65535/],
  ['ingress: [{ports: [{port: "80"}]}]', /take the quotes away/],
  ['ingress: [{ports: [{port: Http}]}]', /lower-case/],
  ['ingress: [{ports: [{port: a-name-too-long-here}]}]', /15/],
  ['ingress: [{ports: [{port: true}]}]', /1 to 65535/],
  ['ingress: [{ports: [{protocol: tcp}]}]', /protocol must be one of TCP, UDP, SCTP/],
  ['ingress: [{ports: [{protocol: ICMP}]}]', /protocol/],
] as const) {
  test(`refused: ${spec}`, () => {
    assert.throws(
      () => policy(spec),
      (error) => {
        assert.ok(error instanceof ParityError);
        assert.equal(error.kind, 'input');
        assert.match(error.message, message);
        assert.match(error.message, /^p\.yaml:\d+: NetworkPolicy shop\/p: spec/);
        assert.ok(error.action);
        return true;
      },
    );
  });
}

test('an error and a rule name the nearest line that is known', () => {
  assert.throws(() => policy('ingress: [{from: [{}]}]'), /^ParityError: p\.yaml:14: /);
  assert.throws(() => policy('ingress: [{ports: [{port: 0}]}]'), /^ParityError: p\.yaml:12: /);
  assert.throws(() => policy('policyTypes: [x]'), /^ParityError: p\.yaml:3: /);
  assert.deepEqual(rule('ingress: [{}]').source, {
    object: 'NetworkPolicy shop/p',
    path: 'spec.ingress[0]',
    file: 'p.yaml',
    line: 12,
  });
});

test('a live object has no file, and its errors name the object alone', () => {
  const live = { ...NETWORK_POLICY, metadata: { name: 'p', namespace: 'shop' }, spec: { ingress: [{}] } };
  assert.deepEqual(parseNetworkPolicy(live).source, { object: 'NetworkPolicy shop/p' });
  const broken = { ...live, spec: { ingress: [{ from: [{}] }] } };
  assert.throws(() => parseNetworkPolicy(broken), /^ParityError: NetworkPolicy shop\/p: spec\.ingress\[0\]\.from\[0\]/);
});

test('a whole snapshot names the policy that is wrong', () => {
  const yaml = 'kind: NetworkPolicy\nmetadata: {name: a, namespace: shop}\nspec: {ingress: [{from: [{}]}]}\n';
  assert.throws(() => modelOf(worldOf(yaml)), /world\.yaml:3: NetworkPolicy shop\/a/);
});
