import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { findCluster, listAll } from '../../src/cluster/index.ts';
import { microk8sProvider } from '../../src/cluster/microk8s.ts';
import { importFailures } from '../../src/cluster/microk8s-import.ts';
import { checkNodes } from '../../src/cluster/microk8s-vouch.ts';
import type { Provider } from '../../src/cluster/provider.ts';
import { environmentError, ParityError, refusedError } from '../../src/host/errors.ts';
import type { ExecResult } from '../../src/host/host.ts';
import { quietRun } from '../../src/host/run.ts';
import { parseSandboxes } from '../../src/verify/netns.ts';
import { said, standInHost } from './stand-in-host.ts';

/** What the wrappers print, by canonical/microk8s: scripts/wrappers/status.py and common/utils.py. */
const RUNNING = 'microk8s:\n  running: True\nhigh-availability:\n  enabled: False\n  nodes:\naddons:\n';
const STOPPED =
  'microk8s:\n  running: False\n   message: microk8s is not running. Use microk8s inspect for a deeper inspection.\n';
const FORBIDDEN = [
  'Insufficient permissions to access MicroK8s.',
  "You can either try again with sudo or add the user me to the 'microk8s' group:",
  '',
  '    sudo usermod -a -G microk8s me',
  '    sudo chown -R me ~/.kube',
  '',
  "After this, reload the user groups either via a reboot or by running 'newgrp microk8s'.",
].join('\n');

interface World {
  readonly status: ExecResult;
  readonly sudo?: ExecResult | Error;
  readonly nodes?: readonly object[];
  readonly env?: Record<string, string>;
  readonly imported?: ExecResult;
  readonly asked?: string[];
}

function microk8sOn(world: World): Provider {
  const { status, sudo = said(''), nodes = [node('here', 'id-1', '10.0.0.1')], env = {} } = world;
  return microk8sProvider(
    standInHost({
      name: 'local',
      env,
      exec(argv, { user }) {
        const line = argv.join(' ');
        world.asked?.push(`${user === 'root' ? 'root: ' : ''}${line}`);
        if (user === 'root') return argv[0] === 'true' ? sudo : said('');
        if (argv[0] === 'sh') return said('/snap/bin/microk8s\n');
        if (line.includes(' status ')) return status;
        if (line.includes(' get nodes ')) return said(JSON.stringify({ items: nodes }));
        if (line === 'cat /etc/machine-id') return said('id-1\n');
        if (line === 'hostname') return said('Here\n');
        if (line.includes(' images import')) return world.imported ?? said('');
        return undefined;
      },
    }),
  );
}

function node(name: string, machineID: string, address: string, labels = {}) {
  return {
    metadata: { name, labels: { 'microk8s.io/cluster': 'true', ...labels } },
    status: { nodeInfo: { machineID }, addresses: [{ type: 'InternalIP', address }] },
  };
}

const one = async (world: World) => (await microk8sOn(world).list(quietRun()))[0];

