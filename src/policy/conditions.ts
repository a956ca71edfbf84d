import type { Policy, Rule } from './model.ts';
import { peersOf } from './peers.ts';

/** As cilium-l7.ts says it. A look-up leads nowhere by itself, and without DNS nothing works: it is kept for any name. */
const LOOK_UP = /^DNS queries for /;
const ANY_LOOK_UP = 'DNS queries for *';

/** What a policy asks of connections that NetworkPolicies can't ask, in words: HTTP paths, names in DNS, … */
export function conditionsOf(policy: Policy): string[] {
  const asked = policy.rules.flatMap((rule) => rule.narrowedBy ?? []).filter((word) => word !== ANY_LOOK_UP);
  const names = peersOf(policy).flatMap((peer) => (peer.type === 'fqdn' ? [`the addresses of ${peer.pattern}`] : []));
  return [...new Set([...asked, ...names])];
}

/** Whether a condition is given up where it can't be asked, and its rule stays. */
export function isGivenUp(condition: string): boolean {
  return LOOK_UP.test(condition);
}

/**
 * A policy that surely allows no more without its conditions: what it allows under one is left out, and what it denies
 * (or passes on, to who knows what) under one is denied.
 */
export function unconditional(policy: Policy): Policy {
  if (!policy.rules.some(isConditional)) return policy;
  return {
    ...policy,
    rules: policy.rules.flatMap((rule): Rule[] => {
      if (!isConditional(rule)) return [rule];
      const { narrowedBy: _, ...rest } = rule;
      return rule.action === 'allow' ? [] : [{ ...rest, action: 'deny' }];
    }),
  };
}

function isConditional({ narrowedBy = [] }: Rule): boolean {
  return narrowedBy.some((word) => !isGivenUp(word));
}
