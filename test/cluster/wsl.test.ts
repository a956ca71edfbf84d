import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { VouchedCluster } from '../../src/cluster/provider.ts';
import type { Diagnosis } from '../../src/doctor.ts';
import type { Plan } from '../../src/plan/model.ts';
import type { Report } from '../../src/report/model.ts';
import type { Connection } from '../../src/target/rest.ts';
import { type Windows, windows } from '../standins/windows.ts';
import { type WslMachine, wslMachine } from '../standins/wsl.ts';
import { type CliResult, clparity } from './cli.ts';
import { startRegistry, type TestRegistry } from './registry.ts';
import { pushStandInImage, type StandIn } from './standin-image.ts';
import { onCluster, openTestCluster } from './test-cluster.ts';

const TARGET = fileURLToPath(new URL('../fixtures/verify/target.yaml', import.meta.url));

/** A kubeconfig that only the distro has: nobody answers at the one context, and the cluster at the other. */
const kubeconfig = ({ server, ca = '', cert = '', key = '' }: Connection) => {
  const data = (text: string) => Buffer.from(text).toString('base64');
  const there = { server, 'tls-server-name': 'localhost', 'certificate-authority-data': data(ca) };
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    contexts: [
      { name: 'in-the-distro', context: { cluster: 'c', user: 'u' } },
      { name: 'elsewhere', context: { cluster: 'there', user: 'me' } },
    ],
    clusters: [
      { name: 'c', cluster: { server: 'https://127.0.0.1:1' } },
      { name: 'there', cluster: there },
    ],
    users: [
      { name: 'u', user: {} },
      { name: 'me', user: { 'client-certificate-data': data(cert), 'client-key-data': data(key) } },
    ],
  });
};

/** The stand-in's distro is made of namespaces. */
const apart = process.getuid?.() === 0 || process.env.CI ? onCluster : { skip: 'namespaces need root' };
/** On Windows, the distro of the real wsl.exe that has the cluster of CLPARITY_TEST_CLUSTER. */
const REAL = process.env.CLPARITY_TEST_WSL;

// Only there where it can run: what can't exist on this machine is no test of it.
if (REAL) {
  test('a real WSL distro: doctor, then mirror and proof', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'clparity-windows ü-'));
    await cp(TARGET, join(folder, 'target.yaml'));
    const run = (...args: string[]) => clparity([...args, '--host', `wsl:${REAL}`], { cwd: folder });
    const cluster = ['--cluster', `kind:${process.env.CLPARITY_TEST_CLUSTER}`];
    try {
      const found = JSON.parse((await run('doctor', '--image', 'none')).stdout) as Diagnosis[];
      assert.equal(found.find(({ title }) => title === 'Docker daemon')?.ok, true, JSON.stringify(found));
      const result = await run('sync', '--snapshot', 'target.yaml', '--image', 'none', '--yes', ...cluster);
      assert.equal(result.code, 0, `${result.stderr}\n${result.stdout}`);
    } finally {
      await run('remove', '--yes', ...cluster);
      await rm(folder, { recursive: true, force: true });
    }
  });
}

/**
 * The main job from a Windows program on a cluster in a WSL distro, with a stand-in for wsl.exe whose distro is a root file
 * system and namespaces of its own, where alone Docker's socket and the cluster's port are (see ../standins).
 */