describe('MicroK8s, as its commands tell of it', () => {
  test('a host without it has none, and nothing is asked of another system', async () => {
    const without = microk8sProvider(standInHost({ exec: (argv) => (argv[0] === 'sh' ? said('', 1) : undefined) }));
    assert.deepEqual(await without.list(quietRun()), []);
    assert.deepEqual(await microk8sProvider(standInHost({ platform: 'win32' })).list(quietRun()), []);
  });

  test('not running: listed, with the command that starts it, and vouching says so', async () => {
    const world = { status: said(STOPPED, 1) };
    const cluster = await one(world);
    assert.equal(cluster?.id, 'microk8s');
    assert.deepEqual(cluster.nodes, []);
    assert.match(cluster.fault?.message ?? '', /not running/);
    assert.match(cluster.fault?.action ?? '', /microk8s start/);
    await assert.rejects(
      microk8sOn(world).vouch(cluster, quietRun()),
      (error) =>
        error instanceof ParityError && error.kind === 'environment' && /microk8s start/.test(error.action ?? ''),
    );
  });

  test('no permission: the group, and the restart that it takes, in WSL too', async () => {
    const fault = (await one({ status: said(FORBIDDEN, 1) }))?.fault;
    assert.match(fault?.action ?? '', /usermod -a -G microk8s \$USER", then log out/);
    const strict = FORBIDDEN.replace('-G microk8s', '-G snap_microk8s');
    const inWsl = (await one({ status: said(strict, 1), env: { WSL_DISTRO_NAME: 'Ubuntu' } }))?.fault;
    assert.match(inWsl?.action ?? '', /-G snap_microk8s \$USER", then run "wsl -t Ubuntu"/);
  });

  test('a worker of another machine is told so', async () => {
    const status = said('This MicroK8s deployment is acting as a node in a cluster.\nPlease use the master node.\n', 1);
    assert.match((await one({ status }))?.fault?.message ?? '', /worker of another machine/);
  });

  test('a sudo that would ask for a password closes the node, and nothing is run there', async () => {
    const asked: string[] = [];
    const cluster = await one({ status: said(RUNNING), sudo: said('', 1, 'sudo: a password is required\n'), asked });
    assert.match(cluster?.nodes[0]?.closed ?? '', /sudo asks for a password/);
    await assert.rejects(
      cluster?.exec('here', ['id'], { signal: AbortSignal.timeout(1000) }) ?? Promise.resolve(),
      /Nothing can be run in node here: that needs root/,
    );
    assert.deepEqual(
      asked.filter((line) => line.startsWith('root: ')),
      ['root: true'],
    );
    const without = await one({ status: said(RUNNING), sudo: environmentError('sudo was not found on the PATH') });
    assert.match(without?.nodes[0]?.closed ?? '', /sudo was not found/);
  });

  test('this machine is found by its ID, and by its name among copies; other machines are closed', async () => {
    const worker = node('there', 'id-2', '10.0.0.2', { 'node.kubernetes.io/microk8s-worker': 'microk8s-worker' });
    const nodes = [node('here', 'id-1', '10.0.0.1'), worker];
    const cluster = await one({ status: said(RUNNING), nodes });
    assert.deepEqual(
      cluster?.nodes.map(({ name, role, closed }) => [name, role, closed]),
      [
        ['here', 'control-plane', undefined],
        ['there', 'worker', 'it is another machine'],
      ],
    );
    const copies = await one({ status: said(RUNNING), nodes: [node('there', 'id-1', '10.0.0.2'), nodes[0] ?? {}] });
    assert.deepEqual(
      copies?.nodes.map(({ closed }) => closed),
      ['it is another machine', undefined],
    );
  });

  test('an import that failed on some nodes is told by its lines: it exits with 0', async () => {
    const nodes = [
      node('here', 'id-1', '10.0.0.1'),
      node('there', 'id-2', '10.0.0.2'),
      node('gone', 'id-3', '10.0.0.3'),
    ];
    const imported = said(
      [
        'Pushing OCI images to 10.0.0.1:25000',
        'Pushing OCI images to 10.0.0.2:25000',
        'Failed to import images on 10.0.0.2:25000: {"error": "ctr: no space left on device"}',
        'Pushing OCI images to 10.0.0.3:25000',
        "Failed to reach 10.0.0.3:25000: HTTPSConnectionPool(host='10.0.0.3', port=25000): Max retries exceeded",
      ].join('\n'),
    );
    const cluster = await one({ status: said(RUNNING), nodes, imported });
    const failures = await cluster?.importer?.import('' as never, AbortSignal.timeout(1000));
    assert.deepEqual(
      [...(failures ?? [])].map(([name]) => name),
      ['there', 'gone'],
    );
    assert.match(failures?.get('there') ?? '', /no space left/);
    assert.match(failures?.get('gone') ?? '', /Max retries/);
  });

  test('a node that the import does not speak of was left out', () => {
    const nodes = [node('here', 'id-1', '10.0.0.1'), node('there', 'id-2', '10.0.0.2')];
    const names = [{ name: 'here' }, { name: 'there' }];
    const failures = importFailures('Pushing OCI images to 10.0.0.1:25000\n', nodes, names);
    assert.deepEqual([...failures], [['there', 'MicroK8s sent nothing there']]);
    assert.equal(
      importFailures('Pushing OCI images to 127.0.0.1:25000\n', nodes.slice(0, 1), names.slice(0, 1)).size,
      0,
    );
  });

  test('chosen by its name alone, beside others; one provider that fails hides no other', async () => {
    const broken: Provider = {
      ...microk8sOn({ status: said(RUNNING) }),
      name: 'broken',
      list: async () => {
        throw environmentError('the daemon refuses');
      },
    };
    const all = [broken, microk8sOn({ status: said(RUNNING) })];
    assert.equal((await findCluster('microk8s', all, quietRun())).id, 'microk8s');
    const warnings: string[] = [];
    await listAll(
      all,
      quietRun(undefined, (_, message) => warnings.push(message)),
    );
    assert.deepEqual(warnings, ['the daemon refuses']);
    await assert.rejects(listAll([broken], quietRun()), /the daemon refuses/);
  });
});

test('sandboxes as ctr prints them, one after another', () => {
  const info = (uid: string, namespaces: object[]) =>
    JSON.stringify(
      { ID: 'x', Labels: { 'io.kubernetes.pod.uid': uid }, Image: 'pause:3', Spec: { linux: { namespaces } } },
      null,
      4,
    );
  const text = `${info('a', [{ type: 'network', path: '/var/run/netns/a' }])}\n${info('b', [{ type: 'pid' }])}\n`;
  assert.deepEqual(parseSandboxes(text, 'n'), [
    ['a', { node: 'n', path: '/var/run/netns/a', sandboxImage: 'pause:3' }],
  ]);
});

test('MicroK8s is not vouched for with a node that is not ready, not its own, or unknown to it', () => {
  const ready = (status: string, message = '') => ({ status: { conditions: [{ type: 'Ready', status, message }] } });
  const mine = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'a', labels: { 'microk8s.io/cluster': 'true' } } };
  const cluster = { id: 'microk8s', nodes: [{ name: 'a', role: 'control-plane' as const }] };
  const refuse = (what: string) => refusedError(what);
  const check = (...nodes: object[]) => checkNodes(cluster, { nodes: nodes as (typeof mine)[] }, refuse);
  check({ ...mine, ...ready('True') });
  const is = (kind: string, says: RegExp) => (error: unknown) =>
    error instanceof ParityError && error.kind === kind && says.test(`${error.message} ${error.action ?? ''}`);
  assert.throws(
    () => check({ ...mine, ...ready('False', 'PLEG is not healthy') }),
    is('environment', /Node a .*not ready: PLEG is not healthy.*remove-node a/),
  );
  assert.throws(() => check(mine), is('environment', /not ready: it says nothing/));
  const foreign = { ...mine, metadata: { name: 'a' }, ...ready('True') };
  assert.throws(() => check(foreign), is('refused', /without the label microk8s.io\/cluster=true/));
  const other = { ...mine, metadata: { ...mine.metadata, name: 'b' }, ...ready('True') };
  assert.throws(() => check({ ...mine, ...ready('True') }, other), is('refused', /knows the nodes a, b, .* sees a/));
});
