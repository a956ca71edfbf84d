import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolvePeer } from '../../src/policy/endpoints.ts';
import { evaluate } from '../../src/policy/evaluate.ts';
import type { PolicyModel, Verdict } from '../../src/policy/model.ts';
import { matchesLabels } from '../../src/policy/select.ts';
import type { LabelSelector, Protocol } from '../../src/snapshot/model.ts';
import { modelFrom, type World } from './policy-world.ts';

/** Two namespaces, two nodes; `host` and `agent` use their node's network; `blank` was never run. */
const PODS = `
kind: Namespace
metadata: {name: shop, labels: {team: a}}
---
kind: Namespace
metadata: {name: ops, labels: {team: b}}
---
kind: Node
metadata: {name: n1}
status: {addresses: [{address: 172.18.0.2}, {address: n1}]}
---
kind: Node
metadata: {name: n2}
status: {addresses: [{address: 172.18.0.3}]}
---
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec:
  nodeName: n1
  containers: [{ports: [{name: http, containerPort: 8080}, {name: dns, containerPort: 53, protocol: UDP}]}]
status: {podIPs: [{ip: 10.244.1.5}, {ip: "fd00::5"}]}
---
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
spec:
  nodeName: n2
  containers: [{ports: [{name: http, containerPort: 9090}]}]
status: {podIPs: [{ip: 10.244.2.6}]}
---
kind: Pod
metadata: {name: blank, namespace: shop, labels: {app: blank}}
---
kind: Pod
metadata: {name: agent, namespace: shop, labels: {app: agent}}
spec: {nodeName: n2, hostNetwork: true}
status: {podIPs: [{ip: 172.18.0.3}]}
---
kind: Pod
metadata: {name: probe, namespace: ops, labels: {app: probe}}
spec: {nodeName: n2}
status: {podIPs: [{ip: 10.244.2.7}]}
---
kind: Pod
metadata: {name: host, namespace: ops, labels: {app: probe}}
spec: {nodeName: n1, hostNetwork: true, containers: [{ports: [{name: http, containerPort: 8080}]}]}
status: {podIPs: [{ip: 172.18.0.2}]}
`;

/** A model of those pods with policies in namespace shop, one per spec. */
function shop(specs: readonly string[], world: World = {}): PolicyModel {
  const policies = specs.map(
    (spec, i) => `---\nkind: NetworkPolicy\nmetadata: {name: p${i}, namespace: shop}\nspec: ${spec}\n`,
  );
  return modelFrom(PODS + policies.join(''), world);
}

function ask(model: PolicyModel, from: string, to: string, port = 8080, protocol: Protocol = 'TCP'): Verdict {
  const [source] = resolvePeer(model, from);
  const [destination] = resolvePeer(model, to);
  assert.ok(source && destination);
  return evaluate(model, { from: source, to: destination, protocol, port });
}

const texts = (verdict: Verdict) => [...verdict.egress.because, ...verdict.ingress.because].map((r) => r.text);

for (const [selector, labels, expected] of [
  [{}, {}, true],
  [{ matchLabels: { a: '1' } }, { a: '1', b: '2' }, true],
  [{ matchLabels: { a: '1' } }, { a: '2' }, false],
  [{ matchLabels: { a: '1', b: '2' } }, { a: '1' }, false],
  [{ matchExpressions: [{ key: 'a', operator: 'In', values: ['1', '2'] }] }, { a: '2' }, true],
  [{ matchExpressions: [{ key: 'a', operator: 'In', values: ['1'] }] }, {}, false],
  [{ matchExpressions: [{ key: 'a', operator: 'NotIn', values: ['1'] }] }, {}, true],
  [{ matchExpressions: [{ key: 'a', operator: 'NotIn', values: ['1'] }] }, { a: '1' }, false],
  [{ matchExpressions: [{ key: 'a', operator: 'Exists' }] }, { a: '' }, true],
  [{ matchExpressions: [{ key: 'a', operator: 'DoesNotExist' }] }, {}, true],
  [{ matchExpressions: [{ key: 'a', operator: 'DoesNotExist' }] }, { a: '' }, false],
  [{ matchExpressions: [{ key: 'constructor', operator: 'Exists' }] }, {}, false],
  [{ matchLabels: { a: '1' }, matchExpressions: [{ key: 'b', operator: 'Exists' }] }, { a: '1' }, false],
] as [LabelSelector, Record<string, string>, boolean][]) {
  test(`${JSON.stringify(selector)} ${expected ? 'matches' : 'does not match'} ${JSON.stringify(labels)}`, () =>
    assert.equal(matchesLabels(selector, labels), expected));
}

