import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KUBERNETES } from '../../src/policy/dialect/kubernetes.ts';
import { evaluator } from '../../src/policy/evaluate.ts';
import type { Endpoint, PodEndpoint } from '../../src/policy/model.ts';
import { tiersOf } from '../../src/policy/tiers.ts';
import type { PolicyObject } from '../../src/snapshot/model.ts';
import { object, policies, service } from './cilium-world.ts';

const PODS: Readonly<Record<string, PodEndpoint>> = {
  web: pod('shop', 'web', '10.244.0.1'),
  db: pod('shop', 'db', '10.244.0.2'),
  job: pod('ops', 'job', '10.244.0.3'),
};

function pod(namespace: string, name: string, ip: string): PodEndpoint {
  const ports = [{ name: 'http', port: 80, protocol: 'TCP' }] as const;
  const rest = { workload: `Pod/${name}`, serviceAccount: name, hostNetwork: false, ports, ips: [ip] };
  return { type: 'pod', id: `${namespace}/${name}`, namespace, name, labels: { app: name }, ...rest };
}

/** Whether Cilium lets `from > to PORT` through, of the pods above or of addresses. */
function verdicts(...objects: readonly PolicyObject[]): (question: string) => boolean {
  const parsed = [
    ...policies(objects, [service('shop', 'db')]),
    ...KUBERNETES.parse(objects, { services: [], namespaces: new Map() }),
  ];
  const evaluate = evaluator({
    engine: { name: 'cilium', evidence: [] },
    policies: parsed,
    tiers: tiersOf('cilium', parsed, []),
    namespaces: new Map([['shop', {}]]),
    pods: Object.values(PODS),
    nodes: new Map([['node', ['192.168.0.1']]]),
    services: [],
    podRanges: ['10.244.0.0/16'],
  });
  return (question) => {
    const [from = '', to = '', port] = question.split(/ > | /);
    const connection = { from: endpoint(from), to: endpoint(to), protocol: 'TCP', port: Number(port) } as const;
    return evaluate(connection).allowed;
  };
}

function endpoint(name: string): Endpoint {
  return PODS[name] ?? { type: 'address', id: `ip:${name}`, ip: name };
}

const DB = 'endpointSelector: {matchLabels: {app: db}}';
const ALLOWS_JOB: PolicyObject = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { namespace: 'shop', name: 'np' },
  spec: { podSelector: {}, ingress: [{ from: [{ namespaceSelector: {} }] }] },
};

for (const [spec, allowed, denied] of [
  [`${DB}, ingress: [{}]`, ['db > web 80', 'web > job 80'], ['web > db 80', '203.0.113.1 > db 80']],
  [`${DB}, ingress: [{fromEndpoints: [{}]}]`, ['web > db 80'], ['job > db 80', '203.0.113.1 > db 80']],
  [`${DB}, ingress: [{toPorts: [{ports: [{port: "80"}]}]}]`, ['job > db 80', '203.0.113.1 > db 80'], ['job > db 81']],
  [`${DB}, ingress: [{toPorts: [{ports: [{port: http}]}]}]`, ['job > db 80'], ['job > db 81']],
  [`${DB}, ingress: [{fromEntities: [cluster]}]`, ['job > db 80'], ['203.0.113.1 > db 80']],
  [`${DB}, ingress: [{fromEntities: [world]}]`, ['203.0.113.1 > db 80'], ['job > db 80']],
  [`${DB}, ingress: [{fromCIDR: [0.0.0.0/0]}]`, ['203.0.113.1 > db 80'], ['job > db 80']],
  [`${DB}, ingressDeny: [{fromEndpoints: [{}]}]`, [], ['web > db 80', 'job > db 80']],
  [`${DB}, ingressDeny: [{fromEndpoints: [{}]}], ingress: [{fromEntities: [all]}]`, ['job > db 80'], ['web > db 80']],
  [
    `${DB}, ingressDeny: [{fromEndpoints: [{}]}], enableDefaultDeny: {ingress: false}`,
    ['job > db 80', '203.0.113.1 > db 80'],
    ['web > db 80'],
  ],
  [`${DB}, ingress: [{fromEntities: [world]}], enableDefaultDeny: {ingress: false}`, ['job > db 80'], []],
  [`${DB}, ingress: [{icmps: [{fields: [{type: 8}]}]}]`, [], ['job > db 80']],
  [
    `${DB}, ingress: [{fromEndpoints: [{matchExpressions: [{key: reserved:world, operator: DoesNotExist}]}]}]`,
    ['job > db 80', 'web > db 80'],
    ['203.0.113.1 > db 80'],
  ],
  [`${DB}, ingress: [{fromEntities: [all], fromCIDR: [0.0.0.0/0]}]`, ['job > db 80'], []],
  [
    'endpointSelector: {}, egress: [{toServices: [{k8sService: {serviceName: db}}]}]',
    ['web > db 99'],
    ['web > job 80'],
  ],
  ['endpointSelector: {}, egress: [{toFQDNs: [{matchPattern: "*"}]}]', [], ['web > job 80', 'web > db 80']],
  ['endpointSelector: {}, egress: [{toGroups: [{aws: {}}]}]', [], ['web > 203.0.113.1 80']],
] as const) {
  test(`verdict: ${spec}`, () => {
    const ask = verdicts(object('NetworkPolicy', `{spec: {${spec}}}`));
    for (const question of allowed) assert.equal(ask(question), true, question);
    for (const question of denied) assert.equal(ask(question), false, question);
  });
}

test("a deny of Cilium's beats what a NetworkPolicy allows", () => {
  const deny = object(
    'ClusterwideNetworkPolicy',
    '{spec: {endpointSelector: {}, ingressDeny: [{fromEndpoints: [{}]}]}}',
  );
  assert.equal(verdicts(ALLOWS_JOB)('job > db 80'), true);
  assert.equal(verdicts(ALLOWS_JOB, deny)('job > db 80'), false);
});
