import assert from 'node:assert/strict';
import { BlockList } from 'node:net';
import { test } from 'node:test';
import { quietRun } from '../../src/host/run.ts';
import { mirrored } from '../../src/plan/mirrored.ts';
import { diff } from '../../src/policy/diff.ts';
import { modelOf } from '../../src/policy/endpoints.ts';
import { evaluator } from '../../src/policy/evaluate.ts';
import { outsideConnections } from '../../src/policy/matrix-outside.ts';
import { diffText } from '../../src/report/diff-text.ts';
import { readTarget } from '../../src/snapshot/files.ts';
import type { EngineName, Snapshot } from '../../src/snapshot/model.ts';
import { scoped } from './plan-world.ts';
import { podIn, workload, worldOf } from './policy-world.ts';

const POD = `
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
`;

function world(
  egress: string,
  { engine = 'calico', ...more }: { engine?: EngineName; podRanges?: string[] } = {},
): Snapshot {
  const policy = `---
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec: {podSelector: {}, policyTypes: [Egress], egress: ${egress}}
`;
  return worldOf(POD + policy, { engine, ...more });
}

const all = (before: Snapshot, after: Snapshot) => diff(before, after).connections.map((c) => line(c));
const AT_NODES = /(^| -> )(nodes|own node|other nodes|API server nodes)( |$)/;
const lines = (before: Snapshot, after: Snapshot) => all(before, after).filter((text) => !AT_NODES.test(text));
const atNodes = (before: Snapshot, after: Snapshot) => all(before, after).filter((text) => AT_NODES.test(text));
const line = (c: { from: string; to: string; protocol: string; before: readonly string[]; after: readonly string[] }) =>
  `${c.from} -> ${c.to} ${c.protocol} ${c.before.join(',')} -> ${c.after.join(',')}`;

const NONE = '[]';
const blocks = (port: number, ...all: string[]) =>
  `[{ports: [{port: ${port}}], to: [${all.map((b) => `{ipBlock: {${b}}}`).join(', ')}]}]`;

test('addresses outside: what changes is told by the largest block that it is true of', () => {
  assert.deepEqual(lines(world(NONE), world(blocks(443, 'cidr: 203.0.113.0/24'))), [
    'shop/Pod/web -> ip:203.0.113.0/24 TCP  -> 443',
  ]);
  assert.deepEqual(lines(world(NONE), world('[{ports: [{port: 443}]}]')), ['shop/Pod/web -> outside TCP  -> 443']);
  assert.deepEqual(lines(world(NONE), world(blocks(443, 'cidr: 0.0.0.0/0, except: [10.0.0.0/8, 203.0.113.0/24]'))), [
    'shop/Pod/web -> ip:0.0.0.0/0 except 10.0.0.0/8, 203.0.113.0/24 TCP  -> 443',
  ]);
  // A smaller block that goes the other way, and one that stays as it was.
  const before = blocks(443, 'cidr: 10.1.0.0/16');
  const after = blocks(443, 'cidr: 10.0.0.0/8, except: [10.2.0.0/16]');
  assert.deepEqual(lines(world(before), world(after)), [
    'shop/Pod/web -> ip:10.0.0.0/8 except 10.1.0.0/16, 10.2.0.0/16 TCP  -> 443',
  ]);
  assert.deepEqual(lines(world(after), world(before)), [
    'shop/Pod/web -> ip:10.0.0.0/8 except 10.1.0.0/16, 10.2.0.0/16 TCP 443 -> ',
  ]);
  assert.match(
    diffText(diff(world(before), world(after))),
    /^\+ shop\/Pod\/web -> ip:10\.0\.0\.0\/8 except .* denied -> 443$/m,
  );
});

