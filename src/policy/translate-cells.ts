import { DIRECTIONS } from './directions.ts';
import { semanticsOf, whyIgnored } from './engine.ts';
import type { Direction, PodEndpoint, Policy, PolicyModel, Rule, Selector } from './model.ts';
import { holds, type Known, knowing } from './select.ts';
import { byTurn, DEFAULT_TIER } from './tiers.ts';
import { fold, type Part, type Piece } from './translate-fold.ts';
import type { Lower } from './translate-peers.ts';
import type { Bound } from './translate-selector.ts';

/** Pods of a policy, and what they may do in one direction: what becomes a NetworkPolicy. */
export interface Cell {
  readonly policy: Policy;
  /** All policies that had a say. */
  readonly from: readonly Policy[];
  readonly direction: Direction;
  readonly subject: Selector;
  readonly pieces: readonly Piece[];
  /** Whether these are the policy's own subject and rules, and nothing else. */
  readonly direct: boolean;
}

/** The directions in which a policy isolates, and the rules that count, as the model's engine sees it. */
export function partsOf(policy: Policy, model: PolicyModel): Part[] {
  if (whyIgnored(policy, model.engine) !== undefined) return [];
  const { rulesIsolate } = semanticsOf(model.engine);
  return DIRECTIONS.flatMap((direction) => {
    const rules = policy.rules.filter((r) => r.direction === direction);
    const isKubernetes = policy.dialect === 'kubernetes';
    const isolates = policy.isolates.includes(direction) || (isKubernetes && rulesIsolate && rules.length > 0);
    if (!isolates && (isKubernetes || rules.length === 0)) return [];
    return [{ policy, direction, isolates, rules }];
  });
}

/**
 * A part as several, in its rules' order, none of whose rules asks anything of its own pods: a rule that does becomes a
 * part of its own, for those pods only. Pods of which nobody knows whether a pass is for them are denied what it passes:
 * passed on or not, they could be allowed more than at the target.
 */
function withoutSelf(part: Part, lower: Lower): Part[] {
  if (part.rules.every((r) => r.self === undefined)) return [part];
  const { policy } = part;
  const own = part.rules.flatMap((rule): Part[] => {
    const { self, ...rest } = rule;
    if (self === undefined) return [{ ...part, rules: [rule] }];
    const asked = (action: Rule['action'], bound: Bound): Part => {
      const subject: Selector = { op: 'all', of: [policy.subject, lower(self, policy, bound).pods] };
      return { ...part, policy: { ...policy, subject }, rules: [{ ...rest, action }] };
    };
    if (rule.action !== 'pass') return [asked(rule.action, rule.action === 'allow' ? 'inner' : 'outer')];
    return [asked('pass', 'inner'), asked('deny', 'outer')];
  });
  return [{ ...part, rules: [] }, ...own];
}

/** A part that only allows, in the tier of NetworkPolicies: by itself it is one. */
function isPlain({ policy, isolates, rules }: Part): boolean {
  return policy.tier === DEFAULT_TIER.name && isolates && rules.every((r) => r.action === 'allow');
}

/**
 * Cuts the pods into cells in which the same of the special policies (those that deny, pass, or have another tier) have
 * a say, and folds these into every plain one. `others` are enforced besides: pods that they isolate are not opened by
 * what special ones leave open.
 */
export function cellsOf(
  model: PolicyModel,
  direction: Direction,
  lower: Lower,
  others: readonly Policy[] = [],
): Cell[] {
  const parts = model.policies
    .toSorted(byTurn)
    .flatMap((p) => partsOf(p, model))
    .filter((p) => p.direction === direction)
    .flatMap((p) => withoutSelf(p, lower));
  const pods = model.pods.filter((p) => !p.hostNetwork);
  const knownOf = knowing(model);
  const known = new Map(pods.map((p) => [p, knownOf(p)]));
  const chosen = new Map(parts.map((part) => [part, new Set(pods.filter((p) => isTrue(part, known.get(p))))] as const));
  const podsOf = (part: Part) => chosen.get(part) ?? new Set<PodEndpoint>();
  const special = parts.filter((p) => !isPlain(p));
  const plain = parts.filter(isPlain);
  const destinations = (subject: Iterable<PodEndpoint>) => (direction === 'ingress' ? [...subject] : pods);

  /** The pods by which special parts select them, in the order of the parts. */
  const groups = (some: Iterable<PodEndpoint>) =>
    Map.groupBy(some, (pod) => special.flatMap((part, i) => (podsOf(part).has(pod) ? [i] : [])).join());
  const partsIn = (key: string) => key.split(',').flatMap((i) => (i === '' ? [] : (special[Number(i)] ?? [])));

  /** Narrows a subject to those pods of it that are in a cell. */
  function narrowed(subject: readonly Part[], not: readonly Part[], cell: ReadonlySet<PodEndpoint>): Selector {
    const inside = pods.filter((pod) => subject.every((part) => podsOf(part).has(pod)));
    const others = not.filter((part) => inside.some((pod) => podsOf(part).has(pod) && !cell.has(pod)));
    return {
      op: 'all',
      of: [
        ...subject.map((part) => part.policy.subject),
        ...others.map((part): Selector => ({ op: 'not', of: part.policy.subject })),
      ],
    };
  }

  const ofPlain = plain.flatMap((part) => {
    const all = groups(podsOf(part));
    if (all.size === 0) all.set('', []);
    return [...all].map(([key, members]): Cell => {
      const within = partsIn(key);
      const whole = all.size === 1;
      const cell = new Set(members);
      const rest = special.filter((s) => !within.includes(s));
      const subject = whole ? part.policy.subject : narrowed([part, ...within], rest, cell);
      const folded = [...within, part].sort((a, b) => parts.indexOf(a) - parts.indexOf(b));
      return {
        policy: part.policy,
        from: [...new Set(folded.map((p) => p.policy))],
        direction,
        subject,
        pieces: fold(folded, model, destinations(members), part.policy),
        direct: whole && within.length === 0,
      };
    });
  });

  const besides = others.flatMap((p) => partsOf(p, model)).filter((p) => p.direction === direction && p.isolates);
  for (const part of besides) chosen.set(part, new Set(pods.filter((p) => isTrue(part, known.get(p)))));
  const isolating = [...plain, ...besides];
  const isolated = new Set(isolating.flatMap((part) => [...podsOf(part)]));
  const alone = [...groups(pods)].flatMap(([key, members]) => {
    const within = partsIn(key);
    const left = members.filter((pod) => !isolated.has(pod));
    const [first] = within;
    if (!first || left.length === 0) return [];
    return [{ first, within, members: left }];
  });
  const silent = special.filter((part) => podsOf(part).size === 0);
  const ofSpecial = [...alone, ...silent.map((first) => ({ first, within: [first], members: [] as PodEndpoint[] }))];
  return [
    ...ofPlain,
    ...ofSpecial.flatMap(({ first, within, members }): Cell[] => {
      const pieces = fold(within, model, destinations(members), first.policy);
      if (pieces.some((p) => p.peers === undefined && p.ports === undefined)) return [];
      const rest = [...special.filter((s) => !within.includes(s)), ...isolating];
      const subject = narrowed(within, rest, new Set(members));
      return [{ policy: first.policy, from: within.map((p) => p.policy), direction, subject, pieces, direct: false }];
    }),
  ];
}

function isTrue({ policy }: Part, known: Known | undefined): boolean {
  return known !== undefined && holds(policy.subject, known) === true;
}
