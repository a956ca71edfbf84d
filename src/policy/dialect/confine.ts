import type { LabelSelector, PolicyObject } from '../../snapshot/model.ts';
import { DIRECTIONS, OTHER_END } from '../directions.ts';
import { NAMESPACE_NAME_LABEL } from '../select.ts';
import { replaceAt } from './replace.ts';

/** A label selector that holds for none but those whose label of a key has one of the values. */
export function narrowed(selector: LabelSelector, key: string, values: readonly string[]): LabelSelector {
  return {
    ...selector,
    matchExpressions: [...(selector.matchExpressions ?? []), { key, operator: 'In', values: [...values] }],
  };
}

/** The same, but for one that says by that key, in any of the ways to write it, whom it means: it needs no narrowing. */
export function narrowedUnlessNamed(
  selector: LabelSelector,
  key: string,
  values: readonly string[],
  isKey = (other: string) => other === key,
): LabelSelector {
  const isNamed =
    Object.keys(selector.matchLabels ?? {}).some(isKey) ||
    (selector.matchExpressions ?? []).some((e) => isKey(e.key) && e.operator === 'In');
  return isNamed ? selector : narrowed(selector, key, values);
}

/**
 * A NetworkPolicy whose rules allow pods of these namespaces alone, where at the target they allow any namespace's, or
 * any but some. Pure.
 */
export function confineKubernetes(object: PolicyObject, namespaces: readonly string[]): PolicyObject {
  const change = (selector: unknown) =>
    narrowedUnlessNamed(selector as LabelSelector, NAMESPACE_NAME_LABEL, namespaces);
  return DIRECTIONS.reduce<unknown>(
    (result, d) => replaceAt(result, ['spec', d, '*', OTHER_END[d], '*', 'namespaceSelector'], change),
    object,
  ) as PolicyObject;
}
