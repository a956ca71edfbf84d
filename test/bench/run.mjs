// `npm run bench`: how long loading an image takes, beside kind's own ways. Works on the kind cluster clparity-test, made
// where it isn't there and then deleted again (CLPARITY_KEEP=1 leaves it). `npm run bench policy`: how long policies of
// clusters of several sizes take to parse and evaluate. One JSON object a line on standard output.
import { spawnSync } from 'node:child_process';
import { bootstrap } from '../../scripts/bootstrap.mjs';

bootstrap();
if (process.argv[2] === 'policy') await benchPolicies();
else await benchImages();

async function benchPolicies() {
  const { CASES } = await import('./policy.ts');
  for (const number of CASES.keys()) {
    const { status } = spawnSync(process.execPath, ['test/bench/policy.ts', `${number}`], { stdio: 'inherit' });
    if (status !== 0) process.exitCode = 1;
  }
}

async function benchImages() {
  const { removeTestClusters, testClusters } = await import('../clusters.mjs');
  const { benchLoad } = await import('./load.ts');
  try {
    const { CLPARITY_TEST_CLUSTER: cluster } = testClusters(['CLPARITY_TEST_CLUSTER']);
    for (const megabytes of [20, 200]) {
      for await (const result of benchLoad(cluster, megabytes)) console.log(JSON.stringify(result));
    }
  } finally {
    removeTestClusters();
  }
}
