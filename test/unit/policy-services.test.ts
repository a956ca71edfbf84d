import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renamedPeer, renamer } from '../../src/plan/rename.ts';
import { parseAssertions } from '../../src/policy/assertions.ts';
import { check } from '../../src/policy/check.ts';
import { connectionsBetween, modelOf } from '../../src/policy/endpoints.ts';
import { explain, explainText } from '../../src/policy/explain.ts';
import type { ServiceFacts, Snapshot } from '../../src/snapshot/model.ts';
import { serviceFacts } from '../../src/snapshot/redact.ts';
import { field } from '../../src/snapshot/shape.ts';
import { failAt, parseYaml } from '../../src/snapshot/yaml.ts';
import { workload, worldOf } from './policy-world.ts';

const POLICIES = `
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
    - from: [{podSelector: {matchLabels: {app: cart}}}]
      ports: [{port: 8080}]
---
kind: NetworkPolicy
metadata: {name: cart, namespace: shop}
spec:
  podSelector: {matchLabels: {app: cart}}
  policyTypes: [Egress]
  egress:
    - to: [{ipBlock: {cidr: 10.96.0.10/32}}]
    - to: [{podSelector: {matchLabels: {app: web}}}]
      ports: [{port: http}]
`;

const service = (name: string, more: Partial<ServiceFacts>): ServiceFacts => ({
  namespace: 'shop',
  name,
  clusterIPs: [],
  selector: { app: name },
  ports: [],
  ...more,
});

const HTTP = { name: 'http', port: 8080, protocol: 'TCP' } as const;
const SNAPSHOT: Snapshot = {
  ...worldOf(POLICIES, {
    engine: 'calico',
    workloads: [
      workload('Deployment', 'shop', 'web', {
        ports: [HTTP],
        pods: [
          { name: 'web-1', ips: ['10.0.0.1'] },
          { name: 'web-2', ips: ['10.0.0.2'] },
        ],
      }),
      workload('Deployment', 'shop', 'cart'),
      workload('Pod', 'kube-system', 'kube-apiserver-n1', {
        labels: { component: 'kube-apiserver' },
        hostNetwork: true,
        pods: [{ name: 'kube-apiserver-n1', ips: ['172.18.0.2'], node: 'n1' }],
      }),
    ],
  }),
  services: [
    service('web', {
      clusterIPs: ['10.96.0.10', 'fd00::a'],
      ports: [
        { port: 80, targetPort: 'http', protocol: 'TCP' },
        { port: 81, targetPort: 9000, protocol: 'TCP' },
        { port: 82, targetPort: 'absent', protocol: 'TCP' },
      ],
    }),
    service('peers', { selector: { app: 'web' }, headless: true }),
    service('mail', { selector: {}, externalName: 'smtp.example.com' }),
    service('legacy', { selector: {}, clusterIPs: ['10.96.0.11'] }),
    service('gone', { clusterIPs: ['10.96.0.12'] }),
    service('kubernetes', {
      namespace: 'default',
      selector: {},
      clusterIPs: ['10.96.0.1'],
      ports: [{ port: 443, targetPort: 6443, protocol: 'TCP' }],
    }),
  ],
};
const MODEL = modelOf(SNAPSHOT);
const reached = (to: string, port: number) =>
  connectionsBetween(MODEL, { from: 'shop/cart', to, protocol: 'TCP', port }).map((c) => `${c.to.id} ${c.port}`);

test('a Service is the pods behind it, on their own port', () => {
  const pods = ['shop/web-1 8080', 'shop/web-2 8080'];
  for (const to of [
    'ip:10.96.0.10',
    'ip:fd00:0::a',
    'dns:web.shop',
    'dns:web.shop.svc',
    'dns:WEB.shop.svc.cluster.local.',
    'dns:web.shop.svc.corp.example',
  ])
    assert.deepEqual(reached(to, 80), pods, to);
  assert.deepEqual(reached('ip:10.96.0.10', 81), ['shop/web-1 9000', 'shop/web-2 9000']);
  assert.deepEqual(reached('dns:peers.shop', 8080), pods);
  assert.deepEqual(reached('dns:mail.shop.svc', 25), ['dns:smtp.example.com 25']);
  assert.deepEqual(reached('ip:10.96.0.1', 443), ['kube-system/kube-apiserver-n1 6443']);
});