describe('a WSL distro from Windows', apart, () => {
  let cluster: VouchedCluster;
  let machine: WslMachine;
  let world: Windows;
  let registry: TestRegistry;
  let image: StandIn;
  let folder: string;

  before(async () => {
    cluster = await openTestCluster();
    registry = await startRegistry();
    image = await pushStandInImage(registry.host, 'wsl/base', '3.0', { note: `made at ${Date.now()}` });
    folder = await mkdtemp(join(tmpdir(), 'clparity-windows ü-'));
    await cp(TARGET, join(folder, 'target.yaml'));
    machine = await wslMachine(['Stand-In Stopped 2', 'docker-desktop Running 2'], 'apart');
    const home = join(machine.state, 'files', 'home', 'dev');
    await mkdir(join(home, '.kube'), { recursive: true });
    await writeFile(join(home, '.kube', 'config'), kubeconfig(cluster.connection));
    await clparity(['remove', '--yes', '--cluster', cluster.id], { cwd: folder });
    world = await windows(machine, [port(registry.host)]);
  });
  after(async () => {
    if (cluster) await clparity(['remove', '--yes', '--cluster', cluster.id], { cwd: folder });
    await world?.close();
    await machine?.remove();
    await registry?.close();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  const port = (host: string) => Number(host.split(':').at(-1));
  const run = (args: readonly string[], at?: RegExp, then?: () => void): Promise<CliResult> =>
    world.run([...args, '--host', 'wsl:Stand-In'], {
      cwd: folder,
      ...(at && { interruptAt: at }),
      ...(then && { signal: then }),
    });
  const sync = (at?: RegExp, then?: () => void) => {
    const options = ['--snapshot', 'target.yaml', '--engine', 'cilium', '--image', image.reference, '--yes'];
    return run(['sync', ...options, '--cluster', cluster.id], at, then);
  };
  const diagnosed = ({ stdout }: CliResult) => JSON.parse(stdout) as Diagnosis[];

  test('Docker is nowhere but in the distro; so are the kubeconfig and the cluster', async () => {
    const outside = await world.run(['doctor', '--image', 'none'], { cwd: folder });
    assert.equal(outside.code, 3, outside.stderr);
    assert.equal(diagnosed(outside).find(({ title }) => title === 'Docker daemon')?.ok, false);
    const inside = diagnosed(await run(['doctor', '--image', 'none']));
    const detail = (title: string) => inside.find((one) => one.title === title);
    assert.equal(detail('Docker daemon')?.ok, true, JSON.stringify(inside));
    assert.match(detail('Local clusters')?.detail ?? '', new RegExp(cluster.id));
    assert.equal(detail('kubeconfig contexts')?.detail, 'in-the-distro, elsewhere');
  });

  test('a user who may not use the socket is told of the group, and that the distro has to restart', async () => {
    await machine.set('not-in-group');
    try {
      const docker = diagnosed(await run(['doctor', '--image', 'none'])).find(({ title }) => title === 'Docker daemon');
      assert.equal(docker?.ok, false);
      assert.match(docker?.detail ?? '', /permission denied.*not in the group/s);
      assert.match(docker?.fix ?? '', /usermod -aG .*"wsl\.exe --terminate Stand-In"/);
    } finally {
      await machine.unset('not-in-group');
    }
  });

  test('a distro that stops in the middle is named; nothing is half done', async () => {
    let over = false;
    // Again and again: whatever takes longer than a moment is hit, and a single stop may fall between two calls.
    const stop = async () => {
      while (!over) await machine.wsl('--terminate', 'Stand-In');
    };
    const stopped = await sync(/Pull .* …/, () => void stop());
    over = true;
    assert.equal(stopped.code, 3, `${stopped.stderr}\n${stopped.stdout}`);
    assert.match(stopped.stderr, /Stand-In/);
    const plan = await run(['plan', '--snapshot', 'target.yaml', '--image', 'none', '--cluster', cluster.id]);
    assert.equal(plan.code, 1, plan.stderr);
    assert.equal((JSON.parse(plan.stdout) as Plan).objects.filter(({ action }) => action === 'create').length, 6);
  });

  test('sync makes the cluster equal and proves it, through the distro', async () => {
    const result = await sync();
    assert.equal(result.code, 0, `${result.stderr}\n${result.stdout}`);
    const report = JSON.parse(result.stdout) as Report;
    assert.equal(report.equal, true);
    assert.equal(report.verify?.enforcement.enforced, true);
    assert.ok(report.changes.some((change) => change.includes('NetworkPolicy')));
    assert.ok((await readFile(join(folder, 'clparity.lock.json'), 'utf8')).includes(image.digest));
    const again = await run(['plan', '--snapshot', 'target.yaml', '--image', image.reference, '--cluster', cluster.id]);
    assert.equal(again.code, 0, `${again.stderr}\n${again.stdout}`);
  });

  test("a cluster elsewhere that the distro's kubeconfig knows gets the image and the policies, and no packets", async () => {
    // A server on the internet is one that Windows reaches, too.
    const wide = await windows(machine, [port(registry.host), port(cluster.connection.server)]);
    const far = (verb: string, ...more: string[]) => {
      const listed = ['--remote-uid', cluster.uid, '--remote-registry', `${registry.host}/team`];
      const place = ['--cluster', 'remote:elsewhere', '--namespace-prefix', 'far-', '--host', 'wsl:Stand-In'];
      return wide.run([verb, ...place, ...listed, '--yes', ...more], { cwd: folder });
    };
    try {
      const options = ['--snapshot', 'target.yaml', '--engine', 'cilium', '--image', image.reference];
      const result = await far('sync', ...options);
      // What nobody measured is not equal.
      assert.equal(result.code, 1, `${result.stderr}\n${result.stdout}`);
      const { changes, findings, verify } = JSON.parse(result.stdout) as Report;
      assert.match(changes.join('\n'), new RegExp(`loaded .* into ${registry.host}/team`));
      assert.match(changes.join('\n'), /NetworkPolicy far-/);
      const states = findings.map(({ layer, state }) => `${layer} ${state}`);
      assert.ok(states.includes('base image equal') && states.includes('connections unknown'), states.join());
      assert.equal(verify, undefined);
    } finally {
      const removed = await far('remove');
      await wide.close();
      assert.equal(removed.code, 0, removed.stderr);
    }
  });

  test('a distro that does not exist is refused with those that do', async () => {
    const result = await world.run(['load', '--host', 'wsl:Debian', '--yes'], { cwd: folder });
    assert.equal(result.code, 2, result.stderr);
    assert.match(result.stderr, /There is no WSL distro Debian[\s\S]*Stand-In/);
  });
});
