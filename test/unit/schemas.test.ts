import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Ajv } from 'ajv';
import { parse } from 'yaml';
import { quietRun } from '../../src/host/run.ts';
import { formatLock } from '../../src/image/lock.ts';
import { readTarget } from '../../src/snapshot/files.ts';
import { formatSnapshot } from '../../src/snapshot/write.ts';

/** What a schema of ours finds wrong. */
function check(name: string): (value: unknown) => string[] {
  const ajv = new Ajv({ strict: false, formats: { 'date-time': true } });
  const validate = ajv.compile(JSON.parse(readFileSync(`schemas/${name}.schema.json`, 'utf8')));
  return (value) => (validate(value) ? [] : (validate.errors ?? []).map((e) => `${e.instancePath} ${e.message}`));
}

const digest = `sha256:${'a'.repeat(64)}`;

test('the lock file that we write fits its schema; a digest cut short does not', () => {
  const lock = {
    ...{ reference: 'registry.example/base:3.0', repository: 'registry.example/base', tag: '3.0', digest },
    ...{ platform: 'linux/amd64', manifestDigest: digest, configDigest: digest, diffIds: [digest], size: 1 },
    ...{ resolvedAt: '2026-01-01T00:00:00Z', index: '{\n}', manifest: '{\n}', origin: 'registry' as const },
  };
  const faults = check('lock');
  const text = formatLock([lock, { ...lock, synthetic: true }]);
  assert.deepEqual(faults(JSON.parse(text)), []);
  assert.equal(faults(JSON.parse(text.replace(digest, 'sha256:aa'))).length, 1);
  assert.equal(faults({ version: 2, images: [] }).length, 1);
});

test('snapshots that we write fit their schema; one of another version does not', async () => {
  const faults = check('snapshot');
  for (const target of ['test/fixtures/shop', 'test/fixtures/dialects']) {
    const text = formatSnapshot(await readTarget(target, quietRun()));
    assert.deepEqual(faults(parse(text)), []);
    assert.equal(faults({ ...parse(text), schema: 'clparity/v0' }).length, 1);
  }
});

test('expected connections: what the reader takes fits, and what it refuses does not', () => {
  const faults = check('expectations');
  const good = { from: 'shop/Deployment/web', to: 'ip:10.0.0.1', port: 80, allowed: true };
  assert.deepEqual(faults([good, { ...good, to: 'dns:example.com', protocol: 'UDP' }]), []);
  const bad = [[], [{ ...good, port: 0 }], [{ ...good, allow: true }], [{ from: 'a/b', to: 'a/b', port: 1 }]];
  for (const one of [...bad, [{ ...good, from: 'web' }], [{ ...good, protocol: 'ICMP' }]]) {
    assert.notDeepEqual(faults(one), [], JSON.stringify(one));
  }
});

test('nothing that we store is a secret: none goes to the editor, and no setting is for one', () => {
  const source = execFileSync('git', ['ls-files', 'src'], { encoding: 'utf8' }).trim().split('\n');
  const storing = source.filter((path) => /globalState|workspaceState|\.secrets\b/.test(readFileSync(path, 'utf8')));
  assert.deepEqual(
    storing.filter((path) => /\b(password|token|secret)\w*\b/i.test(readFileSync(path, 'utf8'))),
    [],
    'what a front end keeps is no credential',
  );
  const { contributes } = JSON.parse(readFileSync('package.json', 'utf8'));
  const settings = Object.keys(contributes.configuration.properties);
  assert.deepEqual(
    settings.filter((name) => /pass|token|secret|credential|key$/i.test(name)),
    [],
  );
});
