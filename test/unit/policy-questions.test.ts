import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CheckReport } from '../../src/policy/check.ts';
import { diff } from '../../src/policy/diff.ts';
import { explain } from '../../src/policy/explain.ts';
import { matrix } from '../../src/policy/matrix.ts';
import { podsOf, policiesOf, selectionText, unmatched } from '../../src/policy/selection.ts';
import { diffMarkdown, diffText } from '../../src/report/diff-text.ts';
import { graphHtml } from '../../src/report/graph.ts';
import { gridOf } from '../../src/report/grid.ts';
import { junitXml } from '../../src/report/junit.ts';
import { matrixPage } from '../../src/report/page.ts';
import { matrixSvg } from '../../src/report/picture.ts';
import { whySections } from '../../src/report/why.ts';
import type { ServiceFacts } from '../../src/snapshot/model.ts';
import { modelFrom, worldOf } from './policy-world.ts';

const WORLD = `
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{ports: [{name: http, containerPort: 8080}]}]}
---
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
---
kind: Pod
metadata: {name: probe, namespace: "ops", labels: {app: probe}}
---
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
    - from: [{podSelector: {matchLabels: {app: api}}}]
      ports: [{port: http}]
    - from: [{podSelector: {matchLabels: {app: gone}}}]
    - ports: [{port: nope}]
---
kind: NetworkPolicy
metadata: {name: stale, namespace: shop}
spec: {podSelector: {matchLabels: {app: gone}}}
`;

test('policies of a pod, pods of a policy', () => {
  const model = modelFrom(WORLD);
  const [web, ...more] = policiesOf(model, 'shop/web');
  assert.deepEqual(more, []);
  assert.deepEqual(
    [web?.policy, web?.directions, web?.workloads],
    ['NetworkPolicy shop/web', ['ingress'], ['shop/Pod/web']],
  );
  assert.deepEqual(policiesOf(model, 'shop/api'), []);
  assert.throws(() => policiesOf(model, 'ip:8.8.8.8'), /is no pod of the cluster/);
  for (const name of ['web', 'shop/web', 'NetworkPolicy shop/web']) assert.deepEqual(podsOf(model, name), [web]);
  assert.deepEqual(podsOf(model, 'stale')[0]?.workloads, []);
  assert.match(selectionText('x', podsOf(model, 'stale')), /no pod here/);
  assert.throws(() => podsOf(model, 'wbe'), { message: 'There is no policy wbe', action: /Did you mean .*web/ });
});

test('what matches nothing here: subjects, peers, port names', () => {
  const found = unmatched(modelFrom(WORLD)).map(({ text, source }) => `${source.line} ${text}`);
  assert.deepEqual(found, [
    '19 NetworkPolicy shop/web, spec.ingress[1]: its peer (from) means no pod here',
    '20 NetworkPolicy shop/web, spec.ingress[2]: no pod that it may lead to has a port named nope',
    '22 NetworkPolicy shop/stale selects no pod here',
  ]);
});

