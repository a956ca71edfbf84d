export type Change = (value: unknown) => unknown;

/** A value with what stands at a path changed; `*` means every item of a list. Where nothing is, nothing comes. */
export function replaceAt(value: unknown, path: readonly string[], change: Change): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return change(value);
  if (step === '*') return Array.isArray(value) ? value.map((item) => replaceAt(item, rest, change)) : value;
  if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, step)) return value;
  const found = (value as Readonly<Record<string, unknown>>)[step];
  return found === undefined || found === null ? value : { ...value, [step]: replaceAt(found, rest, change) };
}
