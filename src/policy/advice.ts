import { stringify } from 'yaml';
import type { CompiledModel, CompiledRule, Turn } from './compile.ts';
import { type Decision, decide, isAbout, sideOf } from './decide.ts';
import { workloadOf } from './groups.ts';
import { newPolicy } from './isolation.ts';
import { labelSteps, tellingLabels } from './labels.ts';
import type { Connection, Direction, Endpoint, PodEndpoint, Policy, PolicyModel, SourceRef } from './model.ts';
import { includes, rulePorts } from './ports.ts';
import { selects } from './selection.ts';
import { writeRule } from './write-rule.ts';

/** One thing to do, so that a connection becomes allowed, or denied. */
export interface Change {
  readonly direction: Direction;
  /** What to do, in words. */
  readonly text: string;
  /** What to add, where something is to add. */
  readonly yaml?: string;
  /** Where. */
  readonly source?: SourceRef;
  /** The same result by another way, in words. */
  readonly or?: string;
  /** For whom besides the connection is turned by it, in words. */
  readonly also?: string;
}

/** A change, and what becomes of the policies by it. */
interface Step {
  readonly change: Change;
  readonly policies: readonly Policy[];
}

/** What is to become of one side of a connection. */
interface Wish {
  readonly connection: Connection;
  readonly direction: Direction;
  readonly allowed: boolean;
}

/** A side whose policies decide. */
interface Asked {
  readonly compiled: CompiledModel;
  readonly turns: readonly Turn[];
  readonly pod: PodEndpoint;
  readonly peer: Endpoint;
  readonly decision: Decision;
  readonly wish: Wish;
}

/** More deciding rules in a row than this, and it takes a person to say what is meant. */
const MOST_STEPS = 8;

/**
 * The smallest change found that turns a verdict: all of the list, together. A denied connection needs every denying
 * side to allow it, an allowed one needs one side to deny. Each list was evaluated: the changed policies do turn the
 * verdict. Undefined where no policy could.
 */
export function changesTo(model: CompiledModel, connection: Connection, allowed: boolean): Change[] | undefined {
  const sides: Direction[] = ['ingress', 'egress'];
  if (allowed) {
    const all = sides.map((direction) => turned(model, { connection, direction, allowed }));
    return all.every((changes) => changes !== undefined) ? all.flat() : undefined;
  }
  const found = sides.flatMap((direction) => {
    const changes = turned(model, { connection, direction, allowed });
    return changes ? [changes] : [];
  });
  return found.sort((a, b) => a.length - b.length)[0];
}

/** One side, step by step, until it is as wished. */
function turned(model: CompiledModel, wish: Wish): Change[] | undefined {
  const changes: Change[] = [];
  for (let compiled = model; changes.length < MOST_STEPS; ) {
    const { from, to } = wish.connection;
    const side = sideOf(compiled, from, to, wish.direction);
    if (side.exempt !== undefined) {
      if (wish.allowed) return changes;
      const step = side.exempt === 'not selected' ? newPolicy(compiled, wish.connection, wish.direction) : undefined;
      if (!step) return undefined;
      compiled = taking(step, compiled, wish, changes);
      continue;
    }
    const decision = decide(side.turns, side.pod, side.peer, wish.connection);
    if (decision.allowed === wish.allowed) return changes;
    const step = nextStep({ compiled, turns: side.turns, pod: side.pod, peer: side.peer, decision, wish });
    if (!step) return undefined;
    compiled = taking(step, compiled, wish, changes);
  }
  return undefined;
}

/** The policies once a step is taken, which goes to the changes. */
function taking({ change, policies }: Step, before: CompiledModel, wish: Wish, changes: Change[]): CompiledModel {
  const after = before.replacing(policies);
  changes.push({ ...change, ...alsoTurned(before, after, wish) });
  return after;
}

