import ipaddr from 'ipaddr.js';
import { inputError } from '../host/errors.ts';
import { groupOf } from '../policy/dialect/origin.ts';
import { type PolicyObject, SNAPSHOT_SCHEMA, type Snapshot, type Workload } from './model.ts';
import { labelSelector } from './network-policy.ts';
import { isPolicyKind, locatedPolicy, NETWORK_POLICY } from './policy-object.ts';
import { namespaceNamed, protocolOf } from './redact.ts';
import {
  at,
  type Field,
  field,
  flag,
  integer,
  integerOrText,
  isAbsent,
  items,
  line,
  lineOf,
  lines,
  maybe,
  namespaceName,
  oneOf,
  text,
  textMap,
} from './shape.ts';
import { sortSnapshot } from './sort.ts';
import { failAt, parseYaml, type YamlDocument } from './yaml.ts';

const ENGINES = ['kindnet', 'kube-network-policies', 'calico', 'cilium', 'npm', 'none', 'unknown'] as const;

/** Whether a document claims to be a snapshot of ours, of whatever version. */
export function isSnapshot(value: unknown): boolean {
  const schema = (value as { schema?: unknown } | null)?.schema;
  return typeof schema === 'string' && schema.startsWith('clparity/');
}

/** Reads a snapshot's text. Throws an inputError with file and line for what isn't one, or of another version. */
export function parseSnapshot(content: string, file: string): Snapshot {
  const documents = parseYaml(content, file);
  const [document] = documents;
  if (!document || documents.length > 1 || !isSnapshot(document.value)) {
    throw inputError(`${file} is no snapshot (no "schema: ${SNAPSHOT_SCHEMA}")`, {
      action: 'Make one with "clparity capture".',
    });
  }
  return readSnapshot(document, file);
}

/** A parsed document as a snapshot: every field's type is checked, policies carry their lines in this file. */
export function readSnapshot(document: YamlDocument, file: string): Snapshot {
  const root = field(document.value, failAt(file, document));
  const schema = line(at(root, 'schema'));
  if (schema !== SNAPSHOT_SCHEMA) {
    throw inputError(
      `${file}:${document.lineOf(['schema'])}: schema ${schema} is not known here, only ${SNAPSHOT_SCHEMA}`,
      {
        action: 'Update Container Linux Parity, or capture the target again with this version.',
      },
    );
  }
  return sortSnapshot({
    schema: SNAPSHOT_SCHEMA,
    source: sourceOf(at(root, 'source')),
    engine: {
      name: oneOf(at(root, 'engine', 'name'), ENGINES),
      ...maybe('version', lineOf(at(root, 'engine', 'version'))),
      ...maybe('options', textMap(at(root, 'engine', 'options'), line)),
      evidence: mustTexts(at(root, 'engine', 'evidence')),
    },
    ranges: {
      pods: cidrs(at(root, 'ranges', 'pods')),
      services: cidrs(at(root, 'ranges', 'services')),
      nodes: cidrs(at(root, 'ranges', 'nodes')),
      ...maybe('evidence', lines(at(root, 'ranges', 'evidence'))),
    },
    nodes: mustItems(at(root, 'nodes')).map(nodeOf),
    namespaces: mustItems(at(root, 'namespaces')).map((ns) =>
      namespaceNamed(namespaceName(at(ns, 'name')), textMap(at(ns, 'labels'), line)),
    ),
    workloads: mustItems(at(root, 'workloads')).map(workloadOf),
    services: mustItems(at(root, 'services')).map(serviceOf),
    ...maybe('serviceAccounts', items(at(root, 'serviceAccounts'))?.map(accountOf)),
    policies: mustItems(at(root, 'policies')).map((policy) => policyOf(policy, document, file)),
    otherPolicies: mustItems(at(root, 'otherPolicies')).map((other) => ({
      group: line(at(other, 'group')),
      kind: line(at(other, 'kind')),
      count: integer(at(other, 'count')),
    })),
    gaps: mustItems(at(root, 'gaps')).map((gap) => ({
      resource: line(at(gap, 'resource')),
      reason: oneOf(at(gap, 'reason'), ['forbidden', 'absent', 'failed'] as const),
      message: text(at(gap, 'message')),
    })),
  });
}

function sourceOf(source: Field): Snapshot['source'] {
  return {
    kind: oneOf(at(source, 'kind'), ['context', 'files'] as const),
    name: line(at(source, 'name')),
    ...maybe('server', lineOf(at(source, 'server'))),
    ...maybe('kubernetesVersion', lineOf(at(source, 'kubernetesVersion'))),
    ...maybe('clusterUid', lineOf(at(source, 'clusterUid'))),
    ...maybe('capturedAt', lineOf(at(source, 'capturedAt'))),
  };
}

