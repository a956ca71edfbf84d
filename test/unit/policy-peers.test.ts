import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ParityError } from '../../src/host/errors.ts';
import { parseAssertions } from '../../src/policy/assertions.ts';
import { check, checkText } from '../../src/policy/check.ts';
import { compile } from '../../src/policy/compile.ts';
import { connectionsBetween, modelOf, resolvePeer } from '../../src/policy/endpoints.ts';
import { explain, explainText } from '../../src/policy/explain.ts';
import { groupsOf } from '../../src/policy/groups.ts';
import { matrix } from '../../src/policy/matrix.ts';
import type { PolicyModel } from '../../src/policy/model.ts';
import { judgeAnswer } from '../../src/questions.ts';
import { junitXml } from '../../src/report/junit.ts';
import { podIn, workload, worldOf } from './policy-world.ts';

const POLICIES = `
kind: NetworkPolicy
metadata: {name: deny, namespace: shop}
spec: {podSelector: {}}
---
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
    - from: [{podSelector: {matchLabels: {version: new}}}]
      ports: [{port: 80}]
`;

/** A deployment in the middle of a rollout, one that was never run, a cron job and a bare pod. */
const SNAPSHOT = worldOf(POLICIES, {
  workloads: [
    workload('Deployment', 'shop', 'web', { pods: [{ name: 'web-1', ips: ['10.0.0.1'], node: 'n1' }] }),
    workload('Deployment', 'shop', 'cart', {
      labels: { app: 'cart', version: 'old' },
      pods: [{ name: 'cart-1', ips: ['10.0.0.2'] }],
    }),
    workload('Deployment', 'shop', 'cart', {
      labels: { app: 'cart', version: 'new' },
      pods: [
        { name: 'cart-2', ips: ['10.0.0.3'] },
        { name: 'cart-3', ips: ['10.0.0.4'] },
      ],
    }),
    workload('Deployment', 'shop', 'idle'),
    workload('CronJob', 'shop', 'report'),
    workload('Pod', 'shop', 'shell', { pods: [{ name: 'shell', ips: ['10.0.0.9'] }] }),
    workload('DaemonSet', 'ops', 'agent', { hostNetwork: true, pods: [{ name: 'agent-1', ips: ['10.1.0.1'] }] }),
  ],
});
const MODEL = modelOf(SNAPSHOT);
const ids = (peer: string, model: PolicyModel = MODEL) => resolvePeer(model, peer).map((e) => e.id);

test('a workload without pods counts as one pod of its own name', () => {
  const { namespace, name, workload, ips, node } = podIn(MODEL, 'shop/idle');
  assert.deepEqual([namespace, name, workload, ips, node], ['shop', 'idle', 'Deployment/idle', [], undefined]);
  assert.equal(podIn(MODEL, 'shop/web-1').node, 'n1');
});

test('the engine may be chosen', () => {
  assert.equal(MODEL.engine.name, 'kindnet');
  assert.deepEqual(modelOf(SNAPSHOT, 'cilium').engine.name, 'cilium');
});

for (const [peer, expected] of [
  ['shop/web-1', ['shop/web-1']],
  ['shop/Deployment/cart', ['shop/cart-1', 'shop/cart-2', 'shop/cart-3']],
  ['shop/deployment/idle', ['shop/idle']],
  ['shop/CronJob/report', ['shop/report']],
  ['shop/Pod/shell', ['shop/shell']],
  ['shop/Pod/cart-2', ['shop/cart-2']],
  ['ip:8.8.8.8', ['ip:8.8.8.8']],
  ['ip:2001:db8::1', ['ip:2001:db8::1']],
  ['ip:10.0.0.3', ['shop/cart-2']],
  ['ip:::ffff:10.0.0.3', ['shop/cart-2']],
  ['ip:10.1.0.1', ['ip:10.1.0.1']],
] as const) {
  test(`peer ${peer}`, () => assert.deepEqual(ids(peer), expected));
}

