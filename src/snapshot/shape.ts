import type { ParityError } from '../host/errors.ts';

/** Steps into a parsed object, e.g. `['spec', 'ingress', 0]`. */
export type Path = readonly (string | number)[];
/** Makes the error that says what is wrong at a path: with file and line, or with the object's name. */
export type Fail = (path: Path, problem: string) => ParityError;

/** A value nobody has checked yet, and how to complain about it. Null counts as absent, as it does for Kubernetes. */
export interface Field {
  readonly value: unknown;
  readonly path: Path;
  readonly fail: Fail;
}

/** `spec.ingress[0].from[1]`; keys that aren't plain words stand in brackets. */
export function pathText(path: Path): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (/^[\w-]+$/.test(step)) text += text === '' ? step : `.${step}`;
    else text += `[${JSON.stringify(step)}]`;
  }
  return text;
}

export function field(value: unknown, fail: Fail): Field {
  return { value, path: [], fail };
}

export function isAbsent({ value }: Field): boolean {
  return value === undefined || value === null;
}

/** A map's entry. The entry of an absent map is absent; of anything else than a map, an error. */
export function at(parent: Field, ...keys: string[]): Field {
  let here = parent;
  for (const key of keys) {
    const entries = isAbsent(here) ? undefined : record(here);
    const value = entries !== undefined && Object.hasOwn(entries, key) ? entries[key] : undefined;
    here = { value, path: [...here.path, key], fail: here.fail };
  }
  return here;
}

export function record(here: Field): Readonly<Record<string, unknown>> {
  const { value } = here;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(here, 'a map');
  return value as Readonly<Record<string, unknown>>;
}

/** A list's items, or undefined where there is no list. Null items are errors: it is not said what they mean. */
export function items(here: Field): Field[] | undefined {
  if (isAbsent(here)) return undefined;
  if (!Array.isArray(here.value)) throw wrong(here, 'a list');
  return here.value.map((value: unknown, index) => {
    const item = { value, path: [...here.path, index], fail: here.fail };
    if (isAbsent(item)) throw wrong(item, 'a value');
    return item;
  });
}

export function text(here: Field): string {
  if (typeof here.value !== 'string') throw wrong(here, 'a string');
  return here.value;
}

export function textOf(here: Field): string | undefined {
  return isAbsent(here) ? undefined : text(here);
}

/** A string of one line: no control characters either, which would be a terminal's to obey. */
export function line(here: Field): string {
  const value = text(here);
  if (/\p{Cc}/u.test(value)) throw here.fail(here.path, 'must be one line, without control characters');
  return value;
}

/** A DNS label; names are these, joined by dots (https://kubernetes.io/docs/concepts/overview/working-with-objects/names). */
const LABEL = '[a-z0-9](?:[-a-z0-9]*[a-z0-9])?';
const NAME = new RegExp(`^${LABEL}(?:\\.${LABEL})*$`);
const NAMESPACE = new RegExp(`^${LABEL}$`);

/** A name that the API server takes for an object. */
export function objectName(here: Field): string {
  const name = text(here);
  if (name.length <= 253 && NAME.test(name)) return name;
  throw here.fail(here.path, 'must be a name of small letters, digits, "-" and ".", of 253 characters at most');
}

/** A name that the API server takes for a namespace. */
export function namespaceName(here: Field): string {
  const name = text(here);
  if (name.length <= 63 && NAMESPACE.test(name)) return name;
  throw here.fail(here.path, 'must be a name of small letters, digits and "-", of 63 characters at most');
}

export function lineOf(here: Field): string | undefined {
  return isAbsent(here) ? undefined : line(here);
}

export function lines(here: Field): string[] | undefined {
  return items(here)?.map(line);
}

export function flag(here: Field): boolean {
  if (isAbsent(here)) return false;
  if (typeof here.value !== 'boolean') throw wrong(here, 'true or false');
  return here.value;
}

export function integer(here: Field): number {
  if (typeof here.value !== 'number' || !Number.isSafeInteger(here.value)) throw wrong(here, 'a whole number');
  return here.value;
}

export function integerOrText(here: Field): number | string {
  return typeof here.value === 'string' ? here.value : integer(here);
}

export function oneOf<T extends string>(here: Field, allowed: readonly T[]): T {
  const found = allowed.find((a) => a === here.value);
  if (found === undefined) throw here.fail(here.path, `must be one of ${allowed.join(', ')}`);
  return found;
}

/** A map of strings such as labels, with its keys sorted; undefined where there is none. `read` takes its values. */
export function textMap(here: Field, read: (value: Field) => string = text): Record<string, string> | undefined {
  if (isAbsent(here)) return undefined;
  const keys = Object.keys(record(here)).sort();
  return Object.fromEntries(keys.map((key) => [key, read(at(here, key))]));
}

export function texts(here: Field): string[] | undefined {
  return items(here)?.map(text);
}

/** Refuses keys that the schema doesn't have: a misspelt `from` would otherwise widen a rule in silence. */
export function onlyKeys(here: Field, known: readonly string[], problem = 'is no field of it'): void {
  const stray = Object.keys(record(here)).find((key) => !known.includes(key));
  if (stray !== undefined) throw here.fail([...here.path, stray], `${problem} (known: ${known.join(', ')})`);
}

/** Adds an entry only where there is a value: absent and empty mean different things. */
export function maybe<K extends string, T>(key: K, value: T | undefined): { readonly [P in K]?: T } {
  return (value === undefined ? {} : { [key]: value }) as { readonly [P in K]?: T };
}

/** Names the types but never the value: it may be a credential, and the line is named. */
function wrong(here: Field, wanted: string): ParityError {
  const { value } = here;
  if (isAbsent(here)) return here.fail(here.path, 'is missing');
  const quote = wanted === 'a string' && (typeof value === 'boolean' || typeof value === 'number');
  const what = Array.isArray(value) ? 'list' : typeof value === 'object' ? 'map' : typeof value;
  return here.fail(here.path, `must be ${wanted}, not a ${what}${quote ? ': quote it' : ''}`);
}
