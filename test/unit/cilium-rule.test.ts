import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isParityError } from '../../src/host/errors.ts';
import { object, policies, policy, rule, service } from './cilium-world.ts';

const TCP_80 = 'toPorts: [{ports: [{port: "80", protocol: TCP}]}]';
const POD = '{matchLabels: {app: web}}';

for (const [title, ingress, peers, ports] of [
  ['[{}] names nobody', '', [], undefined],
  ['no peers, but ports: anyone', TCP_80, undefined, [{ protocol: 'TCP', port: 80 }]],
  ['toPorts: [] is none', 'toPorts: []', [], undefined],
  ['toPorts: [{}] names no port', 'toPorts: [{}]', undefined, []],
  ['an empty list is nobody', `fromEndpoints: [], ${TCP_80}`, [], [{ protocol: 'TCP', port: 80 }]],
  ['an empty list is nobody beside others too', 'fromEndpoints: [], fromEntities: [world]', [], undefined],
  ['groups of a cloud are not known', `fromGroups: [{aws: {}}], ${TCP_80}`, [], [{ protocol: 'TCP', port: 80 }]],
  ['entities', 'fromEntities: [world]', [{ type: 'entity', entity: 'world' }], undefined],
  ['no entities', `fromEntities: [], ${TCP_80}`, [], [{ protocol: 'TCP', port: 80 }]],
  ['fromGroups: [] is none', `fromGroups: [], ${TCP_80}`, undefined, [{ protocol: 'TCP', port: 80 }]],
  ['null is none', `fromEndpoints: null, ${TCP_80}`, undefined, [{ protocol: 'TCP', port: 80 }]],
  ['a CIDR', 'fromCIDR: [10.0.0.0/8]', [{ type: 'cidr', cidr: '10.0.0.0/8', except: [] }], undefined],
  [
    'a CIDR with holes',
    'fromCIDRSet: [{cidr: 10.0.0.0/8, except: [10.1.0.0/16]}]',
    [{ type: 'cidr', cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] }],
    undefined,
  ],
  ['ICMP is no TCP', 'icmps: [{fields: [{type: EchoRequest}]}]', undefined, []],
] as const) {
  test(`ingress: ${title}`, () => {
    const parsed = policy(`ingress: [{${ingress}}]`);
    assert.deepEqual(parsed.rules[0]?.peers, peers);
    assert.deepEqual(parsed.rules[0]?.ports, ports);
    assert.deepEqual(parsed.isolates, ['ingress']);
    assert.equal(parsed.inert, undefined);
  });
}

const ANY_80 = ['TCP', 'UDP', 'SCTP'].map((protocol) => ({ protocol, port: 80 }));

for (const [entry, ports] of [
  ['{port: "80"}', ANY_80],
  ['{port: "80", protocol: ANY}', ANY_80],
  ['{port: "0", protocol: UDP}', [{ protocol: 'UDP' }]],
  ['{port: "0"}', [{ protocol: 'TCP' }, { protocol: 'UDP' }, { protocol: 'SCTP' }]],
  ['{port: "80", endPort: 90, protocol: TCP}', [{ protocol: 'TCP', port: 80, endPort: 90 }]],
  ['{port: "80", endPort: 80, protocol: TCP}', [{ protocol: 'TCP', port: 80 }]],
  ['{port: "80", endPort: 70, protocol: TCP}', [{ protocol: 'TCP', port: 80 }]],
  ['{port: "80", endPort: 0, protocol: TCP}', [{ protocol: 'TCP', port: 80 }]],
  ['{port: HTTP, protocol: TCP}', [{ protocol: 'TCP', port: 'http' }]],
  ['{port: "010", protocol: TCP}', [{ protocol: 'TCP', port: 8 }]],
  ['{port: "0", protocol: GRE}', []],
] as const) {
  test(`port ${entry}`, () => {
    const [parsed] = policy(`ingress: [{toPorts: [{ports: [${entry}]}]}]`).rules;
    assert.deepEqual(parsed?.ports, ports);
  });
}