test('addresses outside: another spelling is no difference, nor is what belongs to a cluster', () => {
  const halves = blocks(443, 'cidr: 10.0.0.0/9', 'cidr: 10.128.0.0/9');
  assert.deepEqual(lines(world(halves), world(blocks(443, 'cidr: 10.0.0.0/8'))), []);
  const own = { podRanges: ['10.244.0.0/16'] };
  assert.deepEqual(lines(world(NONE, own), world(blocks(443, 'cidr: 10.244.3.0/24'), own)), []);
  const behind = (egress: string) => {
    const snapshot = world(egress);
    return { ...snapshot, ranges: { ...snapshot.ranges, services: ['10.96.0.0/12'] } };
  };
  assert.deepEqual(lines(behind(NONE), behind(blocks(443, 'cidr: 10.96.0.10/32'))), []);
  assert.deepEqual(lines(behind(NONE), behind(blocks(443, 'cidr: 10.0.0.0/8'))), [
    'shop/Pod/web -> ip:10.0.0.0/8 TCP  -> 443',
  ]);
  const around = blocks(443, 'cidr: 10.0.0.0/8, except: [10.244.0.0/16]');
  assert.deepEqual(lines(world(blocks(443, 'cidr: 10.0.0.0/8'), own), world(around, own)), []);
});

test('addresses outside: into pods, and by names in DNS', () => {
  const ingress = (from: string) =>
    worldOf(
      `${POD}---
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec: {podSelector: {}, ingress: [{from: [${from}]}]}
`,
      { engine: 'calico' },
    );
  assert.deepEqual(
    lines(ingress('{podSelector: {}}'), ingress('{ipBlock: {cidr: 198.51.100.0/24}}')).filter((l) => l.includes('TCP')),
    ['ip:198.51.100.0/24 -> shop/Pod/web TCP  -> 1-65535'],
  );
  const names = (...patterns: string[]) =>
    worldOf(
      `${POD}---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: web, namespace: shop}
spec: {endpointSelector: {}, egress: [${patterns.map((p) => `{toFQDNs: [{matchPattern: "${p}"}], toPorts: [{ports: [{port: "443", protocol: TCP}]}]}`).join(', ')}, {toCIDR: [192.0.2.0/24]}]}
`,
      { engine: 'cilium' },
    );
  assert.deepEqual(lines(names('*.example.com'), names('*.example.com', 'api.example.org')), [
    'shop/Pod/web -> dns:api.example.org TCP  -> 443',
  ]);
  assert.deepEqual(
    lines(names('*.example.com'), world('[{}]', { engine: 'cilium' })).filter((l) => l.includes('TCP')),
    [
      'shop/Pod/web -> dns:*.example.com TCP 443 -> 1-65535',
      'shop/Pod/web -> outside except 192.0.2.0/24 TCP  -> 1-65535',
    ],
  );
});

test('nodes: what changes is told by how they stand to the pod, and under one name where it is the same for all', () => {
  const nodes = `---
kind: Node
metadata: {name: n1}
status: {addresses: [{type: InternalIP, address: 172.18.0.2}]}
---
kind: Node
metadata: {name: n2}
status: {addresses: [{type: InternalIP, address: 172.18.0.3}]}
---
kind: Pod
metadata: {name: kube-apiserver-n2, namespace: kube-system, labels: {component: kube-apiserver}}
spec: {nodeName: n2, hostNetwork: true}
`;
  const side = (rules: string, engine: EngineName = 'cilium') =>
    worldOf(
      `${POD}${nodes}---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: web, namespace: shop}
spec: {endpointSelector: {}, ${rules}}
`,
      { engine },
    );
  const out = (...entities: string[]) =>
    side(`egress: [{toEntities: [${entities}], toPorts: [{ports: [{port: "443", protocol: TCP}]}]}]`);
  const none = out('none');
  assert.deepEqual(atNodes(none, out('world')), []);
  assert.deepEqual(atNodes(none, out('host')), ['shop/Pod/web -> own node TCP  -> 443']);
  assert.deepEqual(atNodes(out('host'), out('kube-apiserver')), [
    'shop/Pod/web -> API server nodes TCP  -> 443',
    'shop/Pod/web -> own node TCP 443 -> ',
  ]);
  assert.deepEqual(atNodes(none, out('remote-node')), [
    'shop/Pod/web -> API server nodes TCP  -> 443',
    'shop/Pod/web -> other nodes TCP  -> 443',
  ]);
  assert.deepEqual(atNodes(none, out('cluster')), ['shop/Pod/web -> nodes TCP  -> 443']);
  // The own node gets in, until a rule denies it.
  const into = (list: string) => side(`ingress: [{fromEntities: [none]}], ${list}`);
  assert.deepEqual(
    atNodes(into('ingressDeny: []'), into('ingressDeny: [{fromEntities: [host]}]')).filter((l) => l.includes('TCP')),
    ['own node -> shop/Pod/web TCP 1-65535 -> '],
  );
  // Where nobody knows nodes, there is one; a CIDR that may hold it or not says nothing.
  assert.deepEqual(atNodes(world(NONE), world('[{ports: [{port: 443}]}]')), ['shop/Pod/web -> nodes TCP  -> 443']);
  assert.deepEqual(atNodes(world(NONE), world(blocks(443, 'cidr: 172.16.0.0/12'))), []);
});

