import { inputError, type ParityError } from '../../host/errors.ts';
import type { SourceLocation } from '../../snapshot/model.ts';
import type { SourceRef } from '../model.ts';

/** The object being read, for errors and for the rules' origins. */
export interface Origin {
  /** Kind and name, e.g. `NetworkPolicy shop/allow-web`. */
  readonly object: string;
  readonly location: SourceLocation | undefined;
}

type Fields = Readonly<Record<string, unknown>>;

/** Where `path` of an object stands; without a line of its own, the nearest outer one. */
export function sourceRef({ object, location }: Origin, path?: string): SourceRef {
  const at = path === undefined ? { object } : { object, path };
  if (!location) return at;
  let line: number | undefined;
  for (let p = path ?? ''; p !== '' && line === undefined; p = parentPath(p)) line = location.lines[p];
  return { ...at, file: location.file, line: line ?? location.line };
}

/** Label keys hold dots and anything else, so this may cut inside one; it always ends at the empty path. */
function parentPath(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf('.'), path.lastIndexOf('['), 0));
}

/** An error that names the file, line, object and path. */
export function malformed(origin: Origin, path: string, problem: string): ParityError {
  const { file, line } = sourceRef(origin, path);
  const where = file === undefined ? '' : `${file}:${line}: `;
  return inputError(`${where}${origin.object}: ${path} ${problem}`, {
    action: 'The Kubernetes API server refuses this as well: correct the manifest.',
  });
}

/**
 * An object's fields. Null is absent, as in Kubernetes' JSON decoder. A field that isn't in `known` is refused, as
 * kubectl does: a misspelt `form:` would otherwise mean "from anywhere". Throws an input error.
 */
export function fieldsOf(value: unknown, path: string, origin: Origin, known: readonly string[]): Fields | undefined {
  const fields = recordOf(value, path, origin);
  for (const key of Object.keys(fields ?? {})) {
    if (!known.includes(key)) {
      throw malformed(origin, `${path}.${key}`, `is not a known field; here are known: ${known.join(', ')}`);
    }
  }
  return fields;
}

/** A map with any keys, undefined for null. Throws an input error for anything else. */
export function recordOf(value: unknown, path: string, origin: Origin): Fields | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'object' || Array.isArray(value)) throw malformed(origin, path, 'must be an object');
  return value as Fields;
}

/** A list, undefined for null. Throws an input error for anything else. */
export function listOf(value: unknown, path: string, origin: Origin): readonly unknown[] | undefined {
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value)) throw malformed(origin, path, 'must be a list');
  return value;
}

/** A string, undefined for null. Throws an input error for anything else. */
export function textOf(value: unknown, path: string, origin: Origin): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string') {
    throw malformed(origin, path, `must be a string, not ${JSON.stringify(value)} (put it in quotes)`);
  }
  return value;
}

/** One of `allowed`, undefined for null. Throws an input error for anything else. */
export function choiceOf<T extends string>(
  value: unknown,
  path: string,
  origin: Origin,
  allowed: readonly T[],
): T | undefined {
  if (value === undefined || value === null) return undefined;
  const choice = allowed.find((a) => a === value);
  if (choice === undefined) {
    throw malformed(origin, path, `must be one of ${allowed.join(', ')}, not ${JSON.stringify(value)}`);
  }
  return choice;
}
