import {
  type EngineName,
  type PolicyObject,
  SNAPSHOT_SCHEMA,
  type Snapshot,
  type Workload,
} from '../../src/snapshot/model.ts';

export interface Size {
  readonly namespaces: number;
  readonly pods: number;
  /** Distinct sets of labels, each in one namespace. */
  readonly labelSets: number;
  readonly policies: number;
}

/** A cluster of a size with policies of the dialects that an engine enforces, the same every time. */
export function worldOfSize({ namespaces, pods, labelSets, policies }: Size, engine: EngineName): Snapshot {
  const namespaceOf = (i: number) => `ns${i % namespaces}`;
  const workloads = Array.from({ length: labelSets }, (_, i): Workload => {
    const count = Math.floor(pods / labelSets) + (i < pods % labelSets ? 1 : 0);
    const name = `app${i}`;
    return {
      namespace: namespaceOf(i),
      kind: 'Deployment',
      name,
      labels: { app: name, tier: `tier${i % 5}`, team: `team${i % 17}` },
      serviceAccount: `sa${i % 3}`,
      hostNetwork: false,
      ports: [{ name: 'http', port: 8080 + (i % 3), protocol: 'TCP' }],
      images: [],
      pods: Array.from({ length: count }, (_, k) => ({
        name: `${name}-${k}`,
        ips: [`10.${Math.floor(i / 250)}.${i % 250}.${k + 1}`],
        node: `node${(i + k) % 50}`,
      })),
    };
  });
  const makers = MAKERS[engine] ?? [kubernetes];
  return {
    schema: SNAPSHOT_SCHEMA,
    source: { kind: 'files', name: 'bench' },
    engine: { name: engine, evidence: [] },
    ranges: { pods: ['10.0.0.0/8'], services: [], nodes: [] },
    nodes: Array.from({ length: 50 }, (_, i) => ({ name: `node${i}`, addresses: [`172.18.0.${i + 1}`] })),
    namespaces: Array.from({ length: namespaces }, (_, i) => ({ name: `ns${i}`, labels: { env: `env${i % 4}` } })),
    workloads,
    services: [],
    policies: Array.from({ length: policies }, (_, i) => (makers[i % makers.length] ?? kubernetes)(i, namespaceOf(i))),
    otherPolicies: [],
    gaps: [],
  };
}

type Maker = (i: number, namespace: string) => PolicyObject;

const PEERS = [
  { podSelector: { matchLabels: { tier: 'tier1' } } },
  { namespaceSelector: { matchLabels: { env: 'env2' } }, podSelector: { matchLabels: { team: 'team3' } } },
  { ipBlock: { cidr: '10.0.0.0/9', except: ['10.0.16.0/20'] } },
  {
    namespaceSelector: {},
    podSelector: { matchExpressions: [{ key: 'app', operator: 'In', values: ['app7', 'app8'] }] },
  },
];

const kubernetes: Maker = (i, namespace) => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name: `np${i}`, namespace },
  spec: {
    podSelector: i % 3 === 0 ? {} : { matchLabels: { tier: `tier${i % 5}` } },
    policyTypes: i % 2 === 0 ? ['Ingress'] : ['Ingress', 'Egress'],
    ingress: [
      { from: [PEERS[i % 4], PEERS[(i + 1) % 4]], ports: [{ port: 'http' }, { port: 9000, endPort: 9000 + (i % 90) }] },
      { from: [PEERS[(i + 2) % 4]], ports: [{ port: 443 }] },
    ],
    ...(i % 2 === 1 && {
      egress: [{ to: [PEERS[i % 4]] }, { to: [PEERS[3]], ports: [{ port: 53, protocol: 'UDP' }] }],
    }),
  },
});

const cilium: Maker = (i, namespace) => {
  const clusterwide = i % 20 === 0;
  const rules = [
    {
      fromEndpoints: [{ matchLabels: { tier: `tier${i % 5}` } }],
      toPorts: [{ ports: [{ port: '8080', protocol: 'TCP' }] }],
    },
    { fromEntities: [i % 3 === 0 ? 'cluster' : 'host'] },
  ];
  return {
    apiVersion: 'cilium.io/v2',
    kind: clusterwide ? 'CiliumClusterwideNetworkPolicy' : 'CiliumNetworkPolicy',
    metadata: { name: `cnp${i}`, ...(clusterwide ? {} : { namespace }) },
    spec: {
      endpointSelector: clusterwide ? { matchLabels: { team: `team${i % 17}` } } : {},
      ingress: rules,
      ...(i % 7 === 0 && {
        ingressDeny: [{ fromEndpoints: [{ matchLabels: { team: 'team5' } }], toPorts: [{ ports: [{ port: '22' }] }] }],
      }),
      egress: [
        { toCIDR: ['10.0.0.0/8'] },
        { toEndpoints: [{ matchLabels: { 'k8s:io.kubernetes.pod.namespace': namespace } }] },
      ],
    },
  };
};

const calico: Maker = (i, namespace) => {
  const global = i % 20 === 0;
  return {
    apiVersion: 'projectcalico.org/v3',
    kind: global ? 'GlobalNetworkPolicy' : 'NetworkPolicy',
    metadata: { name: `gnp${i}`, ...(global ? {} : { namespace }) },
    spec: {
      order: (i * 37) % 2000,
      selector: global ? `team == 'team${i % 17}' && has(app)` : `tier in {'tier1', 'tier${i % 5}'}`,
      types: ['Ingress', 'Egress'],
      ingress: [
        {
          action: 'Allow',
          protocol: 'TCP',
          source: { selector: `tier != 'tier${i % 5}'` },
          destination: { ports: [8080, '9000:9100'] },
        },
        { action: i % 3 === 0 ? 'Deny' : 'Pass', source: { nets: ['10.0.0.0/12'], notNets: ['10.1.0.0/16'] } },
      ],
      egress: [{ action: 'Allow', destination: { namespaceSelector: `env == 'env${i % 4}'` } }],
    },
  };
};

const admin: Maker = (i) => ({
  apiVersion: 'policy.networking.k8s.io/v1alpha2',
  kind: 'ClusterNetworkPolicy',
  metadata: { name: `anp${i}` },
  spec: {
    tier: i % 2 === 0 ? 'Admin' : 'Baseline',
    priority: i % 1000,
    subject: { namespaces: { matchLabels: { env: `env${i % 4}` } } },
    ingress: [
      {
        action: (['Accept', 'Deny', 'Pass'] as const)[i % 3],
        from: [{ pods: { namespaceSelector: {}, podSelector: { matchLabels: { app: `app${i % 400}` } } } }],
        protocols: [{ tcp: { destinationPort: { range: { start: 1000, end: 1100 + i } } } }],
      },
    ],
  },
});

/** Most policies of a cluster belong to a namespace; admin policies are few. */
const mixed = (own: Maker): readonly Maker[] => [
  ...Array.from({ length: 19 }, (_, k) => (k % 2 === 0 ? kubernetes : own)),
  admin,
];

const MAKERS: Partial<Record<EngineName, readonly Maker[]>> = {
  cilium: mixed(cilium),
  calico: mixed(calico),
  unknown: mixed((i, namespace) => (i % 3 === 0 ? cilium : calico)(i, namespace)),
};
