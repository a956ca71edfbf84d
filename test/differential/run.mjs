// `npm run differential`: random policies on a real Cilium, packets between random pods, compared with the evaluator.
// Makes a kind cluster with two nodes and deletes it at the end, unless CLPARITY_TEST_CLUSTER names one to take.
// Options: see play.ts. Some hundred policies take half an hour: `--worlds=8 --rounds=25`.
import { spawnSync } from 'node:child_process';
import { bootstrap } from '../../scripts/bootstrap.mjs';

bootstrap();
const { createCluster, deleteCluster, ensureEngine, nodeImages } = await import('../../scripts/setup.mjs');

const NAME = 'clparity-differential';
const given = process.env.CLPARITY_TEST_CLUSTER;
if (!given) {
  await ensureEngine();
  await createCluster(NAME, (await nodeImages()).enforcing, 1);
}
try {
  const env = { ...process.env, CLPARITY_TEST_CLUSTER: given ?? NAME };
  const { status } = spawnSync(process.execPath, ['test/differential/play.ts', ...process.argv.slice(2)], {
    stdio: 'inherit',
    env,
  });
  process.exitCode = status ?? 1;
} finally {
  if (!given && !process.env.CLPARITY_KEEP) await deleteCluster(NAME);
}
