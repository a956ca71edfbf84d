import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { quietRun } from '../../src/host/run.ts';
import { fromInsights } from '../../src/insight/from.ts';
import { policyInsights } from '../../src/insight/policies.ts';
import { judgeAssertions } from '../../src/questions.ts';
import { saveReport } from '../../src/report/store.ts';
import { DEFAULT_SETTINGS } from '../../src/settings.ts';
import { readTarget } from '../../src/snapshot/files.ts';
import type { Snapshot } from '../../src/snapshot/model.ts';

const shop = await readTarget('test/fixtures/shop', quietRun());
const settings = DEFAULT_SETTINGS;

/** What is said of a policy's spec in shop-web, without a local cluster unless one is named. */
function said(spec: string, local?: Snapshot) {
  const text = `apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: { name: new, namespace: shop-web }\nspec: ${spec}\n`;
  return policyInsights(text, 'new.yaml', { target: shop, local, settings });
}
const codes = (file: ReturnType<typeof said>) => file.notes.map(({ code }) => code);

test('a policy counts its pods, and says who may reach them when asked', () => {
  const { policies } = said('{ podSelector: {}, policyTypes: [Ingress], ingress: [{}] }');
  const [policy] = policies;
  assert.deepEqual(policy?.workloads, ['shop-web/Deployment/image-proxy', 'shop-web/Deployment/storefront']);
  assert.deepEqual(policy?.directions, ['ingress']);
  assert.ok(policy.reach().entering.length > 0);
});

test('egress that is isolated without a way to DNS is named; with one, or an address range over it, it is not', () => {
  const dns = '{ namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: kube-system } } }';
  const alone: Snapshot = { ...shop, policies: [] };
  const of = (egress: string) => {
    const text = `apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: { name: new, namespace: shop-web }\nspec: { podSelector: {}, policyTypes: [Egress], egress: ${egress} }\n`;
    return codes(policyInsights(text, 'new.yaml', { target: alone, local: undefined, settings }));
  };
  assert.deepEqual(of('[]'), ['blocks-dns']);
  assert.deepEqual(of(`[{ to: [${dns}], ports: [{ port: 53, protocol: UDP }] }]`), []);
  assert.deepEqual(of(`[{ to: [${dns}], ports: [{ port: 53, protocol: TCP }] }]`), ['blocks-dns']);
  assert.deepEqual(of('[{ to: [{ ipBlock: { cidr: 0.0.0.0/0 } }] }]'), []);
});

test('what selects nothing and what no API server takes stand on their lines; broken YAML says nothing', () => {
  assert.deepEqual(codes(said('{ podSelector: { matchLabels: { app: nobody } } }')), ['selects-nothing']);
  const [port, ...more] = said('{ podSelector: {}, ingress: [{ ports: [{ port: 1 }] }] }').notes;
  assert.deepEqual([port?.code, port?.severity, more], ['selects-nothing', 'information', []]);
  const [wrong] = said('{ podSelector: { matchLables: {} } }').notes;
  assert.deepEqual([wrong?.code, wrong?.severity, wrong?.line], ['invalid', 'error', 4]);
  assert.deepEqual(said('{ podSelector: ['), { policies: [], notes: [] });
});

test('a cluster that enforces nothing, and one that reads a rule otherwise, are told of', () => {
  const none: Snapshot = {
    ...shop,
    engine: { name: 'none', evidence: [] },
    source: { kind: 'context', name: 'kind:a' },
  };
  assert.ok(codes(said('{ podSelector: {} }', none)).includes('not-enforced'));
  const http = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: new, namespace: shop-web }
spec:
  endpointSelector: {}
  ingress:
    - fromEntities: [cluster]
      toPorts: [{ ports: [{ port: "80", protocol: TCP }], rules: { http: [{ method: GET }] } }]
`;
  const engine = { name: 'cilium', evidence: [] } as const;
  const target: Snapshot = { ...shop, policies: [], engine };
  const local: Snapshot = { ...shop, engine, source: { kind: 'context', name: 'kind:b' } };
  const { notes } = policyInsights(http, 'new.yaml', { target, local, settings });
  const [note] = notes.filter(({ code }) => code === 'fidelity');
  assert.match(note?.text ?? '', /^narrower in kind:b than at the target.*HTTP GET/);
});

test('without an images run, the lock file and the last target tell what production runs', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'clparity-insight-'));
  try {
    const digest = `sha256:${'c'.repeat(64)}`;
    const images = [{ container: 'web', image: 'registry.example/web:1', digest: `registry.example/web@${digest}` }];
    const [first] = shop.workloads;
    assert.ok(first);
    const report = { schema: 'clparity/report/v1', equal: true, target: 'a', cluster: 'b', createdAt: '' } as const;
    const target = { ...shop, workloads: [{ ...first, images }] };
    await saveReport(folder, { ...report, findings: [], changes: [] }, target);
    const text = `ARG V=1\nFROM registry.example/web:$V\nFROM registry.example/web@${digest} AS done\nFROM done\nFROM scratch\n`;
    const froms = await fromInsights(text, folder, settings);
    const place = `what ${first.namespace}/${first.kind}/${first.name} runs`;
    assert.deepEqual(
      froms.map(({ line, state, pinned, production }) => [line, state, pinned, production?.use]),
      [
        [2, 'unknown', undefined, place],
        [3, 'same', undefined, place],
      ],
    );
    const [plain] = await fromInsights('FROM registry.example/web:2\n', folder, settings);
    assert.equal(plain?.pinned, `registry.example/web@${digest}`);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('an assertion about nobody leaves the others their result', async () => {
  const base = { protocol: 'TCP', port: 80, allowed: true, where: 'a.yaml:1' } as const;
  const assertions = [
    { ...base, from: 'shop-web/Deployment/storefront', to: 'shop-data/StatefulSet/redis' },
    { ...base, from: 'shop-web/Deployment/nobody', to: 'shop-data/StatefulSet/redis' },
  ];
  const project = { host: {} as never, folder: '.', settings };
  const { results } = await judgeAssertions(quietRun(), project, assertions, { live: false, target: shop });
  assert.deepEqual(
    results.map(({ actual }) => actual),
    ['denied', 'unknown'],
  );
});