test('what matches nothing here: missing sets and Services, what the engine refuses or does not read', () => {
  const cilium = (name: string, rule: string) => `---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: ${name}, namespace: shop}
spec: {endpointSelector: {matchLabels: {app: web}}, ${rule}}
`;
  const objects = [
    cilium('group', 'ingress: [{fromCIDRSet: [{cidrGroupRef: nets}]}]'),
    cilium('service', 'egress: [{toServices: [{k8sService: {serviceName: gone, namespace: shop}}]}]'),
    cilium('refused', 'ingress: [{toPorts: [{ports: [{port: "99999"}]}]}]'),
    cilium('several', 'ingress: [{fromEndpoints: [{matchLabels: {app: gone}}, {matchLabels: {app: api}}]}]'),
  ];
  const found = (engine: 'cilium' | 'kindnet') =>
    unmatched(modelFrom(WORLD + objects.join(''), { engine }))
      .map(({ text }) => text)
      .filter((t) => t.startsWith('Cilium'));
  const [group, refused, service, several, ...more] = found('cilium').sort();
  assert.deepEqual(more, []);
  assert.match(group ?? '', /shop\/group, .*names the CiliumCIDRGroup nets, which isn't there/);
  assert.match(refused ?? '', /shop\/refused decides nothing: Cilium refuses it: .*99999/);
  assert.match(service ?? '', /shop\/service, .*matches no Service that is there/);
  assert.match(several ?? '', /shop\/several, spec.ingress\[0\]: one of its peers \(from\) means no pod here/);
  assert.equal(found('kindnet').length, 4);
  for (const text of found('kindnet'))
    assert.match(text, /decides nothing: kindnet doesn't enforce CiliumNetworkPolicy/);
});

const PORTS = `
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{ports: [{containerPort: 9000}, {containerPort: 53, protocol: UDP}]}]}
---
kind: Pod
metadata: {name: mute, namespace: shop, labels: {app: mute}}
`;
const WEB_TO_9000: ServiceFacts = {
  namespace: 'shop',
  name: 'web',
  clusterIPs: [],
  selector: { app: 'web' },
  ports: [{ port: 80, targetPort: 9000, protocol: 'TCP' }],
};

for (const [title, spec, found, services = []] of [
  [
    "a Service's port into its pods",
    '{podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: 80}]}]}',
    [
      'spec.ingress[0]: no pod that it may lead to declares TCP 80; they declare TCP 9000, UDP 53 (Service shop/web maps 80 to 9000)',
    ],
    [WEB_TO_9000],
  ],
  [
    'the same, out to them',
    '{podSelector: {matchLabels: {app: mute}}, egress: [{to: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 80}, {port: 9000}]}]}',
    [
      'spec.egress[0]: no pod that it may lead to declares TCP 80; they declare TCP 9000, UDP 53 (Service shop/web maps 80 to 9000)',
    ],
    [WEB_TO_9000],
  ],
  [
    'a port that nobody declares, perhaps listened on all the same',
    '{podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: 8080, endPort: 8090}]}]}',
    ['spec.ingress[0]: no pod that it may lead to declares TCP 8080-8090; they declare TCP 9000, UDP 53 perhaps'],
  ],
  [
    'another protocol',
    '{podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: 53}]}]}',
    ['spec.ingress[0]: no pod that it may lead to declares TCP 53; they declare TCP 9000, UDP 53 perhaps'],
  ],
  [
    'one of two protocols is enough',
    '{podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: 53}, {port: 53, protocol: UDP}]}]}',
    [],
  ],
  [
    'a range that holds one',
    '{podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: 8999, endPort: 9001}]}]}',
    [],
  ],
  ['one that declares none may listen on any', '{podSelector: {}, ingress: [{ports: [{port: 81}]}]}', []],
  [
    'addresses may',
    '{podSelector: {}, egress: [{to: [{podSelector: {matchLabels: {app: web}}}, {ipBlock: {cidr: 0.0.0.0/0}}], ports: [{port: 81}]}]}',
    [],
  ],
  [
    'unless a Service tells it',
    '{podSelector: {}, ingress: [{ports: [{port: 80}]}]}',
    [
      'spec.ingress[0]: no pod that it may lead to declares TCP 80; they declare TCP 9000, UDP 53 (Service shop/web maps 80 to 9000)',
    ],
    [WEB_TO_9000],
  ],
] as const) {
  test(`ports that nobody declares: ${title}`, () => {
    const policy = `---\nkind: NetworkPolicy\nmetadata: {name: p, namespace: shop}\nspec: ${spec}\n`;
    const told = unmatched({ ...modelFrom(PORTS + policy), services });
    const start = 'NetworkPolicy shop/p, ';
    assert.deepEqual(
      told.map(({ text, perhaps }) => `${text}${perhaps ? ' perhaps' : ''}`),
      found.map((text) => start + text),
    );
  });
}

test('where nobody knows the engine, a policy that not every one reads is named with those that do', () => {
  const policy = `---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: block}
spec: {tier: Admin, priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}
`;
  const reasons = (engine: 'unknown' | 'kube-network-policies') =>
    explain(modelFrom(WORLD + policy, { engine }), 'ops/probe', 'shop/web', 'TCP', 80).cases[0]?.ingress.because ?? [];
  assert.match(
    reasons('unknown').at(-1)?.text ?? '',
    /what enforces policies is not known: .* block counts under kube-network-policies, Calico, Cilium, and is ignored by the others/,
  );
  assert.ok(reasons('kube-network-policies').every((r) => !r.text.includes('not known')));
});

test('JUnit: names hold still, reasons are told, and nothing breaks out', () => {
  const result = { from: 'a/<b>', to: 'ip:1.1.1.1', protocol: 'TCP', port: 80, expected: 'denied' } as const;
  const report = (actual: 'allowed' | 'denied'): CheckReport => ({
    unasked: 0,
    passed: 0,
    failed: 2,
    results: [
      { ...result, actual, because: ['a "b" & <c>\u0000\ud800'] },
      { ...result, actual: 'allowed', because: [] },
    ],
  });
  const xml = junitXml(report('allowed'), 'checks/a&b.yaml');
  assert.match(xml, /<testsuite name="checks\/a&amp;b\.yaml" tests="2" failures="2" errors="0" skipped="0">/);
  const names = (text: string) => [...text.matchAll(/<testcase [^>]*? name="([^"]*)"/g)].map((m) => m[1]);
  assert.deepEqual(names(xml), [
    'a/&lt;b&gt; to ip:1.1.1.1 TCP 80 is denied',
    'a/&lt;b&gt; to ip:1.1.1.1 TCP 80 is denied (2)',
  ]);
  assert.deepEqual(names(junitXml(report('denied'), 'checks/a&b.yaml')), names(xml));
  assert.match(
    xml,
    /message="expected denied, but it is allowed" type="connectivity">a &quot;b&quot; &amp; &lt;c&gt;\ufffd\ufffd</,
  );
  assert.doesNotMatch(junitXml({ ...report('denied'), results: [] }, 'x'), /failure message/);
});

test('a difference goes by meaning: order and spelling are none, a port is', () => {
  const before = worldOf(WORLD);
  const spelled = worldOf(
    WORLD.replace('{podSelector: {matchLabels: {app: gone}}}\n`', '').replace(
      'spec: {podSelector: {matchLabels: {app: gone}}}',
      'spec: {policyTypes: [Ingress], podSelector: {matchLabels: {app: gone}}, ingress: []}',
    ),
  );
  assert.equal(diff(before, spelled).equal, true, diffText(diff(before, spelled)));
  assert.match(diffText(diff(before, before)), /the same$/);
  const after = worldOf(
    WORLD.replace('{port: http}', '{port: 9000}').replace('containerPort: 8080', 'containerPort: 8080') +
      '---\nkind: Pod\nmetadata: {name: new, namespace: shop}\n---\nkind: Namespace\nmetadata: {name: "a|b"}\n',
  );
  const changed = diff(before, after);
  assert.equal(changed.equal, false);
  assert.deepEqual(changed.connections, [
    { from: 'shop/Pod/api', to: 'shop/Pod/web', protocol: 'TCP', before: ['8080'], after: ['9000'], state: 'changed' },
  ]);
  assert.deepEqual(changed.workloads, { added: ['shop/Pod/new'], removed: [], changed: [] });
  assert.deepEqual(changed.policies, { added: [], removed: [], changed: ['NetworkPolicy shop/web'] });
  assert.deepEqual(diff(after, before).namespaces.removed, ['a|b']);
  assert.match(diffText(changed), /^~ shop\/Pod\/api -> shop\/Pod\/web TCP 8080 -> 9000$/m);
  assert.match(diffMarkdown(changed), /^\| ~ changed \| shop\/Pod\/api \| shop\/Pod\/web \| TCP \| 8080 \| 9000 \|$/m);
  const denied = diff(before, worldOf(WORLD.replace('app: api}}}]\n', 'app: else}}}]\n')));
  assert.equal(denied.connections[0]?.state, 'removed');
  assert.equal(diff(before, { ...before, engine: { name: 'cilium', evidence: [] } }).engines, 'kindnet to cilium');
});

/** Every `<x` is closed, in its order. */
function assertWellFormed(xml: string): void {
  const open: string[] = [];
  for (const [, close, name, self] of xml.matchAll(/<(\/?)([a-zA-Z][\w-]*)(?:\s[^<>]*?)?(\/?)>/g)) {
    if (close) assert.equal(open.pop(), name);
    else if (!self) open.push(name ?? '');
  }
  assert.deepEqual(open, []);
}

test('the picture: every cell with its verdict, in shapes, without anything to load or run', async () => {
  const model = modelFrom(WORLD);
  const svg = await matrixSvg(matrix(model), new AbortController().signal);
  assertWellFormed(svg.replace(/^<\?.*\?>/, ''));
  assert.match(svg, /data-from="shop\/Pod\/api" data-to="shop\/Pod\/web" data-verdict="some"><title>[^<]*TCP 8080/);
  assert.match(svg, /data-from="ops\/Pod\/probe" data-to="shop\/Pod\/web" data-verdict="none"/);
  assert.match(svg, /data-from="shop\/Pod\/web" data-to="shop\/Pod\/api" data-verdict="all"/);
  assert.equal([...svg.matchAll(/data-verdict=/g)].length, 9);
  for (const verdict of ['all', 'some', 'none', 'self']) assert.match(svg, new RegExp(`<g id="cell-${verdict}">`));
  assert.match(svg, /role="img" aria-label="[^"]+"/);
  assert.doesNotMatch(svg, /<script|style=|<image|(href|src)="(?!#)/);
});

test('the page: from a cell to the rule and its line', () => {
  const page = matrixPage(modelFrom(WORLD), 'A <b> & "c"');
  assert.match(page, /<title>A &lt;b&gt; &amp; &quot;c&quot;<\/title>/);
  assert.match(page, /Content-Security-Policy" content="default-src 'none'; style-src 'sha256-[\w+/=]+'"/);
  assert.doesNotMatch(page, /<script|style=|(href|src)="(?!#)/);
  const [, link] = /<a href="#([\w-]+)"[^>]*><g data-from="ops\/Pod\/probe" data-to="shop\/Pod\/web"/.exec(page) ?? [];
  const section = new RegExp(`<section id="${link}">(.*?)</section>`).exec(page)?.[1] ?? '';
  assert.match(section, /TCP 8080 denied: ingress: NetworkPolicy shop\/web selects .*\(world\.yaml:\d+\)/);
  const links = [...page.matchAll(/href="#(pair-[\w-]+)"/g)].map((m) => m[1]);
  for (const id of links) assert.ok(page.includes(`<section id="${id}">`), id);
});

test('the graph: one line a pair, with two heads where it is the same both ways; none where nobody could follow', () => {
  const pods = (count: number) =>
    Array.from(
      { length: count },
      (_, i) => `kind: Pod\nmetadata: {name: p${i}, namespace: ns, labels: {app: a${i}}}\n`,
    );
  const policy =
    '{kind: NetworkPolicy, metadata: {name: deny, namespace: ns}, spec: {podSelector: {matchLabels: {app: a0}}}}';
  const html = (count: number) => graphHtml(gridOf(matrix(modelFrom([...pods(count), policy].join('---\n')))), 'Graph');
  const paths = html(3).match(/<path [^>]*data-verdict="all"[^>]*>/g) ?? [];
  assert.deepEqual(
    paths.map((path) => [/marker-start/.test(path), /data-from="ns\/Pod\/(p\d)"/.exec(path)?.[1]]),
    [
      [false, 'p0'],
      [false, 'p0'],
      [true, 'p1'],
    ],
  );
  assert.match(html(3), /role="region" aria-label="Graph"><svg .*aria-label="Allowed connections: 4 between 3/);
  assert.equal(html(40), '<p>780 lines are too many to follow in a graph: the matrix has them all.</p>');
});

test('many workloads: namespaces stand for them', () => {
  const pod = (i: number) => `kind: Pod\nmetadata: {name: p${i}, namespace: n${i % 20}, labels: {app: a${i}}}\n`;
  const policy =
    'kind: NetworkPolicy\nmetadata: {name: deny, namespace: n3}\nspec: {podSelector: {matchLabels: {app: a3}}}\n';
  const whole = 'kind: NetworkPolicy\nmetadata: {name: deny, namespace: n4}\nspec: {}\n';
  const model = modelFrom([...Array.from({ length: 500 }, (_, i) => pod(i)), policy, whole].join('---\n'));
  const grid = gridOf(matrix(model));
  assert.equal(grid.collapsed, true);
  assert.equal(grid.items.length, 20);
  const cell = (from: string, to: string) => grid.cells.flat().find((c) => c.from.id === from && c.to.id === to);
  assert.deepEqual([cell('n1', 'n2')?.verdict, cell('n1', 'n4')?.verdict], ['all', 'none']);
  assert.deepEqual([cell('n1', 'n3')?.verdict, cell('n1', 'n3')?.text], ['some', '600 of 625 pairs may connect']);
  const page = matrixPage(model, 'big');
  assert.ok(page.length < 3_000_000, `${page.length} characters`);
  assert.match(page, /and 620 more pairs/);
  const brief = whySections(model, matrix(model), grid, 100);
  assert.equal(brief.sections.length, 20);
  const denied = cell('n1', 'n4');
  assert.ok(denied);
  const told = brief.sections.find((s) => s.startsWith(`<section id="${brief.linkOf(denied)?.slice(1)}">`));
  assert.match(told ?? '', /Namespace n4<.*NetworkPolicy n4\/deny \(world\.yaml:\d+\)/);
});