for (const [peer, message, action] of [
  ['web-1', /not a peer/, /namespace\/pod.*Did you mean shop\/web-1/],
  ['shop//web', /not a peer/, /namespace\/Kind/],
  ['a/b/c/d', /not a peer/, /namespace\/Kind/],
  ['shop/web', /There is no shop\/web$/, /Did you mean .*shop\/Deployment\/web/],
  ['shop/Deployment/crat', /There is no/, /Did you mean shop\/Deployment\/cart/],
  ['shpo/cart-1', /no pods in namespace shpo/, /Did you mean shop\/cart-1/],
  ['shop/Deploy/web', /"Deploy" is not a kind/, /StatefulSet/],
  ['ip:10.0.0', /not an IP address/, /ip:10\.0\.0\.1/],
  ['ip:10.0.0.0/8', /not an IP address/, /ip:/],
  ['ip:010.0.0.1', /not an IP address/, /ip:/],
] as const) {
  test(`no such peer: ${peer}`, () =>
    assert.throws(
      () => resolvePeer(MODEL, peer),
      (error) => {
        assert.ok(error instanceof ParityError && error.kind === 'input');
        assert.match(error.message, message);
        assert.match(error.action ?? '', action);
        return true;
      },
    ));
}

test('a check file is read as Kubernetes reads YAML, or as JSON', () => {
  const yaml =
    '- {from: a/b, to: c/d, port: 80, allowed: no}\n- from: a/b\n  to: c/d\n  protocol: UDP\n  port: 53\n  allowed: true\n';
  assert.deepEqual(parseAssertions(yaml, 'f.yaml'), [
    { from: 'a/b', to: 'c/d', protocol: 'TCP', port: 80, allowed: false, where: 'f.yaml:1' },
    { from: 'a/b', to: 'c/d', protocol: 'UDP', port: 53, allowed: true, where: 'f.yaml:2' },
  ]);
  const json = '[\n{"from":"a/b","to":"c/d","port":80,"allowed":true}]';
  assert.deepEqual(
    parseAssertions(json, 'f.json').map((a) => a.where),
    ['f.json:2'],
  );
});

for (const [yaml, message] of [
  ['', /f is empty/],
  ['[]', /f holds no assertion/],
  ['a: b', /f:1: must be a list/],
  ['- {from: a/b, to: c/d, port: 80, allowed: true}\n---\n[]', /second document/],
  ['- {from: a/b, to: c/d, port: 80}', /f:1: \[0\]\.allowed is missing/],
  ['- {from: a/b, to: c/d, port: 80, allowed: maybe}', /allowed must be true or false/],
  ['- {to: c/d, port: 80, allowed: true}', /from is missing/],
  ['- {from: a/b, to: 3, port: 80, allowed: true}', /to must be a string/],
  ['- {from: a/b, to: c/d, allowed: true}', /port must be a number/],
  ['- {from: a/b, to: c/d, port: "80", allowed: true}', /port must be a number/],
  ['- from: a/b\n  to: c/d\n  port: 65536\n  allowed: true', /f:3: .*port must be a number/],
  ['- {from: a/b, to: c/d, port: 80, protocol: tcp, allowed: true}', /protocol must be one of TCP, UDP, SCTP/],
  ['- {from: a/b, to: c/d, port: 80, allow: true}', /allow is no field/],
  ['- a/b', /f:1: \[0\] must be a map/],
  ['- {from: [', /f:1: /],
] as const) {
  test(`no check file: ${JSON.stringify(yaml)}`, () =>
    assert.throws(
      () => parseAssertions(yaml, 'f'),
      (error) => error instanceof ParityError && error.kind === 'input' && message.test(error.message),
    ));
}

function checked(...lines: [from: string, to: string, port: number, allowed: boolean][]) {
  return check(
    MODEL,
    lines.map(([from, to, port, allowed], i) => ({ from, to, port, allowed, protocol: 'TCP', where: `f:${i + 1}` })),
  );
}

test('check counts, and a failure says why', () => {
  const report = checked(['shop/cart-2', 'shop/web-1', 80, true], ['shop/cart-1', 'shop/web-1', 80, true]);
  assert.deepEqual([report.passed, report.failed], [1, 1]);
  const [good, bad] = report.results;
  assert.deepEqual([good?.expected, good?.actual], ['allowed', 'allowed']);
  assert.deepEqual(
    { ...bad, because: bad?.because.slice(0, 1) },
    {
      from: 'shop/cart-1',
      to: 'shop/web-1',
      protocol: 'TCP',
      port: 80,
      expected: 'allowed',
      actual: 'denied',
      because: [
        'ingress: NetworkPolicy shop/deny selects shop/web-1 for ingress and nothing allows TCP 80 from shop/cart-1 (world.yaml:2)',
      ],
    },
  );
  assert.match(checkText(report), /^FAILED shop\/cart-1 to shop\/web-1 TCP 80: denied, expected allowed\n {2}- /);
  assert.match(checkText(report), /1 passed, 1 failed$/);
});

