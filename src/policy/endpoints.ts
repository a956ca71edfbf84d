import { inputError } from '../host/errors.ts';
import type { EngineName, Protocol, Snapshot, Workload } from '../snapshot/model.ts';
import { maybe } from '../snapshot/shape.ts';
import { isSameAddress, parseAddress } from './addresses.ts';
import { compile } from './compile.ts';
import { calicoTiers } from './dialect/calico-tiers.ts';
import { parsePolicies } from './dialect/index.ts';
import { policiesOfEngine } from './engine-policies.ts';
import { groupsOf, mayHaveReplicas, otherReplica } from './groups.ts';
import type { Connection, Endpoint, PodEndpoint, PolicyModel } from './model.ts';
import { nearest } from './near.ts';
import { named } from './outside.ts';
import { isSame } from './select.ts';
import { backendsOf, exposed, exposedService, serviceOf } from './services.ts';
import { tiersOf } from './tiers.ts';

/** The kinds that a peer `namespace/Kind/name` may name. */
const KINDS = ['Deployment', 'StatefulSet', 'DaemonSet', 'Job', 'CronJob', 'ReplicaSet', 'Pod'] as const;
const FORMS =
  'A peer is namespace/pod, namespace/Kind/name, ip:ADDRESS or dns:NAME (of a Service: dns:NAME.NAMESPACE).';

/**
 * A snapshot as policies see it. A workload without pods (a manifest that was never run) counts as one pod of its own
 * name. Throws an input error for a policy that no API server would take.
 */
export function modelOf(snapshot: Snapshot, engineOverride?: EngineName): PolicyModel {
  const engine =
    engineOverride === undefined || engineOverride === snapshot.engine.name
      ? snapshot.engine
      : { name: engineOverride, evidence: ['as chosen by the user'] };
  const namespaces = new Map(snapshot.namespaces.map((n) => [n.name, n.labels]));
  const { services } = snapshot;
  const serviceAccounts =
    snapshot.serviceAccounts &&
    new Map(snapshot.serviceAccounts.map((a) => [`${a.namespace}/${a.name}`, a.policyLabels]));
  const context = { services, namespaces, engine, ...maybe('serviceAccounts', serviceAccounts) };
  const policies = [...parsePolicies(snapshot.policies, context), ...policiesOfEngine(engine)];
  return {
    engine,
    policies,
    tiers: tiersOf(engine.name, policies, calicoTiers(snapshot.policies)),
    namespaces,
    pods: snapshot.workloads.flatMap((w) => podsOf(engine.name === 'cilium' ? { ...w, ports: namedOnce(w.ports) } : w)),
    nodes: nodesOf(snapshot),
    nodeLabels: new Map(snapshot.nodes.flatMap((n) => (n.policyLabels ? [[n.name, n.policyLabels] as const] : []))),
    ...maybe('serviceAccounts', serviceAccounts),
    services,
    serviceRanges: snapshot.ranges.services,
    podRanges: snapshot.ranges.pods,
  };
}

/** The nodes' addresses; where nodes couldn't be read, or aren't in a folder, those that pods on their network tell. */
function nodesOf({ nodes, workloads }: Snapshot): PolicyModel['nodes'] {
  const found = new Map<string, readonly string[]>();
  for (const { namespace, hostNetwork, pods } of workloads) {
    if (!hostNetwork) continue;
    for (const { name, node = `the node of ${namespace}/${name}`, ips } of pods)
      if (ips.length > 0) found.set(node, ips);
  }
  for (const { name, addresses } of nodes) found.set(name, [...new Set([...addresses, ...(found.get(name) ?? [])])]);
  return found;
}

/**
 * Cilium keeps one port a name, whatever the protocol: the last that the pod declares (NamedPortMap.AddPort in
 * pkg/types/portmap.go of v1.20.2; seen on the real engine).
 */
function namedOnce(ports: Workload['ports']): Workload['ports'] {
  const last = new Map(ports.map((port, i) => [port.name?.toLowerCase(), i]));
  return ports.map(({ name, ...port }, i) =>
    name === undefined || last.get(name.toLowerCase()) !== i ? port : { name, ...port },
  );
}

function podsOf(workload: Workload): PodEndpoint[] {
  const { namespace, kind, name, labels, serviceAccount, hostNetwork, ports } = workload;
  const pods = workload.pods.length > 0 ? workload.pods : [{ name, ips: [] }];
  return pods.map((pod) => ({
    type: 'pod',
    id: `${namespace}/${pod.name}`,
    namespace,
    name: pod.name,
    workload: `${kind}/${name}`,
    labels,
    serviceAccount,
    hostNetwork,
    ports,
    ips: pod.ips,
    ...(workload.pods.length === 0 && manifestReplicas(workload)),
    ...maybe('selector', workload.selector),
    ...('node' in pod && pod.node !== undefined && { node: pod.node }),
  }));
}

/** A DaemonSet has a pod a node, of which a cluster has several. */
function manifestReplicas({ kind, replicas }: Workload): Pick<PodEndpoint, 'replicas'> {
  if (kind === 'DaemonSet') return { replicas: 2 };
  return replicas === undefined ? {} : { replicas };
}

/**
 * The endpoints that a peer names: `namespace/pod`, `namespace/Kind/name` (all pods of the workload), `ip:ADDRESS` (the
 * pod that has the address, where one has) or `dns:NAME` (an address outside of the cluster with that name); also the number
 * of a group as a matrix has it (`namespace/Kind/name#2`). Services are for `connectionsBetween`. Throws an input error that lists near matches.
 */
