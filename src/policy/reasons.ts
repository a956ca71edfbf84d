import { compileBlock } from './blocks.ts';
import type { CompiledModel, CompiledRule, Isolation } from './compile.ts';
import type { Exemption } from './decide.ts';
import type { Connection, Direction, Endpoint, Peer, PodEndpoint, Reason, SideVerdict, Verdict } from './model.ts';
import { allowsPort, portMatchText, rangesOf } from './ports.ts';

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

/** The rules that allow a connection, each with its place. */
export function allowReasons(rules: readonly CompiledRule[]): Reason[] {
  return rules.map(({ rule }) => ({
    text: `allowed by ${rule.source.object}${rule.source.path === undefined ? '' : `, ${rule.source.path}`}`,
    source: rule.source,
  }));
}

/** Every policy that isolates the pod, and the rules that nearly allowed the connection. */
export function denyReasons(
  compiled: CompiledModel,
  isolation: Isolation,
  direction: Direction,
  pod: PodEndpoint,
  peer: Endpoint,
  connection: Connection,
): Reason[] {
  const wanted = `${connection.protocol} ${connection.port} ${direction === 'ingress' ? 'from' : 'to'} ${peer.id}`;
  const policies = isolation.policies.map((policy): Reason => {
    const nothing = policy.rules.some((r) => r.direction === direction) ? 'none of its rules' : 'nothing';
    const unlisted = policy.isolates.includes(direction)
      ? ''
      : ` (policyTypes leaves ${direction} out, but ${compiled.semantics.title} enforces its rules all the same)`;
    const text = `${policy.source.object} selects ${pod.id} for ${direction}${unlisted} and ${nothing} allows ${wanted}`;
    return { text, source: policy.source };
  });
  return [...policies, ...isolation.rules.flatMap((rule) => nearMiss(compiled, rule, peer, connection))];
}

/** What a rule lacks, where it is one step from allowing the connection: the port, or an ipBlock that doesn't count. */
function nearMiss(
  compiled: CompiledModel,
  { rule, matchesPeer }: CompiledRule,
  peer: Endpoint,
  c: Connection,
): Reason[] {
  const where = `${rule.source.object}, ${rule.source.path ?? 'a rule'}`;
  if (matchesPeer(peer)) {
    const ports = (rule.ports ?? []).map((match) => {
      const missing = rangesOf(match, match.protocol, c.to).length === 0;
      return `${portMatchText(match)}${missing ? ` (${c.to.id} has no such port)` : ''}`;
    });
    return [{ text: `${where} allows ${peer.id}, but only on ${ports.join(', ') || 'no port'}`, source: rule.source }];
  }
  if (!allowsPort(rule.ports, c.protocol, c.port, c.to)) return [];
  return (rule.peers ?? []).flatMap((block): Reason[] => {
    if (block.type !== 'cidr') return [];
    const problem = blockMiss(compiled, block, rule.source.object, peer);
    return problem === undefined ? [] : [{ text: `${where}: ${problem}`, source: rule.source }];
  });
}

/** Why an ipBlock that a person would expect to match does not. */
function blockMiss(
  { addresses, semantics }: CompiledModel,
  block: Extract<Peer, { type: 'cidr' }>,
  object: string,
  peer: Endpoint,
): string | undefined {
  const kind = addresses.kindOf(peer);
  const parsed = compileBlock(block, object);
  if (addresses.covered(parsed, peer)) {
    return `its ipBlock ${block.cidr} covers ${peer.id}, but ${semantics.title}'s ipBlocks never match ${kind}s`;
  }
  const matchable = kind === 'pod' ? semantics.cidrMatchesPods : semantics.cidrMatchesNodes;
  if (!matchable || !addresses.uncertain(parsed, peer)) return undefined;
  return `the address of ${peer.id} is not known, so its ipBlock ${block.cidr} can't be said to match`;
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