/** Specs, then what TCP 8080 does: [from, to, allowed]. Engine kindnet. */
const TABLE: readonly [title: string, specs: readonly string[], expected: readonly [string, string, boolean][]][] = [
  ['no policy: everything', [], [['ops/probe', 'shop/web', true]]],
  [
    'default deny holds for its own namespace only',
    ['{}'],
    [
      ['ops/probe', 'shop/web', false],
      ['shop/api', 'shop/web', false],
      ['shop/web', 'ops/probe', true],
    ],
  ],
  [
    'one direction says nothing about the other',
    ['{policyTypes: [Egress]}'],
    [
      ['shop/web', 'ops/probe', false],
      ['ops/probe', 'shop/web', true],
    ],
  ],
  [
    'both sides must allow',
    ['{policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: api}}}]}]}', '{ingress: []}'],
    [['shop/web', 'shop/api', false]],
  ],
  [
    'policies add up',
    ['{}', '{podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {}}]}]}'],
    [
      ['shop/api', 'shop/web', true],
      ['shop/web', 'shop/api', false],
      ['ops/probe', 'shop/web', false],
    ],
  ],
  [
    'namespace and pod selector of one peer both hold',
    ['{ingress: [{from: [{namespaceSelector: {matchLabels: {team: b}}, podSelector: {matchLabels: {app: web}}}]}]}'],
    [
      ['ops/probe', 'shop/web', false],
      ['shop/web', 'shop/api', false],
    ],
  ],
  [
    'two peers: either holds',
    ['{ingress: [{from: [{namespaceSelector: {matchLabels: {team: b}}}, {podSelector: {matchLabels: {app: web}}}]}]}'],
    [
      ['ops/probe', 'shop/web', true],
      ['shop/web', 'shop/api', true],
      ['shop/blank', 'shop/api', false],
    ],
  ],
  [
    'NotIn on a namespace label holds where the namespace lacks it',
    ['{ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: tier, operator: NotIn, values: [x]}]}}]}]}'],
    [['ops/probe', 'shop/web', true]],
  ],
  [
    "the API server's name label needs no manifest",
    ['{ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ops}}}]}]}'],
    [
      ['ops/probe', 'shop/web', true],
      ['shop/api', 'shop/web', false],
    ],
  ],
  [
    'rules of a direction that policyTypes leaves out do nothing',
    ['{policyTypes: [Egress], ingress: [{from: [{podSelector: {}}]}], egress: [{}]}'],
    [['ops/probe', 'shop/web', true]],
  ],
  [
    'nor do they widen what another policy isolates',
    ['{policyTypes: [Egress], ingress: [{}], egress: [{}]}', '{}'],
    [['ops/probe', 'shop/web', false]],
  ],
  ['a pod always reaches itself', ['{policyTypes: [Ingress, Egress]}'], [['shop/web', 'shop/web', true]]],
  [
    "a pod's own node may always connect, another may not",
    ['{}'],
    [
      ['ip:172.18.0.2', 'shop/web', true],
      ['ip:172.18.0.3', 'shop/web', false],
      ['ops/host', 'shop/web', true],
      ['ops/host', 'shop/api', false],
    ],
  ],
  [
    'hostNetwork pods are not selected',
    ['{policyTypes: [Ingress, Egress]}'],
    [
      ['shop/agent', 'ops/probe', true],
      ['ops/probe', 'shop/agent', true],
    ],
  ],
  [
    'hostNetwork pods are not matched by selectors, but by their address',
    [
      '{podSelector: {matchLabels: {app: api}}, ingress: [{from: [{namespaceSelector: {}}]}]}',
      '{podSelector: {matchLabels: {app: blank}}, ingress: [{from: [{ipBlock: {cidr: 172.18.0.2/32}}]}]}',
    ],
    [
      ['ops/host', 'shop/api', false],
      ['ops/probe', 'shop/api', true],
      ['ops/host', 'shop/blank', true],
    ],
  ],
  [
    'a named port is looked up on the destination',
    ['{ingress: [{ports: [{port: http}]}]}'],
    [
      ['ops/probe', 'shop/web', true],
      ['ops/probe', 'shop/api', false],
      ['ops/probe', 'shop/blank', false],
    ],
  ],
  [
    'a named port matches neither addresses nor hostNetwork pods',
    ['{policyTypes: [Egress], egress: [{ports: [{port: http}]}]}'],
    [
      ['shop/api', 'shop/web', true],
      ['shop/api', 'ip:1.1.1.1', false],
      ['shop/api', 'ops/host', false],
    ],
  ],
  [
    'CIDRs match pods by either address, but for the exceptions',
    ['{ingress: [{from: [{ipBlock: {cidr: 10.244.0.0/16, except: [10.244.2.7/32]}}]}]}'],
    [
      ['shop/api', 'shop/web', true],
      ['ops/probe', 'shop/web', false],
      ['ip:10.244.9.9', 'shop/web', true],
      ['ip:8.8.8.8', 'shop/web', false],
    ],
  ],
  [
    'IPv6 CIDRs match IPv6 addresses alone',
    ['{ingress: [{from: [{ipBlock: {cidr: "::/0"}}]}]}'],
    [
      ['shop/web', 'shop/api', true],
      ['ops/probe', 'shop/web', false],
      ['ip:2001:db8::1', 'shop/api', true],
    ],
  ],
];

