/** Texts by their English wording, as `vscode.l10n.bundle` has them; undefined where the editor speaks English. */
type Bundle = Readonly<Record<string, string>> | undefined;

/** Letters that a template has to have of its own: "{0}: {1}" is the form of anything. */
const LEAST_LETTERS = 4;

/**
 * A text of the core in the editor's language. The core says everything in English, for one log and one JSON the world
 * over; here it is looked up as it is, or by the template that it was made of, and so is what was filled in where that is a
 * clause. What nobody has translated stays. The templates are collected by scripts/core-texts.mjs.
 */
export function inLanguage(text: string, bundle: Bundle): string {
  if (bundle === undefined) return text;
  const whole = bundle[text];
  if (whole !== undefined) return whole;
  const found = templateOf(text, Object.keys(bundle));
  if (!found) return text;
  const filled = found.values.map((value) => (/\s/.test(value) ? inLanguage(value, bundle) : value));
  return (bundle[found.template] ?? '').replace(HOLE, (all, n) => filled[Number(n)] ?? all);
}

const HOLE = /\{(\d+)\}/g;

/** The template of these that says the most of the text in its own words, and what fills its holes. */
export function templateOf(
  text: string,
  templates: readonly string[],
): { readonly template: string; readonly values: readonly string[] } | undefined {
  const fitting = templates
    .map((template) => ({ template, own: template.replace(HOLE, '') }))
    .filter(({ template, own }) => own !== template && own.replace(/\P{L}/gu, '').length >= LEAST_LETTERS)
    .toSorted((a, b) => b.own.length - a.own.length);
  for (const { template } of fitting) {
    const holes = [...template.matchAll(HOLE)].map(([, n]) => Number(n));
    const form = template
      .replace(HOLE, '\0')
      .split('\0')
      .map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
      .join('([^]*?)');
    const [, ...given] = new RegExp(`^${form}$`).exec(text) ?? [];
    if (given.length === 0) continue;
    const values: string[] = [];
    for (const [i, hole] of holes.entries()) values[hole] = given[i] ?? '';
    return { template, values };
  }
  return undefined;
}
