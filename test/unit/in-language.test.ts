import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { isParityError } from '../../src/host/errors.ts';
import { connectionOf } from '../../src/target/contexts.ts';
import { inLanguage, templateOf } from '../../src/ui/in-language.ts';
import { standInHost } from './stand-in-host.ts';

const templates = Object.keys(JSON.parse(readFileSync('l10n/bundle.l10n.json', 'utf8')) as Record<string, string>);
const ownWords = (template: string) => template.replace(/\{\d+\}/g, '');

const filled = (template: string, value: (n: number) => string) =>
  template.replace(/\{(\d+)\}/g, (_, n) => value(Number(n)));

test('every text that is made of a template leads back to it, and to what was filled in', () => {
  // Forms such as "{0}: {1}" are the UI's own, and said in the editor's language as it is.
  const long = templates.filter((template) => ownWords(template).replace(/\P{L}/gu, '').length >= 4);
  const holed = long.filter((template) => /\{0\}/.test(template));
  assert.ok(holed.length > 200, `${holed.length} templates`);
  for (const template of holed) {
    const text = filled(template, (n) => `<${n}>`);
    const found = templateOf(text, templates);
    assert.ok(found, template);
    // Two that differ in their holes alone say the same.
    assert.equal(ownWords(found.template), ownWords(template));
    assert.equal(
      filled(found.template, (n) => found.values[n] ?? ''),
      text,
    );
    // Where two holes touch, nobody can tell what is whose.
    if (!/\}\{/.test(template))
      assert.ok(
        found.values.every((value, n) => value === `<${n}>`),
        template,
      );
  }
});

test("an error of the core is said in the editor's language, its names as they are", async () => {
  const host = standInHost({ files: { '/home/me/.kube/config': 'kind: Config\n' } });
  const error = await connectionOf(host, 'prod', new AbortController().signal).catch((e: unknown) => e);
  assert.ok(error instanceof Error && isParityError(error));
  const bundle = {
    'There is no context "{0}" in {1}': 'In {1} gibt es keinen Kontext „{0}“',
    '{0} in {1}': 'nichts',
  };
  assert.equal(inLanguage(error.message, bundle), 'In /home/me/.kube/config gibt es keinen Kontext „prod“');
  assert.equal(inLanguage(error.message, undefined), error.message);
  assert.equal(inLanguage('Nobody has translated this', bundle), 'Nobody has translated this');
});

test('a clause that is filled in is looked up as well', () => {
  const bundle = { 'Cancelled. {0}': 'Abgebrochen. {0}', 'Nothing was changed in {0}': 'In {0} wurde nichts geändert' };
  assert.equal(
    inLanguage('Cancelled. Nothing was changed in kind:dev', bundle),
    'Abgebrochen. In kind:dev wurde nichts geändert',
  );
});
