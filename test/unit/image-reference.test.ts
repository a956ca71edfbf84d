import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isLoopbackRegistry, parseReference } from '../../src/image/reference.ts';

const DIGEST = `sha256:${'ab'.repeat(32)}`;

const NORMALISED: readonly [given: string, wanted: string][] = [
  ['busybox', 'docker.io/library/busybox:latest'],
  ['busybox:1.36', 'docker.io/library/busybox:1.36'],
  ['grafana/loki', 'docker.io/grafana/loki:latest'],
  ['docker.io/busybox', 'docker.io/library/busybox:latest'],
  ['index.docker.io/library/busybox', 'docker.io/library/busybox:latest'],
  ['localhost/x', 'localhost/x:latest'],
  ['localhost:5000/x', 'localhost:5000/x:latest'],
  ['local/x', 'docker.io/local/x:latest'],
  ['LOCAL/x', 'LOCAL/x:latest'],
  ['127.0.0.1:5000/a/b:c', '127.0.0.1:5000/a/b:c'],
  ['[::1]:5000/a', '[::1]:5000/a:latest'],
  ['mcr.microsoft.com/azurelinux/base/core:3.0', 'mcr.microsoft.com/azurelinux/base/core:3.0'],
  [`mcr.microsoft.com/azurelinux/base/core@${DIGEST}`, `mcr.microsoft.com/azurelinux/base/core@${DIGEST}`],
  [`busybox:1@${DIGEST}`, `docker.io/library/busybox:1@${DIGEST}`],
  ['a.b/c__d-e.f', 'a.b/c__d-e.f:latest'],
];

for (const [given, wanted] of NORMALISED) {
  test(`${given} means ${wanted}`, () => {
    const reference = parseReference(given);
    assert.equal(reference.text, wanted);
    assert.equal(parseReference(wanted).text, wanted, 'a normalised reference stays as it is');
    assert.equal(reference.repository, `${reference.registry}/${reference.path}`);
  });
}

const WRONG: readonly [given: string, why: RegExp][] = [
  ['', /empty/],
  [' busybox', /white space/],
  ['https://mcr.microsoft.com/x', /URL/],
  ['ab'.repeat(32), /image ID/],
  ['a/B', /lower case/],
  ['a//b', /not a repository name/],
  ['a/-b', /not a repository name/],
  ['../x', /not a registry's host name/],
  ['x:', /not a tag/],
  ['x:-1', /not a tag/],
  [`x:${'t'.repeat(129)}`, /not a tag/],
  ['x@sha256:abc', /64 lower-case hex digits/],
  [`x@sha512:${'ab'.repeat(64)}`, /64 lower-case hex digits/],
  [`x@${DIGEST.toUpperCase()}`, /64 lower-case hex digits/],
  ['example.com/', /no name/],
  ['exa mple.com/x', /white space/],
  ['-bad.example/x', /host name/],
  [`a/${'b'.repeat(255)}`, /255/],
];

for (const [given, why] of WRONG) {
  test(`"${given.slice(0, 40)}" is refused: ${why.source}`, () => {
    assert.throws(() => parseReference(given), { name: 'ParityError', kind: 'input', message: why });
  });
}

test('only this machine is spoken to in plain HTTP', () => {
  for (const host of ['localhost', 'localhost:5000', '127.0.0.1:5000', '127.9.9.9', '[::1]:5000']) {
    assert.ok(isLoopbackRegistry(host), host);
  }
  for (const host of ['localhost.example.com', '127.0.0.1.example.com', 'mcr.microsoft.com', '128.0.0.1', '[::2]']) {
    assert.ok(!isLoopbackRegistry(host), host);
  }
});
