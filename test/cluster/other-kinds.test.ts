import assert from 'node:assert/strict';
import { after, before, describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse } from 'yaml';
import { applyPlan, settle } from '../../src/apply/apply.ts';
import { type WriteClient, writeClient } from '../../src/apply/client.ts';
import type { VouchedCluster } from '../../src/cluster/provider.ts';
import { quietRun, type Run } from '../../src/host/run.ts';
import { readLocalState } from '../../src/plan/local-state.ts';
import { localWorld, mirrored } from '../../src/plan/mirrored.ts';
import type { ObjectPlan, ScopedTarget } from '../../src/plan/model.ts';
import { planObjects, planRemoval } from '../../src/plan/plan.ts';
import { modelOf } from '../../src/policy/endpoints.ts';
import type { Policy } from '../../src/policy/model.ts';
import { captureCluster } from '../../src/snapshot/capture.ts';
import type { Engine, PolicyObject } from '../../src/snapshot/model.ts';
import { scoped, snapshotOf } from '../unit/plan-world.ts';
import { goModuleFiles } from './go-module.ts';
import { kubectl, onCluster, openTestCluster } from './test-cluster.ts';

/**
 * Policies that nothing enforces here, on a real API server that serves their kinds: those of policy.networking.k8s.io by
 * their own CRDs, Calico's by ours, which take any spec (its own come with no package registry).
 */

const ADMIN_API = 'sigs.k8s.io/network-policy-api';
const [V1ALPHA1, V1ALPHA2] = [
  {
    version: 'v0.1.7',
    sha256: '2b20a5c93f126fbca6ccff0c1797962f311516f3e0d024be517b0cd5a927b76d',
    files: ['adminnetworkpolicies', 'baselineadminnetworkpolicies'].map(experimental),
  },
  {
    version: 'v0.2.0',
    sha256: '63eebe105ef5169824b426e1533f74cb462baea2baca332e4c45e212bd93b14e',
    files: [experimental('clusternetworkpolicies')],
  },
];

function experimental(plural: string): string {
  return `/config/crd/experimental/policy.networking.k8s.io_${plural}.yaml`;
}

async function adminCrds(): Promise<object[]> {
  const texts = await Promise.all(
    [V1ALPHA1, V1ALPHA2].flatMap((m) => (m ? goModuleFiles(ADMIN_API, m.version, m.sha256, m.files) : [])),
  );
  return texts.flat().map((text) => parse(text) as object);
}

const CALICO_KINDS = [
  ['NetworkPolicy', 'networkpolicies', 'Namespaced'],
  ['NetworkSet', 'networksets', 'Namespaced'],
  ['GlobalNetworkPolicy', 'globalnetworkpolicies', 'Cluster'],
  ['GlobalNetworkSet', 'globalnetworksets', 'Cluster'],
  ['Tier', 'tiers', 'Cluster'],
] as const;

function calicoCrds(group: string, version: string): object[] {
  const spec = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
  const openAPIV3Schema = { type: 'object', properties: { spec } };
  return CALICO_KINDS.map(([kind, plural, scope]) => ({
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope,
      names: { kind, plural, singular: kind.toLowerCase() },
      versions: [{ name: version, served: true, storage: true, schema: { openAPIV3Schema } }],
    },
  }));
}

const ADMIN_POLICIES = [
  admin('v1alpha1', 'AdminNetworkPolicy', 'mk-allow', {
    priority: 5,
    subject: { namespaces: {} },
    ingress: [
      {
        action: 'Allow',
        from: [{ namespaces: { matchLabels: { team: 'pay' } } }],
        ports: [{ portRange: { start: 80, end: 90 } }],
      },
    ],
  }),
  admin('v1alpha1', 'BaselineAdminNetworkPolicy', 'default', {
    subject: { pods: { namespaceSelector: {}, podSelector: { matchLabels: { app: 'db' } } } },
    ingress: [{ action: 'Deny', from: [{ namespaces: {} }] }],
  }),
  admin('v1alpha2', 'ClusterNetworkPolicy', 'mk-out', {
    tier: 'Admin',
    priority: 9,
    subject: { namespaces: { matchExpressions: [{ key: 'team', operator: 'In', values: ['shop'] }] } },
    egress: [
      {
        action: 'Deny',
        to: [{ networks: ['198.51.100.0/24'] }],
        protocols: [{ tcp: { destinationPort: { number: 25 } } }],
      },
    ],
  }),
];