test('ports that ask more are a rule of their own, with its line', () => {
  const http = '{ports: [{port: "80", protocol: TCP}], rules: {http: [{method: GET, path: /a}]}}';
  const { rules } = policy(`egress: [{toPorts: [{ports: [{port: "1", protocol: TCP}]}, ${http}]}]`);
  assert.deepEqual(
    rules.map((r) => [r.ports, r.narrowedBy, r.source.path, r.source.line]),
    [
      [[{ protocol: 'TCP', port: 1 }], undefined, 'spec.egress[0]', 6],
      [[{ protocol: 'TCP', port: 80 }], ['HTTP GET /a'], 'spec.egress[0].toPorts[1]', 20],
    ],
  );
});

for (const [more, words] of [
  ['rules: {}', undefined],
  ['rules: {http: []}', undefined],
  ['rules: {http: [{}]}', ['HTTP']],
  ['rules: {dns: [{matchPattern: "*.Example.com."}]}', ['DNS queries for *.example.com']],
  ['rules: {kafka: [{topic: t}]}', ['Kafka rules']],
  ['rules: {l7proto: r2d2, l7: [{cmd: x}]}', ['r2d2 rules']],
  ['serverNames: [a.example]', ['TLS for a.example only']],
  ['terminatingTLS: {secret: {name: s}}', ['TLS that the proxy can end']],
  ['listener: {name: l, envoyConfig: {name: c}}', ['the Envoy listener c/l']],
] as const) {
  test(`toPorts with ${more}`, () => {
    const spec = `toPorts: [{ports: [{port: "53", protocol: TCP}], ${more}}]`;
    assert.deepEqual(rule(`egress: [{${spec}}]`).narrowedBy, words);
    const tolerant = policy(`egress: [{${spec}}], enableDefaultDeny: {egress: false}`).rules[0]?.narrowedBy;
    assert.deepEqual(tolerant, more.startsWith('rules') ? undefined : words);
  });
}

test('authentication narrows', () => {
  const words = (mode: string) => rule(`ingress: [{fromEntities: [all], authentication: {mode: ${mode}}}]`).narrowedBy;
  assert.deepEqual(words('required'), ['mutual authentication']);
  assert.deepEqual(words('test-always-fail'), ['authentication that always fails']);
  assert.equal(words('disabled'), undefined);
});

for (const [spec, isolates] of [
  ['ingress: [{}]', ['ingress']],
  ['ingressDeny: [{}]', ['ingress']],
  ['egressDeny: [{toEntities: [world]}]', ['egress']],
  ['ingress: [{}], egress: []', ['ingress']],
  ['ingress: [{}], egress: [{}]', ['ingress', 'egress']],
  ['ingress: [{}], enableDefaultDeny: {ingress: false}', []],
  ['ingress: [{}], enableDefaultDeny: {egress: true}', ['ingress']],
  ['ingress: [{}], egressDeny: [{}], enableDefaultDeny: {egress: false}', ['ingress']],
] as const) {
  test(`isolates: ${spec}`, () => {
    const parsed = policy(spec);
    assert.deepEqual(parsed.isolates, isolates);
    assert.equal(parsed.tier, 'default');
  });
}

test('deny rules deny', () => {
  const { rules } = policy(`ingress: [{fromEntities: [all]}], ingressDeny: [{fromEndpoints: [${POD}], ${TCP_80}}]`);
  assert.deepEqual(
    rules.map((r) => [r.direction, r.action, r.source.path]),
    [
      ['ingress', 'allow', 'spec.ingress[0]'],
      ['ingress', 'deny', 'spec.ingressDeny[0]'],
    ],
  );
});

