// `npm run bench load`: how long loading an image takes, beside kind's own ways, in the same run on this machine. One
// JSON object a line on standard output. Clusters of one and of three nodes and a second Docker daemon that keeps images
// in containerd are made for it and taken away again (CLPARITY_KEEP=1 leaves the clusters). `--quick`: one round, small.
// `npm run bench editor`: how long the extension takes to start, how large its package is; red above our own limits.
// `npm run bench policy`: how long policies of clusters of several sizes take to parse and evaluate.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bootstrap, ROOT } from '../../scripts/bootstrap.mjs';

bootstrap();
const { createCluster, deleteCluster, ensureEngine, kindClusters, nodeImages, run } = await import(
  '../../scripts/setup.mjs'
);
const { benchLoad } = await import('./load.ts');
const { benchEditor } = await import('./editor.ts');
const { CASES } = await import('./policy.ts');
const { must } = await import('./bench-images.ts');
const { startContainerdStore } = await import('../cluster/containerd-store.ts');

const quick = process.argv.includes('--quick');
/** `--nodes=1`, `--backend=overlay2`, `--mb=1000`, `--rounds=3`, `--case=top` (first, nothing): less than everything. */
const chosen = (name) => new RegExp(`--${name}=(\\w+)`).exec(process.argv.join(' '))?.[1];
const folder = mkdtempSync(join(tmpdir(), 'clparity-bench-'));
const made = [];

async function cluster(nodes) {
  const name = `clparity-bench${nodes}`;
  const images = await nodeImages();
  if (!(await kindClusters()).includes(name)) {
    made.push(name);
    await createCluster(name, images.plain || images.enforcing, nodes - 1);
  }
  return { cluster: name, nodes: (await must(['kind', 'get', 'nodes', '--name', name])).split('\n') };
}

function policy() {
  for (const number of CASES.keys()) {
    // A process of its own for each, for the memory.
    const { status } = spawnSync(process.execPath, ['test/bench/policy.ts', `${number}`], { stdio: 'inherit' });
    if (status !== 0) process.exitCode = 1;
  }
}

async function load() {
  await ensureEngine();
  await run(process.execPath, [join(ROOT, 'scripts', 'build.mjs'), '--bench', '--production']);
  const program = join(ROOT, 'dist-test', 'load-once.js');
  const sizes = chosen('mb') ? [Number(chosen('mb'))] : quick ? [50] : [250, 1000];
  const only = chosen('case');
  const rounds = Number(chosen('rounds') ?? (quick ? 1 : 5));
  const store = await startContainerdStore();
  try {
    for (const nodes of chosen('nodes') ? [Number(chosen('nodes'))] : [1, 3]) {
      const place = await cluster(nodes);
      for (const [backend, socket] of [
        ['overlay2', '/var/run/docker.sock'],
        ['containerd', store.socket],
      ]) {
        if (chosen('backend') && chosen('backend') !== backend) continue;
        for (const megabytes of sizes) {
          for await (const result of benchLoad({
            ...place,
            program,
            backend,
            socket,
            megabytes,
            rounds,
            folder,
            only,
          })) {
            console.log(JSON.stringify(result));
          }
        }
      }
    }
  } finally {
    await store.close();
  }
}

async function editor() {
  await run('npm', ['run', '-s', 'package']);
  for await (const line of benchEditor('container-linux-parity.vsix')) {
    console.log(JSON.stringify(line));
    if (line.value > line.limit) process.exitCode = 1;
  }
}

const BENCHES = { load, policy, editor };
const bench = BENCHES[process.argv[2] ?? 'load'];
if (!bench) throw new Error(`There is no bench ${process.argv[2]}: ${Object.keys(BENCHES).join(', ')}`);
try {
  await bench();
} finally {
  if (!process.env.CLPARITY_KEEP) for (const name of made) await deleteCluster(name);
  rmSync(folder, { recursive: true, force: true });
}
