import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type WriteClient, writeClient } from '../../src/apply/client.ts';
import { quietRun } from '../../src/host/run.ts';
import { connectionsBetween, modelOf } from '../../src/policy/endpoints.ts';
import { evaluator } from '../../src/policy/evaluate.ts';
import { captureCluster } from '../../src/snapshot/capture.ts';
import type { Protocol } from '../../src/snapshot/model.ts';
import type { KubeObject } from '../../src/target/rest.ts';
import { waitForPods } from '../../src/verify/local-pods.ts';
import { podNetworks } from '../../src/verify/netns.ts';
import { NAMESPACES, SERVICE_ACCOUNTS } from '../../src/verify/ours.ts';
import { sendProbes } from '../../src/verify/prober.ts';
import { onCluster, openTestCluster } from './test-cluster.ts';

const NAMESPACE = 'sv-shop';
const SIGNAL = AbortSignal.timeout(300_000);
/** How long a policy may take to be live. */
const PATIENCE_MS = 30_000;

const inShop = (kind: string, apiVersion: string, name: string, spec: object, labels = {}): KubeObject => ({
  apiVersion,
  kind,
  metadata: { name, namespace: NAMESPACE, labels },
  spec,
});
const pod = (name: string, image: string) =>
  inShop(
    'Pod',
    'v1',
    name,
    {
      terminationGracePeriodSeconds: 0,
      containers: [{ name, image, imagePullPolicy: 'Never', ports: [{ name: 'http', containerPort: 8080 }] }],
    },
    { app: name },
  );
const policy = (name: string, spec: object) => inShop('NetworkPolicy', 'networking.k8s.io/v1', name, spec);
const only = (app: string) => ({ podSelector: { matchLabels: { app } } });

/** By whatever name or address the Service is asked about, packets to its address meet what the evaluator says. */
test('packets to a Service meet what policies say of the pods behind it', onCluster, async () => {
  const cluster = await openTestCluster();
  const client = writeClient(cluster);
  try {
    await remove(client);
    const image = [...(await podNetworks(cluster, SIGNAL)).values()][0]?.sandboxImage ?? '';
    await client.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } }, { signal: SIGNAL });
    while (!(await client.get(SERVICE_ACCOUNTS, 'default', NAMESPACE, SIGNAL))) await sleep(100);
    for (const name of ['web', 'cart', 'other']) await client.create(pod(name, image), { signal: SIGNAL });
    const service = await client.create(
      inShop('Service', 'v1', 'web', {
        selector: { app: 'web' },
        ports: [
          { name: 'http', port: 80, targetPort: 'http' },
          { name: 'admin', port: 81, targetPort: 9000 },
        ],
      }),
      { signal: SIGNAL },
    );
    const address = `${(service.spec as { clusterIP?: string }).clusterIP}`;
    const policies = [
      policy('web', { ...only('web'), ingress: [{ from: [only('cart')] }] }),
      policy('cart', {
        ...only('cart'),
        policyTypes: ['Egress'],
        // The first names the Service's own address, which no engine sees any more.
        egress: [
          { to: [{ ipBlock: { cidr: `${address}/32` } }] },
          { to: [only('web')], ports: [{ port: 8080, protocol: 'TCP' }] },
        ],
      }),
    ];
    for (const object of policies) await client.create(object, { signal: SIGNAL });
    const pods = await waitForPods(
      client,
      ['web', 'cart', 'other'].map((n) => `${NAMESPACE}/${n}`),
      SIGNAL,
    );
    const model = modelOf(await captureCluster(client, cluster.id, quietRun(SIGNAL)));
    const ask = evaluator(model);
    const asked = ['cart', 'other'].flatMap((from) => [80, 81].map((port) => ({ from: `${NAMESPACE}/${from}`, port })));
    const expected = asked.map(({ from, port }) => {
      const both = [`ip:${address}`, `dns:web.${NAMESPACE}.svc`].map((to) => {
        const [connection] = connectionsBetween(model, { from, to, protocol: 'TCP', port });
        assert.ok(connection);
        return ask(connection).allowed ? 'allowed' : 'denied';
      });
      assert.equal(both[0], both[1]);
      return both[0];
    });
    assert.deepEqual(expected, ['allowed', 'denied', 'denied', 'denied']);
    const probes = asked.map(({ from, port }) => ({
      source: pods.get(from)?.uid ?? '',
      destination: pods.get(`${NAMESPACE}/web`)?.uid ?? '',
      protocol: 'TCP' as Protocol,
      address,
      port,
    }));
    const networks = await podNetworks(cluster, SIGNAL);
    const measure = async () =>
      (await sendProbes(cluster, networks, probes, { timeoutMs: 1000, signal: SIGNAL })).map((a) => a.verdict);
    const end = Date.now() + PATIENCE_MS;
    let measured = await measure();
    while (`${measured}` !== `${expected}` && Date.now() < end) {
      await sleep(1000);
      measured = await measure();
    }
    assert.deepEqual(measured, expected);
  } finally {
    await remove(client);
    await client.close();
  }
});

async function remove(client: WriteClient): Promise<void> {
  const signal = AbortSignal.timeout(120_000);
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } };
  await client.delete(namespace, { signal });
  while (await client.get(NAMESPACES, NAMESPACE, undefined, signal)) await sleep(500);
}
