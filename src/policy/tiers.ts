import type { Tier } from './model.ts';

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
