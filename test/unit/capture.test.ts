import assert from 'node:assert/strict';
import { test } from 'node:test';
import { quietRun } from '../../src/host/run.ts';
import { captureCluster } from '../../src/snapshot/capture.ts';
import { detectEngine } from '../../src/snapshot/engine.ts';
import { ApiError, type KubeObject, type ReadClient } from '../../src/target/rest.ts';

type World = Readonly<Record<string, readonly object[] | number | Error>>;

/** A cluster as a table: plural (with group) to its objects, or to the status that reading it gives. */
function cluster(world: World, raw: Readonly<Record<string, unknown>> = {}): ReadClient {
  const answer = (key: string): readonly KubeObject[] => {
    const found = world[key] ?? [];
    if (found instanceof Error) throw found;
    if (typeof found === 'number') throw new ApiError(found, `GET ${key}: ${found} no`, undefined, undefined);
    return found as readonly KubeObject[];
  };
  const keyOf = ({ group, plural }: { group: string; plural: string }) => (group ? `${plural}.${group}` : plural);
  return {
    server: 'https://kube.test',
    get: async (resource, name, namespace) =>
      answer(keyOf(resource)).find((o) => o.metadata.name === name && o.metadata.namespace === namespace),
    list: async (resource, _signal, options) => {
      const selector = options?.labelSelector?.match(/^([\w-]+) in \((.*)\)$/);
      const all = [...answer(keyOf(resource))];
      return selector
        ? all.filter((o) => selector[2]?.split(',').includes(o.metadata.labels?.[selector[1] ?? ''] ?? ''))
        : all;
    },
    collect: () => assert.fail('nothing is collected'),
    watch: () => {
      throw new Error('not watched');
    },
    raw: async (path) => {
      if (path === '/version') return { gitVersion: 'v1.34.1' };
      return raw[path] ?? { groups: [] };
    },
    close: async () => {},
  };
}

const owned = (kind: string, name: string) => ({ ownerReferences: [{ kind, name, controller: true }] });

function pod(name: string, metadata: object, labels: Record<string, string> = {}, more: object = {}): object {
  return {
    kind: 'Pod',
    metadata: { name, namespace: 'shop', annotations: { note: 's3cr3t' }, labels, ...metadata },
    spec: {
      nodeName: 'n1',
      containers: [
        {
          name: 'main',
          image: 'r.test/app:1',
          command: ['s3cr3t'],
          args: ['s3cr3t'],
          env: [{ name: 'PASSWORD', value: 's3cr3t' }],
          ports: [{ name: 'http', containerPort: 8080 }],
        },
      ],
      initContainers: [
        { name: 'setup', image: 'r.test/init:1', ports: [{ containerPort: 1 }] },
        {
          name: 'proxy',
          image: 'r.test/proxy:1',
          restartPolicy: 'Always',
          ports: [{ name: 'mesh', containerPort: 15001 }],
        },
      ],
    },
    status: {
      phase: 'Running',
      podIPs: [{ ip: '10.0.0.1' }, { ip: 'fd00::1' }],
      containerStatuses: [{ name: 'main', imageID: 'r.test/app@sha256:aa11' }],
      initContainerStatuses: [{ name: 'proxy', imageID: 'sha256:bb22' }],
    },
    ...more,
  };
}

const capture = (world: World, raw?: Record<string, unknown>) =>
  captureCluster(cluster(world, raw), 'prod', quietRun());

