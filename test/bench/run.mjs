// `npm run bench load`: how long loading an image takes, beside kind's own ways, in the same run on this machine. One
// JSON object a line on standard output. Clusters of one and of three nodes and a second Docker daemon that keeps images
// in containerd are made for it and taken away again (CLPARITY_KEEP=1 leaves the clusters). `--quick`: one round, small.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { bootstrap, ROOT } from '../../scripts/bootstrap.mjs';

bootstrap();
const { createCluster, deleteCluster, ensureEngine, kindClusters, nodeImages, run } = await import(
  '../../scripts/setup.mjs'
);
const { benchLoad } = await import('./load.ts');
const { must } = await import('./bench-images.ts');

const quick = process.argv.includes('--quick');
const only = /--nodes=(\d)/.exec(process.argv.join(' '))?.[1];
const folder = mkdtempSync(join(tmpdir(), 'clparity-bench-'));
const made = [];

async function cluster(nodes) {
  const name = `clparity-bench${nodes}`;
  const images = nodeImages();
  if (!kindClusters().includes(name)) {
    made.push(name);
    createCluster(name, images.plain || images.enforcing, nodes - 1);
  }
  return { cluster: name, nodes: (await must(['kind', 'get', 'nodes', '--name', name])).split('\n') };
}

/** A daemon that builds, saves and pushes, and runs nothing. */
async function containerdStore() {
  const place = join(folder, 'dockerd');
  mkdirSync(place);
  const socket = join(place, 'docker.sock');
  const args = ['-H', `unix://${socket}`, '--data-root', join(place, 'data'), '--exec-root', join(place, 'exec')];
  const flags = ['--pidfile', join(place, 'pid'), '--bridge', 'none', '--iptables=false', '--ip6tables=false'];
  const daemon = spawn('dockerd', [...args, ...flags, '--feature', 'containerd-snapshotter=true'], { stdio: 'ignore' });
  for (let i = 0; ; i++) {
    try {
      await must(['docker', '-H', `unix://${socket}`, 'info']);
      return { socket, daemon };
    } catch (error) {
      if (i > 60 || daemon.exitCode !== null) throw error;
      await sleep(500);
    }
  }
}

async function load() {
  run(process.execPath, [join(ROOT, 'scripts', 'build.mjs'), '--bench', '--production']);
  const program = join(ROOT, 'dist-test', 'load-once.js');
  const sizes = quick ? [50] : [250, 1000];
  const rounds = quick ? 1 : 5;
  const store = await containerdStore();
  try {
    for (const nodes of only ? [Number(only)] : [1, 3]) {
      const place = await cluster(nodes);
      for (const [backend, socket] of [
        ['overlay2', '/var/run/docker.sock'],
        ['containerd', store.socket],
      ]) {
        for (const megabytes of sizes) {
          for await (const result of benchLoad({ ...place, program, backend, socket, megabytes, rounds, folder })) {
            console.log(JSON.stringify(result));
          }
        }
      }
    }
  } finally {
    store.daemon.kill();
    await new Promise((resolve) => store.daemon.once('exit', resolve));
  }
}

const BENCHES = { load };
const bench = BENCHES[process.argv[2] ?? 'load'];
if (!bench) throw new Error(`There is no bench ${process.argv[2]}: ${Object.keys(BENCHES).join(', ')}`);
try {
  ensureEngine();
  await bench();
} finally {
  if (!process.env.CLPARITY_KEEP) for (const name of made) deleteCluster(name);
  rmSync(folder, { recursive: true, force: true });
}
