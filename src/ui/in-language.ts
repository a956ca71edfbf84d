/** Texts by their English wording, as `vscode.l10n.bundle` has them; undefined where the editor speaks English. */
type Bundle = Readonly<Record<string, string>> | undefined;

/** Letters that a template has to have of its own: "{0}: {1}" is the form of anything. */
const LEAST_LETTERS = 4;

/** A text of the core in the editor's language: see interpreter. */
export function inLanguage(text: string, bundle: Bundle): string {
  return interpreter(bundle)(text);
}

/**
 * Says texts of the core in the editor's language. The core says everything in English, for one log and one JSON the world
 * over; here it is looked up as it is, or by the template that it was made of, and so is what was filled in where that is a
 * clause. What nobody has translated stays. The templates are collected by scripts/core-texts.mjs.
 */
export function interpreter(bundle: Bundle): (text: string) => string {
  if (bundle === undefined) return (text) => text;
  const find = finder(Object.keys(bundle));
  const said = new Map<string, string>();
  const look = (text: string): string => {
    const whole = bundle[text];
    if (whole !== undefined) return whole;
    const found = find(text);
    if (!found) return text;
    const filled = found.values.map((value) => (/\s/.test(value) ? say(value) : value));
    return (bundle[found.template] ?? '').replace(HOLE, (all, n) => filled[Number(n)] ?? all);
  };
  const say = (text: string): string => {
    const known = said.get(text) ?? look(text);
    said.set(text, known);
    return known;
  };
  return say;
}

const HOLE = /\{(\d+)\}/g;

interface Found {
  readonly template: string;
  readonly values: readonly string[];
}

/** The template of these that says the most of the text in its own words, and what fills its holes. */
export function templateOf(text: string, templates: readonly string[]): Found | undefined {
  return finder(templates)(text);
}

function finder(templates: readonly string[]): (text: string) => Found | undefined {
  const fitting = templates
    .map((template) => ({ template, own: template.replace(HOLE, ''), parts: template.replace(HOLE, '\0').split('\0') }))
    .filter(({ template, own }) => own !== template && own.replace(/\P{L}/gu, '').length >= LEAST_LETTERS)
    .toSorted((a, b) => b.own.length - a.own.length);
  return (text) => {
    for (const { template, parts } of fitting) {
      // Few texts begin and end as a template does: only these are worth a look at the rest.
      if (!text.startsWith(parts[0] ?? '') || !text.endsWith(parts.at(-1) ?? '')) continue;
      const form = parts.map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('([^]*?)');
      const [, ...given] = new RegExp(`^${form}$`).exec(text) ?? [];
      if (given.length === 0) continue;
      const values: string[] = [];
      const holes = [...template.matchAll(HOLE)].map(([, n]) => Number(n));
      for (const [i, hole] of holes.entries()) values[hole] = given[i] ?? '';
      return { template, values };
    }
    return undefined;
  };
}
