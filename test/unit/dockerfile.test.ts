import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDockerfile } from '../../src/image/dockerfile.ts';

/** `line kind name` of each FROM. */
const froms = (text: string, platform = 'linux/amd64') =>
  parseDockerfile(text, platform).map(({ line, kind, name }) => `${line} ${kind} ${name}`);

test('stages, scratch, names, and what the last stage stands on', () => {
  const found = parseDockerfile(
    [
      '# syntax=docker/dockerfile:1',
      '',
      'FROM --platform=$BUILDPLATFORM golang:1.24 AS build',
      'RUN go build ./...',
      'from mcr.microsoft.com/azurelinux/base/core:3.0 as Base',
      'FROM scratch AS empty',
      'COPY --from=build /out /',
      'FROM base',
    ].join('\n'),
    'linux/arm64',
  );
  assert.deepEqual(found, [
    {
      line: 3,
      written: 'golang:1.24',
      kind: 'image',
      name: 'golang:1.24',
      stage: 'build',
      platform: 'linux/arm64',
      final: false,
    },
    {
      line: 5,
      written: 'mcr.microsoft.com/azurelinux/base/core:3.0',
      kind: 'image',
      name: 'mcr.microsoft.com/azurelinux/base/core:3.0',
      stage: 'Base',
      final: true,
    },
    { line: 6, written: 'scratch', kind: 'scratch', name: 'scratch', stage: 'empty', final: false },
    { line: 8, written: 'base', kind: 'stage', name: 'base', final: true },
  ]);
});

test('a stage of the same name as its image, and one that is only made later', () => {
  assert.deepEqual(froms('FROM nginx AS nginx\nFROM nginx\nFROM later\nFROM x AS later'), [
    '1 image nginx',
    '2 stage nginx',
    '3 image later',
    '4 image x',
  ]);
});

test('build arguments: defaults, several on a line, one in another, quotes, and every form of a variable', () => {
  const args = `ARG REG=mcr.microsoft.com TAG="3.0" NAME='base/core'\nARG FULL=\${REG}/azurelinux/$NAME\nARG EMPTY=\n`;
  const name = (written: string) => froms(`${args}FROM ${written}`).map((one) => one.replace('4 ', ''))[0];
  assert.equal(name(`\${FULL}:$TAG`), 'image mcr.microsoft.com/azurelinux/base/core:3.0');
  assert.equal(name(`"$FULL:\${TAG}"`), 'image mcr.microsoft.com/azurelinux/base/core:3.0');
  assert.equal(name(`a:\${NONE:-1.0}`), 'image a:1.0');
  assert.equal(name(`a:\${NONE:-\${TAG}}`), 'image a:3.0');
  assert.equal(name(`a:\${EMPTY:-2}`), 'image a:2');
  assert.equal(name(`a:1\${EMPTY-2}`), 'image a:1');
  assert.equal(name(`a:1\${TAG:+-slim}`), 'image a:1-slim');
  assert.equal(name(`a:1\${NONE:+-slim}`), 'image a:1');
  assert.equal(name(`a:1\${NONE}`), 'image a:1');
  assert.equal(name(`a:\${TAG:?must be set}`), 'image a:3.0');
  assert.equal(name(`app-\${TARGETARCH}:$TARGETOS`), 'image app-amd64:linux');
});

test('an image that only a build argument names is unknown', () => {
  for (const written of ['$BASE', `\${BASE}`, 'a:$TAG', '$REG/a:1', `a@\${DIGEST}`, 'a/$NAME:1', `a:\${TAG#v}`]) {
    assert.equal(parseDockerfile(`ARG BASE\nFROM ${written}`, 'linux/amd64')[0]?.kind, 'unknown', written);
  }
});

test('an argument of a stage says nothing to the next FROM', () => {
  assert.deepEqual(froms('ARG V=1\nFROM a:$V\nARG V=2\nFROM b:$V'), ['2 image a:1', '4 image b:1']);
});

test('comments, continuations, empty lines within, and line numbers of where an instruction starts', () => {
  const text = [
    '\uFEFF# a comment that says FROM x',
    'ARG \\',
    '  # why it is so',
    '',
    '  V=1',
    '  # FROM y',
    'FROM \\  ',
    '  --platform=linux/amd64 \\',
    '  a:$V \\',
    '  AS one',
    'RUN echo \\',
    '  FROM z && \\',
    'FROM w',
    'FROM b # no comment, but what is behind is not read',
  ].join('\r\n');
  assert.deepEqual(froms(text), ['7 image a:1', '14 image b']);
});

test('the escape directive, which Dockerfiles for Windows use', () => {
  const text = '# escape=`\nFROM mcr.microsoft.com/windows/nanoserver:ltsc2022 `\n  AS w\nRUN dir c:\\\nFROM w\n';
  assert.deepEqual(froms(text), ['2 image mcr.microsoft.com/windows/nanoserver:ltsc2022', '5 stage w']);
  // Below anything else it is a comment, and the backslash continues the line.
  assert.deepEqual(froms('\n# escape=`\nFROM a\nRUN dir c:\\\nFROM w\n'), ['3 image a']);
});

test("here-documents' bodies are no instructions", () => {
  const text = [
    'FROM a',
    "RUN <<EOF cat > /x && <<-'END' cat > /y",
    'FROM b',
    'EOF',
    'FROM c',
    '\tEND',
    'COPY <<"one.txt" /one',
    'FROM d',
    'one.txt',
    'RUN cat <<<word && echo $((1<<2))',
    'FROM e',
  ].join('\n');
  assert.deepEqual(froms(text), ['1 image a', '11 image e']);
  assert.deepEqual(froms('FROM a\nRUN <<EOF\nFROM b'), ['1 image a'], 'one without an end takes the rest');
});

test('digests, ports and nothing at all', () => {
  const digest = `sha256:${'a'.repeat(64)}`;
  assert.deepEqual(froms(`FROM localhost:5000/a:1@${digest}`), [`1 image localhost:5000/a:1@${digest}`]);
  assert.deepEqual(froms(''), []);
  assert.deepEqual(froms('FROM\nFROM \\'), []);
  assert.deepEqual(froms('FROM a \\'), ['1 image a']);
});