test('pods of one workload with each other, however many run', () => {
  const deployment = workload('Deployment', 'shop', 'api');
  const before = { ...world(NONE), workloads: [deployment] };
  const after = {
    ...world('[{to: [{podSelector: {matchLabels: {app: api}}}], ports: [{port: 7000}]}]'),
    workloads: [deployment],
  };
  assert.deepEqual(lines(before, after), ['shop/Deployment/api -> shop/Deployment/api TCP  -> 7000']);
});

test('property: every address of every block is told as the evaluator decides it', () => {
  const sets = ['10.0.0.0/8', '10.1.0.0/16', '10.1.128.0/17', '172.16.0.0/12', '0.0.0.0/0', '2001:db8::/32', '::/0'];
  const policies = [
    NONE,
    ...sets.map((cidr) => blocks(443, `cidr: "${cidr}"`)),
    blocks(443, 'cidr: 10.0.0.0/8, except: [10.1.0.0/16]'),
    blocks(443, 'cidr: 0.0.0.0/0', 'cidr: 10.1.0.0/16'),
    blocks(80, 'cidr: 0.0.0.0/0, except: [10.0.0.0/8]'),
  ];
  const addresses = ['10.0.0.1', '10.1.0.1', '10.1.128.1', '172.16.3.3', '8.8.8.8', '2001:db8::1', '2001:db9::1'];
  const sides = policies.map((policy) => {
    const snapshot = world(policy);
    const model = modelOf(snapshot);
    const ask = evaluator(model);
    const from = podIn(model, 'shop/web');
    const asked = (ip: string, port: number) =>
      ask({ from, to: { type: 'address', id: ip, ip }, protocol: 'TCP', port }).allowed;
    return { policy, snapshot, asked };
  });
  for (const a of sides) {
    for (const b of sides) {
      const told = diff(a.snapshot, b.snapshot).connections.filter((c) => !AT_NODES.test(c.to));
      for (const ip of addresses) {
        for (const port of [80, 443]) {
          const [old, now] = [a.asked(ip, port), b.asked(ip, port)];
          const found = told.filter((c) => isIn(c.to, ip));
          assert.ok(found.length < 2, `${ip} is told twice: ${JSON.stringify(found)}`);
          const [c] = found;
          if (c)
            assert.deepEqual(
              [has(c.before, port), has(c.after, port)],
              [old, now],
              `${a.policy} to ${b.policy}, ${ip}:${port}`,
            );
          else assert.equal(old, now, `${a.policy} to ${b.policy}, ${ip}:${port} is not told`);
        }
      }
    }
  }
});

const has = (ports: readonly string[], port: number) =>
  ports.some((p) => {
    const [first = '', last = first] = p.split('-');
    return Number(first) <= port && port <= Number(last);
  });