test('pods become workloads: owners resolved, generated labels dropped, nothing of how they are started', async () => {
  const snapshot = await capture({
    pods: [
      pod('web-1-a', owned('ReplicaSet', 'web-1'), { app: 'web', 'pod-template-hash': '1' }),
      pod('web-2-b', owned('ReplicaSet', 'web-2'), { app: 'web', 'pod-template-hash': '2' }),
      pod('web-2-c', owned('ReplicaSet', 'web-2'), { app: 'web', 'pod-template-hash': '2', canary: 'yes' }),
      pod('db-0', owned('StatefulSet', 'db'), {
        app: 'db',
        'statefulset.kubernetes.io/pod-name': 'db-0',
        'controller-revision-hash': 'x',
      }),
      pod('nightly-x', owned('Job', 'nightly-29000000'), {
        app: 'nightly',
        'batch.kubernetes.io/controller-uid': 'u',
        'job-name': 'j',
      }),
      pod('done', owned('Job', 'nightly-28999999'), {}, { status: { phase: 'Succeeded' } }),
      pod('etcd', owned('Node', 'n1')),
      pod('solo', {}),
    ],
    'replicasets.apps': ['web-1', 'web-2'].map((name) => ({
      metadata: { name, namespace: 'shop', ...owned('Deployment', 'web') },
    })),
    'jobs.batch': [{ metadata: { name: 'nightly-29000000', namespace: 'shop', ...owned('CronJob', 'nightly') } }],
    'deployments.apps': ['web', 'idle'].map((name) => ({
      metadata: { name, namespace: 'shop' },
      spec: { template: { metadata: { labels: { app: name } }, spec: { containers: [] } } },
    })),
    'networkpolicies.networking.k8s.io': [],
  });
  assert.deepEqual(
    snapshot.workloads.map((w) => [`${w.kind}/${w.name}`, w.labels, w.pods.map((p) => p.name)]),
    [
      ['CronJob/nightly', { app: 'nightly' }, ['nightly-x']],
      ['Deployment/idle', { app: 'idle' }, []],
      ['Deployment/web', { app: 'web', canary: 'yes' }, ['web-2-c']],
      ['Deployment/web', { app: 'web' }, ['web-1-a', 'web-2-b']],
      ['Pod/etcd', {}, ['etcd']],
      ['Pod/solo', {}, ['solo']],
      ['StatefulSet/db', { app: 'db' }, ['db-0']],
    ],
  );
  assert.deepEqual(snapshot.workloads.at(-1), {
    namespace: 'shop',
    kind: 'StatefulSet',
    name: 'db',
    labels: { app: 'db' },
    serviceAccount: 'default',
    hostNetwork: false,
    ports: [
      { name: 'http', port: 8080, protocol: 'TCP' },
      { name: 'mesh', port: 15001, protocol: 'TCP' },
    ],
    images: [
      { container: 'setup', image: 'r.test/init:1' },
      { container: 'proxy', image: 'r.test/proxy:1' },
      { container: 'main', image: 'r.test/app:1', digest: 'sha256:aa11' },
    ],
    pods: [{ name: 'db-0', ips: ['10.0.0.1', 'fd00::1'], node: 'n1' }],
  });
  assert.ok(!JSON.stringify(snapshot).includes('s3cr3t'));
});

test('a generated label stays where a policy selects by it', async () => {
  const { workloads } = await capture({
    pods: ['db-0', 'db-1'].map((name) =>
      pod(name, owned('StatefulSet', 'db'), { 'statefulset.kubernetes.io/pod-name': name }),
    ),
    'networkpolicies.networking.k8s.io': [
      {
        metadata: { name: 'p', namespace: 'shop', annotations: { a: 's3cr3t' } },
        spec: {
          ingress: [{ from: [{ podSelector: { matchLabels: { 'statefulset.kubernetes.io/pod-name': 'db-0' } } }] }],
        },
      },
    ],
  });
  assert.deepEqual(
    workloads.map((w) => w.pods.map((p) => p.name)),
    [['db-0'], ['db-1']],
  );
});

test('what another run made for its probes is not the target', async () => {
  const mark = { 'clparity.dev/verify': 'true' };
  const snapshot = await capture({
    namespaces: [{ metadata: { name: 'shop' } }, { metadata: { name: 'probes', annotations: mark } }],
    pods: [pod('solo', {}), pod('stand-in', { annotations: mark })],
    'networkpolicies.networking.k8s.io': [
      { metadata: { name: 'deny', namespace: 'probes', annotations: mark }, spec: { podSelector: {} } },
    ],
  });
  assert.deepEqual(
    [snapshot.namespaces, snapshot.workloads, snapshot.policies].map((all) => all.length),
    [1, 1, 0],
  );
  assert.equal(snapshot.workloads[0]?.name, 'solo');
});

