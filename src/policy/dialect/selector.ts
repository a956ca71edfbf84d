import type { LabelSelector } from '../../snapshot/model.ts';
import { choiceOf, fieldsOf, listOf, malformed, type Origin, recordOf, textOf } from './read.ts';

const OPERATORS = ['In', 'NotIn', 'Exists', 'DoesNotExist'] as const;
type Requirement = NonNullable<LabelSelector['matchExpressions']>[number];

/**
 * A label selector, checked as the API server does (apimachinery, ValidateLabelSelector); undefined where absent.
 * Throws an input error that names the place.
 */
export function parseSelector(value: unknown, path: string, origin: Origin): LabelSelector | undefined {
  const fields = fieldsOf(value, path, origin, ['matchLabels', 'matchExpressions']);
  if (!fields) return undefined;
  const labels = recordOf(fields.matchLabels, `${path}.matchLabels`, origin);
  const expressions = listOf(fields.matchExpressions, `${path}.matchExpressions`, origin);
  return {
    ...(labels && { matchLabels: parseLabels(labels, `${path}.matchLabels`, origin) }),
    ...(expressions && {
      matchExpressions: expressions.map((e, i) => parseRequirement(e, `${path}.matchExpressions[${i}]`, origin)),
    }),
  };
}

function parseLabels(labels: Readonly<Record<string, unknown>>, path: string, origin: Origin): Record<string, string> {
  // A null value is the empty string to Go's JSON decoder.
  return Object.fromEntries(
    Object.entries(labels).map(([key, value]) => [key, textOf(value, `${path}.${key}`, origin) ?? '']),
  );
}

function parseRequirement(value: unknown, path: string, origin: Origin): Requirement {
  const fields = fieldsOf(value, path, origin, ['key', 'operator', 'values']) ?? {};
  const key = textOf(fields.key, `${path}.key`, origin);
  if (!key) throw malformed(origin, path, 'needs a key');
  const operator = choiceOf(fields.operator, `${path}.operator`, origin, OPERATORS);
  if (!operator) throw malformed(origin, path, `needs an operator: one of ${OPERATORS.join(', ')}`);
  const values = (listOf(fields.values, `${path}.values`, origin) ?? []).map(
    (v, i) => textOf(v, `${path}.values[${i}]`, origin) ?? '',
  );
  if (operator === 'In' || operator === 'NotIn') {
    if (values.length === 0) throw malformed(origin, `${path}.values`, `must not be empty with operator ${operator}`);
    return { key, operator, values };
  }
  if (values.length > 0) throw malformed(origin, `${path}.values`, `must be empty with operator ${operator}`);
  return { key, operator };
}