for (const [title, specs, expected] of TABLE) {
  test(title, () => {
    const model = shop(specs);
    for (const [from, to, allowed] of expected) {
      const verdict = ask(model, from, to);
      assert.equal(verdict.allowed, allowed, `${from} to ${to}: ${texts(verdict).join('; ')}`);
      assert.ok(verdict.egress.because.length > 0 && verdict.ingress.because.length > 0);
    }
  });
}

test('protocols and ports: named by protocol, ranges inclusive, SCTP and UDP apart from TCP', () => {
  const named = shop(['{ingress: [{ports: [{port: dns, protocol: UDP}, {port: http, protocol: UDP}]}]}']);
  assert.ok(ask(named, 'ops/probe', 'shop/web', 53, 'UDP').allowed);
  assert.ok(!ask(named, 'ops/probe', 'shop/web', 53, 'TCP').allowed);
  assert.ok(!ask(named, 'ops/probe', 'shop/web', 8080, 'UDP').allowed, 'http is a TCP port there');
  const range = shop(['{ingress: [{ports: [{port: 80, endPort: 90}, {protocol: SCTP}]}]}']);
  const open = [79, 80, 90, 91].map((port) => ask(range, 'ops/probe', 'shop/web', port).allowed);
  assert.deepEqual(open, [false, true, true, false]);
  assert.ok(ask(range, 'ops/probe', 'shop/web', 1, 'SCTP').allowed);
  assert.ok(!ask(range, 'ops/probe', 'shop/web', 80, 'UDP').allowed);
});

test('ports outside 1 to 65535 are refused', () => {
  for (const port of [0, 65536, 80.5, Number.NaN]) {
    assert.throws(() => ask(shop([]), 'ops/probe', 'shop/web', port), /is not a port/);
  }
});

const TO_ANYWHERE = '{policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}';
const FROM_ANYWHERE = '{ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}';

test('engines: whether a CIDR matches pods and nodes', () => {
  for (const [engine, inside] of [
    ['kindnet', true],
    ['calico', true],
    ['npm', true],
    ['unknown', true],
    ['cilium', false],
  ] as const) {
    const model = shop([TO_ANYWHERE, FROM_ANYWHERE], { engine });
    assert.equal(ask(model, 'shop/web', 'shop/api').allowed, inside, `${engine}, pod`);
    assert.equal(ask(model, 'shop/web', 'shop/blank').allowed, inside, `${engine}, pod without address`);
    assert.equal(ask(model, 'shop/web', 'ip:172.18.0.3').allowed, inside, `${engine}, node`);
    assert.equal(ask(model, 'ip:172.18.0.3', 'shop/web').allowed, inside, `${engine}, from a node`);
    assert.equal(ask(model, 'shop/web', 'ip:8.8.8.8').allowed, true, `${engine}, outside`);
    assert.equal(ask(model, 'ip:8.8.8.8', 'shop/web').allowed, true, `${engine}, from outside`);
    assert.equal(ask(model, 'ip:172.18.0.2', 'shop/web').allowed, true, `${engine}, from the own node`);
  }
});