function admin(version: string, kind: string, name: string, spec: object): PolicyObject {
  return { apiVersion: `policy.networking.k8s.io/${version}`, kind, metadata: { name }, spec };
}

const CALICO_POLICIES = [
  calico('Tier', 'mk-security', { order: 100, defaultAction: 'Pass' }),
  calico('GlobalNetworkSet', 'mk-partners', { nets: ['198.51.100.0/24'] }, undefined, { role: 'partner' }),
  calico('NetworkSet', 'mk-own', { nets: ['203.0.113.7/32'] }, 'mk-shop', { role: 'own' }),
  calico('GlobalNetworkPolicy', 'mk-security.quarantine', {
    tier: 'mk-security',
    order: 1,
    selector: "app == 'db'",
    egress: [{ action: 'Deny', destination: { selector: "role == 'partner'" } }, { action: 'Pass' }],
  }),
  calico(
    'NetworkPolicy',
    'web',
    {
      selector: "app in {'web', 'api'}",
      ingress: [
        {
          action: 'Allow',
          protocol: 'TCP',
          source: { namespaceSelector: 'all()' },
          destination: { ports: [80, '90:99'] },
        },
      ],
    },
    'mk-shop',
  ),
];

function calico(
  kind: string,
  name: string,
  spec: object,
  namespace?: string,
  labels?: Record<string, string>,
): PolicyObject {
  const metadata = { name, ...(namespace !== undefined && { namespace }), ...(labels && { labels }) };
  return { apiVersion: 'projectcalico.org/v3', kind, metadata, spec };
}

const FORMS: readonly {
  title: string;
  engine: Engine['name'];
  policies: readonly PolicyObject[];
  crds(): object[] | Promise<object[]>;
}[] = [
  {
    title: 'policy.networking.k8s.io, by its own CRDs',
    engine: 'kube-network-policies',
    policies: ADMIN_POLICIES,
    crds: adminCrds,
  },
  {
    title: 'projectcalico.org/v3',
    engine: 'calico',
    policies: CALICO_POLICIES,
    crds: () => calicoCrds('projectcalico.org', 'v3'),
  },
  {
    title: 'crd.projectcalico.org/v1',
    engine: 'calico',
    policies: CALICO_POLICIES,
    crds: () => calicoCrds('crd.projectcalico.org', 'v1'),
  },
];

