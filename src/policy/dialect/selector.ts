import type { LabelSelector } from '../../snapshot/model.ts';
import { at, type Field, isAbsent, items, maybe, oneOf, onlyKeys, text, textMap, texts } from '../../snapshot/shape.ts';
import type { LabelTest, Selector } from '../model.ts';

type Requirement = NonNullable<LabelSelector['matchExpressions']>[number];

/** Holds for everything. */
export const ANY: Selector = { op: 'all', of: [] };

/** Holds where all of the selectors do; those that hold for everything are left out. */
export function allOf(...selectors: readonly Selector[]): Selector {
  const of = selectors.flatMap((s) => (s.op === 'all' ? s.of : [s]));
  const [only] = of;
  return of.length === 1 && only ? only : { op: 'all', of };
}

/** Whether a selector holds for everything. */
export function isAny(selector: Selector): boolean {
  return selector.op === 'all' && selector.of.length === 0;
}

/** Whether a selector asks for no label to be there. One that holds for everything asks for nothing, and does as well. */
export function asksForNone(selector: Selector): boolean {
  return selector.op === 'all' ? selector.of.every(asksForNone) : selector.op === 'not';
}

/** A label selector of Kubernetes as an expression on the labels of a pod, its namespace, … */
export function fromLabelSelector(selector: LabelSelector, of: LabelTest['of']): Selector {
  const exact = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => isIn(of, key, [value]));
  return allOf(...exact, ...(selector.matchExpressions ?? []).map((e) => fromRequirement(e, of)));
}

/** NotIn holds for an absent key as well: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/ */
function fromRequirement({ key, operator, values = [] }: Requirement, of: LabelTest['of']): Selector {
  const exists: Selector = { op: 'label', of, key, test: 'exists', values: [] };
  switch (operator) {
    case 'In':
      return isIn(of, key, values);
    case 'NotIn':
      return { op: 'not', of: isIn(of, key, values) };
    case 'Exists':
      return exists;
    case 'DoesNotExist':
      return { op: 'not', of: exists };
  }
}

function isIn(of: LabelTest['of'], key: string, values: readonly string[]): Selector {
  return { op: 'label', of, key, test: 'in', values };
}

/** `parseLabelSelector` as an expression; undefined where absent. */
export function parseSelector(selector: Field, of: LabelTest['of']): Selector | undefined {
  const parsed = parseLabelSelector(selector);
  return parsed && fromLabelSelector(parsed, of);
}

/**
 * A label selector, checked as the API server does (apimachinery, ValidateLabelSelector); undefined where absent.
 * Throws what the field's `fail` makes.
 */
export function parseLabelSelector(selector: Field): LabelSelector | undefined {
  if (isAbsent(selector)) return undefined;
  onlyKeys(selector, ['matchLabels', 'matchExpressions']);
  return {
    ...maybe('matchLabels', textMap(at(selector, 'matchLabels'))),
    ...maybe('matchExpressions', items(at(selector, 'matchExpressions'))?.map(parseRequirement)),
  };
}

function parseRequirement(requirement: Field): Requirement {
  onlyKeys(requirement, ['key', 'operator', 'values']);
  const key = text(at(requirement, 'key'));
  if (key === '') throw requirement.fail([...requirement.path, 'key'], 'must not be empty');
  const operator = oneOf(at(requirement, 'operator'), ['In', 'NotIn', 'Exists', 'DoesNotExist'] as const);
  const values = texts(at(requirement, 'values')) ?? [];
  const listed = operator === 'In' || operator === 'NotIn';
  if (listed !== values.length > 0) {
    const problem = `must ${listed ? 'not ' : ''}be empty with operator ${operator}`;
    throw requirement.fail([...requirement.path, 'values'], problem);
  }
  return listed ? { key, operator, values } : { key, operator };
}
