import { parseAddress } from './addresses.ts';
import { compileBlock, covers } from './blocks.ts';
import type { CompiledModel, CompiledRule, Turn } from './compile.ts';
import { type Decision, type Exemption, isAbout, isNarrowed } from './decide.ts';
import { OTHER_END } from './directions.ts';
import { cidrMatches, enginesFor, semanticsOf } from './engine.ts';
import type { Connection, Direction, Endpoint, Peer, Policy, Reason, SideVerdict, Verdict, Via } from './model.ts';
import { isRelative, peersIn } from './peers.ts';
import { includes, portMatchText, rangesOf, rulePorts } from './ports.ts';
import { because, doubtful, placeOf } from './reason.ts';
import { type Asked, putOff, strayDoubt } from './stray-reasons.ts';
import { DEFAULT_TIER } from './tiers.ts';
import { rivalsOf } from './ties.ts';

/** Why a side has nothing to say. */
export function exemptReason(
  { semantics, model }: CompiledModel,
  exempt: Exemption,
  direction: Direction,
  { from, to }: Connection,
): Reason {
  const [own, peer] = direction === 'egress' ? [from, to] : [to, from];
  switch (exempt) {
    case 'no enforcement':
      return { text: `nothing enforces network policies in this cluster (engine ${model.engine.name})` };
    case 'outside':
      return { text: `${own.id} is outside the cluster's pods: no policy speaks for it` };
    case 'host network':
      return { text: `${own.id} uses its node's network (hostNetwork): no policy selects it` };
    case 'itself':
      return { text: `a pod always reaches itself, whatever the policies say` };
    case 'own node':
      return direction === 'ingress'
        ? { text: `${peer.id} is the node that ${own.id} runs on, which may always connect` }
        : { text: `${peer.id} is the node that ${own.id} runs on, and ${semantics.title} always allows that` };
    case 'not selected':
      return { text: `no policy selects ${own.id} for ${direction}` };
  }
}

/** The rules, or the tier's default, that decided one side, what nearly decided it, and what may have. */
export function decisionReasons(
  compiled: CompiledModel,
  turns: readonly Turn[],
  decision: Decision,
  direction: Direction,
  asked: Asked,
): Reason[] {
  const { allowed, turn, rules, passed } = decision;
  const before = turn === undefined ? turns : turns.slice(0, turns.indexOf(turn) + 1);
  return [
    ...passed.map((rule) => because(`passed on to the next tier by ${placeOf(rule)}`, rule)),
    ...rules.map((rule) => decided(rule, allowed)),
    ...strayDoubt(turns, allowed, asked),
    ...(allowed && turn && rules.length > 0 ? putOff(compiled, turns.slice(turns.indexOf(turn) + 1), asked) : []),
    ...[...passed, ...rules].flatMap((rule) => undefinedTurns(turns, rule, asked)),
    ...(turn && rules.length === 0 ? defaultReasons(compiled, turn, direction, asked) : []),
    ...(turn === undefined ? [undecided(turns, direction, asked)] : []),
    ...assumptions(
      compiled,
      [...rules, ...passed].map((r) => r.policy).concat(rules.length === 0 ? (turn?.isolating ?? []) : []),
    ),
    ...before.flatMap((t) => t.rules.flatMap((rule) => mayDecide(compiled, rule, allowed, asked))),
  ];
}

/** The rules that an engine may as well have asked first: see tiesOf. */
function undefinedTurns(turns: readonly Turn[], rule: CompiledRule, { pod, peer, connection }: Asked): Reason[] {
  const turn = turns.find((t) => t.rules.includes(rule));
  const isMatch = (r: CompiledRule) => isAbout(r, pod, peer) && speaksOf(r, connection);
  return (turn ? rivalsOf(turn, rule, isMatch) : []).map((rival) =>
    doubtful(
      `${placeOf(rival)} has the same priority, and would have it ${VERBS[rival.rule.action]}: Kubernetes doesn't define which comes first`,
      rival,
    ),
  );
}

/** Where nobody knows the engine, policies that not every engine reads are taken to count; that is to be said. */
function assumptions({ model }: CompiledModel, deciding: readonly Policy[]): Reason[] {
  if (model.engine.name !== 'unknown') return [];
  const found = new Map(deciding.filter((p) => p.dialect !== 'kubernetes').map((p) => [p.dialect, p]));
  return [...found.values()].map((policy) => ({
    text: `what enforces policies is not known: ${policy.source.object} counts under ${enginesFor(policy)}, and is ignored by the others`,
    source: policy.source,
  }));
}

const VERBS = { allow: 'allowed', deny: 'denied', pass: 'passed on' } as const;

/** Each written out, for it is looked up so in the editor's language. */
const DECIDED = {
  allow: (rule: string) => `allowed by ${rule}`,
  deny: (rule: string) => `denied by ${rule}`,
} as const;