test('an assertion about a workload holds for every pod, and names the pair that fails', () => {
  const { failed, results } = checked(
    ['shop/Deployment/cart', 'shop/Deployment/web', 80, true],
    ['shop/Deployment/cart', 'shop/Deployment/web', 80, false],
    ['shop/Deployment/cart', 'shop/Deployment/web', 81, false],
  );
  assert.equal(failed, 2, 'in a rollout neither all nor none get through');
  assert.equal(results[0]?.actual, 'denied');
  assert.equal(results[0]?.because[0], 'shop/cart-1 to shop/web-1, of 3 pairs');
  assert.equal(results[1]?.actual, 'allowed');
  assert.equal(results[1]?.because[0], 'shop/cart-2 to shop/web-1, of 3 pairs');
});

test('a workload to itself means one pod to another, also where only one is known', () => {
  const { results } = checked(
    ['shop/Deployment/cart', 'shop/Deployment/cart', 80, false],
    ['shop/Deployment/web', 'shop/Deployment/web', 80, false],
    ['shop/Deployment/idle', 'shop/Deployment/idle', 80, false],
    ['shop/web-1', 'shop/web-1', 80, true],
    ['shop/Pod/shell', 'shop/Pod/shell', 80, true],
  );
  assert.deepEqual(
    results.filter((r) => r.expected !== r.actual),
    [],
  );
  assert.equal(results[0]?.because[0], 'shop/cart-1 to shop/cart-2, of 6 pairs');
});

test('two workloads of one name that were never run are not one pod', () => {
  const both = ['Deployment', 'StatefulSet'].map((kind) => workload(kind, 'shop', 'twin'));
  const model = modelOf(worldOf(POLICIES, { workloads: both }));
  assert.equal(explain(model, 'shop/Deployment/twin', 'shop/StatefulSet/twin', 'TCP', 80).verdict, 'denied');
  assert.deepEqual(matrix(model, { pods: true }).connections, []);
});

