import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { paletteWords, SETTING_OF_OPTION } from '../../src/ui/palette-words.ts';

const inWords = paletteWords({
  contributes: { commands: [{ command: 'clparity.create', title: 'Create…', category: 'Parity' }] },
});

test("verbs are said by their titles, and others' as they are", () => {
  assert.equal(
    inWords('Run "clparity create", or see "clparity --help".'),
    'Run "Parity: Create", or see "clparity --help".',
  );
});

test("options are said by their settings, with the value and without a placeholder's", () => {
  assert.equal(
    inWords('Pick one, for example with "--cluster kind:dev".'),
    'Pick one, for example with the setting clparity.cluster: "kind:dev".',
  );
  assert.equal(
    inWords('Name one with --context NAME (a kubeconfig context) or --snapshot PATH (a file).'),
    'Name one with the setting clparity.target.context (a kubeconfig context) or the setting clparity.target.snapshot (a file).',
  );
  assert.equal(
    inWords('Choose another with --cluster, or stop.'),
    'Choose another with the setting clparity.cluster, or stop.',
  );
  assert.equal(inWords('Leave --archive out.'), 'Leave the setting clparity.archive out.');
});

test('what other programs are told stays', () => {
  for (const text of [
    'See kubectl --context production get namespace kube-system',
    'Delete it with "kind delete cluster --name dev".',
    'Push it yourself ("skopeo copy --all").',
    'Give it with --engine-manifest FILE.',
  ]) {
    assert.equal(inWords(text), text);
  }
});

test('every setting that is named is one of the manifest', () => {
  const { properties } = JSON.parse(readFileSync('package.json', 'utf8')).contributes.configuration;
  for (const key of Object.values(SETTING_OF_OPTION)) assert.ok(Object.hasOwn(properties, key), key);
});
