import type { LabelSelector } from '../../snapshot/model.ts';
import { at, type Field, isAbsent, items, maybe, oneOf, onlyKeys, text, textMap, texts } from '../../snapshot/shape.ts';

type Requirement = NonNullable<LabelSelector['matchExpressions']>[number];

/**
 * A label selector, checked as the API server does (apimachinery, ValidateLabelSelector); undefined where absent.
 * Throws what the field's `fail` makes.
 */
export function parseSelector(selector: Field): LabelSelector | undefined {
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
