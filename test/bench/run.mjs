// `npm run bench`: how long loading an image takes, beside kind's own ways. One JSON object a line on standard output.
// Works on the kind cluster clparity-test, made where it isn't there and then deleted again (CLPARITY_KEEP=1 leaves it).
import { bootstrap } from '../../scripts/bootstrap.mjs';

bootstrap();
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