export function resolvePeer(model: PolicyModel, text: string): Endpoint[] {
  if (text.startsWith('ip:')) return resolveAddress(model, text.slice('ip:'.length));
  if (text.startsWith('dns:')) return [namedOutside(text.slice('dns:'.length))];
  const parts = text.split('/');
  const [namespace, second, name] = parts;
  if (parts.includes('') || parts.length < 2 || parts.length > 3) {
    throw inputError(`"${text}" is not a peer`, { action: `${FORMS}${suggestion(model, text)}` });
  }
  const inNamespace = model.pods.filter((p) => p.namespace === namespace);
  const found =
    name === undefined ? inNamespace.filter((p) => p.name === second) : ofWorkload(inNamespace, `${second}`, name);
  if (found.length > 0) return found;
  const ordinal = name === undefined ? ofStatefulSet(inNamespace, `${second}`) : undefined;
  if (ordinal) return [ordinal];
  // No name of Kubernetes' has such a sign.
  const numbered = text.includes('#') && groupsOf(compile(model), name === undefined).find(({ id }) => id === text);
  if (numbered) return [...numbered.members];
  throw inputError(`There is no ${text}${inNamespace.length === 0 ? ` (no pods in namespace ${namespace})` : ''}`, {
    action: `${FORMS}${suggestion(model, text)}`,
  });
}

/** A pod of a StatefulSet that was never run: its name is known all the same. */
function ofStatefulSet(pods: readonly PodEndpoint[], name: string): PodEndpoint | undefined {
  const [, set = '', ordinal] = /^(.+)-(0|[1-9]\d*)$/.exec(name) ?? [];
  const one = pods.find((p) => p.workload === `StatefulSet/${set}` && p.name === set);
  return one && Number(ordinal) < (one.replicas ?? 1) ? { ...one, name, id: `${one.namespace}/${name}` } : undefined;
}

/** A question in the user's words. */
export interface NamedConnection {
  readonly from: string;
  readonly to: string;
  readonly protocol: Protocol;
  readonly port: number;
}

/**
 * The connections between different endpoints that a question means. To a Service means to each pod behind it, on that
 * pod's port. A workload to itself means its pods to each other; where it has but one, another replica is assumed, so that
 * the answer doesn't hang on how many happen to run. A pod to itself is just that. Never empty; throws the errors of
 * resolvePeer and backendsOf, and an input error for a Service that is to connect.
 */
export function connectionsBetween(model: PolicyModel, { from, to, protocol, port }: NamedConnection): Connection[] {
  const source = serviceOf(model, from);
  if (source) {
    throw inputError(`${from} is Service ${source.namespace}/${source.name}, from which nothing connects`, {
      action: 'Name a pod or a workload that connects.',
    });
  }
  const ends = endsOf(model, to, protocol, port);
  const all = resolvePeer(model, from).flatMap((f) => ends.map((end) => ({ from: f, ...end, protocol })));
  const different = all.filter((c) => !isSame(c.from, c.to));
  if (different.length > 0) return different;
  const others = all.map((c) => ({
    ...c,
    to: c.to.type === 'pod' && mayHaveReplicas(c.to) ? otherReplica(c.to) : c.to,
  }));
  if (to.split('/').length === 3) return others;
  // By a Service a pod may come to itself or to another.
  return serviceOf(model, to) ? [...all, ...others.filter((c, i) => c.to !== all[i]?.to)] : all;
}

function endsOf(
  model: PolicyModel,
  to: string,
  protocol: Protocol,
  port: number,
): Omit<Connection, 'from' | 'protocol'>[] {
  const service = serviceOf(model, to);
  if (service) return backendsOf(model, service, protocol, port);
  const outer = exposedService(model, to, protocol, port);
  if (outer) return exposed(backendsOf(model, outer.service, protocol, outer.port), model);
  return resolvePeer(model, to).map((end) => ({ to: end, port }));
}

function ofWorkload(pods: readonly PodEndpoint[], kind: string, name: string): PodEndpoint[] {
  // Whatever owns pods may be named as well.
  const kinds = [...new Set([...KINDS, ...pods.map((p) => p.workload.split('/')[0] ?? '')])];
  const known = kinds.find((k) => k.toLowerCase() === kind.toLowerCase());
  if (!known) {
    throw inputError(`"${kind}" is not a kind of workload`, { action: `Known are ${kinds.join(', ')}. ${FORMS}` });
  }
  const found = pods.filter((p) => p.workload === `${known}/${name}`);
  return known === 'Pod' && found.length === 0 ? pods.filter((p) => p.name === name) : found;
}

function resolveAddress(model: PolicyModel, ip: string): Endpoint[] {
  const address = parseAddress(ip);
  if (!address) throw inputError(`"${ip}" is not an IP address`, { action: `Write it as in ip:10.0.0.1. ${FORMS}` });
  const has = (pod: PodEndpoint) => pod.ips.some((i) => i === ip || isSameAddress(parseAddress(i), address));
  const pods = model.pods.filter((p) => !p.hostNetwork && has(p));
  return pods.length > 0 ? pods : [{ type: 'address', id: `ip:${ip}`, ip }];
}

function namedOutside(name: string): Endpoint {
  if (!/^[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?$/i.test(name)) {
    throw inputError(`"${name}" is not a DNS name`, { action: `Write it as in dns:example.com. ${FORMS}` });
  }
  return named(name.replace(/\.$/, ''));
}

function suggestion(model: PolicyModel, text: string): string {
  const peers = model.pods.flatMap((p) => [p.id, `${p.namespace}/${p.workload}`]);
  const sameName = peers.filter((p) => p.split('/').at(-1) === text.split('/').at(-1));
  const near = [...new Set([...nearest(text, sameName), ...nearest(text, peers), ...sameName])].slice(0, 3);
  return near.length > 0 ? ` Did you mean ${near.join(', ')}?` : '';
}