/** What a step does beyond what was asked: a policy's rules are for all pods that it selects. */
function alsoTurned(before: CompiledModel, after: CompiledModel, wish: Wish): Pick<Change, 'also'> {
  const { connection, direction, allowed } = wish;
  const isOut = direction === 'egress';
  const [own, peer] = isOut ? [connection.from, connection.to] : [connection.to, connection.from];
  const isAllowed = (compiled: CompiledModel, pod: PodEndpoint) => {
    const ends = isOut ? { from: pod, to: peer } : { from: peer, to: pod };
    const side = sideOf(compiled, ends.from, ends.to, direction);
    return side.exempt !== undefined || decide(side.turns, side.pod, side.peer, { ...connection, ...ends }).allowed;
  };
  const known = new Set(before.model.policies);
  const changed = after.model.policies.filter((policy) => !known.has(policy));
  const isOwn = (pod: PodEndpoint) => own.type === 'pod' && workloadOf(pod) === workloadOf(own);
  const selected = after.model.pods.filter(
    (pod) => changed.some((policy) => selects(after, policy, pod)) && !isOwn(pod),
  );
  // One pod of a workload stands for all: what it is asked costs more than all that is done here.
  const more = [...Map.groupBy(selected, workloadOf).values()]
    .filter(([pod]) => pod && isAllowed(before, pod) !== allowed && isAllowed(after, pod) === allowed)
    .flat()
    .reduce((sum, { replicas = 1 }) => sum + replicas, 0);
  if (more === 0) return {};
  return {
    also: `this ${allowed ? 'opens' : 'closes'} it for ${more === 1 ? '1 more pod' : `${more} more pods`} that the policy selects`,
  };
}

function nextStep(asked: Asked): Step | undefined {
  const { compiled, decision, wish } = asked;
  const [rule] = decision.rules;
  // Whatever is put ahead of it, what passes on and denies stays where it is.
  const isStray = rule?.rule.action === 'pass';
  if (rule) return (isStray ? undefined : overruled(asked, rule)) ?? taken(asked, rule);
  if (!wish.allowed) return newPolicy(compiled, wish.connection, wish.direction);
  return inNarrowest(asked);
}

/** A port more for a rule about the two, else a rule more: in the policy that selects the fewest pods. */
function inNarrowest(asked: Asked): Step | undefined {
  const { compiled, decision } = asked;
  const says = (policy: Policy) => policy.rules.filter((r) => r.direction === asked.wish.direction).length;
  const policies = [...(decision.turn?.isolating ?? [])].sort((a, b) => says(b) - says(a));
  const ways = [
    ...rulesOfOtherPorts(asked).map((rule) => ({ policy: rule.policy, take: () => withPort(asked, rule) })),
    ...policies.map((policy) => ({ policy, take: () => added(asked, policy) })),
  ].map((way) => ({ ...way, pods: compiled.model.pods.filter((pod) => selects(compiled, way.policy, pod)).length }));
  for (const { take } of ways.sort((a, b) => a.pods - b.pods)) {
    const step = take();
    if (step) return step;
  }
  return undefined;
}

/** A rule ahead of the one that decides: in an ordered tier the first decides, in a union a deny does. */
function overruled(asked: Asked, rule: CompiledRule): Step | undefined {
  const { decision, wish } = asked;
  const ordered = decision.turn?.tier.rules === 'ordered';
  if (!ordered && wish.allowed) return undefined;
  return withRule(
    asked,
    rule.policy,
    `${ordered ? 'ahead of' : 'which beats'} the rule that ${wish.allowed ? 'denies' : 'allows'} it`,
  );
}

/** Without the rule. A person will rather narrow it, which is the same for this connection. */
function taken({ compiled, wish, peer }: Asked, { rule, policy }: CompiledRule): Step {
  const verb = wish.allowed ? 'denies' : 'allows';
  const place = `${rule.source.object}${rule.source.path === undefined ? '' : `, ${rule.source.path}`}`;
  const { direction } = wish;
  const change: Change = {
    direction,
    text: `leave ${peer.id} out of the rule that ${verb} it, or remove the rule: ${place}`,
    source: rule.source,
  };
  const rules = policy.rules.filter((r) => r !== rule);
  return { change, policies: replaced(compiled.model, policy, { ...policy, rules }) };
}

