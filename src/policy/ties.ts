import type { CompiledModel, CompiledRule, Turn } from './compile.ts';
import type { Policy } from './model.ts';

/**
 * Admin policies of one tier and priority that both select a pod and don't do the same: "the implementation can apply
 * any of the matching policies" (network-policy-api, clusternetworkpolicy_types.go). What each engine does about it is in
 * engine.ts and tiers.ts; nothing promises that it stays so.
 */
export function tiesOf({ model, turns }: CompiledModel): ReadonlyMap<Policy, readonly Policy[]> {
  const found = new Map<Policy, Set<Policy>>();
  const alike = Map.groupBy(model.policies.filter(isAdmin), (p) => `${p.tier} ${p.order}`);
  const candidates = new Set([...alike.values()].filter((list) => list.length > 1).flat());
  if (candidates.size === 0) return new Map();
  const seen = new Set<string>();
  for (const pod of model.pods) {
    if (pod.hostNetwork) continue;
    for (const turn of [...turns(pod, 'ingress'), ...turns(pod, 'egress')]) {
      const own = turn.rules.filter((rule) => candidates.has(rule.policy));
      const key = own.map(({ rule }) => `${rule.source.object} ${rule.source.path}`).join();
      if (own.length < 2 || seen.has(key)) continue;
      seen.add(key);
      for (const rule of own) {
        for (const rival of own) {
          if (!areRivals(rule, rival)) continue;
          found.set(rule.policy, (found.get(rule.policy) ?? new Set()).add(rival.policy));
        }
      }
    }
  }
  return new Map([...found].map(([policy, rivals]) => [policy, [...rivals]]));
}

/** Rules of a turn that are as good as the one that decided, and say something else. */
export function rivalsOf(turn: Turn, deciding: CompiledRule, isMatch: (rule: CompiledRule) => boolean): CompiledRule[] {
  return turn.rules.filter((rule) => areRivals(rule, deciding) && isMatch(rule));
}

function areRivals(a: CompiledRule, b: CompiledRule): boolean {
  if (a.policy === b.policy || a.rule.action === b.rule.action) return false;
  return isAdmin(a.policy) && isAdmin(b.policy) && a.policy.tier === b.policy.tier && a.policy.order === b.policy.order;
}

function isAdmin({ dialect, order }: Policy): boolean {
  return dialect === 'admin' && order !== undefined;
}