test('toFQDNs are names, and need a DNS rule', () => {
  const names = 'egress: [{toFQDNs: [{matchName: A.example.}, {matchPattern: "**.b.example"}]}]';
  const parsed = policy(names);
  assert.deepEqual(parsed.rules[0]?.peers, [
    { type: 'fqdn', pattern: 'a.example' },
    { type: 'fqdn', pattern: '**.b.example' },
  ]);
  assert.equal(parsed.dns, 'needs');
  const dns = '{toPorts: [{ports: [{port: "53"}], rules: {dns: [{matchPattern: "*"}]}}]}';
  assert.equal(policy(names.replace(/]$/, `, ${dns}]`)).dns, 'learns');
});

const WEB = service('bank', 'web', { labels: { team: 'a' }, selector: { app: 'web' } });
const BEHIND_WEB = {
  type: 'pods',
  match: {
    op: 'all',
    of: [
      { op: 'namespace', names: ['bank'] },
      { op: 'label', of: 'pod', key: 'app', test: 'in', values: ['web'] },
    ],
  },
};

for (const [title, toServices, peers] of [
  ['by name in any namespace', '{k8sService: {serviceName: web}}', [BEHIND_WEB]],
  ['by name and namespace', '{k8sService: {serviceName: web, namespace: bank}}', [BEHIND_WEB]],
  ['of another namespace: none', '{k8sService: {serviceName: web, namespace: shop}}', []],
  ['by labels', '{k8sServiceSelector: {selector: {matchLabels: {k8s:team: a}}}}', [BEHIND_WEB]],
  ['by other labels: none', '{k8sServiceSelector: {selector: {matchLabels: {team: b}}}}', []],
  ['by labels elsewhere: none', '{k8sServiceSelector: {selector: {}, namespace: shop}}', []],
] as const) {
  test(`toServices ${title}`, () => {
    const of = (more = '', direction = 'egress') =>
      policy(`${direction}: [{toServices: [${toServices}]${more}}]`, undefined, [], [WEB]);
    assert.deepEqual(of().rules[0]?.peers, peers);
    assert.deepEqual(of(`, ${TCP_80}`).rules[0]?.peers, peers.length > 0 ? peers : undefined);
    assert.equal(of().caveats === undefined, peers.length > 0);
    assert.equal(of(`, ${TCP_80}`, 'egressDeny').rules[0]?.peers, undefined);
  });
}

test('toServices with what the snapshot does not know matches nothing, and says so', () => {
  const selected = 'egress: [{toServices: [{k8sServiceSelector: {selector: {}}}], toPorts: [{ports: [{port: "1"}]}]}]';
  const { labels: _, ...unknown } = WEB;
  const named = selected.replace('k8sServiceSelector: {selector: {}}', 'k8sService: {serviceName: web}');
  for (const [spec, facts] of [
    [selected, unknown],
    [named, { ...WEB, selector: {} }],
  ] as const) {
    const parsed = policy(spec, undefined, [], [facts]);
    assert.deepEqual(parsed.rules[0]?.peers, []);
    assert.equal(parsed.caveats?.length, 1);
  }
});

const GROUP = object('CIDRGroup', '{spec: {externalCIDRs: [10.0.0.0/8, 192.0.2.0/24]}}', { name: 'g' });
const LABELLED = object('CIDRGroup', '{spec: {externalCIDRs: [198.51.100.0/24]}}', { name: 'h', labels: { a: 'b' } });
const cidr = (text: string, except: string[] = []) => ({ type: 'cidr', cidr: text, except });
const WORLD = { type: 'entity', entity: 'world' };