test('engines: a pod isolated for egress reaches its own node under NPM alone', () => {
  for (const [engine, allowed] of [
    ['npm', true],
    ['kindnet', false],
    ['calico', false],
    ['cilium', false],
    ['unknown', false],
  ] as const) {
    const model = shop(['{policyTypes: [Egress]}'], { engine });
    assert.equal(ask(model, 'shop/web', 'ip:172.18.0.2').allowed, allowed, engine);
    assert.equal(ask(model, 'shop/web', 'ops/host').allowed, allowed, `${engine}, its hostNetwork pod`);
    assert.equal(ask(model, 'shop/web', 'ip:172.18.0.3').allowed, false, `${engine}, another node`);
    assert.equal(ask(model, 'shop/blank', 'ip:172.18.0.2').allowed, false, `${engine}, node unknown`);
  }
});

test('engines: Cilium enforces rules of a direction that policyTypes leaves out, and says so', () => {
  const specs = ['{policyTypes: [Egress], ingress: [{from: [{podSelector: {}}]}], egress: [{}]}'];
  assert.ok(ask(shop(specs), 'ops/probe', 'shop/web').allowed);
  const verdict = ask(shop(specs, { engine: 'cilium' }), 'ops/probe', 'shop/web');
  assert.ok(!verdict.allowed);
  assert.match(texts(verdict).join(), /policyTypes leaves ingress out, but Cilium enforces/);
});

test('engine none enforces nothing, and says so', () => {
  const verdict = ask(shop(['{policyTypes: [Ingress, Egress]}'], { engine: 'none' }), 'ops/probe', 'shop/web');
  assert.ok(verdict.allowed && !verdict.ingress.isolated);
  assert.match(texts(verdict).join(), /nothing enforces network policies/);
});

test('a pod whose address is not known: matched where the CIDR holds all of the pod ranges', () => {
  const from = (cidr: string, except: string[] = []) => [
    `{podSelector: {matchLabels: {app: api}}, ingress: [{from: [{ipBlock: {cidr: "${cidr}", except: [${except}]}}]}]}`,
  ];
  const blank = (specs: string[], podRanges: string[]) =>
    ask(shop(specs, { podRanges }), 'shop/blank', 'shop/api').allowed;
  assert.equal(blank(from('0.0.0.0/0'), []), true);
  assert.equal(blank(from('::/0'), []), true);
  assert.equal(blank(from('0.0.0.0/0', ['169.254.169.254/32']), []), true, 'no pod lies there');
  assert.equal(blank(from('0.0.0.0/0', ['10.0.0.0/8']), []), false, 'it may lie there');
  assert.equal(blank(from('10.0.0.0/8'), []), false, 'it may lie elsewhere');
  assert.equal(blank(from('10.0.0.0/8'), ['10.244.0.0/16']), true);
  assert.equal(blank(from('10.244.1.0/24'), ['10.244.0.0/16']), false);
  assert.equal(blank(from('10.0.0.0/8'), ['10.244.0.0/16', '192.168.0.0/16']), false);
  assert.equal(blank(from('10.0.0.0/8', ['10.244.0.0/24']), ['10.244.0.0/16']), false);
  assert.equal(blank(from('10.0.0.0/8', ['10.1.0.0/16']), ['10.244.0.0/16']), true);
  assert.equal(blank(from('::/0'), ['10.244.0.0/16']), false, 'this cluster has no IPv6');
  assert.equal(blank(from('::/0'), ['10.244.0.0/16', 'fd00::/16']), true);
});

