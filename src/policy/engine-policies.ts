import type { Engine } from '../snapshot/model.ts';
import type { Policy } from './model.ts';
import { DEFAULT_TIER } from './tiers.ts';

/**
 * What an engine enforces by itself, as policies: with `enable-policy: always` Cilium isolates every pod, whether a policy
 * selects it or not (computePolicyEnforcementAndRules in pkg/policy/repository.go).
 */
export function policiesOfEngine({ name, options }: Engine): Policy[] {
  if (name !== 'cilium' || options?.['enable-policy'] !== 'always') return [];
  return [
    {
      dialect: 'cilium',
      namespace: undefined,
      name: 'enable-policy-always',
      subject: { op: 'all', of: [] },
      isolates: ['ingress', 'egress'],
      tier: DEFAULT_TIER.name,
      rules: [],
      ofEngine: true,
      source: { object: "Cilium's option enable-policy: always" },
    },
  ];
}
