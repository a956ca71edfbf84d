// The kind clusters that the tests share. Each is named to the tests by a variable; a test whose variable is missing
// skips itself.
import { readFileSync } from 'node:fs';
import process from 'node:process';
import {
  createCluster,
  deleteCluster,
  ensureEngine,
  kindClusters,
  nodeImages,
  run,
  waitUntilReady,
} from '../scripts/setup.mjs';

const LOCAL = 'CLPARITY_TEST_CLUSTER';
const CLUSTERS = {
  /** The local cluster under test: two nodes, enforces policies. */
  [LOCAL]: { name: 'clparity-test', workers: 1, image: 'enforcing' },
  /** A live target, to be like; made by `clparity create --engine cilium` where there is a node image with the manifest. */
  CLPARITY_TEST_TARGET: { name: 'clparity-target', workers: 0, image: 'enforcing', engine: 'cilium' },
  /** Accepts policies and enforces none; only the recipe's node image can do that. */
  CLPARITY_TEST_PLAIN: { name: 'clparity-plain', workers: 0, image: 'plain' },
};

const made = new Set();

/** The variable of the cluster that a test file names besides the local one. */
export function furtherCluster(file) {
  const text = readFileSync(file, 'utf8');
  return Object.keys(CLUSTERS).find((variable) => variable !== LOCAL && text.includes(variable));
}

/**
 * Makes what tests need, for one after another or for two at once (`lanes`): a local cluster for each lane, and each of the
 * `further` ones in a lane of its own. Returns the variables of each lane; says which cluster can't be had, and why.
 */
export async function testClusters(lanes, further) {
  await ensureEngine();
  const images = await nodeImages();
  const present = await kindClusters();
  const envs = Array.from({ length: lanes }, () => ({}));
  for (const [i, env] of envs.entries()) {
    for (const variable of [LOCAL, ...further.filter((_, n) => n % lanes === i)]) {
      const cluster = CLUSTERS[variable];
      const name = variable === LOCAL && i > 0 ? `${cluster.name}-${i + 1}` : cluster.name;
      if (present.includes(name) || (await makeCluster(name, cluster, images))) env[variable] = name;
    }
  }
  return envs;
}

/** Whether there is a node image for such a cluster, which is then made. */
async function makeCluster(name, { workers, image, engine }, images) {
  if (!images[image]) {
    console.log(`No ${name}: kind's own node image enforces policies, so there is no cluster that doesn't.`);
    return false;
  }
  made.add(name);
  if (engine && images.plain) await createWithEngine(name, images.plain, engine);
  else await createCluster(name, images[image], workers);
  return true;
}

/** A cluster of one node made by the command line itself, which `npm test` has built by now. */
async function createWithEngine(name, image, engine) {
  console.error(`Creating the kind cluster ${name} with ${engine} (${image}): takes a minute or two`);
  const options = ['--engine', engine, '--node-image', image, '--workers', '0'];
  await run(process.execPath, ['dist/cli.js', 'create', name, ...options, '--yes']);
  await waitUntilReady(name);
}

/** Deletes the clusters of these names that this run made (all when absent), unless CLPARITY_KEEP is set. */
export async function removeTestClusters(names = [...made]) {
  if (process.env.CLPARITY_KEEP) return;
  for (const name of names) if (made.delete(name)) await deleteCluster(name);
}
