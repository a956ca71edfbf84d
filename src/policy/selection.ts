import { inputError } from '../host/errors.ts';
import { type CompiledModel, compile } from './compile.ts';
import { directionsOf, OTHER_END } from './directions.ts';
import { resolvePeer } from './endpoints.ts';
import { workloadsOf } from './groups.ts';
import type { Direction, Peer, PodEndpoint, Policy, PolicyModel, Rule, SourceRef } from './model.ts';
import { nearest } from './near.ts';
import { reasonText } from './reasons.ts';
import { holds, knowing } from './select.ts';
import { undeclaredPorts } from './undeclared-ports.ts';

/** A policy, and whom it selects here. */
export interface PolicySelection {
  readonly policy: string;
  readonly directions: readonly Direction[];
  /** `namespace/Kind/name` of the workloads whose pods it selects. */
  readonly workloads: readonly string[];
  /** Why it decides nothing, where it doesn't. */
  readonly ignored?: string;
  readonly source: SourceRef;
}

/** The policies that select a pod or workload. Throws `resolvePeer`'s input errors. */
export function policiesOf(model: PolicyModel, peer: string): PolicySelection[] {
  const compiled = compile(model);
  const pods = resolvePeer(model, peer).filter((e) => e.type === 'pod');
  if (pods.length === 0) throw inputError(`${peer} is no pod of the cluster: no policy selects it`);
  return model.policies
    .filter((policy) => pods.some((pod) => selects(compiled, policy, pod)))
    .map((policy) => selectionOf(compiled, policy, pods));
}

/** The pods that policies of a name select: `name`, `namespace/name`, or as reports call it. Throws where none is so called. */
export function podsOf(model: PolicyModel, name: string): PolicySelection[] {
  const compiled = compile(model);
  const found = model.policies.filter((policy) => namesOf(policy).includes(name));
  if (found.length > 0) return found.map((policy) => selectionOf(compiled, policy, model.pods));
  const near = nearest(name, model.policies.flatMap(namesOf));
  throw inputError(`There is no policy ${name}`, {
    action: near.length > 0 ? `Did you mean ${near.join(', ')}?` : 'Name one as NAME or NAMESPACE/NAME.',
  });
}

function namesOf({ namespace, name, source }: Policy): string[] {
  return [source.object, name, ...(namespace === undefined ? [] : [`${namespace}/${name}`])];
}

function selectionOf(compiled: CompiledModel, policy: Policy, pods: readonly PodEndpoint[]): PolicySelection {
  const selected = pods.filter((pod) => selects(compiled, policy, pod));
  const why = compiled.ignored.find((i) => i.policy === policy)?.why;
  return {
    policy: policy.source.object,
    directions: directionsOf(policy),
    workloads: workloadsOf(selected),
    ...(why !== undefined && { ignored: why }),
    source: policy.source,
  };
}

/** Whether a policy speaks for a pod: hostNetwork pods, and those of other namespaces than its own, it never does. */
export function selects(compiled: CompiledModel, policy: Policy, pod: PodEndpoint): boolean {
  if (pod.hostNetwork || (policy.namespace !== undefined && policy.namespace !== pod.namespace)) return false;
  return compiled.selects(policy, pod);
}

/** Something in a policy that means nothing in this cluster. */
export interface Unmatched {
  readonly text: string;
  readonly source: SourceRef;
  /** Where it may be meant so all the same: pods may listen on ports that they don't declare. */
  readonly perhaps?: true;
}

/**
 * Subjects, peers and ports that match no pod here (a typo, a Service's port, or a workload that isn't in the snapshot),
 * what policies refer to and isn't there, and policies that decide nothing because the engine refuses them or doesn't read
 * them.
 */
