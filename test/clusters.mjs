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

const CLUSTERS = {
  /** The local cluster under test: two nodes, enforces policies. */
  CLPARITY_TEST_CLUSTER: { name: 'clparity-test', workers: 1, image: 'enforcing' },
  /** A live target, to be like; made by `clparity create --engine cilium` where there is a node image with the manifest. */
  CLPARITY_TEST_TARGET: { name: 'clparity-target', workers: 0, image: 'enforcing', engine: 'cilium' },
  /** Accepts policies and enforces none; only the recipe's node image can do that. */
  CLPARITY_TEST_PLAIN: { name: 'clparity-plain', workers: 0, image: 'plain' },
};

const made = new Set();

/** Makes the clusters that aren't there. Returns the variables for the tests; says which cluster can't be had, and why. */
export async function testClusters(variables = Object.keys(CLUSTERS)) {
  await ensureEngine();
  const images = await nodeImages();
  const present = await kindClusters();
  const env = {};
  for (const variable of variables) {
    const { name, workers, image, engine } = CLUSTERS[variable];
    if (!present.includes(name)) {
      if (!images[image]) {
        console.log(`No ${name}: kind's own node image enforces policies, so there is no cluster that doesn't.`);
        continue;
      }
      made.add(name);
      if (engine && images.plain) await createWithEngine(name, images.plain, engine);
      else await createCluster(name, images[image], workers);
    }
    env[variable] = name;
  }
  return env;
}

/** A cluster of one node made by the command line itself, which `npm test` has built by now. */
async function createWithEngine(name, image, engine) {
  console.error(`Creating the kind cluster ${name} with ${engine} (${image}): takes a minute or two`);
  const options = ['--engine', engine, '--node-image', image, '--workers', '0'];
  await run(process.execPath, ['dist/cli.js', 'create', name, ...options, '--yes']);
  await waitUntilReady(name);
}

/**
 * Groups test files by the clusters that they name, so that one which few files need is there for those alone: an idle
 * cluster costs a fifth of a core. All files get CLPARITY_TEST_CLUSTER.
 */
export function filesByClusters(files) {
  const groups = new Map();
  for (const file of files) {
    const text = readFileSync(file, 'utf8');
    const variables = Object.keys(CLUSTERS).filter(
      (variable) => variable === 'CLPARITY_TEST_CLUSTER' || text.includes(variable),
    );
    const key = variables.join();
    groups.set(key, { variables, files: [...(groups.get(key)?.files ?? []), file] });
  }
  return groups.values();
}

/** Deletes the clusters of these variables that this run made, unless CLPARITY_KEEP is set. */
export async function removeTestClusters(variables = Object.keys(CLUSTERS)) {
  if (process.env.CLPARITY_KEEP) return;
  for (const variable of variables) {
    const { name } = CLUSTERS[variable];
    if (made.delete(name)) await deleteCluster(name);
  }
}