describe('kinds that nothing enforces here, on a real API server', onCluster, () => {
  const signal = AbortSignal.timeout(240_000);
  let cluster: VouchedCluster;
  let client: WriteClient;
  before(async () => {
    cluster = await openTestCluster();
    client = writeClient(cluster);
  });
  after(async () => {
    await client?.close();
  });

  const targetOf = (engine: Engine['name'], policies: readonly PolicyObject[]): ScopedTarget =>
    scoped(
      snapshotOf({ 'mk-shop': { team: 'shop' }, 'mk-pay': { team: 'pay' } }, [], {
        engine: { name: engine, evidence: [] },
        policies,
      }),
    );
  /** What is planned, as where the engine of that name runs. */
  const planFor = async (target: ScopedTarget): Promise<ObjectPlan> => {
    const state = await readLocalState(client, signal);
    const here = {
      engine: target.engine,
      ranges: { pods: ['10.244.0.0/16'], services: [], nodes: [] },
      nodes: [],
      services: [],
    };
    return planObjects(
      target,
      state,
      mirrored(target, localWorld(here, { kinds: state.kinds, missing: {} }), { acceptWider: [] }),
    );
  };
  const apply = async (plan: Parameters<typeof applyPlan>[1], run: Run = quietRun(signal)) => [
    ...(await applyPlan(client, plan, run)),
    ...(await settle(client, plan, run)),
  ];
  const mirror = async (target: ScopedTarget, run?: Run) => apply(await planFor(target), run);
  const removal = async () => planRemoval(await readLocalState(client, signal));
  /** How many kinds of some groups are there by now. */
  const servedIn = async (groups: readonly string[]) => {
    const { kinds } = await readLocalState(client, signal);
    return kinds.filter((k) => groups.includes(k.resource.group)).length;
  };
  /** Namespaces and policies of ours, without what the server counts. */
  const ours = async () => {
    const { namespaces, policies } = await readLocalState(client, signal);
    return [...namespaces, ...policies]
      .filter(
        ({ kind = 'NetworkPolicy', metadata: { name, namespace = '' } }) =>
          [name, namespace].some((n) => n.startsWith('mk-')) || kind === 'BaselineAdminNetworkPolicy',
      )
      .map(({ apiVersion, kind, metadata: { name, namespace, labels, annotations }, spec }) => ({
        apiVersion,
        kind,
        name,
        namespace,
        labels,
        annotations,
        spec,
      }));
  };

  for (const { title, engine, policies, crds } of FORMS) {
    test(`${title}: planned, applied, read back, changed, rolled back, pruned and removed`, async (t: TestContext) => {
      let items: object[];
      try {
        items = await crds();
      } catch (cause) {
        if (!(cause instanceof TypeError)) throw cause;
        return t.skip(`the CRDs can't be fetched: ${cause.message}`);
      }
      const list = { apiVersion: 'v1', kind: 'List', items };
      await kubectl(cluster, ['apply', '--server-side', '-f', '-'], list);
      try {
        while ((await servedIn(groupsOf(items))) < items.length) await sleep(200, undefined, { signal });
        const target = targetOf(engine, policies);
        const made = await mirror(target);
        assert.equal(made.filter((line) => line.startsWith('created')).length, 2 + policies.length, made.join('\n'));
        const again = await planFor(target);
        assert.deepEqual([again.objects, again.conflicts, again.unchanged], [[], [], 2 + policies.length]);
        assert.deepEqual(
          again.fidelity.map((f) => [f.verbatim, f.fidelity]),
          again.fidelity.map(() => [true, 'exact']),
        );

        const captured = await captureCluster(client, cluster.id, quietRun(signal));
        assert.deepEqual(captured.gaps, []);
        const read = modelOf(captured).policies.filter((p) => p.dialect !== 'kubernetes' && p.dialect !== 'cilium');
        const meant = modelOf(target).policies;
        assert.deepEqual(read.map((p) => p.name).sort(), meant.map((p) => p.name).sort());
        const rulesOf = (list: readonly Policy[]) =>
          list.flatMap((p) => p.rules.map((r) => JSON.stringify([p.name, r.direction, r.action, r.ports]))).sort();
        assert.deepEqual(rulesOf(read), rulesOf(meant));

        const before = await ours();
        const fewer = targetOf(engine, policies.slice(0, -1));
        const stop = new AbortController();
        const stopping = quietRun(stop.signal, (_level, message) => {
          if (/^deleted /.test(message)) stop.abort();
        });
        const plan = await planFor(fewer);
        // One more to come, so that the deletion isn't the end.
        const more = (await removal()).objects.filter(({ kind }) => kind !== 'Namespace').slice(0, 1);
        await assert.rejects(applyPlan(client, { objects: [...plan.objects, ...more] }, stopping), /rolled back/);
        assert.deepEqual(await ours(), before);
        assert.deepEqual((await planFor(target)).objects, [], 'what was rolled back is ours as before');

        assert.deepEqual(
          (await mirror(fewer)).map((line) => line.split(' ')[0]),
          ['deleted'],
        );
        await apply(await removal());
        assert.deepEqual(await ours(), []);
      } finally {
        await apply(await removal()).finally(() => kubectl(cluster, ['delete', '--wait', '-f', '-'], list));
      }
    });
  }
});

function groupsOf(crds: readonly object[]): string[] {
  return crds.map((crd) => (crd as { spec: { group: string } }).spec.group);
}
