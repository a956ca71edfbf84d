// The texts of the core that reach a user of the editor: what errors say and advise, the steps of a run, the doctor's lines,
// what a plan warns of, why a connection is as it is, and the report's page.
// The core says them in English; the editor looks them up by the template that they were made of (src/ui/in-language.ts).
import { globSync, readFileSync } from 'node:fs';

/** Where such a text begins: an error's message, the properties of an error, a finding, a reason or a plan, a step's title. */
const BEGINS =
  /\b(?:(?:input|environment|refused)Error\(|new ParityError\(\s*(?:'\w+'|\w+),|(?:run\.|\b)step\(|(?:action|fix|detail|reason|text|warning|message|or|also): |(?:text|why|nothing|HOW_DENIED) =\s|(?:because|doubtful)\(|(?:title: \(\)|\(rule: string\)) =>)\s*/g;

/** All that these say is shown. */
const PAGE = 'src/report/{view,html,explained,graph,grid,summary,findings,image-findings,policy-findings}.ts';
/** What looks like a text there, and is none: attributes, a policy of contents, names in the code. */
const CODE = /="|^default-src|^nonce-|^\w*[a-z][A-Z]\w*$|^clparity\//;
/** Literals in types, and of modules. */
const TYPES = /^import [^;]*;|\b(?:Pick|Omit)<[^()]*?>(?=[,)\s;])|\['\w+'\]|=== '\w+'/gm;

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
        if (/[a-z]{2} [^ ]|[a-z]{4}/i.test(plain(text))) found.add(text);
  }
  for (const file of globSync(PAGE))
    for (const text of [...literals(readFileSync(file, 'utf8').replace(TYPES, ''), 0, false)].flatMap(textsIn))
      if (/[a-z]{2}/i.test(plain(text)) && !CODE.test(text)) found.add(text);
  return [...found];
}

const plain = (template) => template.replace(/\{\d+\}/g, '');

/** The texts of HTML: between its tags, and what its labels say; holes are numbered anew. A text without tags is one. */
function textsIn(html) {
  const label = (tag) => / aria-label="([^"]*)"/.exec(tag)?.[1] ?? '';
  const pieces = html.replace(/<(?:[^<>"]|"[^"]*")*>/g, (tag) => `\0${label(tag)}\0`).split('\0');
  return pieces.map((piece) => {
    let holes = 0;
    return piece.trim().replace(/\{\d+\}/g, () => `{${holes++}}`);
  });
}

/** The literals of the expression that begins at `at`, up to the comma or bracket that ends it, or those of all that follows. */
function* literals(source, at, one = true) {
  for (let depth = 0; at < source.length; at++) {
    const c = source[at];
    if (source.startsWith('//', at)) at = source.indexOf('\n', at);
    else if (source.startsWith('/*', at)) at = source.indexOf('*/', at) + 1;
    else if (c === "'" || c === '"' || c === '`') {
      const { template, inner, end } = literal(source, at);
      yield template;
      yield* inner;
      at = end;
    } else if ('([{'.includes(c)) depth++;
    else if (')]}'.includes(c) && --depth < 0 && one) return;
    else if ((c === ',' || c === ';') && depth === 0 && one) return;
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