/** The rules that are about the two already, on other ports. */
function rulesOfOtherPorts({ decision, pod, peer }: Asked): readonly CompiledRule[] {
  return (decision.turn?.rules ?? []).filter(
    (r) => r.rule.action === 'allow' && isAbout(r, pod, peer) && r.rule.ports !== undefined && isPlain(r),
  );
}

function withPort({ compiled, peer, wish }: Asked, { rule, policy }: CompiledRule): Step {
  const { protocol, port } = wish.connection;
  const wider = { ...rule, ports: [...(rule.ports ?? []), { protocol, port }] };
  const rules = policy.rules.map((r) => (r === rule ? wider : r));
  const change: Change = {
    direction: wish.direction,
    text: `add port ${protocol} ${port} to the rule that allows ${peer.id} on other ports: ${rule.source.object}, ${rule.source.path}`,
    yaml: portYaml(policy, wish.connection),
    source: rule.source,
  };
  return { change, policies: replaced(compiled.model, policy, { ...policy, rules }) };
}

function isPlain({ rule }: CompiledRule): boolean {
  return rule.exceptPorts === undefined && rule.narrowedBy === undefined;
}

function portYaml({ dialect, source }: Policy, { protocol, port }: Connection): string {
  if (dialect === 'cilium') return stringify([{ port: `${port}`, protocol }]);
  if (dialect === 'calico') return stringify([port]);
  if (dialect === 'kubernetes') return stringify([{ protocol, port }]);
  return source.object.startsWith('ClusterNetworkPolicy')
    ? stringify([{ [protocol.toLowerCase()]: { destinationPort: { number: port } } }])
    : stringify([{ portNumber: { protocol, port } }]);
}

function added(asked: Asked, policy: Policy): Step | undefined {
  const step = withRule(asked, policy, 'so');
  return step && { ...step, change: { ...step.change, ...byLabel(asked) } };
}

/** Where a rule speaks of the port and its peers lack but a label or two. */
function byLabel({ compiled, decision, pod, peer, wish }: Asked): Pick<Change, 'or'> {
  const { protocol, port, to } = wish.connection;
  const rules = (decision.turn?.rules ?? []).filter(
    (r) => r.rule.action === 'allow' && r.matchesSelf(pod) === true && includes(rulePorts(r.rule, protocol, to), port),
  );
  const steps = rules.flatMap((r) =>
    labelSteps(compiled.model, r.rule.peers ?? [], peer).map((s) => ({ ...s, of: r.rule })),
  );
  const [best] = steps.sort((a, b) => a.count - b.count);
  return best ? { or: `${best.text}: then ${best.of.source.object}, ${best.of.source.path} allows it` } : {};
}

function withRule(asked: Asked, policy: Policy, how: string): Step | undefined {
  const { compiled, peer, wish } = asked;
  const { model } = compiled;
  const { protocol, port } = wish.connection;
  const action = wish.allowed ? 'allow' : 'deny';
  const labels = tellingLabels(model, peer);
  const request = { direction: wish.direction, action, peer, labels, protocol, port } as const;
  const written = writeRule(model, policy, request);
  if (!written) return undefined;
  const change: Change = {
    direction: wish.direction,
    text: `add to spec.${written.list} of ${policy.source.object}${how === 'so' ? '' : `, ${how}`}`,
    yaml: stringify([written.yaml]),
    source: policy.source,
  };
  return { change, policies: replaced(model, policy, { ...policy, rules: [written.rule, ...policy.rules] }) };
}

function replaced({ policies }: PolicyModel, old: Policy, policy: Policy): Policy[] {
  return policies.map((p) => (p === old ? policy : p));
}
