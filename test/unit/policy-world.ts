import { groupOf } from '../../src/policy/dialect/origin.ts';
import { modelOf } from '../../src/policy/endpoints.ts';
import type { PodEndpoint, PolicyModel } from '../../src/policy/model.ts';
import {
  type EngineName,
  type PolicyObject,
  SNAPSHOT_SCHEMA,
  type Snapshot,
  type SourceLocation,
  type Workload,
} from '../../src/snapshot/model.ts';
import { isPolicyKind, NETWORK_POLICY } from '../../src/snapshot/policy-object.ts';
import { parseYaml, type YamlDocument } from '../../src/snapshot/yaml.ts';

/** A Kubernetes object as the tests write it: only as much as policies read. */
interface Manifest {
  apiVersion?: string;
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Record<string, string> };
  spec?: {
    hostNetwork?: boolean;
    nodeName?: string;
    serviceAccountName?: string;
    containers?: { ports?: { name?: string; containerPort: number; protocol?: 'TCP' | 'UDP' | 'SCTP' }[] }[];
  };
  status?: { podIPs?: { ip: string }[]; addresses?: { address: string }[] };
}

export interface World {
  engine?: EngineName;
  podRanges?: string[];
  /** Taken instead of what the pods are: a workload with its own pods. */
  workloads?: Workload[];
}

/** The smallest snapshot that says something, from YAML with pods, nodes, namespaces and policies. */
export function worldOf(yaml: string, { engine = 'kindnet', podRanges = [], workloads = [] }: World = {}): Snapshot {
  const documents = parseYaml(yaml, 'world.yaml');
  const objects = documents.map((d) => d.value as Manifest);
  const of = (kind: string) => objects.filter((o) => o.kind === kind);
  const policies = documents.flatMap((d) => {
    const object = d.value as Manifest & Pick<PolicyObject, 'spec' | 'specs'>;
    const { apiVersion = NETWORK_POLICY.apiVersion, kind, metadata, spec, specs } = object;
    if (!isPolicyKind(groupOf({ apiVersion }), kind)) return [];
    const namespace = metadata.namespace ?? (kind === 'NetworkPolicy' ? 'default' : undefined);
    const location: SourceLocation = { file: 'world.yaml', line: d.lineOf([]), lines: linesOf(object, d) };
    return [
      {
        apiVersion,
        kind,
        metadata: { ...metadata, ...(namespace !== undefined && { namespace }) },
        ...(spec !== undefined && { spec }),
        ...(specs !== undefined && { specs }),
        location,
      } as PolicyObject,
    ];
  });
  return {
    schema: SNAPSHOT_SCHEMA,
    source: { kind: 'files', name: 'world.yaml' },
    engine: { name: engine, evidence: [] },
    ranges: { pods: podRanges, services: [], nodes: [] },
    nodes: of('Node').map((n) => ({
      name: n.metadata.name,
      addresses: (n.status?.addresses ?? []).map((a) => a.address),
    })),
    namespaces: of('Namespace').map((n) => ({ name: n.metadata.name, labels: n.metadata.labels ?? {} })),
    workloads: [...of('Pod').map(podWorkload), ...workloads],
    services: [],
    policies,
    otherPolicies: [],
    gaps: [],
  };
}

/** The lines of the rules. */
function linesOf({ spec }: { spec?: unknown }, d: YamlDocument): Record<string, number> {
  const rules = (side: 'ingress' | 'egress') =>
    ((spec as { [Side in typeof side]?: unknown[] } | null)?.[side] ?? []).map((_, i) => [
      `spec.${side}[${i}]`,
      d.lineOf(['spec', side, i]),
    ]);
  return Object.fromEntries([...rules('ingress'), ...rules('egress')]);
}

function podWorkload({ metadata, spec, status }: Manifest): Workload {
  const ports = (spec?.containers ?? []).flatMap((c) => c.ports ?? []);
  return {
    namespace: metadata.namespace ?? 'default',
    kind: 'Pod',
    name: metadata.name,
    labels: metadata.labels ?? {},
    serviceAccount: spec?.serviceAccountName ?? 'default',
    hostNetwork: spec?.hostNetwork ?? false,
    ports: ports.map((p) => ({
      ...(p.name !== undefined && { name: p.name }),
      port: p.containerPort,
      protocol: p.protocol ?? 'TCP',
    })),
    images: [],
    pods: [
      {
        name: metadata.name,
        ips: (status?.podIPs ?? []).map((p) => p.ip),
        ...(spec?.nodeName !== undefined && { node: spec.nodeName }),
      },
    ],
  };
}

export function modelFrom(yaml: string, world: World = {}): PolicyModel {
  return modelOf(worldOf(yaml, world));
}

/** A pod of a model by its id. */
export function podIn(model: PolicyModel, id: string): PodEndpoint {
  const pod = model.pods.find((p) => p.id === id);
  if (!pod) throw new Error(`the test has no pod ${id}`);
  return pod;
}

/** A workload of a kind with pods of its own, for tests that need more than bare pods. */
export function workload(kind: string, namespace: string, name: string, more: Partial<Workload> = {}): Workload {
  return {
    namespace,
    kind,
    name,
    labels: { app: name },
    serviceAccount: 'default',
    hostNetwork: false,
    ports: [],
    images: [],
    pods: [],
    ...more,
  };
}
