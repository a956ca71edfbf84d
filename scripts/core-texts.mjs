// The texts of the core that reach a user of the editor: what errors say and advise, the steps of a run, the doctor's lines.
// The core says them in English; the editor looks them up by the template that they were made of (src/ui/in-language.ts).
import { globSync, readFileSync } from 'node:fs';

/** Where such a text begins: an error's message, an error's or a finding's properties, a step's title. */
const BEGINS =
  /\b(?:(?:input|environment|refused)Error\(|new ParityError\(\s*(?:'\w+'|\w+),|(?:run\.|\b)step\(|(?:action|fix|detail|reason): |title: \(\) =>)\s*/g;

/** Every template of the core, `{0}` and so on where something is filled in; without those that hold no word. */
export function coreTexts() {
  const files = globSync('src/**/*.ts').filter(
    (file) => !/^src\/(ui|cli|webview|report)\/|^src\/(cli|extension)\.ts$/.test(file),
  );
  const found = new Set();
  for (const file of files) {
    const source = readFileSync(file, 'utf8');
    for (const { 0: all, index } of source.matchAll(BEGINS))
      for (const text of literals(source, index + all.length))
        if (/[a-z]{2} |[a-z]{4}/i.test(plain(text))) found.add(text);
  }
  return [...found];
}

const plain = (template) => template.replace(/\{\d+\}/g, '');

/** The literals of the expression that begins at `at`, up to the comma or bracket that ends it. */
function* literals(source, at) {
  for (let depth = 0; at < source.length; at++) {
    const c = source[at];
    if (source.startsWith('//', at)) at = source.indexOf('\n', at);
    else if (c === "'" || c === '"' || c === '`') {
      const { template, inner, end } = literal(source, at);
      yield template;
      yield* inner;
      at = end;
    } else if ('([{'.includes(c)) depth++;
    else if (')]}'.includes(c) && --depth < 0) return;
    else if ((c === ',' || c === ';') && depth === 0) return;
  }
}

/** A literal by its opening quote: as a template, with the literals in its own expressions, and where it ends. */
function literal(source, start) {
  const quote = source[start];
  const inner = [];
  let template = '';
  let holes = 0;
  for (let at = start + 1; ; at++) {
    const c = source[at];
    if (c === quote) return { template, inner, end: at };
    if (c === undefined) throw new Error(`a literal without an end: ${source.slice(start, start + 40)}`);
    if (c === '\\') {
      at++;
      template += source[at] === 'n' ? '\n' : source[at];
    } else if (quote === '`' && c === '$' && source[at + 1] === '{') {
      const end = closing(source, at + 2);
      inner.push(...literals(source.slice(0, end + 1), at + 2));
      template += `{${holes++}}`;
      at = end;
    } else template += c;
  }
}

/** Where the bracket closes that was open before `at`. */
function closing(source, at) {
  for (let depth = 0; ; at++) {
    const c = source[at];
    if (c === "'" || c === '"' || c === '`') at = literal(source, at).end;
    else if (c === '{') depth++;
    else if (c === '}' && depth-- === 0) return at;
    else if (c === undefined) throw new Error('an expression without an end');
  }
}