for (const [item, peers] of [
  ['{cidrGroupRef: g}', [cidr('10.0.0.0/8'), cidr('192.0.2.0/24')]],
  [
    '{cidrGroupRef: g, except: [10.1.0.0/16]}',
    [cidr('10.0.0.0/8', ['10.1.0.0/16']), cidr('192.0.2.0/24', ['10.1.0.0/16'])],
  ],
  ['{cidrGroupRef: gone}', []],
  ['{cidrGroupSelector: {matchLabels: {a: b}}}', [cidr('198.51.100.0/24')]],
  ['{cidrGroupSelector: {matchLabels: {cidrgroup:a: c}}}', []],
  ['{cidrGroupSelector: {}}', [{ type: 'every', of: [WORLD] }]],
  [
    '{cidrGroupSelector: {matchExpressions: [{key: a, operator: DoesNotExist}]}}',
    [{ type: 'every', of: [WORLD, { type: 'not', of: cidr('198.51.100.0/24') }] }],
  ],
] as const) {
  test(`fromCIDRSet ${item}`, () => {
    const parsed = policy(`ingress: [{fromCIDRSet: [${item}]}]`, undefined, [GROUP, LABELLED]);
    assert.deepEqual(parsed.rules[0]?.peers, peers);
    assert.equal(parsed.caveats === undefined, peers.length > 0);
  });
}

test('a CiliumCIDRGroup of v2alpha1 is the same', () => {
  const old = { ...GROUP, apiVersion: 'cilium.io/v2alpha1' };
  assert.equal(rule('ingress: [{fromCIDRSet: [{cidrGroupRef: g}]}]', undefined, [GROUP, old]).peers?.length, 2);
});

test('spec and specs are a policy each', () => {
  const spec = 'endpointSelector: {}, ingress: [{}]';
  const parsed = policies([object('NetworkPolicy', `{spec: {${spec}}, specs: [{${spec}}, {${spec}}]}`)]);
  assert.deepEqual(
    parsed.map((p) => p.source.path),
    ['spec', 'specs[0]', 'specs[1]'],
  );
  assert.ok(parsed.every((p) => p.name === 'p' && p.namespace === 'shop' && p.dialect === 'cilium'));
});

for (const [title, spec] of [
  ['no section', 'endpointSelector: {}'],
  ['empty sections', 'ingress: [], egress: []'],
  ['peers that do not go together', 'ingress: [{fromEntities: [all], fromCIDR: [10.0.0.0/8]}]'],
  ['names with others', 'egress: [{toEntities: [all], toFQDNs: [{matchName: a.b}]}]'],
  ['ports and ICMP', `ingress: [{${TCP_80}, icmps: [{fields: [{type: 8}]}]}]`],
  ['a port too high', 'ingress: [{toPorts: [{ports: [{port: "65536"}]}]}]'],
  ['no port', 'ingress: [{toPorts: [{ports: [{}]}]}]'],
  ['a long port name', 'ingress: [{toPorts: [{ports: [{port: sixteen-letters-}]}]}]'],
  ['a hole outside', 'ingress: [{fromCIDRSet: [{cidr: 10.0.0.0/8, except: [11.0.0.0/16]}]}]'],
  ['DNS rules on ingress', 'ingress: [{toPorts: [{ports: [{port: "53"}], rules: {dns: [{matchPattern: a}]}}]}]'],
  ['HTTP for UDP', 'egress: [{toPorts: [{ports: [{port: "80", protocol: UDP}], rules: {http: [{}]}}]}]'],
  ['HTTP for port 0', 'egress: [{toPorts: [{ports: [{port: "0", protocol: TCP}], rules: {http: [{}]}}]}]'],
  [
    'rules behind TLS that nobody ends',
    'egress: [{toPorts: [{ports: [{port: "1", protocol: TCP}], serverNames: [a], rules: {http: [{}]}}]}]',
  ],
  ['a key that is none', 'endpointSelector: {matchLabels: {"a b": c}}, ingress: [{}]'],
  ['a key with two sources', 'endpointSelector: {matchLabels: {"k8s:k8s:a": c}}, ingress: [{}]'],
  ['nodes in a namespace', 'nodeSelector: {}, ingress: [{}]'],
] as const) {
  test(`Cilium refuses, and so never enforces: ${title}`, () => {
    assert.match(policy(spec).inert ?? '', /^Cilium refuses it: spec/);
  });
}