test('what may not be read is a gap with words, and the rest goes on', async () => {
  const snapshot = await capture({
    namespaces: [{ metadata: { name: 'kube-system', uid: 'u1' } }],
    pods: [
      pod('web-1-a', owned('ReplicaSet', 'web-5d9'), { 'pod-template-hash': '5d9' }),
      pod('nightly-x', owned('Job', 'nightly-29000000')),
    ],
    'replicasets.apps': 403,
    'jobs.batch': 403,
    nodes: 403,
    'deployments.apps': 404,
    services: 500,
    configmaps: 403,
  });
  assert.deepEqual(
    snapshot.workloads.map((w) => `${w.kind}/${w.name}`),
    ['CronJob/nightly', 'Deployment/web'],
  );
  assert.equal(snapshot.source.clusterUid, 'u1');
  assert.equal(snapshot.source.kubernetesVersion, 'v1.34.1');
  assert.deepEqual(
    snapshot.gaps.map((gap) => [gap.resource, gap.reason]),
    [
      ['deployments.apps', 'absent'],
      ['jobs.batch', 'forbidden'],
      ['nodes', 'forbidden'],
      ['pods CIDR', 'forbidden'],
      ['replicasets.apps', 'forbidden'],
      ['services', 'failed'],
      ['services CIDR', 'forbidden'],
    ],
  );
  assert.match(
    snapshot.gaps.find((gap) => gap.resource === 'nodes')?.message ?? '',
    /forbidden \(403\); nodes and their addresses are not part/,
  );
});

test('without namespaces, those in use are known by name; a policy of an unknown shape is a gap', async () => {
  const snapshot = await capture({
    namespaces: 403,
    pods: [pod('solo', {})],
    'networkpolicies.networking.k8s.io': [
      { kind: 'NetworkPolicy', metadata: { name: 'p', namespace: 'x' }, spec: { newField: 1 } },
    ],
  });
  assert.deepEqual(snapshot.namespaces, [{ name: 'shop', labels: { 'kubernetes.io/metadata.name': 'shop' } }]);
  assert.match(
    snapshot.gaps.map((gap) => gap.message).join('\n'),
    /left out: NetworkPolicy x\/p: spec\.newField is no field/,
  );
});

test('where nothing can be read, or the server is gone, or refuses the credentials, it is an error', async () => {
  const all = { namespaces: 403, pods: 403, 'networkpolicies.networking.k8s.io': 403 };
  await assert.rejects(capture(all), {
    kind: 'environment',
    message: /Nothing could be read from https:\/\/kube.test: namespaces: reading is forbidden/,
  });
  await assert.rejects(capture({ pods: 401 }), { status: 401 });
  await assert.rejects(capture({ pods: new Error('gone') }), { message: 'gone' });
});

test('ranges come from the best source, and each says which', async () => {
  const config = (name: string, data: object) => ({ metadata: { name, namespace: 'kube-system' }, data });
  const nodes = [
    {
      metadata: { name: 'n' },
      spec: { podCIDRs: ['10.9.0.0/24'] },
      status: {
        addresses: [
          { type: 'InternalIP', address: '10.224.0.4' },
          { type: 'Hostname', address: 'n' },
        ],
      },
    },
  ];
  const kubeadm = config('kubeadm-config', {
    ClusterConfiguration: 'networking:\n  podSubnet: 10.9.0.0/16,fd00:9::/48\n  serviceSubnet: 10.8.0.0/16\n',
  });
  const pool = config('cilium-config', { ipam: 'cluster-pool', 'cluster-pool-ipv4-cidr': '10.7.0.0/16' });
  const proxy = config('kube-proxy', { 'config.conf': 'clusterCIDR: 10.6.0.0/16\n' });
  const service = [{ metadata: { name: 'kubernetes' }, spec: { cidrs: ['10.5.0.0/16'] } }];
  const ranges = async (world: World) => (await capture({ nodes, ...world })).ranges;
  assert.deepEqual(await ranges({ configmaps: [kubeadm, proxy] }), {
    pods: ['10.9.0.0/16', 'fd00:9::/48'],
    services: ['10.8.0.0/16'],
    nodes: ['10.224.0.4/32'],
    evidence: [
      'pods: ConfigMap kube-system/kubeadm-config (podSubnet)',
      'services: ConfigMap kube-system/kubeadm-config (serviceSubnet)',
      'nodes: the nodes’ addresses',
    ],
  });
  assert.deepEqual((await ranges({ configmaps: [kubeadm, pool], 'servicecidrs.networking.k8s.io': service })).pods, [
    '10.7.0.0/16',
  ]);
  assert.deepEqual((await ranges({ 'servicecidrs.networking.k8s.io': service })).services, ['10.5.0.0/16']);
  assert.deepEqual((await ranges({ configmaps: [proxy] })).pods, ['10.6.0.0/16']);
  assert.deepEqual((await ranges({})).pods, ['10.9.0.0/24']);
  const broken = await capture({ nodes, configmaps: [config('kube-proxy', { 'config.conf': 'a: 1\na: 2\n' })] });
  assert.deepEqual(broken.ranges.pods, ['10.9.0.0/24']);
  assert.match(broken.gaps.map((gap) => gap.message).join('\n'), /passed over: ConfigMap kube-system\/kube-proxy:2/);
});

