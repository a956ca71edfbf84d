import { ParityError } from '../host/errors.ts';
import { DIALECTS, type ParseContext } from '../policy/dialect/index.ts';
import type { Gap, PolicyObject } from './model.ts';
import { type ObjectType, policyObject } from './policy-object.ts';
import type { Field } from './shape.ts';

/**
 * The policies of a cluster that this version understands. One that it doesn't becomes a gap: half of it would mean
 * something else, and the rest must not be lost for it.
 */
export function understood(
  found: readonly (ObjectType & { readonly object: Field })[],
  context: ParseContext,
): { policies: PolicyObject[]; gaps: Gap[] } {
  const gaps: Gap[] = [];
  const keep = <T>(type: ObjectType, reading: () => T): T[] => {
    try {
      return [reading()];
    } catch (error) {
      if (!(error instanceof ParityError)) throw error;
      gaps.push({ resource: resourceOf(type), reason: 'failed', message: `left out: ${error.message}` });
      return [];
    }
  };
  const objects = found.flatMap((f) => keep(f, () => policyObject(f.object, f)));
  const policies = isReadable(objects, context)
    ? objects
    : objects.flatMap((object) => keep(object, () => readAlone(object, context)));
  return { policies, gaps };
}

/** Objects refer to each other, but none is refused for what it refers to. */
function isReadable(objects: readonly PolicyObject[], context: ParseContext): boolean {
  try {
    for (const dialect of DIALECTS) dialect.parse(objects, context);
    return true;
  } catch (error) {
    if (!(error instanceof ParityError)) throw error;
    return false;
  }
}

function readAlone(object: PolicyObject, context: ParseContext): PolicyObject {
  for (const dialect of DIALECTS) dialect.parse([object], context);
  return object;
}

function resourceOf({ apiVersion, kind }: ObjectType): string {
  const group = apiVersion.split('/')[0] ?? '';
  return kind === 'NetworkPolicy' && group === 'networking.k8s.io'
    ? 'networkpolicies.networking.k8s.io'
    : `${kind}.${group}`;
}