test('an assertion about a peer that is not there fails with its line, and the others are asked', () => {
  const lines = [
    ['shop/web-1', 'shop/web-1'],
    ['shop/web-2', 'shop/web-1'],
    ['ip:nowhere', 'shop/web-1'],
  ] as const;
  const report = checked(...lines.map(([from, to]): [string, string, number, boolean] => [from, to, 80, true]));
  assert.deepEqual([report.passed, report.failed, report.unasked], [1, 2, 2]);
  assert.deepEqual(
    report.results.map((r) => r.actual),
    ['allowed', 'unknown', 'unknown'],
  );
  assert.match(report.results[1]?.because.join() ?? '', /^f:2: There is no shop\/web-2.*Did you mean/);
  assert.match(
    checkText(report),
    /^ERROR {2}shop\/web-2 to shop\/web-1 TCP 80: unknown, expected allowed\n {2}- f:2: /,
  );
  assert.match(checkText(report), /1 passed, 2 failed, 2 of them not asked$/);
  const xml = junitXml(report, 'f');
  assert.match(xml, /tests="3" failures="0" errors="2"/);
  assert.match(xml, /<error message="f:2: There is no shop\/web-2[^>]*type="unasked">/);
});

test('where no packet could be sent nothing is said to be denied, and a pair that fails is shown before one without', () => {
  const assertions = parseAssertions(
    JSON.stringify([
      { from: 'shop/web-1', to: 'ip:203.0.113.7', port: 443, allowed: false },
      { from: 'shop/web-1', to: 'shop/idle', port: 80, allowed: false },
      { from: 'shop/web-1', to: 'shop/Deployment/cart', port: 80, allowed: false },
    ]),
    'f',
  );
  const asked = new Map(assertions.map((assertion) => [assertion, connectionsBetween(MODEL, assertion)]));
  const sent = assertions.flatMap((one) => asked.get(one)?.at(-1) ?? []).at(-1);
  assert.ok(sent);
  const judge = judgeAnswer(new Map([[sent, { verdict: 'allowed', detail: '' }]]));
  const report = check(MODEL, assertions, judge, (assertion) => asked.get(assertion) ?? []);
  assert.deepEqual(
    report.results.map(({ actual, because }) => [actual, because.at(-1)]),
    [
      ['unknown', 'no packet was sent: ip:203.0.113.7 is not a pod'],
      ['unknown', 'no packet was sent: nobody plays one of the two here, or one pod plays both'],
      ['allowed', 'measured with real packets: allowed'],
    ],
  );
  assert.deepEqual([report.failed, report.unasked], [3, 2]);
});

test('explain shows both sides, and one case for all pairs that are decided alike', () => {
  const value = explain(MODEL, 'shop/Deployment/cart', 'shop/Deployment/web', 'TCP', 80);
  assert.equal(value.verdict, 'mixed');
  assert.deepEqual(
    value.cases.map((c) => [c.from, c.to, c.pairs, c.allowed]),
    [
      ['shop/cart-1', 'shop/web-1', 1, false],
      ['shop/cart-2', 'shop/web-1', 2, true],
    ],
  );
  const text = explainText(value);
  assert.match(text, /^shop\/Deployment\/cart to shop\/Deployment\/web, TCP 80: MIXED \(engine kindnet\)$/m);
  assert.match(text, /allowed by NetworkPolicy shop\/web, spec\.ingress\[0\] \(world\.yaml:11\)/);
  assert.match(text, /shop\/cart-2 to shop\/web-1 and 1 pair like it: allowed/);
  assert.equal(explain(MODEL, 'shop/cart-1', 'shop/web-1', 'TCP', 80).verdict, 'denied');
  assert.equal(explain(MODEL, 'shop/cart-2', 'shop/web-1', 'TCP', 80).verdict, 'allowed');
  assert.deepEqual(JSON.parse(JSON.stringify(value)), value);
});

test('every id that a matrix prints is a peer, and means the pods of its row', () => {
  const pod = (name: string) => ({ name, ips: [] });
  const model = modelOf(
    worldOf(POLICIES, {
      workloads: [
        workload('Deployment', 'shop', 'x'),
        workload('StatefulSet', 'shop', 'x', { labels: { app: 'y' } }),
        workload('Pod', 'shop', 'x', { labels: { app: 'z' }, pods: [pod('x')] }),
        workload('Rollout', 'shop', 'canary', { pods: [pod('canary-1')] }),
        workload('Deployment', 'shop', 'cart', { labels: { version: 'old' }, pods: [pod('cart-1')] }),
        workload('Deployment', 'shop', 'cart', { labels: { version: 'new' }, pods: [pod('cart-2')] }),
      ],
    }),
  );
  const compiled = compile(model);
  const single = groupsOf(compiled, true);
  assert.deepEqual(
    single.map((g) => g.id),
    ['shop/Deployment/x', 'shop/Pod/x', 'shop/StatefulSet/x', 'shop/canary-1', 'shop/cart-1', 'shop/cart-2'],
  );
  for (const group of single) assert.deepEqual(resolvePeer(model, group.id), group.members, group.id);
  const groups = groupsOf(compiled, false);
  assert.deepEqual(
    groups.map((g) => g.id).filter((id) => id.includes('cart')),
    ['shop/Deployment/cart', 'shop/Deployment/cart#2'],
  );
  for (const { id, members } of groups.filter((g) => g.id !== 'shop/Deployment/cart'))
    assert.deepEqual(resolvePeer(model, id), members, id);
  assert.deepEqual(ids('shop/Deployment/cart', model), ['shop/cart-1', 'shop/cart-2'], 'without a number, all of them');
  assert.throws(() => resolvePeer(model, 'shop/Deployment/cart#3'), /There is no/);
});

test('a pod of a StatefulSet that was never run is known by its name', () => {
  const model = modelOf({
    ...SNAPSHOT,
    workloads: [{ ...workload('StatefulSet', 'shop', 'db'), replicas: 3 }, workload('Deployment', 'shop', 'web')],
  });
  const { verdict } = explain(model, 'shop/db-0', 'shop/db-2', 'TCP', 80);
  assert.equal(verdict, explain(model, 'shop/StatefulSet/db', 'shop/StatefulSet/db', 'TCP', 80).verdict);
  assert.deepEqual(
    resolvePeer(model, 'shop/db-2').map((e) => e.id),
    ['shop/db-2'],
  );
  for (const none of ['shop/db-3', 'shop/db-00', 'shop/web-0'])
    assert.throws(() => resolvePeer(model, none), /There is/);
});