const ALLOW = { endpointSelector: {}, ingress: [{ fromEntities: ['all'] }] };

test('policies of every dialect are read, others counted by group; absent groups are no gaps, forbidden ones are', async () => {
  const named = (...names: string[]) => names.map((name) => ({ metadata: { name } }));
  const discovery = {
    '/apis': {
      groups: ['apps', 'cilium.io', 'projectcalico.org', 'crd.projectcalico.org', 'security.istio.io'].map((name) => ({
        name,
        preferredVersion: { version: 'v1' },
        versions: [{ version: 'v1' }],
      })),
    },
    '/apis/cilium.io/v1': {
      resources: [
        { name: 'ciliumnetworkpolicies', kind: 'CiliumNetworkPolicy' },
        { name: 'ciliumnetworkpolicies/status', kind: 'CiliumNetworkPolicy' },
        { name: 'ciliumegressgatewaypolicies', kind: 'CiliumEgressGatewayPolicy' },
        { name: 'ciliumendpoints', kind: 'CiliumEndpoint' },
      ],
    },
    '/apis/projectcalico.org/v1': {
      resources: [
        { name: 'networkpolicies', kind: 'NetworkPolicy' },
        { name: 'tiers', kind: 'Tier' },
      ],
    },
    '/apis/crd.projectcalico.org/v1': { resources: [{ name: 'networkpolicies', kind: 'NetworkPolicy' }] },
    '/apis/security.istio.io/v1': { resources: [{ name: 'peerauthentications', kind: 'PeerAuthentication' }] },
  };
  const snapshot = await capture(
    {
      'ciliumnetworkpolicies.cilium.io': [
        { metadata: { name: 'a', namespace: 'x', annotations: { secret: 'hunter2' } }, spec: ALLOW, status: { a: 1 } },
        { metadata: { name: 'b', namespace: 'x' }, spec: { endpointSelectr: {} } },
      ],
      'ciliumegressgatewaypolicies.cilium.io': named('e', 'f'),
      'networkpolicies.projectcalico.org': named('default.a', 'knp.default.b'),
      'networkpolicies.crd.projectcalico.org': named('default.a'),
      'tiers.projectcalico.org': named('default'),
      'peerauthentications.security.istio.io': 403,
      'servicecidrs.networking.k8s.io': [{ metadata: { name: 'a' }, spec: { cidrs: ['10.0.0.0/16'] } }],
      nodes: [{ metadata: { name: 'n' }, spec: { podCIDRs: ['10.9.0.0/24'] } }],
    },
    discovery,
  );
  assert.deepEqual(snapshot.otherPolicies, [{ group: 'cilium.io', kind: 'CiliumEgressGatewayPolicy', count: 2 }]);
  assert.deepEqual(snapshot.policies, [
    {
      apiVersion: 'projectcalico.org/v1',
      kind: 'NetworkPolicy',
      metadata: { name: 'default.a', namespace: 'default' },
    },
    { apiVersion: 'cilium.io/v1', kind: 'CiliumNetworkPolicy', metadata: { name: 'a', namespace: 'x' }, spec: ALLOW },
  ]);
  assert.deepEqual(
    snapshot.gaps.map((gap) => gap.resource),
    ['CiliumNetworkPolicy.cilium.io', 'peerauthentications.security.istio.io'],
  );
  assert.match(snapshot.gaps[0]?.message ?? '', /left out: CiliumNetworkPolicy.cilium.io x\/b: .*endpointSelectr/);
});