test('rules may look into TLS that the proxy ends', () => {
  const more = 'serverNames: [a.b], terminatingTLS: {secret: {name: s}}, rules: {http: [{}]}';
  const parsed = policy(`egress: [{toPorts: [{ports: [{port: "443", protocol: TCP}], ${more}}]}]`);
  assert.equal(parsed.inert, undefined);
  assert.equal(parsed.rules[0]?.narrowedBy?.length, 3);
});

test('what Cilium refuses of one spec makes all of the object inert', () => {
  const body = '{spec: {endpointSelector: {}, ingress: [{}]}, specs: [{endpointSelector: {}}]}';
  assert.ok(policies([object('NetworkPolicy', body)]).every((p) => p.inert?.includes('specs[0]')));
});

for (const [title, spec, message] of [
  [
    'a misspelt peer',
    'ingress: [{fromEndpoint: []}]',
    /p\.yaml:12: .*spec\.ingress\[0\]\.fromEndpoint .*kubectl apply/,
  ],
  ['rules in a deny', 'ingressDeny: [{toPorts: [{rules: {}}]}]', /toPorts\[0\]\.rules /],
  ['names in a deny', 'egressDeny: [{toFQDNs: []}]', /toFQDNs /],
  [
    'a number for a port',
    'ingress: [{toPorts: [{ports: [{port: 80}]}]}]',
    /port must be a string, not a number: quote it/,
  ],
  ['an unknown protocol', 'ingress: [{toPorts: [{ports: [{port: "1", protocol: tcp}]}]}]', /protocol must be one of/],
  ['an unknown entity', 'ingress: [{fromEntities: [moon]}]', /fromEntities\[0\] must be one of/],
  ['an address without length', 'ingress: [{fromCIDR: [10.0.0.1]}]', /must be a CIDR/],
  ['no selector', 'endpointSelector: null, ingress: [{}]', /must hold either an endpointSelector/],
  ['both selectors', 'endpointSelector: {}, nodeSelector: {}, ingress: [{}]', /must hold either/],
  ['no CIDR in a set', 'ingress: [{fromCIDRSet: [{except: []}]}]', /must hold one of cidr/],
  ['two kinds of rules', 'egress: [{toPorts: [{rules: {http: [], dns: []}}]}]', /one protocol's rules/],
  ['a name that is none', `egress: [{toFQDNs: [{matchName: ${'a'.repeat(80)}!}]}]`, /must be a DNS name/],
  ['a label that is none', 'endpointSelector: {matchLabels: {a: "b c"}}, ingress: [{}]', /value of a label/],
  ['an ICMP type too high', 'ingress: [{icmps: [{fields: [{type: 256}]}]}]', /ICMP type/],
] as const) {
  test(`an input error: ${title}`, () => {
    assert.throws(
      () => policy(spec),
      (error) => {
        assert.ok(isParityError(error) && error.kind === 'input' && error.action);
        assert.match(error.message, message);
        return true;
      },
    );
  });
}

test('an object needs the namespace that its kind wants, a spec and a group its CIDRs', () => {
  const spec = '{spec: {endpointSelector: {}, ingress: [{}]}}';
  for (const [wrong, message] of [
    [object('NetworkPolicy', spec, { namespace: '' }), /metadata\.namespace/],
    [object('ClusterwideNetworkPolicy', spec, { namespace: 'shop' }), /metadata\.namespace/],
    [object('NetworkPolicy', '{}'), /spec is missing/],
    [object('CIDRGroup', '{spec: {}}'), /externalCIDRs is missing/],
    [object('CIDRGroup', '{spec: {externalCIDRs: [x]}}'), /must be a CIDR/],
  ] as const) {
    assert.throws(() => policies([wrong]), message);
  }
});
