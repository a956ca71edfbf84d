import type { LabelTest, Selector } from '../model.ts';
import { holds, type Labels, NAMESPACE_NAME_LABEL } from '../select.ts';
import type { Expression, ExpressionTest } from './calico-selector.ts';
import { ANY, allOf, isAny } from './selector.ts';

/** Labels that Calico gives endpoints itself (api v3 constants.go, libcalico-go k8s/conversion/constants.go). */
export const NAMESPACE_LABEL = 'projectcalico.org/namespace';
export const NAMESPACE_NAME = 'pcns.projectcalico.org/name';
const ORCHESTRATOR_LABEL = 'projectcalico.org/orchestrator';
const SERVICE_ACCOUNT_LABEL = 'projectcalico.org/serviceaccount';
export const SERVICE_ACCOUNT_NAME = 'pcsa.projectcalico.org/name';

/** Holds for nothing. */
export const NONE: Selector = { op: 'any', of: [] };

/**
 * An expression as it applies to pods; what every pod has, or none, is decided here. Pods get their labels in
 * libcalico-go k8s/conversion (workload_endpoint_default.go, NamespaceToProfile, ServiceAccountToProfile).
 */
export function forPods(expression: Expression): Selector {
  switch (expression.op) {
    case 'all': {
      const parts = expression.of.map(forPods);
      return parts.some(isNone) ? NONE : allOf(...parts);
    }
    case 'any':
      return anyOf(expression.of.map(forPods));
    case 'not':
      return negate(forPods(expression.of));
    case 'label':
      return labelOfPod(expression);
  }
}

function anyOf(parts: readonly Selector[]): Selector {
  if (parts.some(isAny)) return ANY;
  const of = parts.filter((part) => !isNone(part));
  const [only] = of;
  return of.length === 1 && only ? only : { op: 'any', of };
}

function negate(selector: Selector): Selector {
  if (isAny(selector)) return NONE;
  if (isNone(selector)) return ANY;
  return selector.op === 'not' ? selector.of : { op: 'not', of: selector };
}

export function isNone(selector: Selector): boolean {
  return selector.op === 'any' && selector.of.length === 0;
}

function labelOfPod(test: ExpressionTest): Selector {
  const { key } = test;
  if (key === ORCHESTRATOR_LABEL) return matchesExpression(test, { [key]: 'k8s' }) ? ANY : NONE;
  if (key === NAMESPACE_LABEL || key === NAMESPACE_NAME) return nameTest(test, 'namespace', NAMESPACE_NAME_LABEL);
  if (key === SERVICE_ACCOUNT_LABEL || key === SERVICE_ACCOUNT_NAME) {
    return nameTest(test, 'serviceAccount', 'projectcalico.org/name');
  }
  if (key.startsWith('pcns.')) return labelTest(test, 'namespace', key.slice('pcns.'.length));
  if (key.startsWith('pcsa.')) return labelTest(test, 'serviceAccount', key.slice('pcsa.'.length));
  return labelTest(test, 'pod', key);
}

function nameTest(test: ExpressionTest, of: 'namespace' | 'serviceAccount', key: string): Selector {
  if (test.test === 'exists') return ANY;
  return test.test === 'in' ? { op: of, names: test.values } : labelTest(test, of, key);
}

function labelTest({ test, values }: ExpressionTest, of: LabelTest['of'], key: string): Selector {
  return { op: 'label', of, key, test, values };
}

/** Whether an expression holds for what has these labels and no others, such as a network set. */
export function matchesExpression(expression: Expression, labels: Labels): boolean {
  const known = { pod: labels, namespace: {}, serviceAccount: {}, node: {} };
  return holds(expression, { labels: known, namespace: undefined, serviceAccount: undefined }) === true;
}

/** Labels of service accounts, other than their names, that an expression asks for: a snapshot doesn't hold them. */
export function serviceAccountLabels(expression: Expression): string[] {
  if (expression.op === 'not') return serviceAccountLabels(expression.of);
  if (expression.op !== 'label') return expression.of.flatMap(serviceAccountLabels);
  const { key, test } = expression;
  const isName = key === SERVICE_ACCOUNT_NAME || key === SERVICE_ACCOUNT_LABEL;
  if (isName) return test === 'exists' || test === 'in' ? [] : ['projectcalico.org/name'];
  return key.startsWith('pcsa.') ? [key.slice('pcsa.'.length)] : [];
}
