// Collects the texts of the UI, the arguments of vscode.l10n.t, and those of the core that the UI shows (core-texts.mjs) into
// l10n/bundle.l10n.json: what a translation starts from (bundle.l10n.LANGUAGE.json beside it) and texts are looked up by. --check writes nothing and fails where it isn't so.
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { coreTexts } from './core-texts.mjs';

const BUNDLE = 'l10n/bundle.l10n.json';

/** What is to be translated; the English text is the key. Throws for one that isn't written out. */
function texts() {
  const found = new Set(coreTexts());
  for (const file of ['src/extension.ts', ...globSync('src/ui/**/*.ts')]) {
    for (const [, quote, body, other] of readFileSync(file, 'utf8').matchAll(
      /\bl10n\.t\(\s*(?:(['"`])((?:\\.|(?!\1).)*)\1|([^)\n]*))/g,
    )) {
      if (quote === undefined || (quote === '`' && /\$\{/.test(body)))
        throw new Error(`${file}: l10n.t(${other ?? body} is not a text that can be looked up`);
      found.add(body.replace(/\\(['"`\\])/g, '$1'));
    }
  }
  return [...found].sort();
}

const wanted = `${JSON.stringify(Object.fromEntries(texts().map((text) => [text, text])), null, 2)}\n`;
if (!process.argv.includes('--check')) {
  writeFileSync(BUNDLE, wanted);
} else if (readFileSync(BUNDLE, 'utf8') !== wanted) {
  console.error(`${BUNDLE} is not what the source says: npm run l10n`);
  process.exitCode = 1;
}
