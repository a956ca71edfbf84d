import type { EngineName } from '../snapshot/model.ts';
import type { Policy, Rule, Tier } from './model.ts';

/**
 * The tiers that every engine knows, whatever it calls them. Admin and baseline: the tiers of
 * policy.networking.k8s.io; default: where NetworkPolicies and Cilium's policies are.
 */
export const ADMIN_TIER: Tier = { name: 'admin', order: 1000, rules: 'ordered', otherwise: 'pass' };
export const DEFAULT_TIER: Tier = { name: 'default', order: 1_000_000, rules: 'union', otherwise: 'deny' };
export const BASELINE_TIER: Tier = { name: 'baseline', order: 10_000_000, rules: 'ordered', otherwise: 'pass' };

/** Calico's tier `default` goes by order, where the others have a union: libcalico-go api constants. */
export const CALICO_DEFAULT_TIER: Tier = { ...DEFAULT_TIER, rules: 'ordered' };

/** The order that Calico gives a Kubernetes NetworkPolicy in its tier `default` (libcalico-go conversion.go). */
export const KUBERNETES_ORDER = 1000;

/**
 * All tiers, sorted, with those that a cluster has besides. Where nobody knows the engine, Calico's policies show that
 * tier `default` goes by order, unless Cilium's say otherwise.
 */
export function tiersOf(engine: EngineName, policies: readonly Policy[], more: readonly Tier[]): Tier[] {
  const has = (dialect: Policy['dialect']) => policies.some((p) => p.dialect === dialect);
  const ordered = engine === 'calico' || (engine === 'unknown' && has('calico') && !has('cilium'));
  const known = [ADMIN_TIER, ordered ? CALICO_DEFAULT_TIER : DEFAULT_TIER, BASELINE_TIER];
  const names = new Set(known.map((t) => t.name));
  return [...known, ...more.filter((t) => !names.has(t.name))].sort(byOrder);
}

/**
 * Lower first, without an order last, then by name (PolKVLess in felix/calc/policy_sorter.go), where Calico calls a
 * NetworkPolicy `knp.default.NAME` (libcalico-go/lib/names).
 */
export function byTurn(a: Policy, b: Policy): number {
  return (
    compareOrder(a, b) || compareText(sortName(a), sortName(b)) || compareText(a.namespace ?? '', b.namespace ?? '')
  );
}

/** Two may both be without an order, so their difference says nothing. */
function compareOrder(a: Pick<Policy, 'order'>, b: Pick<Policy, 'order'>): number {
  const [x, y] = [a.order ?? Number.POSITIVE_INFINITY, b.order ?? Number.POSITIVE_INFINITY];
  return x === y ? 0 : x < y ? -1 : 1;
}

/** A rule, and its place among those of its policy. */
interface Placed {
  readonly rule: Pick<Rule, 'action'>;
  readonly policy: Pick<Policy, 'order'>;
  readonly place: number;
}

/** Some rules of a policy, each with its place there; `ruleOf` finds the rule in what is given and comes back as `item`. */
export function placed<P extends Pick<Policy, 'order'>, T>(
  policy: P,
  items: readonly T[],
  ruleOf: (item: T) => Pick<Rule, 'action' | 'source'>,
) {
  const places = placesOf(items.map(ruleOf));
  return items.map((item, i) => ({ item, rule: ruleOf(item), policy, place: places[i] ?? i }));
}

/** The place of each rule among those of its policy; parts of one as it is written share it. */
function placesOf(rules: readonly Pick<Rule, 'source'>[]): number[] {
  const paths = rules.map(({ source }, i) => source.path ?? `${i}`);
  const distinct = [...new Set(paths)];
  return paths.map((path) => distinct.indexOf(path));
}

/** Which action counts first among rules that stand side by side. */
export const RANK: Readonly<Record<Rule['action'], number>> = { deny: 0, allow: 1, pass: 2 };

/** Rules of policies of one order side by side, the first ones first; of those in the same place one that denies. */
export function bySide(a: Placed, b: Placed): number {
  return compareOrder(a.policy, b.policy) || a.place - b.place || RANK[a.rule.action] - RANK[b.rule.action];
}

function sortName({ dialect, name }: Policy): string {
  return dialect === 'kubernetes' ? `knp.default.${name}` : name;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Two tiers may both be without end, so the difference of their orders says nothing. */
function byOrder(a: Tier, b: Tier): number {
  if (a.order !== b.order) return a.order < b.order ? -1 : 1;
  return a.name < b.name ? -1 : 1;
}