/** By another way than the product's: node's own. */
function isIn(name: string, ip: string): boolean {
  const [block = '', except] = name.split(' except ');
  const inside = (cidr: string) => {
    const list = new BlockList();
    const [net = '', size] = cidr.split('/');
    const family = (text: string) => (text.includes(':') ? 'ipv6' : 'ipv4');
    if (family(net) !== family(ip)) return false;
    list.addSubnet(net, Number(size), family(net));
    return list.check(ip, family(ip));
  };
  return (block === 'outside' || inside(block.slice('ip:'.length))) && !(except?.split(', ') ?? []).some(inside);
}

test('a matrix tells of addresses outside in the same words, and the evaluator agrees on each', () => {
  const policies = [
    blocks(443, 'cidr: 0.0.0.0/0, except: [10.0.0.0/8, 203.0.113.0/24]', 'cidr: 10.1.0.0/16'),
    blocks(80, 'cidr: 203.0.113.0/25', 'cidr: "2001:db8::/32"'),
    '[{ports: [{port: 53, protocol: UDP}]}]',
    NONE,
  ];
  for (const egress of policies) {
    const model = modelOf(world(egress));
    const ask = evaluator(model);
    const from = podIn(model, 'shop/web');
    const told = outsideConnections(model).filter((c) => c.from === 'shop/Pod/web');
    for (const ip of [
      '8.8.8.8',
      '10.0.0.1',
      '10.1.2.3',
      '203.0.113.1',
      '203.0.113.200',
      '2001:db8::1',
      '2001:db9::1',
    ]) {
      for (const [protocol, port] of [
        ['TCP', 80],
        ['TCP', 443],
        ['UDP', 53],
      ] as const) {
        const found = told.filter((c) => c.protocol === protocol && isIn(c.to, ip) && has(c.ports, port));
        const { allowed } = ask({ from, to: { type: 'address', id: ip, ip }, protocol, port });
        assert.equal(found.length, allowed ? 1 : 0, `${egress}: ${ip} ${protocol} ${port}`);
      }
    }
  }
  const told = outsideConnections(modelOf(world(policies[0] ?? '')));
  assert.deepEqual(
    told.filter((c) => c.protocol === 'TCP').map((c) => `${c.from} -> ${c.to} ${c.ports}`),
    [
      'shop/Pod/web -> ip:0.0.0.0/0 except 10.0.0.0/8, 203.0.113.0/24 443',
      'shop/Pod/web -> ip:10.1.0.0/16 443',
      'outside -> shop/Pod/web 1-65535',
    ],
  );
});

test('what mirrors a target exactly is no difference, outside included, and what does not is one', async () => {
  const read = await readTarget('test/fixtures/shop', quietRun());
  for (const name of ['cilium', 'calico', 'npm', 'kindnet'] as const) {
    const target = scoped({ ...read, engine: { name, evidence: [] } });
    for (const engine of ['cilium', 'calico', 'kindnet'] as const) {
      const here = { engine: { name: engine, evidence: [] }, podRanges: ['10.244.0.0/16'], nodes: new Map() };
      const { objects, fidelity } = mirrored(target, here, { acceptWider: [] });
      const ranges = { pods: here.podRanges, services: [], nodes: [] };
      const local = (policies: typeof objects) => ({ ...target, engine: here.engine, ranges, policies });
      assert.deepEqual(
        fidelity.filter((f) => f.fidelity !== 'exact').map((f) => f.policy),
        [],
      );
      assert.deepEqual(lines(target, local(objects)), [], `${name} to ${engine}`);
      // Only Azure NPM lets an isolated pod out to its own node: no policy elsewhere says just that.
      const more = atNodes(target, local(objects)).filter((text) => name !== 'npm' || !text.includes(' -> own node '));
      assert.deepEqual(more, [], `${name} to ${engine}`);
      const found = lines(target, local(objects.filter((o) => o.metadata.namespace !== 'payments')));
      assert.ok(
        found.some((line) => / -> (outside|ip:)/.test(line) && line.startsWith('payments/')),
        found.join('\n'),
      );
    }
  }
});