export function unmatched(model: PolicyModel): Unmatched[] {
  const compiled = compile(model);
  const selectable = model.pods.filter((p) => !p.hostNetwork);
  const known = selectable.map(knowing(model));
  const means = (peer: Peer): boolean => peer.type !== 'pods' || known.some((k) => holds(peer.match, k) !== false);
  const inRule = (policy: Policy, rule: Rule, subject: readonly PodEndpoint[]): Unmatched[] => {
    const { peers, source } = rule;
    const place = `${policy.source.object}, ${source.path ?? rule.direction}`;
    const dead = (peers ?? []).filter((p) => !means(p)).length;
    return [
      ...(dead > 0 ? [{ text: `${place}: ${whichPeers(policy, rule, dead)} means no pod here`, source }] : []),
      ...portNames(rule, rule.direction === 'ingress' ? subject : selectable).map((name) => ({
        text: `${place}: no pod that it may lead to has a port named ${name}`,
        source,
      })),
      ...undeclaredPorts(model, rule, destinations(rule, subject)).map(({ asked, declared, mapped }) =>
        mapped
          ? {
              text: `${place}: no pod that it may lead to declares ${asked}; they declare ${declared} (Service ${mapped.service} maps ${mapped.port} to ${mapped.targetPort})`,
              source,
            }
          : {
              text: `${place}: no pod that it may lead to declares ${asked}; they declare ${declared}`,
              source,
              perhaps: true as const,
            },
      ),
    ];
  };
  /** The pods that a rule may lead to; none where it may lead elsewhere too, or only to some that a rule tells by itself. */
  const destinations = ({ direction, peers, self }: Rule, subject: readonly PodEndpoint[]): readonly PodEndpoint[] => {
    if (direction === 'ingress') return self === undefined ? subject : [];
    const matches = (peers ?? []).flatMap((peer) => (peer.type === 'pods' && !peer.strangers ? peer.match : []));
    if (matches.length === 0 || matches.length !== peers?.length) return [];
    return selectable.filter((_, i) => matches.some((match) => known[i] && holds(match, known[i]) !== false));
  };
  return model.policies.flatMap((policy) => {
    const { source } = policy;
    const refused = whyRefused(compiled, policy);
    if (refused !== undefined) return [{ text: `${source.object} decides nothing: ${refused}`, source }];
    const missing = (policy.missing ?? []).map((text) => ({ text: `${source.object}, ${text}`, source }));
    const subject = selectable.filter((pod) => selects(compiled, policy, pod));
    if (subject.length === 0) return [{ text: `${source.object} selects no pod here`, source }, ...missing];
    return [...missing, ...policy.rules.flatMap((rule) => inRule(policy, rule, subject))];
  });
}

/** Why a policy that is meant to count doesn't: what is only staged, or for hosts, isn't meant to. */
function whyRefused({ ignored }: CompiledModel, policy: Policy): string | undefined {
  const why = ignored.find((i) => i.policy === policy)?.why;
  return why !== undefined && (policy.inert === undefined || policy.inert !== why || /refuses/.test(why))
    ? why
    : undefined;
}

/** Peers are counted as they are written: what a dialect makes several of one is nobody's to count. */
function whichPeers({ dialect }: Policy, { peers = [], direction }: Rule, dead: number): string {
  const side = OTHER_END[direction];
  if (peers.length === 1) return `its peer (${side})`;
  if (dialect === 'kubernetes') return `${dead} of its ${peers.length} peers (${side})`;
  return dead === peers.length ? `none of its peers (${side})` : `one of its peers (${side})`;
}

/** The port names of a rule that none of the pods has. */
function portNames({ ports = [] }: Rule, pods: readonly PodEndpoint[]): string[] {
  const names = ports.map((p) => p.port).filter((p) => typeof p === 'string');
  return [...new Set(names)].filter((name) => !pods.some((pod) => pod.ports.some((p) => p.name === name)));
}

/** Selections as lines, one a policy. */
export function selectionText(title: string, selections: readonly PolicySelection[]): string {
  return [
    title,
    ...selections.flatMap(({ policy, directions, workloads, ignored, source }) => [
      `  ${reasonText({ text: `${policy}, for ${directions.join(' and ') || 'neither direction'}`, source })}`,
      ...(ignored === undefined ? [] : [`    decides nothing: ${ignored}`]),
      ...(workloads.length === 0 ? ['    no pod here'] : workloads.map((w) => `    ${w}`)),
    ]),
  ].join('\n');
}

/** What matches nothing as lines. */
export function unmatchedText(list: readonly Unmatched[]): string {
  return list.length === 0 ? 'Every selector means some pod here.' : list.map(reasonText).join('\n');
}