test('reasons name what selects, what allows, and where it stands', () => {
  const model = shop(['{podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {}}]}]}', '{}']);
  const denied = ask(model, 'ops/probe', 'shop/web', 80);
  assert.deepEqual(texts(denied), [
    'no policy selects ops/probe for egress',
    'NetworkPolicy shop/p0 selects shop/web for ingress and none of its rules allows TCP 80 from ops/probe',
    'NetworkPolicy shop/p1 selects shop/web for ingress and nothing allows TCP 80 from ops/probe',
  ]);
  assert.deepEqual([denied.egress.isolated, denied.ingress.isolated], [false, true]);
  assert.ok(denied.ingress.because.every((r) => r.source?.file === 'world.yaml' && (r.source.line ?? 0) > 1));
  const allowed = ask(model, 'shop/api', 'shop/web', 80);
  assert.deepEqual(texts(allowed)[1], 'allowed by NetworkPolicy shop/p0, spec.ingress[0]');
  assert.equal(allowed.ingress.because[0]?.source?.path, 'spec.ingress[0]');
});

test('reasons tell near misses: the wrong port, a missing name, a CIDR that does not count', () => {
  const ports = shop(['{ingress: [{from: [{podSelector: {}}], ports: [{port: 80, endPort: 81}, {port: metrics}]}]}']);
  assert.match(
    texts(ask(ports, 'shop/api', 'shop/web', 443)).join('\n'),
    /p0, spec\.ingress\[0\] allows shop\/api, but only on TCP 80-81, TCP metrics \(shop\/web has no such port\)$/m,
  );
  const cilium = shop([FROM_ANYWHERE], { engine: 'cilium' });
  assert.match(
    texts(ask(cilium, 'shop/api', 'shop/web')).join('\n'),
    /its ipBlock 0\.0\.0\.0\/0 covers shop\/api, but Cilium's ipBlocks never match pods/,
  );
  const unknown = shop(['{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}]}']);
  assert.match(texts(ask(unknown, 'shop/blank', 'shop/web')).join('\n'), /address of shop\/blank is not known/);
  const elsewhere = shop(['{ingress: [{from: [{ipBlock: {cidr: 8.8.8.0/24}}]}]}']);
  assert.doesNotMatch(texts(ask(elsewhere, 'shop/blank', 'shop/web')).join('\n'), /not known/);
});

test('a verdict is plain data: it survives JSON and spreading', () => {
  const verdict = ask(shop(['{}']), 'ops/probe', 'shop/web');
  assert.deepEqual(JSON.parse(JSON.stringify(verdict)).ingress.because, verdict.ingress.because);
  assert.deepEqual({ ...verdict.ingress }.because, verdict.ingress.because);
});

for (const engine of ['calico', 'cilium', 'kindnet', 'kube-network-policies', 'npm', 'unknown'] as const) {
  test(`a node's address and a pod on its network are one, also where nobody read the nodes: ${engine}`, () => {
    const without = PODS.replace(/---\nkind: Node\n.*\n.*\n/g, '').replace(/\nkind: Node\n[^-]*---/g, '');
    assert.ok(!without.includes('kind: Node'));
    for (const spec of [
      '{podSelector: {}, policyTypes: [Ingress, Egress]}',
      '{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 172.18.0.0/16}}]}], egress: [{to: [{ipBlock: {cidr: 172.18.0.0/16}}]}]}',
      '{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}], egress: [{to: [{namespaceSelector: {}}]}]}',
    ]) {
      const policy = `---\nkind: NetworkPolicy\nmetadata: {name: p, namespace: shop}\nspec: ${spec}\n`;
      for (const pods of [PODS, without]) {
        const model = modelFrom(pods + policy, { engine });
        for (const [ip, pod] of [
          ['ip:172.18.0.2', 'ops/host'],
          ['ip:172.18.0.3', 'shop/agent'],
        ] as const) {
          const found = [ask(model, ip, 'shop/web'), ask(model, 'shop/web', ip)].map((v) => v.allowed);
          const wanted = [ask(model, pod, 'shop/web'), ask(model, 'shop/web', pod)].map((v) => v.allowed);
          assert.deepEqual(found, wanted, `${ip} and ${pod} under ${spec}`);
        }
      }
    }
  });
}