function decided(rule: CompiledRule, allowed: boolean): Reason {
  if (rule.rule.action === 'pass') {
    const why = allowed
      ? 'a rule after it allows it, and Cilium leaves that in its tables where another denies it'
      : 'another policy allows it by a rule for more ports, or for anyone, and there Cilium takes this for a denial';
    const text = `${allowed ? 'allowed' : 'denied'} by ${placeOf(rule)}, which passes on in the last tier: ${why}`;
    return because(text, rule);
  }
  const text = DECIDED[rule.rule.action](`${placeOf(rule)}${condition(rule)}`);
  return isNarrowed(rule.rule.narrowedBy) ? doubtful(text, rule) : because(text, rule);
}

/** What an allow asks besides, so that it lets through less than it shows. */
function condition({ rule }: CompiledRule): string {
  return isNarrowed(rule.narrowedBy) ? `, but only with ${(rule.narrowedBy ?? []).join(' and ')}` : '';
}

function undecided(turns: readonly Turn[], direction: Direction, { pod }: Asked): Reason {
  const objects = turns.flatMap((t) => t.policies.map((p) => p.source.object));
  return {
    text: `${listed(objects)} select ${pod.id} for ${direction}, and none of their rules decides: it is allowed`,
  };
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, 3).join(', ');
  return names.length > 3 ? `${shown} and ${names.length - 3} more` : shown;
}

/** The policies whose tier denies what none of its rules allows, and the rules that nearly allowed it. */
function defaultReasons(compiled: CompiledModel, turn: Turn, direction: Direction, asked: Asked): Reason[] {
  const { pod, peer, connection } = asked;
  const wanted = `${connection.protocol} ${connection.port} ${OTHER_END[direction]} ${peer.id}`;
  // Tiers of this name are everywhere: nobody has to be told.
  const tier = turn.tier.name === DEFAULT_TIER.name ? '' : `: the default of tier ${turn.tier.name} denies it`;
  const policies = turn.isolating.map((policy): Reason => {
    const nothing = policy.rules.some((r) => r.direction === direction) ? 'none of its rules' : 'nothing';
    const unlisted =
      policy.dialect !== 'kubernetes' || policy.isolates.includes(direction)
        ? ''
        : ` (policyTypes leaves ${direction} out, but ${compiled.semantics.title} enforces its rules all the same)`;
    const text = `${policy.source.object} selects ${pod.id} for ${direction}${unlisted} and ${nothing} allows ${wanted}${tier}`;
    return { text, source: policy.source };
  });
  return [...policies, ...turn.rules.flatMap((rule) => nearMiss(compiled, rule, asked))];
}

/** What an allow lacks, where it is one step from the connection: the port, or a CIDR that doesn't count. */
function nearMiss(compiled: CompiledModel, rule: CompiledRule, { pod, peer, connection: c }: Asked): Reason[] {
  if (rule.rule.action !== 'allow' || rule.matchesSelf(pod) !== true) return [];
  if (rule.matchesPeer(peer, pod) === true) {
    const ports = (rule.rule.ports ?? []).map((match) => {
      const missing = rangesOf(match, match.protocol, c.to).length === 0;
      return `${portMatchText(match)}${missing ? ` (${c.to.id} has no such port)` : ''}`;
    });
    const except = (rule.rule.exceptPorts ?? []).map(portMatchText);
    const only = rule.rule.ports === undefined ? 'any port' : ports.join(', ') || 'no port';
    const but = except.length > 0 ? `${only}, except ${except.join(', ')}` : only;
    return [because(`${placeOf(rule)} allows ${peer.id}, but only on ${but}`, rule)];
  }
  const blocks = (rule.rule.peers ?? []).filter((p) => p.type === 'cidr');
  if (blocks.length === 0) return [];
  const missed = speaksOf(rule, c) ? blockMiss(compiled, rule, blocks, peer) : [];
  return missed.length === 0 && peer === c.to && c.via ? serviceMiss(rule, blocks, c.via) : missed;
}

type Blocks = readonly Extract<Peer, { type: 'cidr' }>[];

/** Blocks that hold the peer's address, and don't count for what it is. */
function blockMiss(compiled: CompiledModel, rule: CompiledRule, blocks: Blocks, peer: Endpoint): Reason[] {
  return blocks.flatMap((block): Reason[] => {
    const kind = compiled.addresses.kindOf(peer);
    if (kind === 'outside' || cidrMatches(compiled.semantics, rule.policy, kind)) return [];
    if (compiled.addresses.covered(compileBlock(block, rule.rule.source.object), peer) !== true) return [];
    const title = (rule.policy.dialect === 'cilium' ? semanticsOf({ name: 'cilium' }) : compiled.semantics).title;
    const word = rule.policy.dialect === 'kubernetes' ? 'ipBlock' : 'CIDR';
    const text = `its ${word} ${block.cidr} covers ${peer.id}, but ${title}'s ${word}s never match ${kind}s`;
    return [because(`${placeOf(rule)}: ${text}`, rule)];
  });
}