test('an address that exposes a Service leads to the pods behind it, from a source that may be a node', () => {
  const balanced = service('web', {
    clusterIPs: ['10.96.0.10'],
    externalIPs: ['203.0.113.9', '2001:db8::9'],
    ports: [{ port: 80, targetPort: 'http', protocol: 'TCP', nodePort: 30080 }],
  });
  const other = service('web2', {
    selector: { app: 'web' },
    externalIPs: ['203.0.113.9'],
    ports: [{ port: 81, targetPort: 9000, protocol: 'TCP' }],
  });
  const node = { name: 'n1', addresses: ['172.18.0.2'] };
  const model = (engine: 'calico' | 'cilium') =>
    modelOf({ ...SNAPSHOT, engine: { name: engine, evidence: [] }, nodes: [node], services: [balanced, other] });
  const leads = (to: string, port: number) =>
    connectionsBetween(model('calico'), { from: 'shop/cart', to, protocol: 'TCP', port }).map(
      (c) => `${c.to.id} ${c.port}`,
    );
  const pods = ['shop/web-1 8080', 'shop/web-2 8080'];
  assert.deepEqual(leads('ip:203.0.113.9', 80), pods);
  assert.deepEqual(leads('ip:2001:db8:0::9', 80), pods);
  assert.deepEqual(leads('ip:172.18.0.2', 30080), pods);
  assert.deepEqual(leads('ip:203.0.113.9', 81), ['shop/web-1 9000', 'shop/web-2 9000'], 'an address shared by ports');
  assert.deepEqual(leads('ip:172.18.0.2', 22), ['ip:172.18.0.2 22'], 'a port of the node itself');
  assert.throws(() => leads('ip:203.0.113.9', 443), { message: /Service shop\/web has no port TCP 443/ });
  const words = (engine: 'calico' | 'cilium', to: string) =>
    explainText(explain(model(engine), 'shop/cart', to, 'TCP', 80));
  assert.match(words('calico', 'ip:203.0.113.9'), /exposes Service shop\/web, kube-proxy may put the node's address/);
  assert.match(
    words('cilium', 'ip:203.0.113.9'),
    /unless Cilium replaces kube-proxy, policies see that address[\s\S]*unless Cilium replaces kube-proxy, kube-proxy may/,
  );
  assert.doesNotMatch(words('calico', 'ip:10.96.0.10'), /exposes/);
});

test('names and addresses of no Service stay what they are', () => {
  assert.deepEqual(reached('dns:api.example', 443), ['dns:api.example 443']);
  assert.deepEqual(reached('dns:api.example.com', 443), ['dns:api.example.com 443']);
  assert.deepEqual(reached('dns:a.b.svc.example.com', 443), ['dns:a.b.svc.example.com 443']);
  assert.deepEqual(reached('ip:10.96.0.99', 443), ['ip:10.96.0.99 443']);
});

test('where a Service leads nowhere, or nobody knows where, that is said', () => {
  const says = (to: string, port: number, message: RegExp, action: RegExp) =>
    assert.throws(() => reached(to, port), { message, action });
  says('dns:web.shop', 8080, /Service shop\/web has no port TCP 8080/, /It has TCP 80, TCP 81/);
  says('dns:web.shop', 82, /no pod behind it has a port named absent/, /targetPort/);
  says('dns:wbe.shop.svc.cluster.local', 80, /There is no Service shop\/wbe/, /Did you mean dns:web.shop/);
  says('dns:web.shpo', 80, /There is no Service shpo\/web/, /Did you mean dns:web.shop\? .* dns:web.shpo\.$/);
  assert.deepEqual(reached('dns:web.shpo.', 80), ['dns:web.shpo 80']);
  says('dns:wbe.shop', 80, /There is no Service shop\/wbe/, /Did you mean dns:web.shop/);
  says('dns:web', 80, /web is a Service without its namespace/, /Did you mean dns:web.shop\?/);
  assert.deepEqual(reached('dns:intranet', 80), ['dns:intranet 80']);
  says('ip:10.96.0.11', 80, /shop\/legacy has no selector/, /ip:ADDRESS/);
  says('ip:10.96.0.12', 80, /shop\/gone leads to no pod: none has the labels app=gone/, /selector/);
  assert.throws(
    () => connectionsBetween(MODEL, { from: 'ip:10.96.0.10', to: 'shop/cart', protocol: 'TCP', port: 80 }),
    {
      message: /ip:10.96.0.10 is Service shop\/web, from which nothing connects/,
    },
  );
});

test('policies are asked about the pod: a block that holds the address of the Service allows nothing', () => {
  const explained = explain(MODEL, 'shop/cart', 'ip:10.96.0.10', 'TCP', 80);
  assert.equal(explained.verdict, 'allowed');
  assert.equal(explained.cases[0]?.pairs, 2);
  assert.match(explainText(explained), /Service shop\/web leads TCP 80 to port 8080 of shop\/web-1/);
  const denied = explain(MODEL, 'shop/cart', 'dns:web.shop', 'TCP', 81);
  assert.equal(denied.verdict, 'denied');
  assert.match(
    explainText(denied),
    /shop\/cart, spec\.egress\[0\]: its block 10\.96\.0\.10\/32 covers the address of Service shop\/web, but policies see/,
  );
  assert.doesNotMatch(explainText(explain(MODEL, 'shop/cart', 'shop/web-1', 'TCP', 9000)), /its block/);
  const report = check(
    MODEL,
    parseAssertions(
      '[{from: shop/cart, to: "dns:web.shop", port: 80, allowed: true}, {from: shop/cart, to: "ip:10.96.0.10", port: 81, allowed: true}, {from: shop/cart, to: "dns:web.shop", port: 1, allowed: true}]',
      'c.yaml',
    ),
  );
  assert.deepEqual(
    report.results.map((r) => r.actual),
    ['allowed', 'denied', 'unknown'],
  );
  assert.match(report.results[1]?.because.join() ?? '', /Service shop\/web leads TCP 81 to port 9000 of shop\/web-1/);
  assert.match(report.results[2]?.because[0] ?? '', /^c\.yaml:1: Service shop\/web has no port TCP 1$/);
});

test('what a Service says of itself is read: no address by intent, a name outside', () => {
  const facts = (yaml: string) => {
    const [document] = parseYaml(yaml, 'service.yaml');
    assert.ok(document);
    return serviceFacts(field(document.value, failAt('service.yaml', document)));
  };
  const headless = facts('{metadata: {name: db, namespace: shop}, spec: {clusterIP: None, selector: {app: db}}}');
  assert.deepEqual([headless.headless, headless.clusterIPs], [true, []]);
  const external = facts('{metadata: {name: mail}, spec: {type: ExternalName, externalName: smtp.example.com}}');
  assert.equal(external.externalName, 'smtp.example.com');
  assert.equal(facts('{metadata: {name: web}, spec: {clusterIP: 10.96.0.9}}').headless, undefined);
  const exposed = facts(
    '{metadata: {name: web}, spec: {externalIPs: [192.0.2.7], ports: [{port: 80, nodePort: 30080}]}, status: {loadBalancer: {ingress: [{ip: 203.0.113.9}, {hostname: lb.example.com}, {ip: 203.0.113.10, ipMode: Proxy}]}}}',
  );
  assert.deepEqual(exposed.externalIPs, ['192.0.2.7', '203.0.113.9']);
  assert.equal(exposed.ports[0]?.nodePort, 30080);
});

test('a peer of a question follows its namespace to its local name', () => {
  const rename = renamer({ namespaceMap: { 'production-shop': 'shop' }, namespacePrefix: '' }, () => false);
  for (const [peer, local] of [
    ['production-shop/Deployment/web', 'shop/Deployment/web'],
    ['dns:web.production-shop', 'dns:web.shop'],
    ['dns:web.production-shop.svc.cluster.local', 'dns:web.shop.svc.cluster.local'],
    ['dns:web.production-shop.example', 'dns:web.production-shop.example'],
    ['ip:10.0.0.1', 'ip:10.0.0.1'],
  ] as const)
    assert.equal(renamedPeer(peer, rename), local);
});