function agent(name: string, labels: Record<string, string> = {}, image = 'r.test/agent:v1'): object {
  return {
    metadata: { name, namespace: 'kube-system', labels },
    spec: { template: { spec: { containers: [{ image }] } } },
    status: { desiredNumberScheduled: 2, numberReady: 1 },
  };
}

test('the engine is told by what runs, with evidence', async () => {
  const engine = (world: World) => detectEngine(cluster(world), new AbortController().signal);
  const config = (data: object) => [{ metadata: { name: 'cilium-config', namespace: 'kube-system' }, data }];
  assert.deepEqual(
    await engine({
      'daemonsets.apps': [
        agent('cilium', { 'k8s-app': 'cilium' }, 'q.test/cilium/cilium:v1.18.6@sha256:aa'),
        agent('kindnet'),
      ],
    }),
    {
      name: 'cilium',
      version: 'v1.18.6',
      evidence: [
        'DaemonSet kube-system/cilium, ready on 1 of 2 nodes',
        'DaemonSet kube-system/kindnet, ready on 1 of 2 nodes',
      ],
    },
  );
  const nodes = [{ metadata: { name: 'n', labels: { 'kubernetes.azure.com/ebpf-dataplane': 'cilium' } } }];
  assert.deepEqual((await engine({ nodes })).evidence, [
    'label kubernetes.azure.com/ebpf-dataplane=cilium on 1 of 1 node',
  ]);
  const never = await engine({
    'daemonsets.apps': [agent('cilium')],
    configmaps: config({ 'enable-policy': 'never' }),
  });
  assert.equal(never.name, 'none');
  assert.match(never.evidence.join(), /enable-policy: never.*nothing enforces them/);
  const pods = await engine({
    'daemonsets.apps': [agent('cilium')],
    configmaps: config({ 'policy-cidr-match-mode': 'nodes' }),
  });
  assert.match(pods.evidence.join(), /policy-cidr-match-mode: nodes/);
  assert.equal((await engine({ 'daemonsets.apps': [agent('azure-npm', { 'k8s-app': 'azure-npm' })] })).name, 'npm');
  assert.equal((await engine({ 'daemonsets.apps': [agent('calico-node')] })).name, 'calico');
  const kindnet = await engine({ 'daemonsets.apps': [agent('kindnet')] });
  assert.match(`${kindnet.name} ${kindnet.evidence}`, /^kindnet .*only a probe can tell/);
  const none = await engine({
    'daemonsets.apps': [agent('kube-proxy')],
    'networkpolicies.networking.k8s.io': [{ metadata: { name: 'p' } }],
  });
  assert.deepEqual(none, {
    name: 'none',
    evidence: [
      'none of the DaemonSets enforces NetworkPolicies: kube-system/kube-proxy',
      '1 NetworkPolicy exists and nothing enforces it',
    ],
  });
  assert.match(JSON.stringify(await engine({ 'daemonsets.apps': [agent('antrea-agent')] })), /"unknown".*not modelled/);
  assert.match(
    JSON.stringify(
      await engine({ nodes: [{ metadata: { name: 'n' }, status: { nodeInfo: { kubeletVersion: 'v1.34.1+k3s1' } } }] }),
    ),
    /"unknown".*k3s/,
  );
  assert.deepEqual(await engine({ 'daemonsets.apps': 403 }), {
    name: 'unknown',
    evidence: ['DaemonSets could not be read, so what enforces policies is not known'],
  });
  const seen = pod('c-1', owned('DaemonSet', 'calico-node'), { 'k8s-app': 'calico-node' });
  assert.deepEqual(await engine({ 'daemonsets.apps': 403, pods: [seen] }), {
    name: 'calico',
    version: '1',
    evidence: ['DaemonSet shop/calico-node'],
  });
});