/** Blocks that hold the address of the Service, which is translated before policies are asked. */
function serviceMiss(rule: CompiledRule, blocks: Blocks, { service, addresses }: Via): Reason[] {
  const inside = addresses.flatMap((ip) => parseAddress(ip) ?? []);
  return blocks
    .filter((block) => inside.some((address) => covers(compileBlock(block, rule.rule.source.object), address)))
    .map(({ cidr }) => {
      const text = `its block ${cidr} covers the address of ${service}, but policies see the pods behind it`;
      return because(`${placeOf(rule)}: ${text}`, rule);
    });
}

function speaksOf({ rule }: CompiledRule, { protocol, port, to }: Connection): boolean {
  return includes(rulePorts(rule, protocol, to), port);
}

/** A rule that would decide otherwise, if what isn't known of the connection were so. */
function mayDecide(compiled: CompiledModel, rule: CompiledRule, allowed: boolean, asked: Asked): Reason[] {
  const { pod, peer, connection } = asked;
  const { action, narrowedBy } = rule.rule;
  if ((action === 'allow') === allowed) return [];
  const [self, other] = [rule.matchesSelf(pod), rule.matchesPeer(peer, pod)];
  if (self === false || other === false) return [];
  const unknown = self === undefined || other === undefined;
  if (!unknown && (action === 'allow' || !isNarrowed(narrowedBy))) return [];
  if (!speaksOf(rule, connection)) return [];
  const why = unknown ? whyUnknown(compiled, rule, peer) : `it asks for ${(narrowedBy ?? []).join(' and ')}`;
  return [doubtful(`may also be ${VERBS[action]} by ${placeOf(rule)}: ${why}`, rule)];
}

function whyUnknown({ addresses, semantics }: CompiledModel, { rule, policy }: CompiledRule, peer: Endpoint): string {
  const inside = (rule.peers ?? []).flatMap(peersIn);
  const kind = addresses.kindOf(peer);
  for (const p of inside) {
    if (p.type === 'cidr' && (kind === 'outside' || cidrMatches(semantics, policy, kind))) {
      if (addresses.covered(compileBlock(p, rule.source.object), peer) === undefined)
        return `the address of ${peer.id} is not known, so its CIDR ${p.cidr} can't be said to match`;
    }
    if (p.type === 'fqdn' && kind === 'outside')
      return `the DNS names of ${peer.id} are not known, it means ${p.pattern}`;
    if (p.type === 'entity' && p.entity === 'kube-apiserver' && kind !== 'pod')
      return `whether ${peer.id} is the API server is not known`;
    if (p.type === 'entity' && isRelative(p) && kind === 'node') return `on which node the pod runs is not known`;
    if (p.type === 'nodes' && kind === 'node') return `the labels of node ${peer.id} are not known`;
  }
  return 'labels that it asks for (of service accounts, say) are not known';
}

/** The policies that would have a say about a side, if they counted. */
export function ignoredReasons(compiled: CompiledModel, direction: Direction, { from, to }: Connection): Reason[] {
  const own = direction === 'egress' ? from : to;
  if (own.type === 'address') return [];
  return compiled.ignored
    .filter(({ policy }) => policy.isolates.includes(direction) || policy.rules.some((r) => r.direction === direction))
    .filter(({ policy }) => compiled.selects(policy, own))
    .map(({ policy, why }) => ({
      text: `${policy.source.object} selects ${own.id} as well, but decides nothing: ${why}`,
      source: policy.source,
    }));
}

/** What may make a verdict another than it is, in lines. */
export function verdictDoubts({ egress, ingress }: Verdict): string[] {
  const lines = (name: string, side: SideVerdict) =>
    side.because.filter((r) => r.doubt).map((r) => `${name}: ${reasonText(r)}`);
  return [...lines('egress', egress), ...lines('ingress', ingress)];
}

/** What decides a verdict, in lines: both sides where it is allowed, the denying ones where it is not. */
export function verdictReasons({ allowed, egress, ingress }: Verdict): string[] {
  const lines = (name: string, side: SideVerdict) =>
    allowed || !side.allowed ? side.because.map((r) => `${name}: ${reasonText(r)}`) : [];
  return [...lines('egress', egress), ...lines('ingress', ingress)];
}

/** A reason and its place in a file. */
export function reasonText({ text, source }: Reason): string {
  if (source?.file === undefined) return text;
  return `${text} (${source.file}${source.line === undefined ? '' : `:${source.line}`})`;
}
