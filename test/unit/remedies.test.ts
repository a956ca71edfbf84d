import assert from 'node:assert/strict';
import { test } from 'node:test';
import { remediesOf } from '../../src/ui/remedies.ts';

const commands = new Set(['create', 'selectCluster', 'selectTarget']);

test('a fix offers what it names', () => {
  assert.deepEqual(
    remediesOf('Start Docker (for example "sudo systemctl start docker"), or run "clparity doctor".', commands),
    [{ kind: 'terminal', line: 'sudo systemctl start docker' }],
  );
  assert.deepEqual(remediesOf('clparity create', commands), [{ kind: 'command', command: 'clparity.create' }]);
  assert.deepEqual(remediesOf('Install kind: https://kind.sigs.k8s.io/docs/.', commands), [
    { kind: 'page', url: 'https://kind.sigs.k8s.io/docs/' },
  ]);
  assert.deepEqual(remediesOf('Check the network.', commands), []);
});

test('an option is what asks for it, once, or its setting', () => {
  assert.deepEqual(remediesOf('Pick one, for example with "--cluster kind:dev".', commands), [
    { kind: 'command', command: 'clparity.selectCluster' },
  ]);
  assert.deepEqual(remediesOf('Name one with --context NAME (a context) or --snapshot PATH (a file).', commands), [
    { kind: 'command', command: 'clparity.selectTarget' },
  ]);
  assert.deepEqual(remediesOf('Ask its owner, or leave its namespace out with --exclude NAMESPACE.', commands), [
    { kind: 'setting', key: 'clparity.excludeNamespaces' },
  ]);
});

test("another program's options are not ours", () => {
  assert.deepEqual(remediesOf('See kubectl --context production get nodes', commands), []);
  assert.deepEqual(remediesOf('Delete it with "kind delete cluster --name dev".', commands), [
    { kind: 'terminal', line: 'kind delete cluster --name dev' },
  ]);
});