function nodeOf(node: Field): Snapshot['nodes'][number] {
  return {
    name: line(at(node, 'name')),
    ...maybe('osImage', lineOf(at(node, 'osImage'))),
    ...maybe('kernel', lineOf(at(node, 'kernel'))),
    ...maybe('runtime', lineOf(at(node, 'runtime'))),
    ...maybe('kubelet', lineOf(at(node, 'kubelet'))),
    ...maybe('architecture', lineOf(at(node, 'architecture'))),
    ...maybe('os', lineOf(at(node, 'os'))),
    addresses: mustItems(at(node, 'addresses')).map(address),
    ...maybe('labels', textMap(at(node, 'labels'), line)),
    ...maybe('policyLabels', textMap(at(node, 'policyLabels'), line)),
  };
}

function accountOf(account: Field): NonNullable<Snapshot['serviceAccounts']>[number] {
  return {
    namespace: line(at(account, 'namespace')),
    name: line(at(account, 'name')),
    policyLabels: textMap(at(account, 'policyLabels'), line) ?? {},
  };
}

function workloadOf(workload: Field): Workload {
  return {
    namespace: line(at(workload, 'namespace')),
    kind: line(at(workload, 'kind')),
    name: line(at(workload, 'name')),
    labels: textMap(at(workload, 'labels'), line) ?? {},
    ...maybe('selector', labelSelector(at(workload, 'selector'))),
    serviceAccount: line(at(workload, 'serviceAccount')),
    hostNetwork: flag(at(workload, 'hostNetwork')),
    ...(isAbsent(at(workload, 'os')) ? {} : { os: oneOf(at(workload, 'os'), ['windows'] as const) }),
    ports: mustItems(at(workload, 'ports')).map((port) => ({
      ...maybe('name', lineOf(at(port, 'name'))),
      port: portNumber(at(port, 'port')),
      protocol: protocolOf(at(port, 'protocol')),
    })),
    images: mustItems(at(workload, 'images')).map((image) => ({
      container: line(at(image, 'container')),
      image: line(at(image, 'image')),
      ...maybe('digest', lineOf(at(image, 'digest'))),
    })),
    ...(isAbsent(at(workload, 'replicas')) ? {} : { replicas: integer(at(workload, 'replicas')) }),
    pods: mustItems(at(workload, 'pods')).map((pod) => ({
      name: line(at(pod, 'name')),
      ips: mustItems(at(pod, 'ips')).map(address),
      ...maybe('node', lineOf(at(pod, 'node'))),
    })),
  };
}

function serviceOf(service: Field): Snapshot['services'][number] {
  return {
    namespace: line(at(service, 'namespace')),
    name: line(at(service, 'name')),
    ...maybe('labels', textMap(at(service, 'labels'), line)),
    clusterIPs: mustItems(at(service, 'clusterIPs')).map(address),
    ...(!isAbsent(at(service, 'externalIPs')) && { externalIPs: mustItems(at(service, 'externalIPs')).map(address) }),
    ...(flag(at(service, 'headless')) && { headless: true as const }),
    ...maybe('externalName', lineOf(at(service, 'externalName'))),
    selector: textMap(at(service, 'selector'), line) ?? {},
    ports: mustItems(at(service, 'ports')).map((port) => ({
      ...maybe('name', lineOf(at(port, 'name'))),
      port: portNumber(at(port, 'port')),
      targetPort: integerOrText(at(port, 'targetPort')),
      protocol: protocolOf(at(port, 'protocol')),
      ...(!isAbsent(at(port, 'nodePort')) && { nodePort: portNumber(at(port, 'nodePort')) }),
    })),
  };
}

/** An older snapshot held NetworkPolicies alone, and didn't say so. */
function policyOf(policy: Field, document: YamlDocument, file: string): PolicyObject {
  const apiVersion = lineOf(at(policy, 'apiVersion')) ?? NETWORK_POLICY.apiVersion;
  const kind = lineOf(at(policy, 'kind')) ?? NETWORK_POLICY.kind;
  if (!isPolicyKind(groupOf({ apiVersion }), kind)) {
    throw policy.fail([...policy.path, 'kind'], `is no policy that is known here: ${kind} of ${apiVersion}`);
  }
  return locatedPolicy(policy, { apiVersion, kind }, file, (path) => document.lineOf([...policy.path, ...path]));
}

function mustItems(list: Field): Field[] {
  if (isAbsent(list)) throw list.fail(list.path, 'is missing');
  return items(list) ?? [];
}

function mustTexts(list: Field): string[] {
  return mustItems(list).map(text);
}

function cidrs(list: Field): string[] {
  return mustItems(list).map((entry) => {
    if (!ipaddr.isValidCIDR(text(entry))) throw entry.fail(entry.path, 'must be a CIDR');
    return text(entry);
  });
}

function address(entry: Field): string {
  if (!ipaddr.isValid(text(entry))) throw entry.fail(entry.path, 'must be an IP address');
  return text(entry);
}

function portNumber(entry: Field): number {
  const port = integer(entry);
  if (port < 1 || port > 65535) throw entry.fail(entry.path, 'must be a port from 1 to 65535');
  return port;
}
