import type { PolicyObject } from '../../snapshot/model.ts';
import type { Shared } from '../translate.ts';
import { isBuiltInTier } from './calico-tiers.ts';
import { replaceAt } from './replace.ts';

type Json = Readonly<Record<string, unknown>>;

/** A selector that says by name which namespaces it means, and nothing else. */
const NAMED =
  /^\s*(?:projectcalico\.org\/name|kubernetes\.io\/metadata\.name)\s*(?:==\s*['"][^'"]*['"]|in\s*\{[^}]*\})\s*$/;

/** A namespaceSelector that holds for none but these. */
export function narrowedExpression(selector: unknown, namespaces: readonly string[]): string {
  const own = `projectcalico.org/name in {${namespaces.map((name) => `'${name}'`).join(', ')}}`;
  return typeof selector === 'string' && selector.trim() !== '' ? `(${selector}) && ${own}` : own;
}

/** The name of a tier of this mirror's; those that every Calico has are for all. */
export function ownTier(tier: string, shared: Shared | undefined): string {
  return isBuiltInTier(tier) ? tier : `${shared?.prefix ?? ''}${tier}`;
}

/**
 * Whether a rule means what has no namespace: GlobalNetworkSets go by labels, and where several mirrors share a cluster
 * they can't be told apart.
 */
export function namesGlobal({ kind, spec }: Pick<PolicyObject, 'kind' | 'spec'>): boolean {
  return kind === 'GlobalNetworkSet' || /\bglobal\(\s*\)/.test(JSON.stringify(spec ?? {}));
}

/**
 * A policy whose rules that allow mean pods of these namespaces alone, where they mean any namespace's or any but some.
 * Without a namespaceSelector a NetworkPolicy means its own namespace, a GlobalNetworkPolicy every one (see `selected`
 * in calico-entity.ts). Pure.
 */
export function confineCalico(object: PolicyObject, namespaces: readonly string[]): PolicyObject {
  const isWide = object.metadata.namespace === undefined;
  const end = (value: unknown) => {
    const entity = value as Json;
    const { namespaceSelector: selector, selector: pods, serviceAccounts } = entity;
    const says = typeof selector === 'string' && selector.trim() !== '';
    if (says ? NAMED.test(selector) : !isWide || (!pods && !serviceAccounts)) return entity;
    return { ...entity, namespaceSelector: narrowedExpression(selector, namespaces) };
  };
  // The own end of a global policy's rule is confined with the policy.
  const rule = (side: string) => (value: unknown) =>
    (value as Json).action === 'Allow' ? replaceAt(value, [side], end) : value;
  return replaceAt(
    replaceAt(object, ['spec', 'ingress', '*'], rule('source')),
    ['spec', 'egress', '*'],
    rule('destination'),
  ) as PolicyObject;
}
